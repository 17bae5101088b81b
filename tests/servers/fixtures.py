"""The servers as fixtures: load with ``pytest_plugins = ["tests.servers.fixtures"]``."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from tests.servers.range_server import RangeServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.s3 import S3Server

_bucket_numbers = itertools.count()


@pytest.fixture
def range_server() -> Iterator[RangeServer]:
    """An HTTP server over a dict, `server.objects`, that a test fills."""
    with RangeServer({}) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server for all tests."""
    pytest.importorskip("moto")
    pytest.importorskip("boto3")
    from tests.servers.s3 import S3Server

    with S3Server() as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Iterator[str]:
    """The name of an empty bucket of `s3_server`, which forgets earlier requests."""
    name = f"bucket-{next(_bucket_numbers)}"
    s3_server.create_bucket(name)
    s3_server.clear()
    yield name
    s3_server.clear()
