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
    "ratios": "Time of each peer divided by the time of this checkout. Hollow markers: format 2.",
    "scale": "Time per chunk against the number of chunks in the selection.",
    "requests": "Number of requests in one run, counted at the server. "
    "Format 2 is shown only if its number of requests differs.",
}


def lines(report: Report, pictures: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of the page."""
    told = report.machine
    yield "# Benchmarks"
    yield ""
    yield "`hatch run bench:docs` measures all figures, and writes this page and its pictures. Run"
    yield "this command on a machine that does nothing else."
    yield "`hatch run bench:compare --filter TEXT` runs only the cases whose names contain TEXT, and"
    yield "`hatch run bench:compare --list` prints the names of all cases. With `--main REV`, the"
    yield "commit REV is measured as the peer `main`."
    yield ""
    yield (
        f"The figures were measured on {told['date']}: {told['processor']}, {told['cores']} cores, "
        f"{told['system']}, sizes of the cases: {report.sizes}."
    )
    yield tables.noise(report)
    yield ""
    yield "Each peer runs in its own Python interpreter. In each round, every peer runs the case"
    yield "once, and the first peer of the round changes from round to round. Before a peer is"
    yield "timed, its results are compared with those of NumPy. A figure is the median of all"
    yield "rounds. The interquartile range (IQR) is given in percent of the median; if there were"
    yield "fewer than four rounds, the full range is given instead. The HTTP server and the S3"
    yield "server run on the same machine as the peers. They wait before each response, and do"
    yield "not check signatures."
    yield ""
    yield from tables.versions(report)
    for name, caption in CAPTIONS.items():
        if any(picture.stem == name for picture in pictures):
            yield f"![{caption}](images/benchmarks-{name}.svg)"
            yield ""
            yield f"*{caption}*"
            yield ""
    yield tables.all_tables(report)
