"""Internal names that released packages reach for: all there, and all documented.

What they do is tested beside what they are doors to; here are those that are mere values.
"""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

import zarr
import zarr.dtype
from zarr.core import array_spec, chunk_grids, common, group
from zarr.errors import DataTypeValidationError, ZarrDeprecationWarning

PAGE = Path(__file__).parents[2] / "docs" / "kept-for-others.md"

KEEP = (
    "data chunks shards filters compressors serializer fill_value order zarr_format "
    "chunk_key_encoding dimension_names attributes"
)
# The parameters of functions; None for what is none.
NAMES: dict[str, str | None] = {
    "zarr.core.sync:_get_loop": "",
    "zarr.core.sync:_get_executor": "",
    "zarr.core.sync:_get_lock": "",
    "zarr.core.sync:_collect_aiterator": "data",
    "zarr.core.sync:loop": None,
    "zarr.core.sync:iothread": None,
    "zarr.core.group:ConsolidatedMetadata._flat_to_nested": "metadata",
    "zarr.core.group:GROUP_METADATA_KEYS": None,
    "zarr.core.group:StoreLike": None,
    "zarr.core.array:_parse_keep_array_attr": KEEP,
    "zarr.core.array_spec:ArrayConfigLike": None,
    "zarr.core.common:ChunkCoords": None,
    "zarr.core.common:DimensionNamesLike": None,
    "zarr.core.dtype:DataTypeValidationError": None,
    "zarr.core.metadata.io:save_metadata": "store_path metadata ensure_parents",
    "zarr.storage._fsspec:_make_async": "fs",
    "zarr.storage._utils:_join_paths": "paths",
    "zarr.storage._utils:_relativize_path": "path prefix",
    "zarr.storage._utils:_normalize_byte_range_index": "data byte_range",
    "zarr.core.chunk_utils:ChunkTransform": "codecs",
    "zarr.core.chunk_grids:SHARDED_INNER_CHUNK_MAX_BYTES": None,
    "zarr.codecs.sharding:IndexLocation": None,
    "zarr.codecs.sharding:MAX_UINT_64": None,
    "zarr.codecs.bytes:EndianLiteral": None,
    "zarr.core.dtype.npy:bool": None,
    "zarr.core.dtype.npy:common": None,
    "zarr.testing.utils:gpu_mark": None,
}
# Told in the row of another one.
BESIDE: dict[str, str | None] = {
    "zarr.dtype:DataTypeValidationError": None,
    "zarr.core.dtype.common:DataTypeValidationError": None,
    "zarr.core.dtype.npy.bool:Bool": None,
    "zarr.core.dtype.npy.int:UInt8": None,
    "zarr.core.dtype.npy.float:Float32": None,
    "zarr.core.dtype.npy.complex:Complex64": None,
    "zarr.core.dtype.npy.bytes:RawBytes": None,
    "zarr.core.dtype.npy.string:VariableLengthUTF8": None,
    "zarr.core.dtype.npy.structured:Struct": None,
    "zarr.core.dtype.npy.time:DateTime64": None,
    "zarr.core.dtype.npy.common:DateTimeUnit": None,
    "zarr.core.dtype.npy.common:check_json_int": "data",
    "zarr.core.dtype.npy.common:check_json_str": "data",
    "zarr.core.dtype.npy.common:check_json_bool": "data",
    "zarr.core.dtype.npy.common:bytes_from_json": "data zarr_format",
    "zarr.core.dtype.npy.common:bytes_to_json": "data zarr_format",
    "zarr.core.dtype.npy.common:endianness_to_numpy_str": "endianness",
    "zarr.core.dtype.npy.common:endianness_from_numpy_str": "endianness",
    "zarr.core.dtype.npy.common:get_endianness_from_numpy_dtype": "dtype",
    "zarr.testing.utils:skip_if_no_gpu": None,
}


def find(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrDeprecationWarning)
        for part in path.split("."):
            found = getattr(found, part)
    return found


@pytest.mark.parametrize(("name", "parameters"), (NAMES | BESIDE).items())
def test_it_is_there(name: str, parameters: str | None) -> None:
    found = find(name)
    if parameters is not None:
        assert list(inspect.signature(found).parameters) == parameters.split()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_documented_as_kept_for_others(name: str) -> None:
    assert f"`{name.replace(':', '.')}`" in PAGE.read_text()


@pytest.mark.parametrize(
    "name", ["zarr.core.chunk_utils", "zarr.core.metadata.io", "zarr.core.dtype.npy.string"]
)
def test_modules_that_nothing_imports_are_found_from_the_package(name: str) -> None:
    program = f"import sys, zarr\nzarr.open\nassert {name!r} not in sys.modules\n{name}\n"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


@pytest.mark.parametrize(
    "module", ["zarr.core", "zarr.core.dtype", "zarr.core.metadata", "zarr.dtype"]
)
def test_a_name_that_is_not_there(module: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        importlib.import_module(module).nothing
    with pytest.raises(ImportError, match="nothing"):
        exec(f"from {module} import nothing")


@pytest.mark.parametrize("module", ["zarr.core.dtype", "zarr.dtype", "zarr.core.dtype.common"])
def test_an_error_where_it_was_once(module: str) -> None:
    with pytest.warns(ZarrDeprecationWarning, match="zarr.errors") as caught:
        found = importlib.import_module(module).DataTypeValidationError
    assert found is DataTypeValidationError
    assert [warning.filename for warning in caught] == [__file__]
    assert "DataTypeValidationError" not in dir(importlib.import_module(module))
    with pytest.raises(found):
        zarr.dtype.Int8.from_native_dtype(zarr.dtype.Int16().to_native_dtype())


def test_types() -> None:
    assert find("zarr.core.common:ChunkCoords") == tuple[int, ...]
    assert find("zarr.core.common:DimensionNamesLike") == common.DimensionNames
    assert common.DimensionNamesLike == Iterable[str | None] | None
    both = {array_spec.ArrayConfig, array_spec.ArrayConfigParams}
    assert set(get_args(array_spec.ArrayConfigLike)) == both
    assert find("zarr.codecs.sharding:IndexLocation") == Literal["start", "end"]
    assert find("zarr.codecs.bytes:EndianLiteral") == Literal["little", "big"]
    assert find("zarr.core.group:StoreLike") is zarr.storage.StoreLike


def test_fields_of_a_group() -> None:
    assert {
        "attributes", "consolidated_metadata", "node_type", "zarr_format",
    } == group.GROUP_METADATA_KEYS  # fmt: skip


def test_the_bound_of_chunks_that_are_chosen_with_their_shards() -> None:
    bound = chunk_grids.SHARDED_INNER_CHUNK_MAX_BYTES
    assert bound == 1 << 20
    with pytest.warns(zarr.errors.ZarrUserWarning, match="Automatic shard shape"):
        array = zarr.create_array(
            {}, shape=(100_000, 1000), dtype="f8", chunks="auto", shards="auto"
        )
    assert array.chunks[0] * array.chunks[1] * 8 < bound


def test_what_an_absent_chunk_has_in_the_index_of_a_shard() -> None:
    store: dict[str, Any] = {}
    array = zarr.create_array(
        store, shape=4, chunks=1, shards=4, dtype="u1", compressors=None, fill_value=0
    )
    array[0] = 1
    index = store["c/0"].to_bytes()[-4 - 4 * 16 : -4]
    absent = find("zarr.codecs.sharding:MAX_UINT_64").to_bytes(8, "little")
    assert index[16:] == absent * 6
    assert absent not in index[:16]


def test_marks_of_tests_that_need_a_gpu() -> None:
    from zarr.testing.utils import gpu_mark, has_cupy, skip_if_no_gpu

    assert gpu_mark.name == "gpu"
    assert skip_if_no_gpu.name == "skipif"
    assert skip_if_no_gpu.args == (not has_cupy(),)

    @gpu_mark
    @skip_if_no_gpu
    def test() -> None: ...

    assert [mark.name for mark in test.pytestmark] == ["skipif", "gpu"]  # type: ignore[attr-defined]


def test_helpers_of_tests_do_not_import_pytest() -> None:
    program = "import sys\nsys.modules['pytest'] = None\nfrom zarr.testing.utils import has_cupy\n"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
