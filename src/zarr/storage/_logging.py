"""`LoggingStore`: a store that logs the calls to a wrapped store."""

from __future__ import annotations

import logging
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from zarr.abc.store import Store
from zarr.core._process_lock import ProcessLock
from zarr.core.common import closing
from zarr.storage._wrapper import WrapperStore

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.store import ByteRequest, ReadRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["LoggingStore"]

T_Store = TypeVar("T_Store", bound=Store)

_lock = ProcessLock()  # held while a counter or the handlers of a logger are changed


class LoggingStore(WrapperStore[T_Store]):
    """Logs every call before and after forwarding it to the wrapped store, and counts the calls.

    Parameters
    ----------
    store : Store
        The wrapped store.
    log_level : str
        Name of the log level, for example ``"INFO"``.
    log_handler : logging.Handler or None
        Handler for the log records. If None, the records go to the handlers that are already
        configured, or to standard output if there are none.

    Attributes
    ----------
    counter : dict of str to int
        Number of calls of each method, by the name of the method.

    Raises
    ------
    ValueError
        If the log level is unknown.
    """

    counter: defaultdict[str, int]
    _options = ("log_level", "log_handler")

    def __init__(
        self,
        store: T_Store,
        log_level: str = "DEBUG",
        log_handler: logging.Handler | None = None,
    ) -> None:
        super().__init__(store)
        self.counter = defaultdict(int)
        self.log_level = log_level
        self.log_handler = log_handler
        self.logger = logging.getLogger(f"LoggingStore({store})")
        if log_level not in logging.getLevelNamesMapping():
            raise ValueError(f"Unknown level: {log_level!r}")
        self.logger.setLevel(log_level)
        with _lock:  # stores with the same name share a logger
            if not self.logger.hasHandlers():
                self.logger.addHandler(log_handler or self._default_handler())
            elif log_handler is not None and log_handler not in self.logger.handlers:
                self.logger.addHandler(log_handler)

    def _default_handler(self) -> logging.Handler:
        handler = logging.StreamHandler(stream=sys.stdout)
        handler.setLevel(self.log_level)
        handler.setFormatter(
            logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s")
        )
        return handler

    def _with_store(self, store: T_Store) -> Self:
        return type(self)(store, self.log_level, self.log_handler)

    def __reduce__(self) -> Any:
        # The handler is not pickled: streams and locks cannot be pickled.
        return type(self), (self._store, self.log_level)

    def __str__(self) -> str:
        return f"logging-{self._store}"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._store == other._store

    __hash__ = None

    @contextmanager
    def log(self, hint: Any = "") -> Iterator[None]:
        """Log the start and end of a ``with`` block as a call of the enclosing method.

        Parameters
        ----------
        hint : object
            Value that is logged as the argument of the call.
        """
        # Stack frames: 0 is this generator, 1 is its context manager, 2 is the method.
        with self._logged(sys._getframe(2).f_code.co_name, hint):
            yield

    @contextmanager
    def _logged(self, method: str, *details: object) -> Iterator[None]:
        with _lock:
            self.counter[method] += 1
        shown = ", ".join(str(detail) for detail in details if detail is not None)
        call = f"{type(self._store).__name__}.{method}({shown})"
        self.logger.info(" Calling %s", call)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.logger.info("Finished %s [%.2f s]", call, time.perf_counter() - began)

    # --- logged methods -------------------------------------------------------------------

    @property
    def supports_writes(self) -> bool:
        # docstring inherited
        with self._logged("supports_writes"):
            return super().supports_writes

    @property
    def supports_deletes(self) -> bool:
        # docstring inherited
        with self._logged("supports_deletes"):
            return super().supports_deletes

    @property
    def supports_partial_writes(self) -> bool:
        # docstring inherited
        with self._logged("supports_partial_writes"):
            return super().supports_partial_writes

    @property
    def supports_listing(self) -> bool:
        # docstring inherited
        with self._logged("supports_listing"):
            return super().supports_listing

    @property
    def read_only(self) -> bool:
        # docstring inherited
        with self._logged("read_only"):
            return super().read_only

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        with self._logged("get", key, byte_range):
            return await self._store.get(key, prototype, byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        wanted = list(key_ranges)
        with self._logged("get_partial_values", ",".join(str(key) for key, _ in wanted)):
            return await self._store.get_partial_values(prototype, wanted)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        wanted = list(requests)
        with self._logged("get_many", f"{len(wanted)} requests"):
            batches = super().get_many(wanted, prototype=prototype)
            async with closing(batches):
                async for batch in batches:
                    yield batch

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Iterable[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_concurrency: int | None = None,
        max_gap_bytes: int | None = None,
        max_coalesced_bytes: int | None = None,
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        wanted = list(byte_ranges)
        limits: dict[str, Any] = {
            "max_concurrency": max_concurrency,
            "max_gap_bytes": max_gap_bytes,
            "max_coalesced_bytes": max_coalesced_bytes,
        }
        given = {name: value for name, value in limits.items() if value is not None}
        with self._logged("get_ranges", key, f"{len(wanted)} ranges"):
            batches = self._store.get_ranges(key, wanted, prototype=prototype, **given)
            async with closing(batches):
                async for batch in batches:
                    yield batch

    async def exists(self, key: str) -> bool:
        # docstring inherited
        with self._logged("exists", key):
            return await super().exists(key)

    async def getsize(self, key: str) -> int:
        # docstring inherited
        with self._logged("getsize", key):
            return await super().getsize(key)

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        with self._logged("getsize_prefix", prefix):
            return await super().getsize_prefix(prefix)

    async def is_empty(self, prefix: str = "") -> bool:
        # docstring inherited
        with self._logged("is_empty", prefix):
            return await super().is_empty(prefix)

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        with self._logged("set", key):
            await super().set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        with self._logged("set_if_not_exists", key):
            await super().set_if_not_exists(key, value)

    async def delete(self, key: str) -> None:
        # docstring inherited
        with self._logged("delete", key):
            await super().delete(key)

    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        with self._logged("delete_dir", prefix):
            await super().delete_dir(prefix)

    async def clear(self) -> None:
        # docstring inherited
        with self._logged("clear"):
            await super().clear()

    async def list(self) -> AsyncIterator[str]:
        # docstring inherited
        with self._logged("list"):
            async for key in super().list():
                yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        with self._logged("list_prefix", prefix):
            async for key in super().list_prefix(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        with self._logged("list_dir", prefix):
            async for name in super().list_dir(prefix):
                yield name

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        with self._logged("get_sync", key, byte_range):
            return super().get_sync(key, prototype=prototype, byte_range=byte_range)

    def set_sync(self, key: str, value: Buffer) -> None:
        # docstring inherited
        with self._logged("set_sync", key):
            super().set_sync(key, value)

    def delete_sync(self, key: str) -> None:
        # docstring inherited
        with self._logged("delete_sync", key):
            super().delete_sync(key)
