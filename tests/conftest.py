"""Fixtures and settings shared by all tests."""

from __future__ import annotations

import math
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import zarr.core.config
from tests.optional import missing
from zarr.core.chunks import _executor, _scheduling

pytest_plugins = ["tests.servers.fixtures"]

# Generated cases are drawn anew on every run, but their time is not what a test asserts.
settings.register_profile(
    "default",
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.register_profile("nightly", parent=settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what a minimal environment cannot load."""
    return (collection_path.suffix == ".py" and bool(missing(collection_path))) or None


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stores that other implementations wrote, with the values they should read as."""
    folder = tmp_path_factory.mktemp("golden")
    with tarfile.open(Path(__file__).parent / "data" / "golden.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let values be near and decoding quick, as they are unless a clock tells otherwise.

    On a busy machine one would, now and then, and what comes after would be read in other portions
    and by other threads. A test of what follows from that says so itself.
    """
    monkeypatch.setattr(_scheduling, "_FAR_SECONDS", math.inf)
    monkeypatch.setattr(_executor, "_SLOW_SECONDS", math.inf)


@pytest.fixture(autouse=True)
def _fresh_config() -> Iterator[None]:
    """Keep what one test configures from the next."""
    zarr.core.config.config.reset()
    yield
    zarr.core.config.config.reset()
