"""Run generated operations with the released zarr and with this package; report differences.

    python -m differential --cases 20000 --seed 0

The released package runs in the hatch environment ``differential-peer``. The option ``--peer`` sets
an interpreter of another environment. The exit status is 1 if there is a difference that
`differential.explained` does not explain.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import hypothesis

from differential.cases import draw_case, snippet
from differential.compare import Difference
from differential.explained import EXPLANATIONS
from differential.run import Pair, Report, run, shrink
from differential.sides import Side

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
PEER_ENVIRONMENT = "differential-peer"


def say(text: str) -> None:
    """Print a progress message."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def brief(answer: dict[str, object]) -> str:
    """Return the answer of a side as one line of text."""
    if "raises" in answer:
        return f"raises {answer['raises']}: {answer['message']}"
    if "fault" in answer:
        return str(answer["fault"])
    text = json.dumps(answer["result"], ensure_ascii=False)
    return text if len(text) <= 600 else f"{text[:600]}..."


def show(difference: Difference) -> str:
    """Return a program that shows a difference, with the outcomes on both sides as comments."""
    lines = [
        snippet(difference.case, difference.number),
        f"# {difference.what}",
        f"# ours:     {brief(difference.ours)}",
        f"# released: {brief(difference.peer)}",
    ]
    for key in difference.keys[:6]:
        for side, value in zip(("ours", "released"), difference.values[key]):
            lines.append(f"# {key}, {side}: {json.dumps(value)[:1500]}")
    return "\n".join(lines)


def summarise(report: Report, seconds: float) -> None:
    """Print the counts of a run."""
    count = sum(map(len, report.unexplained.values()))
    say(
        f"\n{report.cases} cases, {report.comparisons} comparisons in {seconds:.0f} s: "
        f"{sum(report.explained.values())} differences explained, {count} not."
    )
    if report.explained:
        say("\nExplained:")
    for explanation in EXPLANATIONS:
        if number := report.explained[explanation.name]:
            say(f"{number:6}  {explanation.name}: {explanation.reason}")
    if report.unexplained:
        say("\nNot explained:")
    for kind, found in sorted(report.unexplained.items(), key=lambda item: -len(item[1])):
        numbers = ", ".join(str(difference.case["number"]) for difference in found[:8])
        say(f"{len(found):6}  {kind}\n        cases {numbers}{', ...' if len(found) > 8 else ''}")


def run_one(pair: Pair, seed: int, number: int) -> int:
    """Run one case; print it with all its differences, and return the exit status."""
    case = draw_case(seed, number)
    say(snippet(case))
    report = Report()
    comparison = pair.check(case)
    report.add(comparison)
    for difference in comparison.differences:
        say(f"\n{difference.kind}\n{show(difference)}")
    summarise(report, 0)
    return int(bool(report.unexplained))


def find_peer() -> str:
    """Return the interpreter of the environment with the released package; build it if needed.

    Raises
    ------
    SystemExit
        If hatch is not installed, or fails.
    """
    hatch = shutil.which("hatch")
    if hatch is None:
        raise SystemExit("hatch makes the released package's environment; or name it with --peer.")
    code = "import sys; print(sys.executable)"
    command = [hatch, "--env", PEER_ENVIRONMENT, "run", "python", "-c", code]
    found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"hatch made no environment {PEER_ENVIRONMENT}.")
    return found.stdout.splitlines()[-1]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m differential", description="Compare this zarr with the released one."
    )
    parser.add_argument(
        "--peer", help=f"interpreter that has the released zarr; else hatch's {PEER_ENVIRONMENT}"
    )
    parser.add_argument("--ours", default=sys.executable, help="interpreter to run this zarr")
    parser.add_argument("--source", default=str(SOURCE), help="folder that this zarr is in")
    parser.add_argument("--seed", type=int, default=0, help="what the cases are drawn from")
    parser.add_argument("--cases", type=int, default=1000, help="how many of them")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--case", type=int, help="run the case of this number alone, and show it")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds that a case may take")
    parser.add_argument(
        "--shrink", type=float, default=20.0, help="seconds for making an unexplained case simpler"
    )
    parser.add_argument(
        "--show", type=int, default=12, help="kinds of unexplained differences to show"
    )
    parser.add_argument(
        "--examples",
        action="store_true",
        help="show one case for each difference that is explained",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = parse(arguments)
    peer_python = options.peer or find_peer()
    ours = Side(options.ours, options.source, options.timeout)
    peer = Side(peer_python, None, options.timeout)
    pair = Pair(ours, peer)
    try:
        for name, side in (("ours", ours), ("released", peer)):
            say(f"{name + ':':10}" + ", ".join(f"{k} {v}" for k, v in side.versions.items()))
        if ours.versions["path"] == peer.versions["path"]:
            raise SystemExit("Both sides import the same zarr.")
        say(f"hypothesis {hypothesis.__version__}, seed {options.seed}")
        if options.case is not None:
            return run_one(pair, options.seed, options.case)
        began = last = time.monotonic()

        def progress(report: Report) -> None:
            nonlocal last
            if time.monotonic() - last >= 10:
                last = time.monotonic()
                count = sum(map(len, report.unexplained.values()))
                rate = report.cases / (last - began)
                say(
                    f"{report.cases} cases, {rate:.0f} per second, {count} differences not explained"
                )

        report = run(pair, options.seed, options.cases, options.first, progress)
        seconds = time.monotonic() - began
        for found in list(report.unexplained.values())[: options.show]:
            say(
                f"\n== {found[0].kind}: {len(found)} times\n{show(shrink(pair, found[0], options.shrink))}"
            )
        if options.examples:
            for name, difference in report.examples.items():
                say(f"\n== explained: {name}\n{show(difference)}")
        summarise(report, seconds)
        return int(bool(report.unexplained))
    finally:
        pair.close()


if __name__ == "__main__":
    raise SystemExit(main())
