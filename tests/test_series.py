"""The check of the series: what it takes for a difference, and that it finds its commits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from series.check import (
    Commit,
    Failed,
    counted,
    differences,
    find_commits,
    last_lines,
    run,
    table,
)

from tests.optional import lacks

ROOT = Path(__file__).parents[1]
GREEN = {"passed": 3, "failed": 0, "skipped": 1}
NAMES = ("parent", "1/2", "2/2")
SHARDS = {"one inner chunk": ["GET c/0 bytes=-20", "GET c/0 bytes=0-7"], "all": ["GET c/0 whole"]}


def commits() -> list[Commit]:
    """Return three commits as they should be."""
    whole = ({"100 references": ["a"] * n, "keys": ["b"] * 7} for n in (100, 100, 1))
    return [
        Commit(name, "0" * 40, "a subject", dict(GREEN), "", dict(SHARDS), next(whole))
        for name in NAMES
    ]


def test_commits_as_they_should_be_have_no_difference() -> None:
    assert [*differences(commits())] == []
    lines = [*table(commits(), is_all=False)]
    assert [line.split() for line in lines] == [
        ["commit", "tests", "subject"],
        *([name, "0" * 10, *["3", "passed,", "1", "skipped", "a", "subject"]] for name in NAMES),
        [],
        ["requests", *NAMES],
        [*["100", "references", "100", "100", "1"]],
        ["keys", "7", "7", "7"],
        [*["2", "reads", "of", "sharded", "arrays", "3", "3", "3"]],
    ]


def test_other_requests_of_a_sharded_read_are_a_difference() -> None:
    found = commits()
    found[2].shards = SHARDS | {"one inner chunk": ["GET c/0 bytes=-20", "GET c/0 bytes=0-8"]}
    (text,) = differences(found)
    assert text.startswith("2/2: one inner chunk: other requests.")
    assert "bytes=0-7" in text
    assert "bytes=0-8" in text


def test_a_read_that_is_not_made_is_a_difference() -> None:
    found = commits()
    del found[1].shards["all"]
    assert next(differences(found)).startswith("1/2: all: other requests.")
    for commit in found:
        commit.shards = {}
    assert [*differences(found)] == ["No sharded array was read."]


@pytest.mark.parametrize("tests", [{"passed": 3, "failed": 1}, {}, {"passed": 0, "skipped": 4}])
def test_tests_that_fail_or_do_not_run_are_a_difference(tests: dict[str, int]) -> None:
    found = commits()
    found[1].tests, found[1].complaint = tests, "FAILED test_a"
    assert [*differences(found)] == ["1/2: tests failed.\nFAILED test_a"]


def test_requests_have_to_become_fewer_at_the_end_and_never_more() -> None:
    found = commits()
    found[2].whole["100 references"] = ["a"] * 100
    assert [*differences(found)] == ["Nothing is merged after the series."]
    found = commits()
    found[2].whole["keys"] = ["b"] * 8
    assert [*differences(found)] == ["keys: 7 requests, then 7, then 8."]
    found = commits()
    found[1].whole["100 references"] = ["a"] * 99
    assert [*differences(found)] == ["100 references: 100 requests, then 99, then 1."]


def test_tests_are_counted_from_the_report_of_pytest(tmp_path: Path) -> None:
    report = tmp_path / "tests.xml"
    report.write_text(
        '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>'
    )
    assert counted(report) == {"passed": 3, "failed": 3, "skipped": 3}


def test_the_output_of_a_command_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run(["git", "--version"], log, cwd=tmp_path, doing="asking") == 0
    assert last_lines(log).startswith("git version")
    assert run(["git", "no-such-command"], log, cwd=tmp_path, doing="asking") != 0


@pytest.mark.skipif(lacks("aiohttp"), reason="needs aiohttp")
def test_the_measurement_of_fsspec_is_as_documented() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "series.cat_ranges"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "100 adjacent ranges of one object: 100 requests." in done.stdout
    assert "Cancelled with 10 reads in flight: 10 were left running, 10 of them" in done.stdout


def has_series() -> bool:
    """Return whether this is a clone with the history of the series."""
    try:
        return len(find_commits()) == 3
    except (Failed, OSError):
        return False


@pytest.mark.skipif(not has_series(), reason="it looks into the history")
def test_the_commits_are_found_by_their_trailers() -> None:
    parent, first, second = find_commits()
    assert (first.subject, second.subject) == (
        "feat: add Store.get_many",
        "feat: read whole chunks through Store.get_many",
    )
    above = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", f"{second.revision}^", f"{first.revision}^"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert above.stdout.split() == [first.revision, parent.revision]
