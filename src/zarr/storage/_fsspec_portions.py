"""Combine byte ranges that are requested in one event loop iteration into ``_cat_ranges`` calls.

The default ``_cat_ranges`` of fsspec does not merge reads, and does not stop its reads when the
call is cancelled. Therefore ``_cat_ranges`` is called only if a file system overrides it. For
example, the file system of obstore overrides it to read all ranges of an object with one call.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from zarr.storage._fsspec_serial import is_cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fsspec.asyn import AsyncFileSystem

# Maximum number of ranges per call. A call returns only when its last range has arrived. Most
# ranges therefore arrive earlier with several concurrent calls than with one large call.
PORTION: Final = 16

# Batches to which ranges can still be added, keyed by event loop and id of the file system.
_open: dict[tuple[asyncio.AbstractEventLoop, int], _Portion] = {}


def has_own_cat_ranges(fs: AsyncFileSystem) -> bool:
    """Return whether `fs`, or the file system to which `fs` delegates, overrides ``_cat_ranges``.

    The result is False for caching file systems. If a file system caches whole files without
    compression, the files are read and cached by the module `_fsspec_caches`. The methods of fsspec
    are not used in this case, because they do not write cache files safely.
    """
    layer: Any = fs
    while _is_directory(layer.__class__):
        layer = layer.fs
    inner = layer.__dict__.get("sync_fs")
    if inner is None:
        return _is_own(layer.__class__, "_cat_ranges")
    return not is_cache(inner) and _is_own(inner.__class__, "cat_ranges")


@lru_cache(maxsize=64)
def _is_directory(cls: type) -> bool:
    from fsspec.implementations.dirfs import DirFileSystem

    # If a subclass of `DirFileSystem` overrides `_cat_ranges`, the override might not delegate the
    # call to the inner file system.
    return issubclass(cls, DirFileSystem) and not _differs(cls, DirFileSystem, "_cat_ranges")


@lru_cache(maxsize=64)
def _is_own(cls: type, name: str) -> bool:
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    return _differs(cls, AsyncFileSystem if name.startswith("_") else AbstractFileSystem, name)


def _differs(cls: type, base: type, name: str) -> bool:
    return getattr(cls, name, None) is not getattr(base, name, None)


async def read_in_portion(fs: AsyncFileSystem, path: str, start: int, end: int) -> bytes:
    """Read a byte range, in a batch with other ranges of the same event loop iteration.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        The file system instance of the running event loop.
    path : str
        The path of the object in the file system.
    start : int
        Offset of the first byte.
    end : int
        Offset after the last byte.

    Raises
    ------
    Exception
        If this range cannot be read. If a call for several ranges fails, each range is read
        separately, so that a caller only receives failures of the range that it requested.
    """
    loop = asyncio.get_running_loop()
    key = loop, id(fs)
    portion = _open.get(key)
    if portion is None or len(portion.ranges) == PORTION:
        portion = _open[key] = _Portion(fs, loop)
        loop.call_soon(portion.leave, key)
    data = await portion.read(path, start, end)
    if data is None:
        data = await fs._cat_file(path, start=start, end=end)
    return data


class _Portion:
    """A batch of byte ranges that one call reads."""

    def __init__(self, fs: AsyncFileSystem, loop: asyncio.AbstractEventLoop) -> None:
        self.ranges: list[tuple[str, int, int]] = []
        self._fs = fs
        self._loop = loop
        self._answers: list[asyncio.Future[bytes | None]] = []
        self._call: asyncio.Task[None] | None = None

    async def read(self, path: str, start: int, end: int) -> bytes | None:
        """Add a range and wait for its bytes; None if a call with several ranges failed."""
        answer: asyncio.Future[bytes | None] = self._loop.create_future()
        self.ranges.append((path, start, end))
        self._answers.append(answer)
        try:
            return await answer
        except asyncio.CancelledError:
            # If this was the last waiting caller, cancel the call and wait until it ends.
            call = self._call
            if call is not None and all(other.done() for other in self._answers):
                call.cancel()
                while not call.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([call])
            raise

    def leave(self, key: tuple[asyncio.AbstractEventLoop, int]) -> None:
        """Accept no further ranges, and start the call unless all callers have been cancelled."""
        if _open.get(key) is self:
            del _open[key]
        if not all(answer.done() for answer in self._answers):
            self._call = self._loop.create_task(self._read())

    async def _read(self) -> None:
        paths, starts, ends = (list(values) for values in zip(*self.ranges))
        try:
            found = await self._fs._cat_ranges(paths, starts, ends, on_error="return")
            self._deliver(found)
        except Exception as error:
            for answer in self._answers:
                if answer.done():
                    continue
                if len(self._answers) == 1:
                    answer.set_exception(error)
                else:
                    answer.set_result(None)
        finally:
            for answer in self._answers:  # has an effect only if the call was cancelled
                answer.cancel()

    def _deliver(self, found: Sequence[Any]) -> None:
        if len(found) != len(self._answers):
            raise OSError(
                f"Expected {len(self._answers)} results, one per byte range, got {len(found)}."
            )
        for answer, data in zip(self._answers, found):
            if answer.done():
                continue
            if isinstance(data, BaseException):
                answer.set_exception(data)
            else:
                answer.set_result(data if type(data) is bytes else bytes(data))
