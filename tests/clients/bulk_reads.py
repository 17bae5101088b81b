"""Counting bulk reads: what clients ask of `Store.get_many`, whichever store they use."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import zarr
from zarr.abc._store_access import access_of
from zarr.abc.store import Store

PROPERTY = "bulk_reads"

# The two ways in: `get_many`, and its twin for a thread that waits, which either answers in that
# thread or goes on to `get_many`.
_WAITING = "_get_many_sync"
_METHODS = ("get_many", _WAITING)

_DOCUMENTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")

_lock = threading.Lock()


class BulkReads:
    """The bulk reads since counting began.

    Parameters
    ----------
    item : pytest.Item or None
        The test whose report says what a client did; None where there is none, as in the worker
        processes of a client.

    Attributes
    ----------
    calls : list of tuple
        ``(name of the class of the store, number of requests)`` for each call.
    chunks : list of tuple
        The same of those calls that asked for anything but documents of metadata, and without
        the requests for these.
    """

    def __init__(self, item: pytest.Item | None = None) -> None:
        self.calls: list[tuple[str, int]] = []
        self.chunks: list[tuple[str, int]] = []
        self._item = item

    @property
    def requests(self) -> int:
        """Number of requests of all calls, those for metadata included."""
        return sum(requests for _, requests in self.calls)

    def add(self, store: str, requests: Iterable[Any]) -> None:
        """Count one call.

        Parameters
        ----------
        store : str
            Name of the class that is asked.
        requests : iterable
            What it is asked for.
        """
        keys = [request if isinstance(request, str) else request[0] for request in requests]
        self.calls.append((store, len(keys)))
        nchunks = sum(key.rpartition("/")[2] not in _DOCUMENTS for key in keys)
        if nchunks:
            self.chunks.append((store, nchunks))

    def clear(self) -> None:
        """Forget the calls so far."""
        self.calls.clear()
        self.chunks.clear()

    def record(self, client: str) -> None:
        """Say in the summary of the test run that a client made the calls so far.

        Parameters
        ----------
        client : str
            Name of the distribution; that of the module will do.
        """
        if self._item is not None:
            nchunks = sum(requests for _, requests in self.chunks)
            entry = {"client": client, "counts": [len(self.calls), self.requests, nchunks]}
            self._item.user_properties.append((PROPERTY, entry))

    def expect_some(self, client: str) -> None:
        """Check that there was a bulk read of chunks, and record all for a client.

        Parameters
        ----------
        client : str
            As for `record`.

        Raises
        ------
        AssertionError
            If nothing but metadata was asked for.
        """
        assert "+getmany" in zarr.__version__
        assert self.chunks, f"{client} read no chunks through Store.get_many"
        self.record(client)


def _classes() -> Iterator[type[Store]]:
    """Yield `Store` and every class derived from it so far."""
    seen: set[type[Store]] = set()
    left: list[Any] = [Store]
    while left:
        cls = left.pop()
        if cls not in seen:
            seen.add(cls)
            left += cls.__subclasses__()
            yield cls


def _counted(name: str, original: Callable[..., Any], reads: BulkReads) -> Callable[..., Any]:
    """Return a method that notes who is asked for how much, and asks."""

    @functools.wraps(original)
    def read(self: Store, requests: Any, *args: Any, **kwargs: Any) -> Any:
        # A class that calls what it overrides is asked once.
        if _method_of(type(self), name) is read and (
            name != _WAITING or access_of(self).reads_in_thread
        ):
            if isinstance(requests, Iterator):
                requests = list(requests)
            reads.add(type(self).__name__, requests)
        return original(self, requests, *args, **kwargs)

    return read


def _method_of(cls: type[Store], name: str) -> Any:
    return next(vars(base)[name] for base in cls.__mro__ if name in vars(base))


@contextmanager
def count_bulk_reads(item: pytest.Item | None = None) -> Iterator[BulkReads]:
    """Count every call of `get_many` in this process until the end of the block.

    The method is wrapped in every class of stores that defines it, also in those that a client
    defines, before or within the block; it does what it did. A call counts where it is made, so
    that of a store around a store counts for both. A read of a thread that waits counts as well,
    once, also where the store answers it without the event loop. One block at a time.

    Parameters
    ----------
    item : pytest.Item or None
        See `BulkReads`.

    Yields
    ------
    BulkReads
        What was counted so far.
    """
    reads = BulkReads(item)
    originals: dict[Any, Any] = {}  # by what stands in for them

    def wrap(cls: type[Store]) -> None:
        for name in _METHODS:
            original = vars(cls).get(name)
            if original is not None and original not in originals:
                counted = _counted(name, original, reads)
                originals[counted] = original
                setattr(cls, name, counted)

    init_subclass = vars(Store)["__init_subclass__"]

    def init_and_wrap(cls: Any, /, **kwargs: Any) -> None:
        init_subclass.__func__(cls, **kwargs)
        wrap(cls)

    if not _lock.acquire(blocking=False):
        raise RuntimeError("bulk reads are being counted already")
    try:
        for cls in list(_classes()):
            wrap(cls)
        setattr(Store, "__init_subclass__", classmethod(init_and_wrap))  # noqa: B010
        yield reads
    finally:
        setattr(Store, "__init_subclass__", init_subclass)  # noqa: B010
        for cls in list(_classes()):
            for name in _METHODS:
                own = vars(cls).get(name)
                if own in originals:
                    setattr(cls, name, originals[own])
        _lock.release()
