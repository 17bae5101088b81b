"""Output files of a comparison: tables, plots, and the page of the documentation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import tables
from bench.report import Report

TABLES = "tables.md"


def write_output(report: Report, output: Path) -> list[Path]:
    """Write tables and plots of a report; return the plots."""
    (output / TABLES).write_text(tables.all_tables(report))
    from bench import plots  # only the plots need matplotlib

    return plots.draw_all(report, output)


def write_docs(report: Report, pictures: Sequence[Path], docs: Path) -> None:
    """Write the page of the documentation about a report, with its pictures."""
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob("benchmarks-*"):
        old.unlink()
    for picture in pictures:
        shutil.copyfile(picture, images / f"benchmarks-{picture.name}")
    (docs / "benchmarks.md").write_text("\n".join(lines(report, pictures)))


CAPTIONS = {
    "ratios": "Time of each peer over that of this checkout. Hollow: format 2.",
    "scale": "Time for each chunk, by how many there are in a selection.",
    "requests": "Requests of one run, as the server counted them; format 2 where it takes others.",
}


def lines(report: Report, pictures: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of the page."""
    told = report.machine
    yield "# Benchmarks"
    yield ""
    yield "`hatch run bench:docs` takes all figures and writes this page with its pictures; it is the one"
    yield "command to run, on a quiet machine. `hatch run bench:compare --filter TEXT` runs some of the"
    yield "cases, `--list` names them; with `--main REV` the peer `main` is another commit."
    yield ""
    yield (
        f"Taken on {told['date']}: {told['processor']}, {told['cores']} cores, {told['system']}, "
        f"{report.sizes} sizes."
    )
    yield tables.noise(report)
    yield ""
    yield "Each peer has an interpreter of its own. In each round every peer does the case once, and each"
    yield "round begins with another peer. Results are compared with NumPy's before anything is timed."
    yield "A figure is the median of all rounds, with the interquartile range (IQR) in percent of the"
    yield "median; of fewer than four rounds, the whole range. HTTP and S3 are servers on this machine,"
    yield "which wait before each answer and read no signatures."
    yield ""
    yield from tables.versions(report)
    for name, caption in CAPTIONS.items():
        if any(picture.stem == name for picture in pictures):
            yield f"![{caption}](images/benchmarks-{name}.svg)"
            yield ""
            yield f"*{caption}*"
            yield ""
    yield tables.all_tables(report)
