"""Tables of a report, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from bench import summary
from bench.cases import MEBIBYTES, RATIO
from bench.report import REFERENCE, Report, Result
from bench.rounds import Outcome

DASH = "-"
TIMED = ("everyday", "remote", "readers")
OVERLAP_TARGET, FORMATS_TARGET = 1.15, 1.05


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; numbers are aligned to the right."""
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def quantity(value: float, unit: str) -> str:
    """Return a figure as text, with a suitable unit."""
    if unit == MEBIBYTES:
        return f"{value / (1 << 20):.0f} MiB"
    if unit == RATIO:
        return f"{value:.2f}"
    for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value) >= factor or name == "µs":
            return f"{significant(value / factor)} {name}"
    raise AssertionError


def significant(value: float) -> str:
    """Return a number as text: two decimals below 10, one decimal below 100, otherwise none."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 2
    return f"{value:.{min(max(digits, 0), 2)}f}"


def times(ratio: float) -> str:
    """Return a ratio as text, or a dash if the ratio is NaN."""
    return DASH if math.isnan(ratio) else f"{significant(ratio)}x"


def figure(result: Result, peer: str) -> str:
    """Return the median and the interquartile range of a peer's figures."""
    figures = result.figures(peer)
    if not figures:
        return DASH
    median = quantity(summary.median(figures), result.unit)
    if len(figures) < 2:
        return median
    return f"{median} (IQR {100 * summary.relative_iqr(figures):.0f} %)"


def figures(results: Sequence[Result], peers: Sequence[str]) -> Iterator[str]:
    """Yield a table of the figures, followed by the reasons why some are missing."""
    yield from table(
        ["case", *peers],
        (
            [f"`{result.name}`<br>{result.title}", *(figure(result, peer) for peer in peers)]
            for result in results
        ),
    )
    yield from reasons(results, peers)


def reasons(results: Sequence[Result], peers: Sequence[str]) -> Iterator[str]:
    """Yield a list of the missing figures; cases with the same reason share an item."""
    found: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for peer in peers:
            reason = result.outcomes.get(peer, Outcome()).missing
            if reason is not None:
                found.setdefault((peer, plain(reason)), []).append(f"`{result.name}`")
    if found:
        yield "Missing:"
        yield ""
    for (peer, reason), names in found.items():
        yield f"- {peer}, {', '.join(names)}: {reason}"
    if found:
        yield ""


def plain(text: str) -> str:
    """Return text in which Markdown markup is escaped."""
    return text.replace("`", "'").replace("|", "/").replace("<", "&lt;")


def ratios(results: Sequence[Result], peers: Sequence[str]) -> Iterator[str]:
    """Yield a table of the time of each other peer relative to this checkout."""
    others = [peer for peer in peers if peer != REFERENCE]
    rows = [
        [f"`{result.name}`", *(times(result.ratio(peer)) for peer in others)] for result in results
    ]
    working = [result for result in results if not result.name.startswith("import")]
    means = (summary.geometric_mean([r.ratio(peer) for r in working]) for peer in others)
    rows.append(
        [
            "**geometric mean** of all cases except imports",
            *(f"**{times(mean)}**" for mean in means),
        ]
    )
    yield from table(["case", *others], rows)


def requests(
    results: Sequence[Result], peers: Sequence[str], *, with_peak: bool = False
) -> Iterator[str]:
    """Yield a table of the requests of one run, optionally with the peak concurrency."""

    def cell(result: Result, peer: str) -> str:
        counts = result.outcomes.get(peer, Outcome()).counts
        if counts is None:
            return DASH
        asked = f"{counts.requests}, {counts.nbytes / 1e6:.2f} MB"
        return f"{asked}, {counts.peak}" if with_peak else asked

    asked = [result for result in results if any(o.counts for o in result.outcomes.values())]
    rows = [[f"`{result.name}`", *(cell(result, peer) for peer in peers)] for result in asked]
    head = "requests, bytes, most at once" if with_peak else "requests, bytes"
    yield from table([head, *peers], rows)


def formats(report: Report) -> Iterator[str]:
    """Yield a table of the ratios of format 2 to format 3, for each peer."""
    rows = [
        [
            f"`{new.name}`",
            *(times(summary.ratio(old.figures(peer), new.figures(peer))) for peer in report.peers),
        ]
        for new, old in report.twins()
    ]
    yield from table(["time with format 2 / time with format 3", *report.peers], rows)


def throughput(results: Sequence[Result], peers: Sequence[str]) -> Iterator[str]:
    """Yield a table of the throughput of several readers, in threads and in processes."""
    by_name = {result.name: result for result in results}

    def rate(result: Result, peer: str) -> float:
        figures = result.figures(peer)
        return result.nbytes / summary.median(figures) if figures else math.nan

    def cell(threads: Result, processes: Result, peer: str) -> str:
        a, b = rate(threads, peer), rate(processes, peer)
        if math.isnan(a) or math.isnan(b):
            return DASH
        return f"{a / 1e6:.0f} / {b / 1e6:.0f} MB/s = {a / b:.2f}"

    rows = []
    for name, threads in by_name.items():
        processes = by_name.get(name.replace("threads", "processes"))
        if "threads" in name and processes is not None:
            label = threads.title.replace(" threads read", ":")
            rows.append([label, *(cell(threads, processes, peer) for peer in peers)])
    yield from table(["throughput with threads / with processes = ratio", *peers], rows)


def scales(results: Sequence[Result], peers: Sequence[str]) -> Iterator[str]:
    """Yield a table of the time per chunk, by number of chunks."""

    def cell(result: Result, peer: str) -> str:
        figures = result.figures(peer)
        return (
            quantity(summary.median(figures) / result.options["nchunks"], "s") if figures else DASH
        )

    rows = [
        [
            f"{result.options['kind']}, {result.options['nchunks']:,}",
            *(cell(result, peer) for peer in peers),
        ]
        for result in results
    ]
    yield from table(["time per chunk: kind of selection, number of chunks", *peers], rows)
    yield from reasons(results, peers)


def versions(report: Report) -> Iterator[str]:
    """Yield a table that describes the peers."""
    rows = []
    for name, title in report.titles.items():
        used = ", ".join(f"{package} {v}" for package, v in report.versions.get(name, {}).items())
        rows.append(
            [
                name,
                title,
                f"not available: {plain(report.absent[name])}" if name in report.absent else used,
            ]
        )
    yield "| peer | description | versions |"
    yield "|---|---|---|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def noise(report: Report) -> str:
    """Return text that tells how much the speed of the machine varied."""
    told = report.noise
    loads = " and ".join(str(load) for load in told["load"])
    return (
        f"To show how steady the machine was, a fixed loop was timed before each of the "
        f"{told['rounds']} rounds: the IQR of its times was {100 * told['iqr']:.0f} % of their "
        f"median, and their full range was {100 * told['range']:.0f} % of the median. "
        f"The load averages before and after the measurement were {loads}."
    )


def all_tables(report: Report) -> str:
    """Return all tables of a report."""
    timed = report.group(*TIMED)
    peers = report.peers
    lines: list[str] = []
    flows = report.group("flows")
    if flows:
        those = [p for p in peers if any(p in result.outcomes for result in flows)]
        lines += ["## What users do", "", "These cases read arrays from a server.", ""]
        lines += figures(flows, those)
        lines += ["Requests and bytes of one run, counted at the server:", ""]
        lines += requests(flows, those, with_peak=True)
    if timed:
        lines += ["## Single operations", ""]
        lines += figures(timed, peers)
        if REFERENCE in peers and len(peers) > 1:
            lines += ["## Against this checkout", ""]
            lines += [
                f"Time of each peer divided by the time of `{REFERENCE}`: "
                "if the ratio is more than 1, the peer is slower than this checkout.",
                "",
            ]
            lines += ratios(timed, peers)
    if report.group("remote"):
        lines += ["## Requests", "", "Requests and bytes of one run, counted at the server.", ""]
        lines += requests(timed, peers)
    if report.twins():
        lines += ["## Format 2 and format 3", "", *formats(report)]
    if report.group("readers"):
        lines += [
            "## Many readers",
            "",
            "Each reader reads its own array. The table shows the total throughput of all readers:",
            "",
        ]
        lines += throughput(report.group("readers"), peers)
    for group, head, text in (
        (
            "formats",
            "Format 2 over format 3, in turn",
            "Each ratio is the time of a case with format 2, divided by its time with format 3. "
            "Both formats are measured alternately in one process, with the same values. "
            f"A ratio of 1 is ideal; the target is {FORMATS_TARGET}.",
        ),
        (
            "memory",
            "Memory",
            "Peak memory of a new process that reads an array, minus the size of the result and "
            "the memory that the process used before the read.",
        ),
        (
            "overlap",
            "Overlap",
            "The store is slowed down so that fetching all chunks takes as long as decoding them. "
            "The figure is the duration of the read, divided by the longer one of these two "
            "times. The figure is 1 if fetching and decoding overlap completely, and 2 if they do "
            f"not overlap; the target is {OVERLAP_TARGET}.",
        ),
    ):
        results = report.group(group)
        measured = [p for p in peers if any(r.figures(p) for r in results)]
        if results:
            lines += [f"## {head}", "", text, "", *figures(results, measured)]
    results = report.group("scale")
    if results:
        measured = [p for p in peers if any(r.figures(p) for r in results)]
        lines += [
            "## Number of chunks",
            "",
            "No chunk of these arrays is stored, so the times include only planning, requests and "
            "filling the result with the fill value.",
            "",
        ]
        lines += scales(results, measured)
    return "\n".join(lines).rstrip() + "\n"
