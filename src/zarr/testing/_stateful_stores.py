"""A state machine that compares a store with a dictionary."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zarr.abc.store import OffsetByteRequest, RangeByteRequest
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.core.sync import SyncMixin
from zarr.testing._edges import as_bytes
from zarr.testing._stateful_steps import above, check_names, folded, with_frequency
from zarr.testing._strategies_names import key_ranges, keys

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest, ReadRequest, Store
    from zarr.core.buffer import BufferPrototype

MAX_BINARY_SIZE: Final = 100
"""Size in bytes of the largest value that is written."""

_VALUES: Final = st.binary(max_size=MAX_BINARY_SIZE)

# Only a few different names are used, so that the same key is drawn more than once. The name of
# the folder ``a`` is a string prefix of ``ab``, but the folder ``a`` does not contain the folder
# ``ab``. The last name of a key is never the name of a folder, so that keys can always be created
# in folders.
_FOLDERS: Final = ("a", "ab")
_NEIGHBOURS: Final = st.builds(
    lambda folders, name: "/".join((*folders, name)),
    st.lists(st.sampled_from(_FOLDERS), min_size=1, max_size=2),
    st.sampled_from(["c", "zarr.json"]),
)
_KEYS: Final = st.one_of(_NEIGHBOURS, _NEIGHBOURS, keys(max_num_nodes=4))


class SyncStoreWrapper(SyncMixin):
    """Synchronous versions of the methods of a store.

    Parameters
    ----------
    store : Store
        The wrapped store, whose asynchronous methods are called.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""
        return self.store.read_only

    @property
    def supports_writes(self) -> bool:
        """Whether the store supports writes."""
        return self.store.supports_writes

    @property
    def supports_deletes(self) -> bool:
        """Whether the store supports deletes."""
        return self.store.supports_deletes

    @property
    def supports_listing(self) -> bool:
        """Whether the store supports listing."""
        return self.store.supports_listing

    def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read the value of a key; see `Store.get`."""
        return self._sync(self.store.get(key, prototype, byte_range))

    def get_partial_values(
        self,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
        prototype: BufferPrototype,
    ) -> builtins.list[Buffer | None]:
        """Read values, or parts of them; see `Store.get_partial_values`."""
        return self._sync(self.store.get_partial_values(prototype, key_ranges))

    def get_many(
        self, requests: Iterable[ReadRequest], prototype: BufferPrototype
    ) -> builtins.list[tuple[int, Buffer | None]]:
        """Read many values in one call; see `Store.get_many`.

        Returns
        -------
        list of tuple
            Pairs ``(index into requests, bytes)`` of all batches, in order of arrival.
        """
        batches = self._sync_iter(self.store.get_many(requests, prototype=prototype))
        return [answer for batch in batches for answer in batch]

    def exists(self, key: str) -> bool:
        """Return whether a key has a value; see `Store.exists`."""
        return self._sync(self.store.exists(key))

    def getsize(self, key: str) -> int:
        """Return the size of the value of a key in bytes; see `Store.getsize`."""
        return self._sync(self.store.getsize(key))

    def getsize_prefix(self, prefix: str) -> int:
        """Return the total size of values below a prefix in bytes; see `Store.getsize_prefix`."""
        return self._sync(self.store.getsize_prefix(prefix))

    def set(self, key: str, data_buffer: Buffer) -> None:
        """Write the value of a key; see `Store.set`."""
        self._sync(self.store.set(key, data_buffer))

    def set_if_not_exists(self, key: str, data_buffer: Buffer) -> None:
        """Write the value of a key if the key is absent; see `Store.set_if_not_exists`."""
        self._sync(self.store.set_if_not_exists(key, data_buffer))

    def delete(self, path: str) -> None:
        """Delete a key; see `Store.delete`."""
        self._sync(self.store.delete(path))

    def delete_dir(self, prefix: str) -> None:
        """Delete all keys below a prefix; see `Store.delete_dir`."""
        self._sync(self.store.delete_dir(prefix))

    def clear(self) -> None:
        """Delete all keys; see `Store.clear`."""
        self._sync(self.store.clear())

    def is_empty(self, prefix: str) -> bool:
        """Return whether there are no keys below a prefix; see `Store.is_empty`."""
        return self._sync(self.store.is_empty(prefix))

    def list(self) -> builtins.list[str]:
        """Return all keys; see `Store.list`."""
        return self._sync_iter(self.store.list())

    def list_prefix(self, prefix: str) -> builtins.list[str]:
        """Return all keys that start with a prefix; see `Store.list_prefix`."""
        return self._sync_iter(self.store.list_prefix(prefix))

    def list_dir(self, prefix: str) -> builtins.list[str]:
        """Return the names directly below a prefix; see `Store.list_dir`."""
        return self._sync_iter(self.store.list_dir(prefix))

    def get_ranges(
        self, key: str, byte_ranges: Iterable[ByteRequest | None], prototype: BufferPrototype
    ) -> builtins.list[tuple[int, Buffer | None]]:
        """Read many parts of one value; see `Store.get_ranges`.

        Returns
        -------
        list of tuple
            Pairs ``(index into byte_ranges, bytes)``, in order of arrival.
        """
        batches = self._sync_iter(self.store.get_ranges(key, byte_ranges, prototype=prototype))
        return [answer for batch in batches for answer in batch]


class ZarrStoreStateMachine(RuleBasedStateMachine):
    """Makes random calls to a store, and compares the results with those of a dictionary.

    Define a function that returns a machine, and pass the function to
    `hypothesis.stateful.run_state_machine_as_test`, which calls the function for each run. The
    machine never creates a key at the path of a folder, and never creates a key below another key.
    A file system cannot store a file and a folder at the same path, and Zarr never uses one path
    for both.

    Parameters
    ----------
    store : Store
        Store under test. The store must support writes, listing and clearing. All content of the
        store is deleted. If the store does not support deletes, `delete` and `delete_dir` are not
        called.

    Attributes
    ----------
    store : SyncStoreWrapper
        Wrapper of the store under test.
    model : dict from str to Buffer
        Dictionary with the expected content of the store under test.
    prototype : BufferPrototype
        Buffer classes of the values that are read.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = SyncStoreWrapper(store)
        self.model: dict[str, Buffer] = {}
        self.prototype = default_buffer_prototype()
        # All folders that were created since the store was last cleared. A file system may keep a
        # folder after all keys in the folder are deleted.
        self._folders: set[str] = set()

    @initialize()
    def init_store(self) -> None:
        """Start with an empty store."""
        self.clear_all()

    @initialize(_=st.random_module(), values=st.dictionaries(_NEIGHBOURS, _VALUES, max_size=5))
    def init_run(self, _: object, values: dict[str, bytes]) -> None:
        """Write some values, and draw the random seed that determines when rare rules may run."""
        for key, value in values.items():
            self.set(key, value)

    def clear_all(self) -> None:
        """Empty the store and the model."""
        self.store.clear()
        self.model.clear()
        self._folders.clear()
        assert self.store.is_empty("")

    # --- queries of the model -----------------------------------------------------------

    def is_key(self, key: str) -> bool:
        """Return whether the machine may use a key.

        A key that may be used can be present or absent. The result is False if the key is the path
        of a folder, or if the key is below an existing key. Stores treat such keys differently:
        some report that the key is absent, and others raise an error. The result is also False if
        `is_one_spelling` returns False for the key.
        """
        lies_below = any(folder in self.model for folder in above(key))
        return key not in self._folders and not lies_below and self.is_one_spelling(key)

    def is_folder(self, prefix: str) -> bool:
        """Return whether the machine may use a prefix as a folder.

        The result is False if the prefix or one of its parents is a key, or if `is_one_spelling`
        returns False for the prefix.
        """
        is_below = any(folder in self.model for folder in (*above(prefix), prefix))
        return not is_below and self.is_one_spelling(prefix)

    def is_one_spelling(self, path: str) -> bool:
        """Return whether a path agrees with the existing paths in upper and lower case.

        For stores that ignore case, the result is False if the path or one of its parents differs
        from an existing path only in upper and lower case. For other stores the result is True.
        """
        taken = {folded(self.store.store, other): other for other in (*self.model, *self._folders)}
        parts = (*above(path), path)
        return all(taken.get(folded(self.store.store, part), part) == part for part in parts)

    def expect(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        """Return the expected result of a read."""
        value = self.model.get(key)
        return None if value is None else part_of(value.to_bytes(), byte_range)

    def put(self, key: str, value: Buffer) -> None:
        """Record in the model that a value was written."""
        self.model[key] = value
        self._folders.update(above(key))

    def draw_key(self, data: st.DataObject) -> str:
        """Draw a key that has a value."""
        return data.draw(st.sampled_from(sorted(self.model)), label="key")

    def draw_key_ranges(self, data: st.DataObject) -> builtins.list[tuple[str, Any]]:
        """Draw requests, including some for absent keys."""
        asked = st.sampled_from(sorted(self.model)) | _KEYS.filter(self.is_key)
        longest = max(map(len, self.model.values()))
        return data.draw(key_ranges(keys=asked, max_size=longest + 1), label="requests")

    def draw_byte_ranges(self, data: st.DataObject, key: str) -> builtins.list[ByteRequest | None]:
        """Draw byte ranges of one value; some of the ranges reach past the end of the value."""
        size = len(self.model[key]) if key in self.model else MAX_BINARY_SIZE
        drawn = data.draw(key_ranges(keys=st.just(key), max_size=size + 1), label="parts")
        return [byte_range for _, byte_range in drawn]

    def draw_prefix(self, data: st.DataObject) -> str:
        """Draw a folder, which may be the root or a folder without keys."""
        folders = [*filter(self.is_folder, sorted({"", *_FOLDERS, *self.folders()}))]
        drawn = st.sampled_from(folders)
        # Folders whose path is a string prefix of a key that is not in the folder; for example, the
        # folder ``a`` if there is a key ``ab``. A store might mistake such a key for a key in the
        # folder.
        with_neighbours = [
            folder
            for folder in folders
            if sum(key.startswith(folder) for key in self.model) > len(self.below(folder))
        ]
        if with_neighbours:
            drawn |= st.sampled_from(with_neighbours)
        return data.draw(drawn, label="prefix")

    def folders(self) -> builtins.set[str]:
        """Return the folders that contain keys, excluding the root."""
        return {folder for key in self.model for folder in above(key)}

    def below(self, prefix: str) -> dict[str, Buffer]:
        """Return the keys below a folder, and their values, according to the model."""
        base = f"{prefix}/" if prefix else ""
        return {key: value for key, value in self.model.items() if key.startswith(base)}

    # --- writing ------------------------------------------------------------------------

    @rule(key=_KEYS, data=_VALUES)
    def set(self, key: str, data: bytes) -> None:
        """Write a value."""
        if not self.is_key(key):
            return
        note(f"set {key!r}: {len(data)} bytes")
        value = cpu.Buffer.from_bytes(data)
        self.store.set(key, value)
        self.put(key, value)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), value=_VALUES)
    def overwrite(self, data: st.DataObject, value: bytes) -> None:
        """Overwrite a value."""
        self.set(self.draw_key(data), value)

    @rule(key=_KEYS, data=_VALUES)
    def set_if_not_exists(self, key: str, data: bytes) -> None:
        """Write a value if the key is absent."""
        if not self.is_key(key):
            return
        value = cpu.Buffer.from_bytes(data)
        self.store.set_if_not_exists(key, value)
        self.put(key, self.model.get(key, value))

    @precondition(lambda self: self.store.supports_deletes and self.model)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete a key twice; the second call has no effect."""
        key = self.draw_key(data)
        self.store.delete(key)
        del self.model[key]
        assert self.store.get(key, self.prototype) is None
        self.store.delete(key)

    @precondition(lambda self: self.store.supports_deletes and self.model)
    @with_frequency(0.5)
    @rule(data=st.data())
    def delete_dir(self, data: st.DataObject) -> None:
        """Delete the keys below a folder; all other keys remain."""
        prefix = self.draw_prefix(data)
        self.store.delete_dir(prefix)
        for key in self.below(prefix):
            del self.model[key]

    @with_frequency(0.1)
    @rule()
    def clear(self) -> None:
        """Delete everything."""
        self.clear_all()

    # --- reading ------------------------------------------------------------------------

    @precondition(lambda self: self.model)
    @rule(key=_KEYS, data=st.data())
    def get(self, key: str, data: st.DataObject) -> None:
        """Read a value and parts of it."""
        key = data.draw(st.sampled_from([key, *sorted(self.model)]), label="key")
        if not self.is_key(key):
            return
        for wanted in (None, *self.draw_byte_ranges(data, key)):
            found = self.store.get(key, self.prototype, wanted)
            assert as_bytes(found) == self.expect(key, wanted), (key, wanted)

    @rule(key=_KEYS, data=st.data())
    def get_invalid_zarr_keys(self, key: str, data: st.DataObject) -> None:
        """Read an absent key, and parts of it: every result is None."""
        if key in self.model or not self.is_key(key):
            return
        for byte_range in self.draw_byte_ranges(data, key):
            assert self.store.get(key, self.prototype, byte_range) is None
        assert not self.store.exists(key)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def get_partial_values(self, data: st.DataObject) -> None:
        """Read parts of several values; results come in the order of the requests."""
        requests = self.draw_key_ranges(data)
        found = self.store.get_partial_values(iter(requests), self.prototype)
        assert [as_bytes(value) for value in found] == [self.expect(*each) for each in requests]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def get_many(self, data: st.DataObject) -> None:
        """Read parts of several values in bulk; every request is answered exactly once."""
        requests = self.draw_key_ranges(data)
        answers = self.store.get_many(iter(requests), self.prototype)
        assert sorted(index for index, _ in answers) == list(range(len(requests)))
        for index, value in answers:
            assert as_bytes(value) == self.expect(*requests[index]), requests[index]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def get_ranges(self, data: st.DataObject) -> None:
        """Read parts of one value in bulk."""
        key = self.draw_key(data)
        wanted = self.draw_byte_ranges(data, key)
        answers = dict(self.store.get_ranges(key, wanted, self.prototype))
        found = [as_bytes(answers[index]) for index in range(len(wanted))]
        assert found == [self.expect(key, byte_range) for byte_range in wanted]

    @rule(key=_KEYS)
    def exists(self, key: str) -> None:
        """Check the result of `exists` for a drawn key and for all written keys."""
        for each in filter(self.is_key, (key, *self.model)):
            assert self.store.exists(each) == (each in self.model), each

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def getsize(self, data: st.DataObject) -> None:
        """Check the size of a value."""
        key = self.draw_key(data)
        assert self.store.getsize(key) == len(self.model[key])

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def getsize_prefix(self, data: st.DataObject) -> None:
        """Check the total size of the values below a folder."""
        prefix = self.draw_prefix(data)
        assert self.store.getsize_prefix(prefix) == sum(map(len, self.below(prefix).values()))

    # --- listing ------------------------------------------------------------------------

    @rule()
    def is_empty(self) -> None:
        """Check the result of `is_empty` for the store and for folders."""
        assert self.store.is_empty("") == (not self.model)
        for folder in self.folders():
            assert not self.store.is_empty(folder), folder
        assert self.store.is_empty("no/such/folder")

    @rule(data=st.data())
    def list_prefix(self, data: st.DataObject) -> None:
        """List all keys below a folder."""
        prefix = self.draw_prefix(data)
        found = self.store.list_prefix(f"{prefix}/" if prefix else "")
        assert sorted(found) == sorted(self.below(prefix)), prefix

    @precondition(lambda self: self.model)
    @rule()
    def list_dir(self) -> None:
        """List the names in every folder that contains keys."""
        for prefix in ("", *self.folders()):
            base = len(prefix) + 1 if prefix else 0
            expected = {key[base:].split("/")[0] for key in self.below(prefix)}
            check_names(self.store.list_dir(prefix), expected, prefix, self.store.is_empty)

    # --- after every step ---------------------------------------------------------------

    @invariant()
    def check_paths_equal(self) -> None:
        """Check that the store lists the written keys."""
        assert builtins.set(self.store.list()) == self.model.keys()

    @invariant()
    def check_num_zarr_keys_equal(self) -> None:
        """Check that the store lists each key once."""
        assert len(self.store.list()) == len(self.model)

    @invariant()
    def check_vals_equal(self) -> None:
        """Check that the value of every key is the last value that was written."""
        for key, value in self.model.items():
            assert as_bytes(self.store.get(key, self.prototype)) == value.to_bytes(), key

    @invariant()
    def check_zarr_keys(self) -> None:
        """Check that `list`, `list_prefix`, `exists` and `is_empty` agree."""
        found = self.store.list_prefix("")
        assert sorted(found) == sorted(self.store.list())
        assert all(self.store.exists(key) for key in found)
        assert self.store.is_empty("") == (not found)


def part_of(value: bytes, byte_range: ByteRequest | None) -> bytes:
    """Return the bytes of a value in a byte range, which may extend past the end of the value."""
    if byte_range is None:
        return value
    if isinstance(byte_range, RangeByteRequest):
        return value[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return value[byte_range.offset :]
    return value[max(0, len(value) - byte_range.suffix) :]
