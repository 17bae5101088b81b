"""A state machine that compares groups and arrays in a store with a model in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import zarr
from zarr.core.chunk_grids import ChunkGrid
from zarr.core.sync import SyncMixin
from zarr.storage import MemoryStore
from zarr.testing._stateful_steps import (
    above,
    check_names,
    folded,
    split_prefix_name,
    with_frequency,
)
from zarr.testing._strategies_arrays import (
    compressors,
    elements_and_dtypes,
    parameters_v2,
    parameters_v3,
    store_values,
    subchunk_write_orders,
)
from zarr.testing._strategies_dtypes import array_shapes, arrays_of
from zarr.testing._strategies_names import attrs, node_names
from zarr.testing._strategies_selections import basic_indices, orthogonal_indices, spread_out

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.array_spec import ArrayConfigParams
    from zarr.core.common import ZarrFormat
    from zarr.core.group import Group
    from zarr.types import AnyArray


class ZarrHierarchyStateMachine(SyncMixin, RuleBasedStateMachine):
    """Makes random changes to nodes in a store, and compares the store with a model in memory.

    After every step the store and the model must have the same keys. Each change of elements is
    also made in a NumPy array. Elements are read from the store and from the model, and both are
    compared with the NumPy array. To run the test, define a function that returns a machine.
    `hypothesis.stateful.run_state_machine_as_test` takes this function as its argument, and calls
    it for each run.

    Parameters
    ----------
    store : Store
        Store under test. The store must support writes, listing and clearing. All content of the
        store is deleted. If the store does not support deletes, no node is deleted, no array
        shrinks, and chunks that contain only the fill value are also stored.

    Attributes
    ----------
    zarr_format : {2, 3}
        Zarr format of all nodes; a subclass may choose another format.
    store : Store
        Store under test.
    model : MemoryStore
        In-memory store that contains what the store under test should contain.
    all_groups : set of str
        Paths of the groups below the root.
    all_arrays : set of str
        Paths of the arrays below the root.
    """

    zarr_format: ClassVar[ZarrFormat] = 3

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.model = MemoryStore()
        self.all_groups: set[str] = set()
        self.all_arrays: set[str] = set()

    @initialize()
    def init_store(self) -> None:
        """Delete all content, and create a root group."""
        self._sync(self.store.clear())
        self._sync(self.model.clear())
        self.all_groups.clear()
        self.all_arrays.clear()
        for store in self.both:
            zarr.create_group(store, zarr_format=self.zarr_format)

    @initialize(_=st.random_module())
    def init_run(self, _: object) -> None:
        """Draw the random seed, which determines when rules of low frequency may run."""

    # --- helpers ------------------------------------------------------------------------

    @property
    def both(self) -> tuple[Store, Store]:
        """The store under test and the model."""
        return self.store, self.model

    @property
    def config(self) -> ArrayConfigParams:
        """Configuration with which all arrays are created and opened.

        If the store does not support deletes, chunks that contain only the fill value must also be
        stored.
        """
        return {"write_empty_chunks": not self.store.supports_deletes}

    def can_add(self, path: str) -> bool:
        """Return whether a node can be created: its path is unused, and no parent is an array."""
        taken = {folded(self.store, other) for other in self.all_groups | self.all_arrays}
        return folded(self.store, path) not in taken and self.all_arrays.isdisjoint(above(path))

    def draw_new_path(self, data: st.DataObject, name: str) -> str:
        """Draw a path for a new node; the caller must check the path with `can_add`."""
        parents = st.sampled_from(["", *sorted(self.all_groups)])
        return f"{data.draw(parents, label='parent')}/{name}".lstrip("/")

    def draw_array(self, data: st.DataObject) -> str:
        """Draw the path of an array."""
        return data.draw(st.sampled_from(sorted(self.all_arrays)), label="array")

    def draw_directory(self, data: st.DataObject) -> str:
        """Draw the path of a node, or of a folder that contains chunks."""
        path = data.draw(st.sampled_from(sorted(self.all_groups | self.all_arrays)), label="node")
        if path in self.all_arrays:
            folders = {path}
            for key in self._sync_iter(self.model.list_prefix(f"{path}/")):
                folders.update(folder for folder in above(key) if len(folder) >= len(path))
            path = data.draw(st.sampled_from(sorted(folders)), label="folder")
        return path

    def open_arrays(self, path: str) -> tuple[AnyArray, AnyArray]:
        """Open an array in the store and in the model."""
        found, expected = (
            zarr.open_array(store, path=path, zarr_format=self.zarr_format, config=self.config)
            for store in self.both
        )
        return found, expected

    def open_groups(self, path: str) -> tuple[Group, Group]:
        """Open a group in the store and in the model."""
        found, expected = (
            zarr.open_group(store, path=path, mode="r+", zarr_format=self.zarr_format)
            for store in self.both
        )
        return found, expected

    def forget(self, path: str) -> None:
        """Remove a node and all nodes below it from `all_groups` and `all_arrays`."""
        for nodes in (self.all_groups, self.all_arrays):
            gone = {node for node in nodes if node == path or node.startswith(f"{path}/")}
            nodes -= gone

    # --- creating -----------------------------------------------------------------------

    @rule(name=node_names, data=st.data())
    def add_group(self, name: str, data: st.DataObject) -> None:
        """Create a group within the root or another group."""
        path, attributes = self.draw_new_path(data, name), data.draw(attrs, label="attributes")
        if not self.can_add(path):
            return
        note(f"group {path!r}")
        for store in self.both:
            zarr.create_group(store, path=path, zarr_format=self.zarr_format, attributes=attributes)
        self.all_groups.add(path)

    @rule(data=st.data(), name=node_names)
    def add_array(self, data: st.DataObject, name: str) -> None:
        """Create an array in a group and write its elements."""
        path = self.draw_new_path(data, name)
        if self.can_add(path):
            self.create_array(data, path)
            self.all_arrays.add(path)

    @precondition(lambda self: self.store.supports_deletes and self.all_arrays)
    @with_frequency(0.3)
    @rule(data=st.data())
    def replace_array(self, data: st.DataObject) -> None:
        """Replace an array with a new array."""
        self.create_array(data, self.draw_array(data), overwrite=True)

    def create_array(self, data: st.DataObject, path: str, *, overwrite: bool = False) -> None:
        """Draw an array and create it in the store and in the model."""
        values = data.draw(elements_and_dtypes(array_shapes), label="elements")
        compressor = data.draw(compressors, label="compressor")
        parameters = data.draw(
            parameters_v2(values, compressor)
            if self.zarr_format == 2
            else parameters_v3(values, compressor, subchunk_write_orders),
            label="parameters",
        )
        parameters["config"] = parameters.get("config", {}) | self.config
        parameters["attributes"] = data.draw(attrs, label="attributes")
        note(f"array {path!r}, {values[1]}")
        for store in self.both:
            array = store_values(
                store,
                values,
                name=path,
                zarr_format=self.zarr_format,
                overwrite=overwrite,
                **parameters,
            )
            assert_same(array[...], values[0])

    # --- changing -----------------------------------------------------------------------

    @precondition(lambda self: self.all_arrays)
    @rule(data=st.data())
    def overwrite_array_basic_indexing(self, data: st.DataObject) -> None:
        """Write some elements of an array, selected by integers and slices."""
        path = self.draw_array(data)
        arrays = self.open_arrays(path)
        elements = np.array(arrays[1][...])
        selection: Any = data.draw(basic_indices(shape=elements.shape), label="selection")
        new = data.draw(arrays_of(elements.dtype, part_of(elements, selection).shape), label="new")
        # If `new` is a zero-dimensional array of objects, `new[()]` is the object. Without `[()]`,
        # NumPy would store the array itself as an object.
        elements[selection] = new[()]
        for array in arrays:
            array[selection] = new[()]
            assert_same(array[...], elements)

    @precondition(lambda self: self.all_arrays)
    @rule(data=st.data())
    def overwrite_array_orthogonal_indexing(self, data: st.DataObject) -> None:
        """Write some elements of an array, selected independently along each dimension."""
        path = self.draw_array(data)
        arrays = self.open_arrays(path)
        elements = np.array(arrays[1][...])
        drawn, _ = data.draw(orthogonal_indices(shape=elements.shape), label="selection")
        # Repeated positions are removed. If several values were assigned to one position, it would
        # be undefined which value is stored.
        selection = tuple(map(_without_repeats, drawn, elements.shape))
        positions = spread_out(selection, elements.shape)
        new = data.draw(arrays_of(elements.dtype, part_of(elements, positions).shape), label="new")
        elements[positions] = new[()]
        for array in arrays:
            array.oindex[selection] = new[()]
            assert_same(array[...], elements)

    @precondition(lambda self: self.all_arrays)
    @rule(data=st.data())
    def resize_array(self, data: st.DataObject) -> None:
        """Change the shape of an array; elements within both the old and the new shape are kept."""
        path = self.draw_array(data)
        found, expected = self.open_arrays(path)
        before, shape = np.array(expected[...]), expected.shape
        smallest = [0] * len(shape) if self.store.supports_deletes else shape
        longest = [length + 3 for length in shape]
        new_shape = data.draw(st.tuples(*map(st.integers, smallest, longest)), label="new shape")
        kept = tuple(map(slice, map(min, shape, new_shape)))
        for array in (found, expected):
            array.resize(new_shape)
            assert array.shape == new_shape
            assert_same(array[kept], before[kept])
        assert_same(found[...], np.array(expected[...]))

    @precondition(lambda self: self.store.supports_deletes and self.all_arrays)
    @rule(data=st.data())
    def delete_chunk(self, data: st.DataObject) -> None:
        """Delete a chunk; later reads return the fill value for the elements of the chunk."""
        path = self.draw_array(data)
        arrays = self.open_arrays(path)
        metadata, elements = arrays[1].metadata, np.array(arrays[1][...])
        grid = ChunkGrid.from_metadata(metadata)
        if not grid.get_nchunks():
            return
        coords = data.draw(
            st.tuples(*(st.integers(0, count - 1) for count in grid.grid_shape)), label="chunk"
        )
        chunk = grid[coords]
        assert chunk is not None
        key = f"{path}/{metadata.encode_chunk_key(coords)}"
        for store in self.both:
            self._sync(store.delete(key))
        if arrays[1].fill_value is None:
            elements = np.array(arrays[1][...])
        else:
            elements[chunk.slices] = arrays[1].fill_value
        for array in arrays:
            assert_same(array[...], elements)

    @precondition(lambda self: self.all_groups or self.all_arrays)
    @rule(data=st.data())
    def update_attributes(self, data: st.DataObject) -> None:
        """Add attributes to a node."""
        path = data.draw(st.sampled_from(sorted(self.all_groups | self.all_arrays)), label="node")
        nodes = self.open_arrays(path) if path in self.all_arrays else self.open_groups(path)
        new = data.draw(attrs.map(lambda drawn: drawn or {}), label="attributes")
        expected = nodes[1].attrs.asdict() | new
        for node in nodes:
            node.attrs.update(new)
            assert node.attrs.asdict() == expected

    # --- deleting -----------------------------------------------------------------------

    @precondition(lambda self: self.store.supports_deletes and self.all_arrays)
    @with_frequency(0.3)
    @rule(data=st.data())
    def delete_array_using_del(self, data: st.DataObject) -> None:
        """Delete an array from its group."""
        self.delete_member(self.draw_array(data))

    @precondition(lambda self: self.store.supports_deletes and self.all_groups)
    @with_frequency(0.2)
    @rule(data=st.data())
    def delete_group_using_del(self, data: st.DataObject) -> None:
        """Delete a group and its members from its parent group."""
        self.delete_member(data.draw(st.sampled_from(sorted(self.all_groups)), label="group"))

    def delete_member(self, path: str) -> None:
        """Delete a node by name from its parent group."""
        prefix, name = split_prefix_name(path)
        for group in self.open_groups(prefix):
            assert name in group
            del group[name]
            assert name not in group
        self.forget(path)

    @precondition(lambda self: self.store.supports_deletes and (self.all_groups or self.all_arrays))
    @with_frequency(0.2)
    @rule(data=st.data())
    def delete_dir(self, data: st.DataObject) -> None:
        """Delete all keys below a node, or below a folder that contains chunks."""
        path = self.draw_directory(data)
        for store in self.both:
            self._sync(store.delete_dir(path))
        self.forget(path)

    @precondition(lambda self: self.all_groups or self.all_arrays)
    @with_frequency(0.05)
    @rule()
    def clear(self) -> None:
        """Delete all content of the store, and create a root group again."""
        self._sync(self.store.clear())
        assert self._sync(self.store.is_empty(""))
        self.init_store()

    # --- reading ------------------------------------------------------------------------

    @precondition(lambda self: self.all_arrays)
    @rule(data=st.data())
    def check_array(self, data: st.DataObject) -> None:
        """Read a whole array, and parts of it."""
        path = self.draw_array(data)
        found, expected = self.open_arrays(path)
        assert found.metadata == expected.metadata
        elements = np.array(expected[...])
        assert_same(found[...], elements)
        basic: Any = data.draw(basic_indices(shape=elements.shape), label="basic")
        assert_same(found[basic], part_of(elements, basic))
        orthogonal, positions = data.draw(orthogonal_indices(shape=elements.shape), label="oindex")
        assert_same(found.oindex[orthogonal], part_of(elements, positions))

    @precondition(lambda self: self.all_groups or self.all_arrays)
    @rule(data=st.data())
    def check_list_dir(self, data: st.DataObject) -> None:
        """List the names directly below a node, or in a folder that contains chunks."""
        path = self.draw_directory(data)
        expected = set(self._sync_iter(self.model.list_dir(path)))
        found = self._sync_iter(self.store.list_dir(path))
        check_names(found, expected, path, lambda name: self._sync(self.store.is_empty(name)))

    @rule()
    def check_members(self) -> None:
        """List all nodes below the root, and the attributes of each."""
        root, expected_root = self.open_groups("")
        found, expected = (dict(group.members(max_depth=None)) for group in (root, expected_root))
        assert found.keys() == self.all_groups | self.all_arrays
        assert {path for path, node in found.items() if isinstance(node, zarr.Array)} == (
            self.all_arrays
        )
        assert expected.keys() == found.keys()
        for path, node in found.items():
            assert node.attrs.asdict() == expected[path].attrs.asdict(), path

    @invariant()
    def check_list_prefix_from_root(self) -> None:
        """Check that the store and the model have the same keys."""
        found, expected = (self._sync_iter(store.list_prefix("")) for store in self.both)
        assert sorted(found) == sorted(expected)


def _without_repeats(index: Any, length: int) -> Any:
    """Remove repeated positions from an integer array; return any other index unchanged."""
    if not isinstance(index, np.ndarray) or index.dtype == np.bool_:
        return index
    return np.array(list(dict.fromkeys((index % length).tolist())), index.dtype)


def part_of(elements: np.ndarray[Any, Any], selection: Any) -> np.ndarray[Any, Any]:
    """Return the selected elements as an array.

    If a single text or object is selected, NumPy returns a scalar, which is converted to an array.
    """
    return np.asarray(elements[selection], elements.dtype)


def assert_same(found: Any, expected: np.ndarray[Any, Any]) -> None:
    """Check that `found` has the same shape and elements as `expected`; NaN equals NaN.

    Raises
    ------
    AssertionError
        If the shapes or elements differ.
    """
    actual = np.asarray(found, getattr(found, "dtype", expected.dtype))
    assert actual.shape == expected.shape
    assert actual.dtype.kind == expected.dtype.kind
    if expected.dtype.names is not None:
        assert actual.dtype.names == expected.dtype.names
        for name in expected.dtype.names:
            assert_same(actual[name], expected[name])
    elif expected.dtype.kind == "V":
        assert actual.tobytes() == expected.tobytes()
    else:
        np.testing.assert_array_equal(actual, expected)
