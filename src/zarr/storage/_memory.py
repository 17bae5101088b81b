"""Store classes that keep their values in the memory of the process."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from zarr.abc._store_access import read_method
from zarr.abc.store import ReadRequest, Store, note_request, parse_requests
from zarr.core._byte_ranges import ByteRequest, resolve_byte_range
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage._utils import (
    as_directory,
    check_key,
    check_keys,
    check_value,
    children,
    frozen,
    normalize_path,
)

if TYPE_CHECKING:
    from typing import Self

__all__ = ["GpuMemoryStore", "ManagedMemoryStore", "MemoryStore"]


# Random identifier of this process. Forked child processes keep the identifier; all other processes
# have different identifiers.
_PROCESS = os.urandom(16).hex()

# Number of keys per batch of a bulk read. A batch takes a few hundred microseconds. Other tasks can
# run between two batches.
_ANSWERED_AT_ONCE = 256


def _as_asked(value: Buffer, byte_range: ByteRequest | None, buffer_class: type[Buffer]) -> Buffer:
    """Return a byte range of a value, or the whole value, as an instance of `buffer_class`."""
    if byte_range is not None:
        start, stop = resolve_byte_range(byte_range, len(value))
        value = value[start:stop]
    return value if type(value) is buffer_class else buffer_class.from_buffer(value)


class MemoryStore(Store):
    """A store that keeps its values in a dictionary.

    Parameters
    ----------
    store_dict : mutable mapping or None
        Mapping from keys to `Buffer`. The store uses the mapping itself, not a copy. If None, the
        store creates a new dictionary.
    read_only : bool
        Whether every attempt to change the store raises an error.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True
    _coroutines_wait = False

    _store_dict: MutableMapping[str, Buffer]

    def __init__(
        self,
        store_dict: MutableMapping[str, Buffer] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(read_only=read_only)
        self._store_dict = {} if store_dict is None else store_dict

    def with_read_only(self, read_only: bool = False) -> MemoryStore:
        # docstring inherited
        return type(self)(self._store_dict, read_only=read_only)

    def __str__(self) -> str:
        return f"memory://{id(self._store_dict)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self}')"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and self._store_dict == other._store_dict
            and self.read_only == other.read_only
        )

    __hash__ = None  # type: ignore[assignment]  # equality depends on the content

    # --- in the calling thread ----------------------------------------------------------

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value of a key in the calling thread; see `Store.get`."""
        value = self._store_dict.get(check_key(key))
        if value is None:
            return None
        return _as_asked(value, byte_range, (prototype or default_buffer_prototype()).buffer)

    def _get_many_in_thread(
        self, requests: Sequence[tuple[str, ByteRequest | None]], prototype: BufferPrototype
    ) -> Iterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        # `get_sync` is inlined here, which reduces the time of a read to a fifth.
        check_keys([key for key, _ in requests])
        find, wanted = self._store_dict.get, prototype.buffer
        for start in range(0, len(requests), _ANSWERED_AT_ONCE):
            portion: list[tuple[int, Buffer | None]] = []
            for index, (key, byte_range) in enumerate(
                requests[start : start + _ANSWERED_AT_ONCE], start
            ):
                try:
                    value = find(key)
                    if value is not None and (byte_range is not None or type(value) is not wanted):
                        value = _as_asked(value, byte_range, wanted)
                except Exception as error:
                    note_request(error, self, key, byte_range)
                    raise
                portion.append((index, value))
            yield portion

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write the value of a key in the calling thread; see `Store.set`."""
        self._check_writable()
        self._store_dict[check_key(key)] = self._to_stored(value)

    def _to_stored(self, value: Buffer) -> Buffer:
        """Return the value as a buffer whose memory the caller cannot modify; copy if necessary.

        Raises
        ------
        TypeError
            If the value is not a `Buffer`.
        """
        check_value(value, "MemoryStore")
        return frozen(value)

    def delete_sync(self, key: str) -> None:
        """Delete a key in the calling thread; see `Store.delete`."""
        self._check_writable()
        self._store_dict.pop(check_key(key), None)

    # --- methods of Store ---------------------------------------------------------------

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        wanted = parse_requests(requests)
        check_keys([key for key, _ in wanted])
        # Reads from memory never wait, so the keys need no separate tasks. Other tasks can run
        # between two batches.
        for portion in read_method(self, "_get_many_in_thread")(wanted, prototype):
            yield portion
            await asyncio.sleep(0)

    async def exists(self, key: str) -> bool:
        # docstring inherited
        return check_key(key) in self._store_dict

    async def getsize(self, key: str) -> int:
        # docstring inherited
        value = self._store_dict.get(check_key(key))
        if value is None:
            raise FileNotFoundError(key)
        return len(value)

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        base = as_directory(prefix)
        values = list(self._store_dict.items())
        return sum(len(value) for key, value in values if key.startswith(base))

    async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
        """Write the value of a key; see `Store.set`.

        Parameters
        ----------
        key : str
            Key of the value.
        value : Buffer
            The bytes to store.
        byte_range : None
            Must be None: partial writes are not supported.

        Raises
        ------
        NotImplementedError
            If `byte_range` is not None.
        """
        if byte_range is not None:
            raise NotImplementedError("MemoryStore writes whole values, not byte ranges.")
        self.set_sync(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        self._check_writable()
        # `setdefault` is atomic: of two concurrent writers, only one sets the value.
        self._store_dict.setdefault(check_key(key), self._to_stored(value))

    async def delete(self, key: str) -> None:
        # docstring inherited
        self.delete_sync(key)

    async def clear(self) -> None:
        # docstring inherited
        self._check_writable()
        await self.delete_dir("")

    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        self._check_writable()
        base = as_directory(prefix)
        for key in [key for key in self._keys() if key.startswith(base)]:
            self.delete_sync(key)

    def _keys(self) -> list[str]:
        # The keys are copied, because other writers may change the dictionary during iteration.
        # `list` copies a keys view in one atomic step, also without the GIL. `list(mapping)` is
        # not atomic if the mapping is an instance of a subclass of `dict`.
        return list(self._store_dict.keys())

    async def list(self) -> AsyncIterator[str]:
        # docstring inherited
        for key in self._keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        for key in self._keys():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        for name in children(self._keys(), prefix):
            yield name


class _Shared(dict[str, Buffer]):
    """A dictionary that supports weak references."""

    __slots__ = ("__weakref__",)


class ManagedMemoryStore(MemoryStore):
    """A named store in memory; all stores with the same name in a process share their values.

    The values are freed when the last of these stores is freed. A pickle contains the name, not the
    values. Unpickling a store in another process, including a forked process, raises an error.

    Parameters
    ----------
    name : str or None
        The name, without ``/``. If None, the store chooses a number that is not yet the name of a
        store in the process.
    path : str
        Path below which the store finds its values: with a path ``p``, the key ``k`` of this store
        refers to the shared value ``p/k``.
    read_only : bool
        Whether every attempt to change the store raises an error.

    Raises
    ------
    ValueError
        If the name contains ``/``.
    """

    _coroutines_wait = False
    _registry: ClassVar[weakref.WeakValueDictionary[str, _Shared]] = weakref.WeakValueDictionary()
    _lock: ClassVar[threading.Lock] = threading.Lock()
    _unnamed: ClassVar[int] = 0

    def __init__(self, name: str | None = None, *, path: str = "", read_only: bool = False) -> None:
        with self._lock:
            if name is None:
                while str(ManagedMemoryStore._unnamed) in self._registry:
                    ManagedMemoryStore._unnamed += 1
                name = str(ManagedMemoryStore._unnamed)
                ManagedMemoryStore._unnamed += 1
            elif "/" in name:
                raise ValueError(
                    f"Store name cannot contain '/': {name!r}. "
                    "Use the 'path' parameter to specify a path within the store."
                )
            shared = self._registry.get(name)
            if shared is None:
                shared = self._registry[name] = _Shared()
        super().__init__(shared, read_only=read_only)
        self._name = name
        self.path = normalize_path(path)

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = False) -> Self:
        """Return a new store that shares the values of the existing store named in a URL.

        The path of the new store is the path in the URL.

        Parameters
        ----------
        url : str
            A URL ``memory://name/path``.
        read_only : bool
            Whether every attempt to change the store raises an error.

        Raises
        ------
        ValueError
            If the URL does not contain the name of a store in this process.
        """
        scheme, _, place = url.partition("://")
        name, _, path = place.partition("/")
        # Hold a reference to the shared values, so that they are not freed before the new store
        # refers to them.
        shared = cls._registry.get(name) if scheme == "memory" and name else None
        if shared is None:
            raise ValueError(
                f"Memory store not found for URL '{url}'. The store may have been garbage collected."
            )
        return cls(name, path=path, read_only=read_only)

    @property
    def name(self) -> str:
        """The name; stores with the same name share their values."""
        return self._name

    def with_read_only(self, read_only: bool = False) -> ManagedMemoryStore:
        # docstring inherited
        return type(self)(self._name, path=self.path, read_only=read_only)

    def __str__(self) -> str:
        return f"memory://{self._name}" + (f"/{self.path}" if self.path else "")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and self._store_dict is other._store_dict
            and self.path == other.path
            and self.read_only == other.read_only
        )

    __hash__ = None

    def __reduce__(self) -> Any:
        # The values are not pickled. In this process, the name refers to the same values after
        # unpickling.
        state = {"path": self.path, "read_only": self.read_only, "created_pid": os.getpid()}
        return type(self), (self._name,), {**state, "process": _PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # In another process, the name may refer to no values, or to different values. Unpickling in
        # another process therefore raises an error. The process id alone does not identify a
        # process: processes in different containers may have the same id.
        there = (state["created_pid"], state.get("process", _PROCESS))
        if there != (os.getpid(), _PROCESS):
            raise RuntimeError(
                f"The ManagedMemoryStore {self._name!r} was pickled in process {there[0]} and "
                f"cannot be used in process {os.getpid()}, because its values exist only in the "
                "memory of the first process. Processes can share a LocalStore or a ZipStore."
            )
        self.path = normalize_path(state["path"])
        self._read_only = state["read_only"]

    def _full(self, key: str) -> str:
        return f"{self.path}/{check_key(key)}" if self.path else check_key(key)

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        return super().get_sync(self._full(key), prototype=prototype, byte_range=byte_range)

    def set_sync(self, key: str, value: Buffer) -> None:
        # docstring inherited
        super().set_sync(self._full(key), value)

    def delete_sync(self, key: str) -> None:
        # docstring inherited
        super().delete_sync(self._full(key))

    # For each key, `MemoryStore.delete_dir` and `MemoryStore.clear` call `self.delete_sync`, so
    # both methods also work in `ManagedMemoryStore`. If the two methods were not defined in this
    # class, `settle_access` would replace them with the defaults of `Store`.
    delete_dir = MemoryStore.delete_dir
    clear = MemoryStore.clear

    async def exists(self, key: str) -> bool:
        # docstring inherited
        return await super().exists(self._full(key))

    async def getsize(self, key: str) -> int:
        # docstring inherited
        if not await self.exists(key):
            raise FileNotFoundError(key)
        return await super().getsize(self._full(key))

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        return await super().getsize_prefix(self._full(prefix))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await super().set_if_not_exists(self._full(key), value)

    def _keys(self) -> list[str]:
        if not self.path:
            return super()._keys()
        base = f"{self.path}/"
        return [key[len(base) :] for key in super()._keys() if key.startswith(base)]


class GpuMemoryStore(MemoryStore):
    """A store in GPU memory.

    Values written from host memory are copied to the GPU. A read returns an instance of the buffer
    class that the caller requests.

    Parameters
    ----------
    store_dict : mutable mapping or None
        Mapping from keys to `zarr.buffer.gpu.Buffer`. The store uses the mapping itself, not a
        copy. If None, the store creates a new dictionary.
    read_only : bool
        Whether every attempt to change the store raises an error.
    """

    @classmethod
    def from_dict(cls, store_dict: Mapping[str, Buffer]) -> Self:
        """Copy values from host memory to the GPU, and return a store that contains the copies.

        Parameters
        ----------
        store_dict : mapping
            Mapping from keys to `Buffer`.

        Raises
        ------
        ImportError
            If `store_dict` is not empty and cupy is not installed.
        """
        return cls({key: _on_gpu(value) for key, value in store_dict.items()})

    def __str__(self) -> str:
        return f"gpumemory://{id(self._store_dict)}"

    def _to_stored(self, value: Buffer) -> Buffer:
        check_value(value, "GpuMemoryStore")
        return _on_gpu(value)


def _on_gpu(value: Buffer) -> Buffer:
    """Return a value as a buffer in GPU memory that no caller can modify; copy if necessary."""
    # `zarr.buffer.gpu` is imported only when it is needed, because it imports CuPy.
    buffer_class = cast("type[Buffer]", import_module("zarr.buffer.gpu").Buffer)
    if not isinstance(value, buffer_class):
        value = buffer_class.from_buffer(value)
    elif hasattr(value.as_array_like(), "__cuda_array_interface__"):
        # Copy the value: encoded data may be a view of the caller's array, which may change later.
        value = value.combine([])
    return value
