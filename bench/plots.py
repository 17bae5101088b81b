"""Plots of a report, each as PNG and SVG."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

from bench import scale, summary, tables
from bench.cases import V2
from bench.report import REFERENCE, Report

COLOURS = {
    "ours": "#d62728",
    "main": "#1f77b4",
    "zarr": "#ff7f0e",
    "fused": "#9467bd",
    "zarrs": "#8c564b",
    "tensorstore": "#2ca02c",
    "limit": "#555555",
}
MARKERS = dict(zip(COLOURS, "osDP^vX"))


def draw_all(report: Report, output: Path) -> list[Path]:
    """Draw the plots for which there are results; return the files."""
    drawings: dict[str, Callable[[Report], Any]] = {
        "ratios": ratios,
        "scale": scales,
        "requests": requests,
    }
    written: list[Path] = []
    # An SVG stores text as characters, not as outlines, so the file is small. A fixed salt for ids
    # and the omitted date make the file reproducible.
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 10}):
        for name, draw in drawings.items():
            figure = draw(report)
            if figure is None:
                continue
            for suffix in ("png", "svg"):
                path = output / f"{name}.{suffix}"
                metadata = {"Date": None} if suffix == "svg" else None
                figure.savefig(path, dpi=120, bbox_inches="tight", metadata=metadata)
                written.append(path)
            plt.close(figure)
    return written


def style(peer: str) -> dict[str, Any]:
    """Return the colour and the marker of a peer."""
    return {"color": COLOURS.get(peer, "black"), "marker": MARKERS.get(peer, "o")}


def ratios(report: Report) -> Any:
    """Draw one row per case: the times of the other peers, divided by the time of this checkout."""
    timed = report.group(*tables.TIMED)
    others = [peer for peer in report.peers if peer != REFERENCE]
    rows = list(dict.fromkeys(result.name.removesuffix(V2) for result in timed))
    if not rows or not any(result.ratio(peer) > 0 for result in timed for peer in others):
        return None
    figure, axis = plt.subplots(figsize=(10, 1.6 + 0.42 * len(rows)))
    for row in range(0, len(rows), 2):
        axis.axhspan(row - 0.5, row + 0.5, color="0.95", zorder=0)
    shift = 0.6 / max(1, len(others) - 1)
    for number, peer in enumerate(others):
        for is_format_2 in (False, True):
            points = [
                (result.ratio(peer), rows.index(result.name.removesuffix(V2)))
                for result in timed
                if result.name.endswith(V2) == is_format_2 and result.ratio(peer) > 0
            ]
            if not points:
                continue
            x, y = zip(*points)
            look = style(peer)
            axis.scatter(
                x,
                [row - 0.3 + number * shift for row in y],
                s=34,
                marker=look["marker"],
                edgecolors=look["color"],
                facecolors="white" if is_format_2 else look["color"],
                label=None if is_format_2 else peer,
                zorder=2 if is_format_2 else 3,
            )
    axis.axvline(1, color=COLOURS[REFERENCE], linewidth=1.2)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    if math.log10(axis.get_xlim()[1] / axis.get_xlim()[0]) < 1.5:
        axis.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(
        "time of the peer / time of this checkout; right of the line, this checkout is faster"
    )
    axis.grid(axis="x", color="0.85", linewidth=0.6)
    axis.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(others),
        frameon=False,
        title="hollow markers: format 2",
    )
    return figure


def scales(report: Report) -> Any:
    """Draw the time per chunk against the number of chunks, with one panel per selection."""
    results = [result for result in report.group("scale") if any(map(result.figures, report.peers))]
    kinds = [kind for kind in scale.KINDS if any(r.options["kind"] == kind for r in results)]
    if not kinds:
        return None
    figure, axes = plt.subplots(
        1, len(kinds), figsize=(1.5 + 3.6 * len(kinds), 4), sharey=True, squeeze=False
    )
    for axis, kind in zip(axes[0], kinds):
        for peer in report.peers:
            points = [
                (r.options["nchunks"], 1e6 * summary.median(r.figures(peer)) / r.options["nchunks"])
                for r in results
                if r.options["kind"] == kind and r.figures(peer)
            ]
            if points:
                axis.plot(*zip(*points), label=peer, markersize=6, **style(peer))
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_title(kind)
        axis.set_xlabel("chunks")
        axis.grid(which="both", color="0.9", linewidth=0.6)
    axes[0, 0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0, 0].set_ylabel("time per chunk [µs]")
    handles: dict[str, Any] = {}
    for axis in axes[0]:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels())))
    figure.legend(
        handles.values(), handles.keys(), loc="lower center", ncols=len(handles), frameon=False
    )
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    return figure


def requests(report: Report) -> Any:
    """Draw one bar per case and peer: the number of requests that a server answered.

    A case in format 2 is omitted if its request counts equal those of the same case in format 3.
    """
    counted: dict[str, dict[str, int]] = {}
    for result in report.group("remote"):
        asked = {
            peer: outcome.counts.requests
            for peer, outcome in result.outcomes.items()
            if outcome.counts is not None
        }
        if asked != counted.get(result.name.removesuffix(V2)):
            counted[result.name] = asked
    bars = [(case, peer, n) for case, asked in counted.items() for peer, n in asked.items()]
    if not bars:
        return None
    figure, axis = plt.subplots(figsize=(10, 1.2 + 0.25 * len(bars)))
    place, ticks, before = 0.0, [], ""
    most = max(count for _, _, count in bars)
    for case, peer, count in bars:
        place += 1.8 if before not in ("", case) else 1.0
        before = case
        axis.barh(place, count, height=0.8, color=COLOURS.get(peer, "black"))
        axis.text(count + most / 100, place, f"{count}", va="center", fontsize=9)
        ticks.append((place, f"{case}   {peer}"))
    axis.set_yticks([where for where, _ in ticks], [label for _, label in ticks], fontsize=9)
    axis.set_ylim(place + 1, 0)
    axis.set_xlim(0, most * 1.08)
    axis.set_xlabel("requests of one run, counted at the server")
    return figure
