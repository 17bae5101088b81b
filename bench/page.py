"""The files that a comparison leaves: tables, plots, and the page of the documentation."""

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
    from bench import plots  # matplotlib is needed for these alone

    return plots.draw_all(report, output)


def write_docs(report: Report, pictures: Sequence[Path], docs: Path) -> None:
    """Write the page of the documentation about a report, and the pictures that it shows."""
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
    yield "Written by `hatch run bench:docs`; to be had again, figures included, on another machine."
    yield "`hatch run bench:compare --filter TEXT` runs some of the cases, `--list` names them; with "
    yield "`--main REV` the peer `main` is another commit."
    yield ""
    yield (
        f"Taken on {told['date']}: {told['processor']}, {told['cores']} cores, {told['system']}, "
        f"{report.sizes} sizes."
    )
    yield tables.noise(report)
    yield ""
    yield "Each peer has an interpreter of its own. In each round every peer does the case once, the"
    yield "first one in turn; what it returns is compared with what numpy expects before it is timed."
    yield "A figure is the middle one of all rounds, ± half of what the middle half of them spans."
    yield ""
    yield from tables.versions(report)
    for name, caption in CAPTIONS.items():
        if any(picture.stem == name for picture in pictures):
            yield f"![{caption}](images/benchmarks-{name}.svg)"
            yield ""
            yield f"*{caption}*"
            yield ""
    yield tables.all_tables(report)
