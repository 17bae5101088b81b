"""The comparison of peers: that its parts work together, on cases as small as they get."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from bench import compare, datasets, page, scratch, tables
from bench.cases import MINI, Case, all_cases
from bench.environments import PEERS, Environments, Peer, Unavailable, worker_command
from bench.machine import describe
from bench.report import Report
from bench.rounds import Limits, Outcome
from bench.server import BUSY_EVERY, busy
from bench.servers import HTTP
from bench.workers import Worker, environment
from tests.optional import lacks

ROOT = Path(__file__).parents[2]
OURS, LIMIT = (next(peer for peer in PEERS if peer.name == name) for name in ("ours", "limit"))
PATH = [str(ROOT / "src"), str(ROOT)]
NEEDED = {"http": "aiohttp", "references": "fsspec", "s3": "s3fs", "s3-references": "s3fs"}


def starter(peer: Peer) -> Callable[[], Worker]:
    """Return what starts a worker in the interpreter of the tests."""
    return lambda: Worker(worker_command(sys.executable, peer), environment(PATH))


def measured(cases: list[Case], folder: Path, *peers: Peer) -> Report:
    report = Report(describe(), "mini", {peer.name: peer.title for peer in peers})
    start = {peer.name: starter(peer) for peer in peers}
    compare.measure(cases, MINI, start, folder, Limits(rounds=2, seconds=0.2, fill=0), report)
    return report


def small(*names: str) -> list[Case]:
    cases = [case for case in all_cases(MINI) if case.name in names]
    assert len(cases) == len(names)
    return [case for case in cases if not lacks(NEEDED.get(case.transport, "numpy"))]


EVERYDAY = (
    *("small-full-local", "small-full-local-v2", "slice-local-v2", "sharded-slice-local"),
    *("small-write-local-v2", "small-write-memory", "small-read-memory", "open-array-local"),
    *("open-group-local-v2", "readers-small-2-threads", "overlap-small"),
    *("scale-coordinate-1000", "formats-slice-local", "formats-small-write-local"),
    *("keys-http", "references-http-v2", "members-http", "readers-http-2-threads"),
    *("readers-http-2-processes", "formats-keys-http", "s3-keys", "s3-keys-v2"),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return measured(small(*EVERYDAY), tmp_path_factory.mktemp("bench"), OURS, LIMIT)


def test_every_case_is_done_and_checked(report: Report) -> None:
    assert len(report.results) >= len(EVERYDAY) - 7
    for result in report.results:
        ours = result.outcomes["ours"]
        assert ours.missing is None, result.name
        assert 1 <= len(ours.figures) <= 2
        assert all(figure > 0 for figure in ours.figures)
        assert not compare.failed(result)
        limit = result.outcomes.get("limit", Outcome())
        assert limit.missing is None, result.name
    assert report.versions["ours"]["python"] == describe()["python"]


@pytest.mark.skipif(lacks("aiohttp"), reason="needs aiohttp")
def test_requests_are_counted_at_the_server(report: Report) -> None:
    counts = {
        (result.name, peer): outcome.counts.requests
        for result in report.results
        for peer, outcome in result.outcomes.items()
        if outcome.counts is not None
    }
    assert counts["keys-http", "ours"] == counts["keys-http", "limit"] == MINI.keys
    assert counts["references-http-v2", "ours"] == counts["references-http-v2", "limit"] == 1
    assert counts["members-http", "ours"] >= MINI.children
    if not lacks("s3fs"):
        assert counts["s3-keys", "ours"] == counts["s3-keys-v2", "ours"] == MINI.keys
    assert not any(name.endswith("local") for name, _ in counts)


FLOWS = [case.name for case in all_cases(MINI) if case.group == "flows"]
CLIENTS = ("aiohttp", "fsspec", "s3fs", "obstore", "xarray", "dask")


@pytest.mark.skipif(any(map(lacks, CLIENTS)), reason="reads through several clients")
def test_flows_are_done_and_counted_at_the_server(tmp_path: Path) -> None:
    report = measured(small(*FLOWS), tmp_path, OURS, LIMIT)
    counts = {}
    for result in report.results:
        ours = result.outcomes["ours"]
        assert ours.missing is None, result.name
        assert ours.counts is not None
        assert 1 <= ours.counts.peak <= 64, result.name
        counts[result.name] = ours.counts.requests
    assert counts["flows-coordinates"] == 1
    assert counts["flows-s3-fsspec-keys"] == counts["flows-s3-obstore-keys"] == MINI.keys
    assert counts["flows-s3-fsspec-references"] == counts["flows-s3-obstore-references"] == 1
    assert counts["flows-concurrent"] == MINI.callers * MINI.keys
    text = tables.all_tables(report)
    assert "| requests, bytes, most at once | ours |" in text.replace(" | limit |", " |")
    assert "`flows-dask-references`" in text


def test_a_busy_server_refuses_one_request_of_twenty(tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"abc")
    server = HTTP(tmp_path, 0.0)
    try:
        refused = []
        for number in range(2 * BUSY_EVERY):
            try:
                with urlopen(busy(f"{server.url}/value"), timeout=30) as response:
                    assert response.read() == b"abc"
            except HTTPError as error:
                refused.append((number, error.code, error.headers["Retry-After"]))
                error.close()
        assert refused == [(BUSY_EVERY - 1, 503, "1"), (2 * BUSY_EVERY - 1, 503, "1")]
        counts = server.counts()
        assert (counts.requests, counts.nbytes, counts.peak) == (40, 38 * 3, 1)
        assert server.counts().peak == 0
    finally:
        server.close()


def test_a_report_comes_back_as_it_was_saved(report: Report, tmp_path: Path) -> None:
    report = dataclasses.replace(report, results=list(report.results))
    unable = dataclasses.replace(report.results[0], outcomes={"ours": Outcome(missing="too new")})
    report.results.append(unable)
    report.save(tmp_path / "results.json")
    loaded = Report.load(tmp_path / "results.json")
    assert tables.all_tables(loaded) == tables.all_tables(report)
    assert loaded.results[-1].outcomes == unable.outcomes
    assert loaded.results[0].figures("ours") == report.results[0].figures("ours")


def test_tables_and_page(report: Report, tmp_path: Path) -> None:
    text = tables.all_tables(report)
    assert "| case | ours | limit |" in text
    assert "`small-full-local`" in text
    assert "geometric mean" in text
    (tmp_path / "docs").mkdir()
    page.write_docs(report, [], tmp_path / "docs")
    written = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert text.rstrip() in written
    assert str(Path.home()) not in written


@pytest.mark.skipif(lacks("matplotlib"), reason="draws with matplotlib")
def test_plots(report: Report, tmp_path: Path) -> None:
    pictures = {picture.name for picture in page.write_output(report, tmp_path)}
    assert pictures >= {"ratios.png", "ratios.svg", "scale.png", "scale.svg"}
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_values_are_found(tmp_path: Path) -> None:
    cases = small("one-chunk-local")
    expected = datasets.make(cases[0].dataset, tmp_path / "data") / datasets.EXPECTED
    values = np.load(expected)
    values[3] = 99
    np.save(expected, values)
    result = measured(cases, tmp_path, OURS).results[0]
    assert result.outcomes["ours"].figures == []
    assert result.outcomes["ours"].missing == "WrongResult: 1 elements differ"
    assert compare.failed(result)
    assert math.isnan(result.ratio("limit"))


def test_what_a_peer_cannot_do_is_told(tmp_path: Path) -> None:
    report = measured(small("import"), tmp_path, LIMIT)
    assert report.results[0].outcomes == {"limit": Outcome(missing="does not apply")}
    text = tables.all_tables(report)
    assert "- limit, `import`: does not apply" in text


def test_a_worker_that_dies_is_told_and_replaced(tmp_path: Path) -> None:
    started = 0

    def start() -> Worker:
        nonlocal started
        started += 1
        worker = starter(OURS)()
        if started == 1:
            worker.close()
        return worker

    report = Report(describe(), "mini", {"ours": OURS.title})
    cases = small("one-chunk-local", "open-array-local")
    limits = Limits(rounds=1)
    compare.measure(cases, MINI, {"ours": start}, tmp_path, limits, report)
    first, second = (result.outcomes["ours"] for result in report.results)
    assert first.missing is not None
    assert "died" in first.missing
    assert second.missing is None
    assert started == 2


def test_cases_are_named_once_and_peers_by_name() -> None:
    names = [case.name for case in all_cases(MINI)]
    assert len(set(names)) == len(names)
    assert [peer.name for peer in compare.chosen("limit, ours")] == ["limit", "ours"]
    with pytest.raises(SystemExit, match="no peer elsewhere"):
        compare.chosen("elsewhere")
    json.dumps([peer.settings for peer in PEERS])


def test_cases_that_fall_behind_are_done_in_fewer_rounds(tmp_path: Path) -> None:
    cases = small("one-chunk-local")
    for minutes, rounds in ((0.0, 2), (10.0, 4)):
        report = Report(describe(), "mini", {"ours": OURS.title})
        limits = Limits(rounds=4, seconds=60, fill=0, minutes=minutes - 1e-9)
        start = {"ours": starter(OURS)}
        compare.measure(cases, MINI, start, tmp_path, limits, report)
        assert len(report.results[0].figures("ours")) == rounds


def test_each_run_writes_into_a_new_directory_and_nothing_is_deleted_until_the_end(
    tmp_path: Path,
) -> None:
    place = scratch.Scratch(str(tmp_path / scratch.NAME), "zarr")
    first = place.renew()
    (first / "c").mkdir()
    (first / "c" / "0").write_bytes(b"123")
    second = place.renew()
    assert second == place.folder != first
    assert [*second.iterdir()] == []
    assert (first / "c" / "0").stat().st_size == 0
    assert {path.name.partition("-")[0] for path in (first, second)} == {"zarr"}
    scratch.clear(tmp_path)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="it looks into the history")
def test_main_can_be_another_commit(tmp_path: Path) -> None:
    main = next(peer for peer in compare.chosen("main", "HEAD"))
    assert main.title == "the commit HEAD"
    place = Environments(tmp_path, main="HEAD")._parent()
    assert (place / "src/zarr/__init__.py").is_file()
    with pytest.raises(Unavailable, match="git failed"):
        Environments(tmp_path, main="no-such-commit")._parent()
