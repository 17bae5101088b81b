"""The suites of released packages: what is read, compared and written, and a small one that runs."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from suites import results, table
from suites.both import Both, Workshop
from suites.commands import Unavailable, last_words, run
from suites.compare import GONE, Comparison, Difference, best, compare, differing, function
from suites.environments import without_zarr
from suites.fetch import edit, fetch, unpack
from suites.inside.import_modules import names
from suites.inside.suites_offline import is_local
from suites.junit import PASSED, Outcome, parse, read
from suites.pins import Edit, Known, Package, Pins, load
from suites.run import Ran, Stop, command, environment, run_suite

FAILED = Outcome("failed", "AssertionError: 1")
SKIPPED = Outcome("skipped", "no such thing")
PACKAGE = Package("some", "1.0", "0" * 64)

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="7">
<testcase classname="tests.test_a" name="test_one"><properties>
<property name="nodeid" value="tests/test_a.py::test_one[&lt;x object at 0x7fabc0123456&gt;]"/></properties></testcase>
<testcase classname="tests.test_a" name="test_one"><properties>
<property name="nodeid" value="tests/test_a.py::test_one[&lt;x object at 0x7fabc0999999&gt;]"/></properties></testcase>
<testcase classname="tests.test_a" name="test_two"><failure message="KeyError: 'a'&#10;more">E</failure></testcase>
<testcase classname="tests.test_a" name="test_two"><error message="failed on teardown">E</error></testcase>
<testcase classname="tests.test_a" name="test_three"><skipped type="pytest.skip" message="why"/></testcase>
<testcase classname="tests.test_a" name="test_four"><skipped type="pytest.xfail" message="known"/></testcase>
<testcase classname="" name="tests.test_b"><error message="collection failure">tests/test_b.py:1: in &lt;module&gt;
E   KeyError: 'a'
E   ImportError: no b</error></testcase>
</testsuite></testsuites>
"""


class TestReport:
    def test_outcomes(self) -> None:
        assert parse(REPORT) == {
            "tests/test_a.py::test_one[<x object at 0x>]": PASSED,
            "tests/test_a.py::test_one[<x object at 0x>] #2": PASSED,
            "tests.test_a::test_two": Outcome("error", "failed on teardown"),
            "tests.test_a::test_three": Outcome("skipped", "why"),
            "tests.test_a::test_four": Outcome("xfailed", "known"),
            "tests.test_b": Outcome("error", "ImportError: no b"),
        }

    def test_the_first_line_of_a_message_is_kept(self) -> None:
        one = REPORT.replace("<error message", "<properties><x/></properties><other message", 1)
        one = one.replace("</error>", "</other>", 1)
        assert parse(one)["tests.test_a::test_two"] == Outcome("failed", "KeyError: 'a'")

    @pytest.mark.parametrize("text", [None, "", REPORT[:400]])
    def test_a_report_that_is_not_whole_is_none(self, tmp_path: Path, text: str | None) -> None:
        path = tmp_path / "report.xml"
        if text is not None:
            path.write_text(text)
        assert read(path) is None


class TestCompare:
    def test_what_passes_with_one_alone(self) -> None:
        there = {"both": PASSED, "lost": PASSED, "gone": PASSED, "neither": FAILED, "gain": FAILED}
        here = {"both": PASSED, "lost": SKIPPED, "neither": SKIPPED, "gain": PASSED, "new": PASSED}
        package = replace(PACKAGE, differs=(Known("los*", "on purpose"),))
        found = compare(package, there, here)
        assert (found.there, found.here) == (3, 3)
        assert found.lost == (
            Difference("lost", PASSED, SKIPPED, "on purpose"),
            Difference("gone", PASSED, Outcome("not collected")),
        )
        assert [one.test for one in found.gained] == ["gain", "new"]

    def test_what_is_run_again(self) -> None:
        there = dict.fromkeys(("a::b", "a::c", "a::d[0x]", "a::e #2", "module", "a::f"), PASSED)
        here = dict.fromkeys(("a::b", "a::d[0x]", "a::e #2", "module"), FAILED) | {"a::f": PASSED}
        assert differing(there, here) == ["a::b"]

    def test_a_test_passes_that_passes_once(self) -> None:
        first = {"a": FAILED, "b": PASSED, "c": FAILED}
        again = {"a": PASSED, "b": FAILED, "d": PASSED}
        assert best(first, again) == {"a": PASSED, "b": PASSED, "c": FAILED}

    @pytest.mark.parametrize(
        ("test", "expected"),
        [("a::b", "a::b"), ("a::b[x]", "a::b"), ("a::b[x[0]] #2", "a::b"), ("a::b[x\ny]", "a::b")],
    )
    def test_function(self, test: str, expected: str) -> None:
        assert function(test) == expected


def make_rows() -> list[table.Row]:
    many = tuple(Difference(f"t.py::many[{i}]", PASSED, FAILED, "known") for i in range(4))
    one = Difference("t.py::one[a]", PASSED, FAILED)
    gone = tuple(Difference(f"u.py::{i}", PASSED, GONE) for i in range(5))
    gained = (Difference("t.py::here", FAILED, PASSED),)
    return [
        table.Row(PACKAGE, Comparison(1000, 996, (*many, one), gained), unsteady=2),
        table.Row(replace(PACKAGE, name="other"), Comparison(500, 495, gone)),
        table.Row(replace(PACKAGE, name="third"), why="no | sdist"),
    ]


class TestTable:
    taken = table.Taken("2030-01-02", "3.4.2", "3.4.2+own", "3.12.1")

    def test_write(self) -> None:
        assert table.write(make_rows(), self.taken).splitlines() == [
            "Number of passed tests, taken on 2030-01-02 with Python 3.12.1. "
            "The released package is zarr 3.4.2, this package is 3.4.2+own.",
            "",
            "| package | released package | this package | differences |",
            "|---|---:|---:|---|",
            "| some 1.0 | 1,000 | 996 | 5 only with the released package; "
            "1 only with this package; 2 passed in one of two runs |",
            "| other 1.0 | 500 | 495 | 5 only with the released package |",
            "| third 1.0 | | | did not run: no \\| sdist |",
            "| all | 1,500 | 1,491 | 10 only with the released package, 0.67 % |",
            "",
            "- some, only with the released package: `t.py::many` (4 cases): known",
            "- some, only with the released package: `t.py::one[a]`: not explained",
            "- some, only with this package: `t.py::here`",
            "- other, only with the released package: `u.py` (5 cases): not explained",
        ]

    def test_what_only_is_imported_is_told(self) -> None:
        row = table.Row(replace(PACKAGE, imports=("some",), note="and more"), Comparison(2, 2))
        told = "the sdist has no tests: its modules are imported; and more"
        assert f"| some 1.0 | 2 | 2 | {told} |\n" in table.write([row], self.taken)

    def test_nothing_ran(self) -> None:
        text = table.write(make_rows()[2:], self.taken)
        assert text.endswith("| all | 0 | 0 |  |\n")

    def test_unexplained(self) -> None:
        assert [row.unexplained for row in make_rows()] == [1, 5, 0]

    def test_insert(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text(f"# Title\n\n{table.BEGIN}\nold\n{table.END}\n\nmore\n")
        for text in ("a\n", "b\n"):
            table.insert(page, text)
        assert page.read_text() == f"# Title\n\n{table.BEGIN}\nb\n{table.END}\n\nmore\n"

    @pytest.mark.parametrize("text", ["", table.BEGIN, f"{table.END} {table.BEGIN}"])
    def test_a_page_without_a_place(self, tmp_path: Path, text: str) -> None:
        page = tmp_path / "page.md"
        page.write_text(text)
        with pytest.raises(ValueError, match=r"page\.md has no"):
            table.insert(page, "a\n")
        assert page.read_text() == text

    def test_the_page_has_a_place(self) -> None:
        text = (Path(__file__).parents[1] / "docs" / "beside-zarr-python.md").read_text()
        assert text.index(table.BEGIN) < text.index(table.END)


class TestPins:
    def test_every_package_is_pinned(self) -> None:
        pins = load()
        assert pins.released == "zarr==3.4.2"
        for package in pins.packages:
            assert len(package.sha256) == 64
            assert package.version
            reasons = [one.why for one in (*package.deselect, *package.differs)]
            assert all([*reasons, *(one.why for one in package.edits)]), package.name

    def test_choose(self) -> None:
        pins = load()
        assert pins.choose(None) == pins.packages
        assert [one.name for one in pins.choose(["dask", "xarray"])] == ["xarray", "dask"]
        with pytest.raises(ValueError, match=r"packages\.toml has no nothing"):
            pins.choose(["dask", "nothing"])

    @pytest.mark.parametrize(
        ("more", "message"),
        [("[[package]]\nname='a'\nversion='1'\nsha256=''", "twice"), ("argument=[]", "argument")],
    )
    def test_a_mistake_is_found(self, tmp_path: Path, more: str, message: str) -> None:
        path = tmp_path / "packages.toml"
        path.write_text(
            "released='zarr==1'\nrequirements=[]\n[[package]]\nname='a'\nversion='1'\nsha256=''\n"
            + more
        )
        with pytest.raises(ValueError, match=message):
            load(path)

    def test_requirement(self) -> None:
        assert PACKAGE.requirement == "some==1.0"
        assert replace(PACKAGE, extras=("a", "b")).requirement == "some[a,b]==1.0"

    def test_a_reason_is_nothing_that_a_run_depends_on(self) -> None:
        other = replace(PACKAGE, differs=(Known("a", "b"),), note="c")
        assert other.runs == PACKAGE.runs
        assert replace(PACKAGE, arguments=("x",)).runs != PACKAGE.runs


def make_sdist(path: Path, files: dict[str, str]) -> str:
    """Write an sdist and return its digest."""
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"some-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


FILES = {
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "some/__init__.py": "",
    "lib/tests/test_a.py": "assert True\n",
}


class TestFetch:
    def test_what_is_kept_is_checked(self, tmp_path: Path) -> None:
        place = tmp_path / "some-1.0.tar.gz"
        package = replace(PACKAGE, sha256=make_sdist(place, FILES))
        assert fetch(package, sys.executable, tmp_path) == place
        with pytest.raises(Unavailable, match="not the one that is pinned"):
            fetch(PACKAGE, sys.executable, tmp_path)
        assert not place.exists()

    def test_the_suite_alone_is_copied(self, tmp_path: Path) -> None:
        make_sdist(tmp_path / "sdist", FILES)
        place = tmp_path / "place"
        for _ in range(2):
            unpack(tmp_path / "sdist", ("lib/tests",), place)
            found = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
            assert found == {"pyproject.toml", "lib/tests/test_a.py"}
            (place / "left.py").touch()
        assert {path.name for path in tmp_path.iterdir()} == {"sdist", "place"}

    def test_a_suite_that_is_not_there(self, tmp_path: Path) -> None:
        make_sdist(tmp_path / "sdist", FILES)
        with pytest.raises(Unavailable, match="no tests"):
            unpack(tmp_path / "sdist", ("tests",), tmp_path / "place")

    def test_edit(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("a b a")
        edit(replace(PACKAGE, edits=(Edit("a.py", "a", "c", "why"),)), tmp_path)
        assert (tmp_path / "a.py").read_text() == "c b c"
        with pytest.raises(Unavailable, match=r"a\.py does not fit"):
            edit(replace(PACKAGE, edits=(Edit("a.py", "a", "c", "why"),)), tmp_path)


class TestCommands:
    def test_last_words(self) -> None:
        text = "ignored\n  \xd7 No solution:\n  ╰─▶ a needs b\n   see https://host/path for it\n\n"
        assert last_words(text) == "No solution: a needs b see (address) for it"

    def test_a_failure_tells_why(self) -> None:
        with pytest.raises(Unavailable, match=r"^because$"):
            run([sys.executable, "-c", "import sys; sys.exit('because')"])
        with pytest.raises(Unavailable, match="FileNotFoundError"):
            run(["/no/such/command"])

    def test_requirements_without_zarr(self) -> None:
        assert without_zarr("a==1\nzarr==3.4.2\nzarrs==1\nzarr[x]==1\nome-zarr==2\n") == (
            "a==1\nzarrs==1\nome-zarr==2\n"
        )


class TestResults:
    def test_round_trip(self, tmp_path: Path) -> None:
        ran = Ran({"a": PASSED, "b": FAILED}, "stopped", 2.5)
        results.save(tmp_path / "x" / "a.json", "key", ran)
        assert results.load(tmp_path / "x" / "a.json", "key") == ran
        assert results.load(tmp_path / "x" / "a.json", "other") is None
        assert results.load(tmp_path / "b.json", "key") is None

    def test_text(self, tmp_path: Path) -> None:
        results.save_text(tmp_path / "a", "key", "x==1\n")
        assert results.load_text(tmp_path / "a", "key") == "x==1\n"
        assert results.load_text(tmp_path / "a", "other") is None
        assert results.load_text(tmp_path / "b", "key") is None

    def test_digest(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("1")
        (tmp_path / "b").write_text("2")
        paths = [tmp_path / "b", tmp_path / "a"]
        before = results.digest(paths, tmp_path)
        assert results.digest(paths[::-1], tmp_path) == before
        (tmp_path / "b").write_text("3")
        assert results.digest(paths, tmp_path) != before


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.2", True), (b"::1", True), (None, True), ("a.example", False)],
)
def test_is_local(host: Any, expected: bool) -> None:
    assert is_local(host) is expected


def test_names_of_modules() -> None:
    found = set(names("suites"))
    assert {"suites", "suites.junit", "suites.inside", "suites.inside.import_modules"} <= found
    assert "suites.__main__" not in found


def test_environment_hides_what_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "x")
    told = environment(PACKAGE, sys.executable, tmp_path)
    assert "SOME_SECRET" not in told
    assert told["HOME"] == str(tmp_path)


def test_tests_that_are_named_run_alone() -> None:
    package = replace(
        PACKAGE, arguments=("tests", "-mnot slow"), deselect=(Known("tests/a.py", "why"),)
    )
    whole = command(package, "python", Path("r.xml"))
    assert whole[3:6] == ["tests", "-mnot slow", "--deselect=tests/a.py"]
    some = command(package, "python", Path("r.xml"), ["tests/b.py::c"])
    assert some[3:6] == ["-mnot slow", "tests/b.py::c", "--deselect=tests/a.py"]


SUITE = """
import os
import signal
import socket

import peer
import pytest


def test_same():
    pass


@pytest.mark.parametrize("number", [1, 2])
def test_differs(number):
    assert peer.NUMBER >= number


def test_network():
    with socket.socket() as it, pytest.raises(OSError, match="without a network"):
        it.connect(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("host.example", 80)


def test_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as it:
        socket.create_connection(it.getsockname()).close()
"""
HANGS = """
import pathlib
import time

def test_before():
    pass

def test_hangs():
    pathlib.Path("reached").touch()
    time.sleep(3600)
"""
LEAVES_A_THREAD = """
import threading

def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait).start()
"""


class TestRun:
    """A suite of a few tests, run with two modules of one name in the place of two zarrs."""

    def run(
        self,
        folder: Path,
        number: int,
        suite: str,
        visit: Callable[[float], None] = lambda _: None,
        configuration: str = "",
        **more: Any,
    ) -> Ran:
        place = folder / f"peer-{number}"
        place.mkdir()
        (place / "peer.py").write_text(f"NUMBER = {number}\n")
        (place / "pytest.ini").write_text(f"[pytest]\n{configuration}")
        (place / "test_it.py").write_text(suite)
        package = replace(PACKAGE, arguments=("test_it.py",), **more)
        return run_suite(package, sys.executable, place, folder / f"{number}.xml", visit=visit)

    def test_both(self, tmp_path: Path) -> None:
        ran = [self.run(tmp_path, number, SUITE) for number in (2, 1)]
        assert [one.fault for one in ran] == ["", ""], (tmp_path / "1.log").read_text()
        found = compare(PACKAGE, *(one.outcomes for one in ran))
        assert (found.there, found.here, found.gained) == (5, 4, ())
        (lost,) = found.lost
        assert lost.test == "test_it.py::test_differs[2]"
        assert lost.here == Outcome("failed", "assert 1 >= 2")

    def test_a_module_that_does_not_import_stops_no_other(self, tmp_path: Path) -> None:
        ran = self.run(tmp_path, 1, "import no_such_module")
        assert ran.fault == ""
        assert [one.what for one in ran.outcomes.values()] == ["error"]

    def test_what_hangs_is_stopped_and_what_ran_is_told(self, tmp_path: Path) -> None:
        def visit(_: float) -> None:
            if (tmp_path / "peer-1" / "reached").exists():
                raise Stop("enough")

        ran = self.run(tmp_path, 1, HANGS, visit)
        assert ran.fault == "enough"
        assert ran.outcomes["test_it.py::test_before"] == PASSED
        assert ran.outcomes.get("test_it.py::test_hangs") != PASSED

    def test_a_process_that_does_not_end_after_its_report_is_stopped(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("suites.run.GRACE_SECONDS", 0.5)
        ran = self.run(tmp_path, 1, LEAVES_A_THREAD)
        assert ran.fault == ""
        assert list(ran.outcomes.values()) == [PASSED]

    def test_what_takes_too_long_is_stopped(self, tmp_path: Path) -> None:
        assert self.run(tmp_path, 1, HANGS, seconds=0.0).fault == "stopped after 0 s"

    def test_what_ends_at_once_is_told(self, tmp_path: Path) -> None:
        ran = self.run(tmp_path, 1, "import os\nos._exit(7)")
        assert (ran.outcomes, ran.fault) == ({}, "pytest ended with 7")

    def test_modules_are_imported(self, tmp_path: Path) -> None:
        strict = "absent_plugin = enabled\nfilterwarnings = error\n"
        ran = self.run(tmp_path, 1, "", configuration=strict, imports=("json", "peer"))
        assert ran.outcomes["import_modules.py::test_import[json.decoder]"] == PASSED
        assert ran.outcomes["import_modules.py::test_import[peer]"] == PASSED
        assert json.dumps(ran.fault) == '""'


UNSTEADY = """
import os
import pathlib

SIDE = os.environ["PEER"]
ONCE = pathlib.Path(os.environ["FOLDER"], f"ran-{SIDE}")

def test_same():
    pass

def test_there_alone():
    assert SIDE == "there"

def test_not_each_time():
    before = ONCE.exists()
    ONCE.touch()
    assert SIDE == "there" or before
"""


class FakeWorkshop(Workshop):
    """One that builds nothing."""

    def __init__(self, folder: Path, *, reuse: bool) -> None:
        self.pins = Pins("zarr==1", (), ())
        self.folder, self.python, self.keep, self.reuse = folder, sys.executable, False, reuse
        self.version, self.own = "3", "own"


class FakeBoth(Both):
    """One whose interpreters are this one, told apart by a variable."""

    _sdist = property(lambda self: self._workshop.folder / "sdist")
    _locked = "a==1"
    made = 0

    def _interpreter(self, side: str) -> Path:
        self.made += 1
        script = self._place / side
        folder = self._workshop.folder
        run = f"PEER={side} FOLDER='{folder}' exec '{sys.executable}' \"$@\""
        script.write_text(f"#!/bin/sh\n{run}\n")
        script.chmod(0o755)
        return script


class TestBoth:
    package = replace(PACKAGE, copy=("test_it.py",), arguments=("test_it.py",))

    def test_what_differs_runs_again_and_is_kept(self, tmp_path: Path) -> None:
        make_sdist(tmp_path / "sdist", {"pytest.ini": "[pytest]\n", "test_it.py": UNSTEADY})
        told: list[str] = []
        both = FakeBoth(self.package, FakeWorkshop(tmp_path, reuse=False), told.append)
        row = both.run()
        assert row.comparison is not None
        assert (row.comparison.there, row.comparison.here, row.unsteady) == (3, 2, 1)
        assert [one.test for one in row.comparison.lost] == ["test_it.py::test_there_alone"]
        assert (row.why, row.unexplained, both.made) == ("", 1, 4)
        assert any("2 tests again" in one for one in told)
        assert not (tmp_path / "environments" / "some").exists()

        known = replace(self.package, differs=(Known("*alone", "on purpose"),))
        again = FakeBoth(known, FakeWorkshop(tmp_path, reuse=True))
        assert again.run().unexplained == 0
        assert again.made == 0

    def test_what_cannot_be_had_is_a_row(self, tmp_path: Path) -> None:
        make_sdist(tmp_path / "sdist", {"a.py": ""})
        row = FakeBoth(self.package, FakeWorkshop(tmp_path, reuse=False)).run()
        assert row == table.Row(self.package, why="its sdist has no test_it.py")


def test_the_network_of_this_process_is_left_alone() -> None:
    assert socket.getaddrinfo.__module__ == "socket"
