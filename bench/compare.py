"""Compare this checkout with its parent, released packages and a bare loop.

    python -m bench.compare                          all cases, all peers
    python -m bench.compare --filter http --quick    small cases with "http" in their names
    python -m bench.compare --main HEAD~3            another commit instead of the parent
    python -m bench.compare --render                 tables and plots of the previous run

In each round, the peers run one after the other, each in its own interpreter. The results of a peer
are checked before its runs are timed. Tables, plots and all figures are written to a directory.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.servers.s3_dialect import REGION

from bench import machine, page, scratch, summary, tables
from bench.cases import FULL, QUICK, Case, Sizes, all_cases
from bench.environments import PEERS, ROOT, Environments, Peer, Unavailable
from bench.report import Report, Result
from bench.rounds import TOO_LONG, Limits, Peers, Runner
from bench.servers import Servers
from bench.workers import Worker

CACHE = ROOT / ".bench"


def say(text: str) -> None:
    """Print a progress message."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def chosen(names: str | None, main: str | None = None) -> list[Peer]:
    """Return the peers with the given names; all peers if `names` is None.

    If `main` is given, the title of the peer ``main`` names this commit.
    """
    known = {peer.name: peer for peer in PEERS}
    if main is not None:
        known["main"] = replace(known["main"], title=f"the commit {main}")
    if names is None:
        return list(known.values())
    wanted = [name.strip() for name in names.split(",")]
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise SystemExit(f"There is no peer {', '.join(unknown)}; there are {', '.join(known)}.")
    return [known[name] for name in wanted]


def starters(
    peers: Sequence[Peer], environments: Environments, log: Path
) -> tuple[dict[str, Callable[[], Worker]], dict[str, str]]:
    """Build the environments of the peers.

    Returns two dictionaries whose keys are names of peers. For each available peer, the first
    dictionary contains a function that starts a worker. For each other peer, the second dictionary
    contains the reason why the peer is not available.
    """
    found: dict[str, Callable[[], Worker]] = {}
    absent: dict[str, str] = {}
    for peer in peers:
        say(f"Peer {peer.name}: {peer.title}.")
        try:
            command, variables = environments.command(peer)
        except Unavailable as error:
            absent[peer.name] = str(error)
            say(f"  not available: {error}")
            continue

        def start(command: list[str] = command, variables: dict[str, str] = variables) -> Worker:
            with log.open("a") as file:
                return Worker(command, {**variables, **aws()}, file)

        found[peer.name] = start
    return found, absent


def aws() -> dict[str, str]:
    """Return environment variables that keep S3 clients from requesting their settings."""
    return {"AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}


def measure(
    cases: Sequence[Case],
    sizes: Sizes,
    start: Mapping[str, Callable[[], Worker]],
    folder: Path,
    limits: Limits,
    report: Report,
    visit: Callable[[], None] = lambda: None,
) -> None:
    """Run cases and add their results to a report; `visit` is called after each case."""
    before = machine.load()
    peers = Peers(start)
    began = time.monotonic()
    loops: list[float] = []
    try:
        with Servers(folder / "data", sizes.delay) as servers:
            runner = Runner(peers, servers, folder, limits, loops)
            for number, case in enumerate(cases, 1):
                minutes = (time.monotonic() - began) / 60
                say(f"[{number}/{len(cases)}, {minutes:.1f} min] {case.name}: {case.title}")
                in_haste = minutes > limits.minutes * number / len(cases)
                result = Result.of(case, runner.run(case, in_haste=in_haste))
                report.results.append(result)
                visit()
                said = (f"{name} {tables.figure(result, name)}" for name in peers.names)
                say(f"    {', '.join(said)}")
    finally:
        peers.close()
        scratch.clear(folder)
        report.versions = peers.versions
        report.noise = {
            "rounds": len(loops),
            "iqr": summary.relative_iqr(loops) if loops else 0.0,
            "range": (max(loops) - min(loops)) / summary.median(loops) if loops else 0.0,
            "load": [before, machine.load()],
        }


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--filter",
        default="",
        help="run only cases whose names contain this text; separate texts by commas",
    )
    add(
        "--peers",
        help=f"peers to run, separated by commas: {', '.join(peer.name for peer in PEERS)}",
    )
    add("--main", metavar="REV", help="commit of the peer main; default: before Store.get_many")
    add("--rounds", type=int, default=Limits.rounds, help="maximum number of rounds per case (7)")
    add(
        "--seconds",
        type=float,
        default=Limits.seconds,
        help="start no round of a case after this time, except the first three (8)",
    )
    add(
        "--minutes",
        type=float,
        default=Limits.minutes,
        help="aim for this total, with fewer rounds (16)",
    )
    add("--quick", action="store_true", help="use small sizes and three rounds")
    add("--python", help="Python for the environments of the peers, 3.12 or later")
    add(
        "--output",
        type=Path,
        default=Path("bench-output"),
        help="directory for results, tables, plots",
    )
    add("--list", action="store_true", help="only print the names of the cases")
    add("--render", action="store_true", help="only draw tables and plots of the previous run")
    add("--write-docs", action="store_true", help="also write docs/benchmarks.md")
    return parser.parse_args(given)


def selected(cases: Sequence[Case], wanted: str) -> list[Case]:
    """Return the cases whose names contain one of the comma-separated texts."""
    parts = wanted.split(",")
    return [case for case in cases if any(part in case.name for part in parts)]


def main(given: Sequence[str] | None = None) -> int:
    """Run the comparison; return the exit status, which is 1 if this checkout failed in a case."""
    args = arguments(given)
    sizes = QUICK if args.quick else FULL
    cases = selected(all_cases(sizes), args.filter)
    if args.list:
        say("\n".join(f"{case.name:28} {case.title}" for case in cases))
        return 0
    args.output.mkdir(parents=True, exist_ok=True)
    stored = args.output / "results.json"
    if args.render:
        report = Report.load(stored)
    else:
        peers = chosen(args.peers, args.main)
        log = args.output / "workers.log"
        log.write_text("")
        environments = Environments(CACHE, args.python, main=args.main)
        start, absent = starters(peers, environments, log)
        report = Report(
            machine.describe(),
            "quick" if args.quick else "full",
            {peer.name: peer.title for peer in peers},
            absent=absent,
        )
        rounds = 3 if args.quick else args.rounds
        limits = Limits(rounds, args.seconds, minutes=args.minutes)
        try:
            measure(cases, sizes, start, CACHE, limits, report, visit=lambda: report.save(stored))
        finally:
            report.save(stored)
    pictures = page.write_output(report, args.output)
    say(f"\n{tables.noise(report)}")
    say(f"Written to {args.output}: {', '.join(sorted(os.listdir(args.output)))}")
    if args.write_docs:
        page.write_docs(report, pictures, ROOT / "docs")
    return int(any(failed(result) for result in report.results))


def failed(result: Result) -> bool:
    """Return whether this checkout failed in a case."""
    outcome = result.outcomes.get("ours")
    if outcome is None or outcome.missing is None:
        return False
    return not outcome.missing.startswith(TOO_LONG)


if __name__ == "__main__":
    sys.exit(main())
