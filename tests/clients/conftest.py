"""What the tests of clients share: the version is ours, and their bulk reads are counted.

A test of a client asks for the fixture `bulk_reads`, makes the client read, and says whose reads
those were::

    def test_open(tmp_path: Path, bulk_reads: BulkReads) -> None:
        found = someclient.open(tmp_path)
        bulk_reads.clear()                      # forget what opening read
        found.load()
        bulk_reads.expect_some("someclient")    # fails where no chunk came by Store.get_many
        assert bulk_reads.chunks == [("LocalStore", 12)]

``bulk_reads.calls`` is a list of ``(name of the class of the store, number of requests)``, one for
every call of `get_many` on any store in this process, those of a client's own classes included;
``bulk_reads.chunks`` is the same without requests for metadata, which may come in bulk as well.
``bulk_reads.record("someclient")`` notes all for the summary and expects nothing, for a client that
reads in a way of its own. What other processes read is counted where `count_bulk_reads` runs in
them, and added to both lists. See `tests.clients.bulk_reads`.

The summary of the test run lists our version, and for each client its version and its reads.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.bulk_reads import PROPERTY, BulkReads, count_bulk_reads

import zarr


@pytest.fixture(scope="session", autouse=True)
def _our_version() -> None:
    """Fail every test of a client that would run with another distribution of zarr."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert zarr.__version__ == project["version"]
    try:
        installed = importlib.metadata.version("zarr")
    except importlib.metadata.PackageNotFoundError:
        return  # found on the path alone
    assert installed == project["version"]


@pytest.fixture
def bulk_reads(request: pytest.FixtureRequest) -> Iterator[BulkReads]:
    """Every bulk read during the test; see the docstring of this module."""
    with count_bulk_reads(request.node) as reads:
        yield reads


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what each client read in bulk, also where the tests ran in several processes."""
    last: dict[tuple[str, str], list[int]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in report.user_properties:
                    if name == PROPERTY:
                        last[value["client"], report.nodeid] = value["counts"]
    if not last:
        return
    terminalreporter.section(f"bulk reads by clients of zarr {zarr.__version__}")
    for client in sorted({client for client, _ in last}):
        counts = [found for (other, _), found in last.items() if other == client]
        calls, requests, chunks = (sum(column) for column in zip(*counts))
        terminalreporter.line(
            f"{client} {_version(client)}: {calls} calls of get_many in {len(counts)} tests, "
            f"with {requests} requests, {chunks} of them for chunks"
        )


def _version(client: str) -> str:
    try:
        return importlib.metadata.version(client)
    except importlib.metadata.PackageNotFoundError:
        return "(version unknown)"
