"""Every strategy draws what its docstring promises.

The names come first, then data types and values, chunks, selections, metadata, and arrays in stores.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from hypothesis.extra import numpy as npst

import zarr
import zarr.testing.strategies as zst
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.codecs import ShardingCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.dtype import parse_data_type
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v3 import RectilinearChunkGridMetadata, RegularChunkGridMetadata
from zarr.core.sync import sync
from zarr.storage import LocalStore, MemoryStore, ZipStore
from zarr.testing._strategies_names import _is_node_name
from zarr.testing.utils import assert_bytes_equal

pytestmark = [
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    # What is written again to an archive is in it twice.
    pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning"),
]

SHAPES = npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9)
some = settings(max_examples=30)
few = settings(max_examples=12)

# The rules of the specification (Zarr v3 core, "Node names"), and the recommended characters.
NODE_NAME = re.compile(r"(?!__)(?!\.+$)[-_.0-9A-Za-z]+")


def is_node_name(name: str) -> bool:
    documents = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}
    return NODE_NAME.fullmatch(name) is not None and name not in documents


def draws(strategy: st.SearchStrategy[Any], condition: Any, most: int = 5000) -> bool:
    """Tell whether a strategy draws something of a kind before long.

    What is wanted comes with one draw in a hundred or more, and the first one is enough. What is
    drawn is not the same in every run, as constants of the modules that have been imported are
    among it.
    """
    eager = settings(
        max_examples=most,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    try:
        find(strategy, condition, settings=eager)
    except NoSuchExample:
        return False
    return True


def never_draws(strategy: st.SearchStrategy[Any], condition: Any, most: int = 30) -> bool:
    """Tell whether a strategy draws nothing of a kind for long enough."""
    return not draws(strategy, condition, most)


@pytest.fixture
def rectilinear() -> Iterator[None]:
    with zarr.config.set({"array.rectilinear_chunks": True}):
        yield


def arrays_equal(found: Any, expected: np.ndarray) -> None:
    """Check shape, data type and elements; raw bytes bit by bit, NaN as equal to NaN."""
    found = np.asarray(found)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


# --- names ------------------------------------------------------------------------------


@some
@given(
    name=zst.node_names | zst.array_names, short=zst.short_node_names, character=zst.zarr_key_chars
)
def test_names_of_nodes_are_legal(name: str, short: str, character: str) -> None:
    assert is_node_name(name)
    assert is_node_name(short)
    assert len(short) <= 3
    assert len(character) == 1
    assert is_node_name(f"a{character}")


@pytest.mark.parametrize("name", ["a", "0", "_", "-", "a.", ".a", "a__"])
def test_names_that_are_legal(name: str) -> None:
    assert _is_node_name(name)


@pytest.mark.parametrize("name", [".", "..", "...", "__", "__a", "zarr.json", ".zarray"])
def test_names_that_are_not_legal(name: str) -> None:
    assert not _is_node_name(name)


@some
@given(data=st.data())
def test_keys_and_paths_join_legal_names(data: st.DataObject) -> None:
    most = data.draw(st.none() | st.integers(1, 3))
    key = data.draw(zst.keys(max_num_nodes=most))
    path = data.draw(zst.paths(max_num_nodes=most))
    for joined in (key, path):
        if joined != "/":
            names = joined.split("/")
            assert all(map(is_node_name, names))
            assert len(names) <= (most or 8)


def test_paths_reach_from_the_root_to_any_depth() -> None:
    assert draws(zst.paths(), lambda path: path == "/")
    assert draws(zst.paths(), lambda path: path.count("/") > 2)
    assert draws(zst.keys(), lambda key: key.count("/") > 2)


@some
@given(data=st.data())
def test_any_key_can_be_stored(data: st.DataObject) -> None:
    store = data.draw(zst.stores)
    assert sync(store.is_empty(""))
    key = data.draw(zst.keys())
    value = default_buffer_prototype().buffer.from_bytes(b"value")
    sync(store.set(key, value))
    assert_bytes_equal(sync(store.get(key, default_buffer_prototype())), b"value")
    assert zst.clear_store(store) is store
    assert sync(store.is_empty(""))


@some
@given(data=st.data())
def test_dimension_names_fit_the_dimensions(data: st.DataObject) -> None:
    ndim = data.draw(st.none() | st.integers(0, 4))
    names = data.draw(zst.dimension_names(ndim=ndim))
    if names is not None:
        assert all(name is None or isinstance(name, str) for name in names)
        assert len(names) == ndim or (ndim is None and len(names) <= 4)


@settings(max_examples=120)
@given(drawn=zst.attrs)
def test_attributes_pass_through_json(drawn: dict[str, Any] | None) -> None:
    assert json.loads(json.dumps(drawn)) == drawn


@some
@given(drawn=zst.key_ranges(max_size=50))
def test_key_ranges_are_legal(drawn: list[tuple[str, Any]]) -> None:
    assert drawn
    for key, part in drawn:
        assert is_node_name(key)
        if isinstance(part, RangeByteRequest):
            assert 0 <= part.start <= part.end <= 50
        elif isinstance(part, OffsetByteRequest):
            assert 0 <= part.offset <= 50
        elif isinstance(part, SuffixByteRequest):
            assert 0 <= part.suffix <= 50
        else:
            assert part is None


def test_key_ranges_are_of_every_kind() -> None:
    kinds = (RangeByteRequest, OffsetByteRequest, SuffixByteRequest, type(None))
    for kind in kinds:
        assert draws(
            zst.key_ranges(),
            lambda drawn, kind=kind: any(isinstance(part, kind) for _, part in drawn),
        )
    assert draws(
        zst.key_ranges(keys=st.just("a")), lambda drawn: len(drawn) > 2 and drawn[0][0] == "a"
    )


def test_both_formats_and_compressors_are_drawn() -> None:
    assert {2, 3} == {f for f in (2, 3) if draws(zst.zarr_formats, lambda drawn, f=f: drawn == f)}
    assert draws(zst.compressors, lambda drawn: drawn is None)
    assert draws(zst.compressors, lambda drawn: drawn == "default")


# --- data types and values --------------------------------------------------------------


@some
@given(data=st.data())
def test_data_types_keep_an_array(data: st.DataObject) -> None:
    zarr_format = data.draw(zst.zarr_formats)
    kinds = zst.dtypes() | (zst.v2_dtypes() if zarr_format == 2 else zst.v3_dtypes())
    dtype = data.draw(kinds)
    elements = data.draw(npst.arrays(dtype, 3, elements=npst.from_dtype(dtype)))
    array = zarr.create_array({}, shape=3, dtype=dtype, zarr_format=zarr_format)
    array[...] = elements
    arrays_equal(array[...], elements)


@pytest.mark.parametrize("strategy", [zst.dtypes, zst.v2_dtypes, zst.v3_dtypes])
def test_data_types_are_of_every_kind(strategy: Any) -> None:
    for kind in "biufcSUMm":
        assert draws(strategy(), lambda dtype, kind=kind: dtype.kind == kind)
    assert draws(strategy(), lambda dtype: dtype.str[0] == ">")
    assert draws(strategy(), lambda dtype: dtype.str[0] == "<")


def depth(dtype: np.dtype) -> int:
    """Return how deep structures lie in structures: 1 for one alone."""
    base = dtype.base
    return 0 if base.fields is None else 1 + max(depth(base[name]) for name in base.names or ())


@some
@given(data=st.data())
def test_structures_are_what_zarr_can_store(data: st.DataObject) -> None:
    deepest = data.draw(st.integers(0, 2))
    dtype = data.draw(zst.structured_dtypes(max_depth=deepest))
    assert 1 <= depth(dtype) <= deepest + 1
    assert dtype.names is not None
    assert 1 <= len(dtype.names) <= 4
    assert parse_data_type(dtype, zarr_format=3).to_native_dtype() == dtype


def test_extended_structures_have_titles_arrays_and_alignment() -> None:
    extended = zst.structured_dtypes(allow_extended=True, max_depth=0)

    def has_title(dtype: Any) -> bool:
        return any(len(field) == 3 for field in dtype.fields.values())

    def has_array(dtype: Any) -> bool:
        return any(field[0].subdtype is not None for field in dtype.fields.values())

    def is_aligned(dtype: Any) -> bool:
        return bool(dtype.isalignedstruct)

    for condition in (has_title, has_array, is_aligned):
        assert draws(extended, condition)
        assert never_draws(zst.structured_dtypes(max_depth=0), condition)
    assert draws(zst.structured_dtypes(), lambda dtype: depth(dtype) > 1)


@some
@given(dtype=zst.zdtypes(), zarr_format=zst.zarr_formats)
def test_zarr_data_types_pass_through_json(dtype: Any, zarr_format: Any) -> None:
    document = json.loads(json.dumps(dtype.to_json(zarr_format=zarr_format)))
    again = type(dtype).from_json(document, zarr_format=zarr_format).to_native_dtype()
    native = dtype.to_native_dtype()
    # In format 3 the codecs tell the byte order.
    assert again == native or (zarr_format == 3 and again == native.newbyteorder("<"))
    assert dtype.to_native_dtype().itemsize == dtype.item_size


def leaves(dtype: np.dtype) -> int:
    return 1 if dtype.names is None else sum(leaves(dtype[name]) for name in dtype.names)


def test_zarr_data_types_have_no_more_parts_than_asked_for() -> None:
    # Hypothesis takes the number as a hint.
    assert never_draws(zst.zdtypes(max_leaves=1), lambda drawn: leaves(drawn.to_native_dtype()) > 4)
    assert draws(zst.zdtypes(), lambda drawn: leaves(drawn.to_native_dtype()) > 1)


@some
@given(data=st.data())
def test_safe_text_survives_an_array(data: st.DataObject) -> None:
    dtype = np.dtype(f"U{data.draw(st.integers(1, 8))}")
    text = data.draw(zst.safe_unicode_for_dtype(dtype))
    assert np.array([text], dtype)[0] == text
    assert text.encode().decode() == text


def test_safe_text_has_no_nul() -> None:
    assert never_draws(zst.safe_unicode_for_dtype(np.dtype("U8")), lambda text: "\0" in text, 1000)


@some
@given(shape=zst.array_shapes)
def test_shapes_are_small(shape: tuple[int, ...]) -> None:
    assert 1 <= len(shape) <= 4
    assert np.prod(shape) <= 343


@some
@given(data=st.data())
def test_numpy_arrays_have_the_shape_and_the_data_type(data: st.DataObject) -> None:
    shape, dtype = data.draw(SHAPES), data.draw(zst.dtypes())
    array = data.draw(zst.numpy_arrays(shapes=st.just(shape), dtype=dtype))
    assert array.shape == shape
    assert array.dtype == dtype
    again = data.draw(zst.numpy_arrays(shapes=st.just(shape), dtype=st.just(dtype)))
    assert again.dtype == dtype


@some
@given(array=zst.numpy_arrays())
def test_numpy_arrays_equal_their_copies(array: np.ndarray) -> None:
    arrays_equal(array.copy(), array)


def test_structures_hold_nothing_that_does_not_equal_itself() -> None:
    dtype = np.dtype([("time", "m8[s]"), ("number", "f2")])

    def is_odd(array: Any) -> bool:
        return bool(np.isnat(array["time"]).any() or np.isnan(array["number"]).any())

    assert never_draws(zst.numpy_arrays(dtype=dtype), is_odd, most=150)
    plain = zst.numpy_arrays(dtype=dtype["time"]) | zst.numpy_arrays(dtype=dtype["number"])
    assert draws(plain, lambda array: (array != array).any())


def test_numpy_arrays_are_of_every_kind() -> None:
    wanted: set[Any] = {*"biufcSUMmVT", True, False, ("size", True), ("size", False)}

    def was_the_last_kind(array: Any) -> bool:
        kinds = [array.dtype.kind, array.dtype.names is not None, ("size", array.size == 0)]
        wanted.difference_update(kinds)
        return not wanted

    assert draws(zst.numpy_arrays(), was_the_last_kind, most=3000), wanted


# --- chunks -----------------------------------------------------------------------------


@some
@given(data=st.data())
def test_chunks_and_shards_fit(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    chunks = data.draw(zst.chunk_shapes(shape=shape))
    assert len(chunks) == len(shape)
    assert all(1 <= c <= max(1, n) for c, n in zip(chunks, shape, strict=True))
    counts = [-(-n // c) for c, n in zip(chunks, shape, strict=True)]
    assert np.prod(counts) <= 120
    shards = data.draw(zst.shard_shapes(shape=shape, chunk_shape=chunks))
    for shard, chunk, count in zip(shards, chunks, counts, strict=True):
        assert shard % chunk == 0
        assert 1 <= shard // chunk <= max(1, count)


def test_chunks_are_one_and_many() -> None:
    assert draws(zst.chunk_shapes(shape=(9, 9)), lambda chunks: chunks == (9, 9))
    assert draws(zst.chunk_shapes(shape=(9, 9)), lambda chunks: 9 % chunks[0] and chunks[1] < 9)
    assert draws(zst.shard_shapes(shape=(9, 9), chunk_shape=(2, 3)), lambda drawn: drawn == (4, 9))


@some
@given(drawn=zst.np_array_and_chunks(arrays=zst.numpy_arrays(dtype=np.dtype("u1"))))
def test_an_array_comes_with_its_chunks(drawn: tuple[np.ndarray, tuple[int, ...]]) -> None:
    elements, chunks = drawn
    array = zarr.create_array({}, data=elements, chunks=chunks)
    assert array.chunks == chunks
    arrays_equal(array[...], elements)


@some
@given(data=st.data())
def test_chunk_paths_are_positions_in_the_grid(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple))
    subset = data.draw(st.booleans())
    path = data.draw(zst.chunk_paths(len(counts), counts, subset=subset))
    numbers = [int(number) for number in path.split("/")] if path else []
    assert len(numbers) == len(counts) or (subset and len(numbers) < len(counts))
    limits = counts[: len(numbers)]
    assert all(0 <= k < max(1, n) for k, n in zip(numbers, limits, strict=True))


def test_chunk_paths_are_folders_as_well() -> None:
    assert draws(zst.chunk_paths(2, (2, 2)), lambda path: path == "")
    assert draws(zst.chunk_paths(2, (2, 2)), lambda path: path == "1")
    assert never_draws(zst.chunk_paths(2, (2, 2), False), lambda path: "/" not in path)


@some
@given(data=st.data())
def test_edges_add_up(data: st.DataObject) -> None:
    extent, most = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 8))
    edges = data.draw(zst.rectilinear_dim_edges(extent=extent, max_chunks=most))
    assert 1 <= len(edges) <= most
    assert min(edges) >= 1
    assert sum(edges) == extent or extent == 0


@some
@given(data=st.data())
def test_rectilinear_chunks_add_up(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    chunks = data.draw(zst.rectilinear_chunks(shape=shape))
    sums = [edges if isinstance(edges, int) else sum(edges) for edges in chunks]
    assert sums == [n or 1 for n in shape]
    assert np.prod([1 if isinstance(edges, int) else len(edges) for edges in chunks]) <= 120


def expanded(declared: Any) -> Any:
    """Return the lengths that a declaration stands for."""
    if isinstance(declared, int):
        return declared
    runs = [[each] if isinstance(each, int) else [each[0]] * each[1] for each in declared]
    return tuple(itertools.chain(*runs))


@some
@given(data=st.data())
def test_declarations_stand_for_their_lengths(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    declared, lengths = data.draw(zst.rectilinear_chunk_shape_declarations(shape=shape))
    assert json.loads(json.dumps(declared)) == declared
    assert tuple(map(expanded, declared)) == lengths
    document = {
        "name": "rectilinear",
        "configuration": {"kind": "inline", "chunk_shapes": declared},
    }
    with zarr.config.set({"array.rectilinear_chunks": True}):
        grid = RectilinearChunkGridMetadata.from_dict(document)  # type: ignore[arg-type]
    assert grid.chunk_shapes == lengths


def test_declarations_use_pairs_and_plain_lengths() -> None:
    drawn = zst.rectilinear_chunk_shape_declarations(shape=(9,))
    assert draws(drawn, lambda pair: isinstance(pair[0][0], int))
    for wanted in ([1, 2], 1):
        assert draws(
            drawn,
            lambda pair, wanted=wanted: isinstance(pair[0][0], list) and wanted in pair[0][0],
        )


@pytest.mark.usefixtures("rectilinear")
@some
@given(data=st.data())
def test_rectilinear_grids_cover_the_array(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    grid = data.draw(zst.rectilinear_chunk_grids(shape=shape))
    assert len(grid.chunk_shapes) == len(shape)
    assert all(
        isinstance(x, int) or sum(x) >= n for x, n in zip(grid.chunk_shapes, shape, strict=True)
    )
    assert RectilinearChunkGridMetadata.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid
    parameter = zst.chunks_param_from_rectilinear(grid)
    assert tuple(x if isinstance(x, int) else tuple(x) for x in parameter) == grid.chunk_shapes
    assert all(isinstance(x, (int, list)) for x in parameter)


@pytest.mark.usefixtures("rectilinear")
@some
@given(data=st.data())
def test_a_drawn_grid_makes_an_array(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    grid = data.draw(zst.chunk_grids(shape=shape))
    chunks: Any = (
        grid.chunk_shape
        if isinstance(grid, RegularChunkGridMetadata)
        else zst.chunks_param_from_rectilinear(grid)
    )
    array = zarr.create_array({}, shape=shape, dtype="i4", chunks=chunks, fill_value=7)
    arrays_equal(array[...], np.full(shape, 7, "i4"))


def test_rectilinear_grids_wait_for_the_configuration() -> None:
    def is_rectilinear(grid: Any) -> bool:
        return isinstance(grid, RectilinearChunkGridMetadata)

    def has_rectilinear(metadata: Any) -> bool:
        return is_rectilinear(getattr(metadata, "chunk_grid", None))

    grids, metadata = zst.chunk_grids(shape=(9, 5)), zst.array_metadata()
    assert never_draws(grids, is_rectilinear)
    assert never_draws(metadata, has_rectilinear)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        assert draws(grids, is_rectilinear)
        assert draws(grids, lambda grid: not is_rectilinear(grid))
        assert draws(metadata, has_rectilinear)


# --- selections -------------------------------------------------------------------------


def numbered(shape: tuple[int, ...], data: st.DataObject) -> tuple[np.ndarray, zarr.Array]:
    """Return numbered elements, and an array that holds them in some chunks."""
    elements = np.arange(np.prod(shape, dtype=int), dtype="i4").reshape(shape)
    chunks = data.draw(zst.chunk_shapes(shape=shape))
    return elements, zarr.create_array({}, data=elements, chunks=chunks)


@some
@given(data=st.data())
def test_basic_indices_select_the_same(data: st.DataObject) -> None:
    elements, array = numbered(data.draw(SHAPES), data)
    index: Any = data.draw(zst.basic_indices(shape=elements.shape))
    arrays_equal(array[index], elements[index])
    each = index if isinstance(index, tuple) else (index,)
    assert not any(map(zst.is_negative_slice, each))
    assert None not in [item for item in each if not isinstance(item, slice)]


@some
@given(data=st.data())
def test_basic_indices_keep_to_their_bounds(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    low = data.draw(st.integers(0, len(shape)))
    high = data.draw(st.integers(low, len(shape)))
    options: dict[str, Any] = {
        "min_dims": low,
        "max_dims": high,
        "allow_ellipsis": data.draw(st.booleans()),
    }
    index: Any = data.draw(zst.basic_indices(shape=shape, **options))
    assert low <= np.empty(shape, "i1")[index].ndim <= high
    if not options["allow_ellipsis"]:
        assert Ellipsis not in (index if isinstance(index, tuple) else (index,))


def test_basic_indices_are_of_every_kind() -> None:
    def has(kind: type) -> Any:
        return lambda index: isinstance(index, tuple) and any(isinstance(i, kind) for i in index)

    indices = zst.basic_indices(shape=(4, 5, 6))
    for kind in (int, slice, type(...)):
        assert draws(indices, has(kind))
    assert never_draws(indices, has(type(None)))
    assert draws(zst.basic_indices(shape=(4, 5), allow_newaxis=True), has(type(None)))


def test_slices_backwards_are_told_from_others() -> None:
    assert zst.is_negative_slice(slice(4, 0, -1))
    assert not any(map(zst.is_negative_slice, (slice(0, 4), slice(0, 4, 2), -1, ..., None)))


@some
@given(data=st.data())
def test_end_slices_lie_at_the_end(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    slices = data.draw(zst.end_slices(shape=shape))
    assert all(n // 2 <= s.start <= s.stop <= n for s, n in zip(slices, shape, strict=True))


def test_end_slices_reach_the_end() -> None:
    assert draws(zst.end_slices(shape=(8,)), lambda drawn: drawn[0] == slice(5, 8))


@some
@given(data=st.data())
def test_orthogonal_indices_select_the_same(data: st.DataObject) -> None:
    elements, array = numbered(data.draw(SHAPES), data)
    index, positions = data.draw(zst.orthogonal_indices(shape=elements.shape))
    expected = elements[positions]
    arrays_equal(array.oindex[index], expected)
    # The positions go as well where a coordinate selection is asked for.
    if expected.size:
        coordinates = tuple(np.ravel(along) for along in positions)
        arrays_equal(array.vindex[coordinates], expected.ravel())


def test_orthogonal_indices_are_of_every_kind() -> None:
    indices = zst.orthogonal_indices(shape=(5,))

    def kind(index: Any) -> Any:
        return index.dtype.kind if isinstance(index, np.ndarray) else type(index)

    for wanted in (int, slice, "i", "b"):
        assert draws(indices, lambda drawn, wanted=wanted: kind(drawn[0][0]) == wanted)
    assert draws(
        indices,
        lambda drawn: kind(drawn[0][0]) == "i" and (np.diff(drawn[0][0]) < 0).any(),
    )


@few
@given(data=st.data())
def test_block_indices_select_the_same(data: st.DataObject) -> None:
    array, elements = data.draw(zst.block_test_arrays())
    index, slices = data.draw(zst.block_indices(chunk_sizes=array.write_chunk_sizes))
    arrays_equal(array.blocks[index], elements[slices])


@some
@given(data=st.data())
def test_block_indices_of_regular_chunks(data: st.DataObject) -> None:
    elements, array = numbered(data.draw(SHAPES), data)
    index, slices = data.draw(zst.block_indices(chunk_sizes=array.write_chunk_sizes))
    arrays_equal(array.blocks[index], elements[slices])


# --- metadata ---------------------------------------------------------------------------


def documents(metadata: Any) -> dict[str, Any]:
    buffers = metadata.to_buffer_dict(default_buffer_prototype())
    return {key: json.loads(value.to_bytes()) for key, value in buffers.items()}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.usefixtures("rectilinear")
@some
@given(data=st.data())
def test_metadata_pass_through_json(zarr_format: Any, data: st.DataObject) -> None:
    metadata = data.draw(zst.array_metadata(zarr_formats=st.just(zarr_format)))
    assert metadata.zarr_format == zarr_format
    written = documents(metadata)
    if zarr_format == 2:
        again: Any = ArrayV2Metadata.from_dict(
            written[".zarray"] | {"attributes": written.get(".zattrs", {})}
        )
    else:
        again = ArrayV3Metadata.from_dict(written["zarr.json"])
    assert documents(again) == written
    assert again.shape == metadata.shape
    assert again.dtype.to_json(zarr_format=zarr_format) == metadata.dtype.to_json(
        zarr_format=zarr_format
    )
    assert again.attributes == metadata.attributes


@few
@given(data=st.data())
def test_metadata_follow_what_was_asked_for(data: st.DataObject) -> None:
    metadata = data.draw(
        zst.array_metadata(array_shapes=lambda: st.just((3, 4)), attributes=st.just({"a": 1}))
    )
    assert metadata.shape == (3, 4)
    assert metadata.attributes == {"a": 1}


def test_metadata_have_shards_and_filters() -> None:
    of_3 = zst.array_metadata(zarr_formats=st.just(3))
    assert draws(of_3, lambda metadata: isinstance(metadata.codecs[0], ShardingCodec))
    assert draws(of_3, lambda metadata: len(metadata.codecs) > 2)
    of_2 = zst.array_metadata(zarr_formats=st.just(2))
    assert draws(of_2, lambda metadata: metadata.filters and metadata.compressor)
    assert draws(of_2, lambda metadata: metadata.fill_value is None)


# --- arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "local", "zip"])
@few
@given(data=st.data())
def test_arrays_hold_the_elements(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stores")
    stores: dict[str, Any] = {
        "memory": MemoryStore,
        "local": lambda: LocalStore(folder),
        "zip": lambda: ZipStore(folder / "a.zip", mode="w"),
    }
    store: Any = stores[kind]()
    elements = data.draw(zst.numpy_arrays())
    path, name = data.draw(zst.paths()), data.draw(zst.array_names)
    zarr_format = data.draw(zst.zarr_formats)
    attributes = data.draw(zst.attrs)
    with store:
        array = data.draw(
            zst.arrays(
                stores=st.just(store),
                arrays=st.just(elements),
                paths=st.just(path),
                array_names=st.just(name),
                zarr_formats=st.just(zarr_format),
                attrs=st.just(attributes),
            )
        )
        assert array.store is store
        assert array.path == f"{path}/{name}".strip("/")
        assert array.metadata.zarr_format == zarr_format
        assert array.attrs.asdict() == (attributes or {})
        arrays_equal(array[...], elements)
        again = zarr.open_array(store, path=array.path, mode="r+", zarr_format=zarr_format)
        assert documents(again.metadata) == documents(array.metadata)
        arrays_equal(np.asarray(again[...]).astype(elements.dtype), elements)
        array[...] = elements


def has_shards(array: Any) -> bool:
    return array.shards is not None


def is_rectilinear(array: Any) -> bool:
    grid = getattr(array.metadata, "chunk_grid", None)
    return isinstance(grid, RectilinearChunkGridMetadata)


def test_arrays_are_of_every_kind() -> None:
    plain = zst.arrays(shapes=st.just((4, 4)))
    assert draws(plain, has_shards)
    assert draws(plain, lambda array: array.metadata.zarr_format == 2)
    assert draws(plain, lambda array: array.dtype.kind == "O")
    assert never_draws(plain, is_rectilinear)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        assert draws(plain, is_rectilinear)


@few
@given(data=st.data())
def test_arrays_follow_what_was_asked_for(data: st.DataObject) -> None:
    array = data.draw(
        zst.arrays(
            shapes=st.just((4, 4)),
            compressors=st.none(),
            subchunk_write_orders=st.just("lexicographic"),
        )
    )
    assert array.shape == (4, 4)
    assert array.compressors == ()
    if has_shards(array):
        assert array.metadata.codecs[0].subchunk_write_order == "lexicographic"


def test_a_store_may_be_kept() -> None:
    def filled() -> MemoryStore:
        store = MemoryStore()
        zarr.create_array(store, name="other", shape=1, dtype="i1")
        return store

    def has_other(array: Any) -> bool:
        return sync(array.store.exists("other/zarr.json"))

    options: dict[str, Any] = {"stores": st.builds(filled), "paths": st.just("a")}
    kept = zst.arrays(**options, open_mode="a", zarr_formats=st.just(3))
    assert never_draws(kept, lambda array: not has_other(array))
    assert never_draws(zst.arrays(**options), has_other)


@few
@given(array=zst.simple_arrays(shapes=st.just((3, 2))))
def test_simple_arrays_are_simple(array: zarr.Array) -> None:
    assert array.shape == (3, 2)
    assert dict(array.attrs) == {}
    assert array.path.count("/") <= 2
    assert len(array.path.split("/")[-1]) <= 3
    assert array.compressors
    assert np.asarray(array[...]).shape == (3, 2)


@few
@given(data=st.data())
def test_sharded_arrays_have_shards(data: st.DataObject) -> None:
    nested = data.draw(st.booleans())
    array = data.draw(zst.sharded_arrays(nested=nested))
    assert array.shards is not None
    codec = array.metadata.codecs[0]
    assert isinstance(codec, ShardingCodec)
    assert isinstance(codec.codecs[0], ShardingCodec) == nested
    again = zarr.open_array(array.store, mode="r")
    arrays_equal(np.asarray(again[...]).astype(array.dtype), np.asarray(array[...]))


@few
@given(array=zst.rectilinear_arrays())
def test_rectilinear_arrays_are_rectilinear(array: zarr.Array) -> None:
    assert is_rectilinear(array)
    sizes = array.write_chunk_sizes
    assert tuple(map(sum, sizes)) == array.shape
    assert np.asarray(array[...]).shape == array.shape


@few
@given(drawn=zst.complex_rectilinear_arrays(paths=st.just("a/b"), array_names=st.just("c")))
def test_complex_rectilinear_arrays_come_with_their_elements(drawn: Any) -> None:
    elements, array = drawn
    assert is_rectilinear(array)
    assert array.path == "a/b/c"
    assert all(3 <= len(sizes) <= 5 for sizes in array.write_chunk_sizes)
    arrays_equal(array[...], elements)


def test_blocks_are_of_shards_and_of_lengths_that_vary() -> None:
    assert draws(zst.block_test_arrays(), lambda drawn: has_shards(drawn[0]))
    assert draws(zst.block_test_arrays(), lambda drawn: is_rectilinear(drawn[0]))


@few
@given(codecs=zst.sharding_inner_codecs, order=zst.subchunk_write_orders)
def test_codecs_and_orders_make_shards(codecs: Any, order: Any) -> None:
    codec = ShardingCodec(chunk_shape=(2,), codecs=codecs, subchunk_write_order=order)
    array = zarr.create_array(
        {}, shape=5, dtype="i4", chunks=(4,), serializer=codec, compressors=None
    )
    array[...] = np.arange(5)
    arrays_equal(array[...], np.arange(5, dtype="i4"))
