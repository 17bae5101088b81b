"""Options of stores that merge their reads: from the constructor, and from the configuration."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from tests.optional import lacks

import zarr
from zarr.core._read_options import ReadOptions
from zarr.storage.bulk import ReadScheduler

CONFIGURED: dict[str, Any] = {
    "max_gap_bytes": None,
    "max_coalesced_bytes": 111,
    "window_seconds": 0.5,
    "read_ahead_bytes": 222,
    "max_retries": 7,
}


async def nothing(path: Any, byte_range: Any) -> None:
    """Fetch what is not there."""


def fsspec_store(**options: Any) -> Any:
    from zarr.storage import FsspecStore

    return FsspecStore.from_url("memory://options", **options)


def object_store(**options: Any) -> Any:
    import obstore

    from zarr.storage import ObjectStore

    return ObjectStore(obstore.store.MemoryStore(), **options)


MAKERS = [
    pytest.param(fsspec_store, marks=pytest.mark.skipif(lacks("fsspec"), reason="needs fsspec")),
    pytest.param(object_store, marks=pytest.mark.skipif(lacks("obstore"), reason="needs obstore")),
    lambda **options: ReadScheduler(nothing, **options),
]
Make = Callable[..., Any]


def options_of(made: Any) -> ReadOptions:
    found: ReadOptions = made.options if isinstance(made, ReadScheduler) else made.read_options
    return found


@pytest.mark.parametrize("make", MAKERS)
def test_the_defaults_are_those_of_the_configuration(make: Make) -> None:
    assert options_of(make()) == ReadOptions()
    with zarr.config.set({f"bulk_reads.{name}": value for name, value in CONFIGURED.items()}):
        made = make()
        assert options_of(make(max_retries=1, max_gap_bytes=5)) == ReadOptions(
            **{**CONFIGURED, "max_retries": 1, "max_gap_bytes": 5}
        )
    # They are those of the time when it was made.
    assert options_of(made) == ReadOptions(**CONFIGURED)


@pytest.mark.parametrize("make", MAKERS)
def test_the_number_in_flight_follows_the_configuration(make: Make) -> None:
    options = options_of(make())
    assert options.concurrency() == 64
    with zarr.config.set({"async.concurrency": 10}):  # its default, but somebody has said so
        assert options.concurrency() == 10
        with zarr.config.set({"bulk_reads.max_concurrency": 20}):
            assert options.concurrency() == 20
            assert options_of(make(max_concurrency=3)).concurrency() == 3


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("where", ["argument", "configuration"])
@pytest.mark.parametrize("name", list(CONFIGURED))
@pytest.mark.parametrize(("value", "error"), [(-1, ValueError), ("much", TypeError)])
def test_a_bad_option_is_refused(
    make: Make, where: str, name: str, value: Any, error: type[Exception]
) -> None:
    arguments = {name: value} if where == "argument" else {}
    configured = {} if arguments else {f"bulk_reads.{name}": value}
    with zarr.config.set(configured), pytest.raises(error, match=name):
        make(**arguments)


@pytest.mark.parametrize("make", MAKERS)
def test_options_are_kept(make: Make) -> None:
    reports: list[Any] = []
    made = make(**CONFIGURED, max_concurrency=3, on_bulk_read=reports.append)
    expected = ReadOptions(**CONFIGURED, max_concurrency=3)
    assert dataclasses.asdict(options_of(made)) == dataclasses.asdict(expected)
    if not isinstance(made, ReadScheduler):
        view = made.with_read_only(True)
        assert options_of(view) == expected
        assert view.on_bulk_read == reports.append
        assert view._reads is made._reads  # one budget
    if make is not object_store:  # obstore's store in memory cannot be pickled
        copy = pickle.loads(pickle.dumps(made))
        assert options_of(copy) == expected
        assert copy.on_bulk_read is None
