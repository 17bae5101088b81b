"""Check the two commits of the series and their parent: tests, and requests of sharded reads.

    python -m series.check           only tests of code that the series changes
    python -m series.check --all     all tests of each commit

Each commit is checked out by ``git worktree`` in a temporary directory. It gets its own
environment, with the dependencies that the commit declares. The exit status is 1 if a step or a
test fails, or if the reads make unexpected requests. In particular, a read of a sharded array must
make the same requests at all three commits.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from demo.progress import progress

ROOT = Path(__file__).parents[1]
# Tests of the code that the series changes: bulk reads, the stores that implement or forward bulk
# reads, the codec pipeline, and the array reads that use the pipeline. If a commit has no file that
# matches a pattern, the pattern is ignored.
RELEVANT = (
    "tests/stores/test_get_many*.py",
    "tests/stores/test_fsspec*.py",
    "tests/stores/test_wrapper.py",
    "tests/stores/test_logging.py",
    "tests/stores/test_recording.py",
    "tests/stores/test_conformance_kit.py",
    "tests/core/*.py",
    "tests/codecs/test_sharding_*.py",
    "tests/array/test_array_reading.py",
    "tests/test_layers.py",
)
SHARDING = "src/zarr/codecs/sharding"
PARENT = "parent"


class Failed(Exception):
    """A step of the check failed; the message says which."""


@dataclass
class Commit:
    """One of the three commits, with the results of its checks.

    Parameters
    ----------
    name : str
        ``parent``, ``1/2`` or ``2/2``.
    revision, subject : str
        Hash and first line of the message.
    tests : dict of str to int
        Number of tests that passed, failed and were skipped.
    complaint : str
        Last lines of the output of the tests, if some failed.
    shards : dict of str to list of str
        Maps the name of each read of a sharded array to the requests of this read.
    whole : dict of str to list of str
        Maps the name of each read of a whole array without shards to the requests of this read.
    """

    name: str
    revision: str
    subject: str
    tests: dict[str, int] = field(default_factory=dict)
    complaint: str = ""
    shards: dict[str, list[str]] = field(default_factory=dict)
    whole: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_green(self) -> bool:
        """Whether some tests ran and none failed."""
        return self.tests.get("passed", 0) > 0 and not self.tests.get("failed", 0)


def own_environment() -> dict[str, str]:
    """Return the environment variables, without those that could import this checkout."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS")}


def say(text: str) -> None:
    """Print a progress message."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def git(*arguments: str) -> str:
    """Run git on this repository and return its output.

    Raises
    ------
    Failed
        If git fails.
    """
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def find_commits() -> list[Commit]:
    """Return the parent of the series and its two commits, in this order.

    Raises
    ------
    Failed
        If the history does not contain these commits in this order.
    """
    found = [git("log", "--format=%H", "--grep", f"^Series: get-many {i}/2$") for i in (1, 2)]
    if any(len(revisions.split()) != 1 for revisions in found):
        raise Failed("The history does not have the two commits; is this a shallow clone?")
    first, second = found
    if git("rev-parse", f"{second}^") != first:
        raise Failed("The second commit of the series does not follow the first one.")
    names = {PARENT: git("rev-parse", f"{first}^"), "1/2": first, "2/2": second}
    return [Commit(name, rev, git("log", "-1", "--format=%s", rev)) for name, rev in names.items()]


@contextmanager
def checked_out(commit: Commit, place: Path) -> Iterator[Path]:
    """Check out a commit; yield the directory, which is removed at the end."""
    git("worktree", "add", "--quiet", "--detach", str(place), commit.revision)
    try:
        yield place
    finally:
        git("worktree", "remove", "--force", str(place))


def requirements(tree: Path) -> list[str]:
    """Return the requirements of the tests of a checkout, from its hatch configuration."""
    default = tomllib.loads((tree / "hatch.toml").read_text())["envs"]["default"]
    return [f"{tree}[{','.join(default['features'])}]", *default["dependencies"]]


def run(command: Sequence[str | Path], log: Path, *, cwd: Path, doing: str) -> int:
    """Run a command with its output written to a file; return the exit status.

    On a terminal, the elapsed time and the progress of the tests are shown.
    """

    def describe() -> str:
        percents = re.findall(r"\[ *(\d+%)\]", log.read_text(errors="replace"))
        return " ".join([doing, *percents[-1:]])

    with log.open("w") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=cwd,
            env=own_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            with progress(describe):
                return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def last_lines(log: Path, count: int = 15) -> str:
    """Return the last lines of a file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def build(tree: Path, place: Path, log: Path) -> Path:
    """Build an environment for the tests of a checkout, and return its interpreter.

    Raises
    ------
    Failed
        If uv is not installed, or fails.
    """
    found = shutil.which("uv")
    if found is None and importlib.util.find_spec("uv") is None:
        raise Failed("There is no uv, which builds the environments.")
    uv: list[str] = [sys.executable, "-m", "uv"] if found is None else [found]
    python = place / "bin" / "python"
    commands: tuple[list[str | Path], ...] = (
        [*uv, "venv", "--quiet", "--python", sys.executable, place],
        [*uv, "pip", "install", "--quiet", "--python", python, "-e", *requirements(tree)],
    )
    for command in commands:
        if run(command, log, cwd=tree, doing="building an environment"):
            raise Failed(f"The environment could not be built:\n{last_lines(log)}")
    return python


def run_tests(commit: Commit, python: Path, tree: Path, work: Path, wanted: Sequence[str]) -> None:
    """Run the tests of a commit, and store their counts in `commit`."""
    log, result = work / "tests.log", work / "tests.xml"
    paths = [path for pattern in wanted for path in sorted(tree.glob(pattern))]
    options = ["-q", "-n", "2", "-p", "no:cacheprovider", f"--junitxml={result}"]
    status = run([python, "-m", "pytest", *options, *paths], log, cwd=tree, doing="testing")
    if result.exists():
        commit.tests = counted(result)
    if status:
        commit.tests["failed"] = max(1, commit.tests.get("failed", 0))
        commit.complaint = last_lines(log)


def counted(result: Path) -> dict[str, int]:
    """Return the numbers of passed, failed and skipped tests in a pytest report."""
    suite = next(ElementTree.parse(result).iter("testsuite"))
    of = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = of["failures"] + of["errors"]
    return {
        "passed": of["tests"] - failed - of["skipped"],
        "failed": failed,
        "skipped": of["skipped"],
    }


def ask(commit: Commit, python: Path, tree: Path) -> None:
    """Run the reads of `series.probe` with a commit, and store their requests in `commit`.

    Raises
    ------
    Failed
        If a read fails, or returns wrong values.
    """
    # The script is passed as text: if it ran as a file, it would import `tests` of this checkout.
    done = subprocess.run(
        [python, "-c", (Path(__file__).parent / "probe.py").read_text()],
        cwd=tree,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"The reads at {commit.name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    commit.shards, commit.whole = found["shards"], found["whole"]


def examine(commit: Commit, folder: Path, wanted: Sequence[str]) -> None:
    """Run all checks of a commit."""
    work = folder / commit.name.replace("/", "-of-")
    work.mkdir()
    with checked_out(commit, work / "tree") as tree:
        python = build(tree, work / "env", work / "build.log")
        ask(commit, python, tree)
        run_tests(commit, python, tree, work, wanted)


def differences(commits: Sequence[Commit]) -> Iterator[str]:
    """Yield a description of each problem."""
    parent = commits[0]
    for commit in commits:
        if not commit.is_green:
            yield f"{commit.name}: tests failed.\n{commit.complaint}"
        for name in sorted(parent.shards.keys() | commit.shards.keys()):
            before, now = parent.shards.get(name), commit.shards.get(name)
            if now != before:
                yield f"{commit.name}: {name}: other requests.\n  before: {before}\n  now: {now}"
    if not parent.shards:
        yield "No sharded array was read."
    for name in parent.whole:
        first, second, third = (len(commit.whole.get(name, ())) for commit in commits)
        if second != first or not 0 < third <= first:
            yield f"{name}: {first} requests, then {second}, then {third}."
    if not any(len(commits[-1].whole[name]) < len(parent.whole[name]) for name in parent.whole):
        yield "Nothing is merged after the series."


def table(commits: Sequence[Commit], *, is_all: bool) -> Iterator[str]:
    """Yield the lines of two tables: the tests, and the requests."""
    tests = "all tests" if is_all else "tests"
    head = ("commit", tests, "subject")
    rows = [
        (
            f"{commit.name} {commit.revision[:10]}",
            described(commit.tests),
            commit.subject,
        )
        for commit in commits
    ]
    yield from aligned([head, *rows])
    yield ""
    counts = [
        (name, *(str(len(commit.whole.get(name, ()))) for commit in commits))
        for name in commits[0].whole
    ]
    shards = (str(sum(map(len, commit.shards.values()))) for commit in commits)
    counts.append((f"{len(commits[0].shards)} reads of sharded arrays", *shards))
    yield from aligned([("requests", *(commit.name for commit in commits)), *counts])


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows of a table as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def described(tests: Mapping[str, int]) -> str:
    """Return the counts of tests as a text."""
    return ", ".join(f"{count} {name}" for name, count in tests.items() if count) or "none"


def main(given: Sequence[str] | None = None) -> int:
    """Run the checks; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="all tests of each commit")
    args = parser.parse_args(given)
    wanted = ("tests",) if args.all else RELEVANT
    began = time.monotonic()
    try:
        commits = find_commits()
        with tempfile.TemporaryDirectory(prefix="series-") as folder:
            for commit in commits:
                say(f"{commit.name}: {commit.revision[:10]} {commit.subject}")
                examine(commit, Path(folder), wanted)
        codec = git("diff", "--stat", commits[0].revision, commits[-1].revision, "--", SHARDING)
    except Failed as error:
        say(f"FAILED: {error}")
        return 1
    say("")
    say("\n".join(table(commits, is_all=args.all)))
    say("")
    say(f"Tests: {', '.join(wanted)}. Requests are counted at an HTTP server.")
    say(f"Sources of the sharding codec: {'changed' if codec else 'the same in all three'}.")
    wrong = list(differences(commits))
    for text in wrong:
        say(f"\n{text}")
    seconds = time.monotonic() - began
    say(f"\n{'FAILED' if wrong else 'Green'}, after {seconds:.0f} s.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
