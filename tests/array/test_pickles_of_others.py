"""Arrays, groups and codecs that zarr-python has pickled, as in a cluster during an upgrade."""

from __future__ import annotations

import asyncio
import base64
import copy
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.array import pickles
from tests.optional import lacks

import zarr
from zarr.codecs import BloscCodec, BytesCodec, ShardingCodec, ZstdCodec
from zarr.core.chunk_utils import ChunkTransform
from zarr.core.codec_pipeline import (
    AsyncChunkTransform,
    BatchedCodecPipeline,
    FusedCodecPipeline,
)
from zarr.core.config import config
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, WrapperStore, ZipStore

ANY: Any = np  # for names that are not typed
X = np.arange(12, dtype="i4").reshape(3, 4)
TYPES: dict[str, npt.NDArray[Any]] = {
    "bool": np.array([0, 1], "?"),
    "i1": np.array([1], "i1"),
    "i2": np.array([1], "i2"),
    "i4": np.array([1], ">i4"),
    "i8": np.array([1], "i8"),
    "u1": np.array([1], "u1"),
    "u2": np.array([1], "u2"),
    "u4": np.array([1], "u4"),
    "u8": np.array([1], "u8"),
    "f2": np.array([1], "f2"),
    "f4": np.array([1], "f4"),
    "f8": np.array([1], "f8"),
    "c8": np.array([1], "c8"),
    "c16": np.array([1], "c16"),
    "U": np.array(["a", "bc"]),
    "S": np.array([b"a", b"bc"]),
    "V": np.array([b"ab"], "V2"),
    "M8": np.array([1], "M8[10s]"),
    "m8": np.array([1], "m8[ms]"),
    "T": np.array(["a", "bc"], ANY.dtypes.StringDType()),
    "fields": np.array([(1, (2.5, 3))], [("a", "i4"), ("b", [("c", "f8"), ("d", "u1")])]),
}


def loaded(fact: str) -> Any:
    return pickle.loads(zlib.decompress(base64.b64decode(fact)))


def check(array: Any, expected: npt.NDArray[Any]) -> None:
    """Check that an array can be read, written, described, compared and pickled."""
    assert array[...].tolist() == expected.tolist()
    assert array[...].dtype == expected.dtype or expected.dtype.kind == "O"
    first = asyncio.run(array.async_array.getitem((slice(0, 1),) * expected.ndim))
    assert first.tolist() == expected[(slice(0, 1),) * expected.ndim].tolist()
    format_: Any = array.metadata.zarr_format
    opened: Any = zarr.open_array(array.store_path, mode="r+", zarr_format=format_)
    assert opened[...].tolist() == expected.tolist()
    if expected.dtype.isnative:  # the byte order is that of the data until the array is opened
        assert array.metadata == opened.metadata
        assert repr(array) == repr(opened)
    assert array.info is not None
    for again in (pickle.loads(pickle.dumps(array)), copy.copy(array)):
        assert again[...].tolist() == expected.tolist()
        assert again.metadata == array.metadata
    other = expected[..., ::-1].copy()
    array[...] = other
    assert array[...].tolist() == other.tolist()


@pytest.mark.parametrize("facts", ["CODECS_V3", "CODECS_V2"])
def test_arrays_of_every_codec(facts: str) -> None:
    arrays = loaded(getattr(pickles, facts))
    assert len(arrays) == (12 if facts == "CODECS_V3" else 4)
    for array in arrays.values():
        assert type(array) is zarr.Array
        check(array, X)
    if facts == "CODECS_V3":
        assert arrays["config"].config.write_empty_chunks
        assert arrays["config"].config.order == "F"
        assert arrays["sharding"].shards == (3, 4)
        outer = arrays["nested"].metadata.codecs[0]
        assert outer == ShardingCodec(
            chunk_shape=(3, 1), codecs=[ShardingCodec(chunk_shape=(1, 1))]
        ).evolve_from_array_spec(spec_of(arrays["nested"]))
        assert outer.subchunk_write_order == "morton"
        assert arrays["keys"].metadata.dimension_names == ("x", None)


def spec_of(array: Any) -> Any:
    from zarr.core.buffer import default_buffer_prototype

    return array.async_array._regular_spec(default_buffer_prototype())


def test_arrays_of_every_data_type() -> None:
    arrays = loaded(pickles.TYPES)
    assert set(arrays) == {f"{name} {number}" for name in TYPES for number in (2, 3)}
    for key, array in arrays.items():
        expected = TYPES[key.split()[0]]
        assert array.dtype == (expected.dtype if array.dtype.isnative else ">i4")
        assert hash(array.metadata.dtype) == hash(pickle.loads(pickle.dumps(array.metadata.dtype)))
        check(array, expected)


def test_other_arrays() -> None:
    others = loaded(pickles.OTHERS)
    assert type(others["async"]) is zarr.AsyncArray
    check(zarr.Array(others["async"]), X)
    # The pipeline is that which is configured here.
    assert type(others["fused"].async_array.codec_pipeline) is BatchedCodecPipeline
    check(others["fused"], X)
    with config.set({"array.rectilinear_chunks": True}):
        check(others["rectilinear"], X)


def test_groups() -> None:
    second, third, inner = loaded(pickles.GROUPS)
    assert type(inner) is zarr.AsyncGroup
    groups: list[Any] = [second, third, zarr.Group(inner)]
    for group in groups:
        assert group.metadata.consolidated_metadata is not None
        assert dict(group.attrs) == {"q": 1}
        assert sorted(name for name, _ in group.members(max_depth=None)) == ["s", "s/y", "x"]
        assert group["x"][:].tolist() == [3, 3]
        assert group["s/y"][:].tolist() == [[4, 4], [4, 4]]
        opened: Any = zarr.open_group(group.store_path, use_consolidated=True)
        assert opened.metadata == group.metadata
        assert pickle.loads(pickle.dumps(group)).metadata == group.metadata
        group.create_array("new", shape=(1,), dtype="i1")[:] = 5
        opened = zarr.open_group(group.store_path, use_consolidated=False)
        assert opened["new"][:].tolist() == [5]


def test_parts() -> None:
    transform, waiting, pipeline, blosc, *ranges = loaded(pickles.PARTS)
    pair = (BytesCodec(), ZstdCodec())
    assert transform == ChunkTransform(codecs=pair)
    assert waiting == AsyncChunkTransform(codecs=pair)
    assert type(pipeline) is FusedCodecPipeline
    assert tuple(pipeline) == pair
    assert (blosc, hash(blosc)) == (BloscCodec(), hash(BloscCodec()))
    assert [repr(each) for each in ranges] == [
        "RangeByteRequest(start=1, end=2)",
        "OffsetByteRequest(offset=1)",
        "SuffixByteRequest(suffix=1)",
    ]
    for part in (transform, waiting, pipeline, blosc, *ranges):
        assert pickle.loads(pickle.dumps(part)) == part


class Elsewhere:
    """An object that is pickled as zarr-python does: the class, and its attributes."""

    def __init__(self, cls: type, **state: Any) -> None:
        self.reduced: Any = (object.__new__, (cls,), state)

    def __reduce__(self) -> Any:
        return self.reduced


def stores(folder: Path) -> dict[str, Any]:
    made: dict[str, Any] = {
        "local": LocalStore(folder / "local"),
        "wrapper": WrapperStore(LocalStore(folder / "wrapper")),
        "memory": MemoryStore(),
    }
    if not lacks("fsspec"):
        options = {"auto_mkdir": True}
        made["fsspec"] = FsspecStore.from_url((folder / "f").as_uri(), storage_options=options)
    return made


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_other_stores(tmp_path: Path, zarr_format: Any) -> None:
    zipped = ZipStore(tmp_path / "a.zip", mode="w")
    for name, store in {**stores(tmp_path), "zip": zipped}.items():
        made: Any = zarr.create_array(
            store, name="a", data=X, chunks=(3, 2), zarr_format=zarr_format, attributes={"b": 1}
        )
        if name == "zip":
            store.close()
            store = ZipStore(tmp_path / "a.zip")
        root: Any = zarr.open_group(store, mode="r", zarr_format=zarr_format)
        inner = made.async_array
        array = Elsewhere(
            zarr.AsyncArray,
            metadata=made.metadata,
            store_path=StorePath(store, "a"),
            config=inner.config,
            _chunk_grid=inner._chunk_grid,
            codec_pipeline=inner.codec_pipeline,
        )
        group = Elsewhere(zarr.AsyncGroup, metadata=root.metadata, store_path=StorePath(store, ""))
        again = pickle.loads(
            pickle.dumps(
                (
                    Elsewhere(zarr.Array, _async_array=array),
                    Elsewhere(zarr.Group, _async_group=group),
                )
            )
        )
        assert again[0][...].tolist() == again[1]["a"][...].tolist() == X.tolist()
        assert again[0].metadata == made.metadata


def test_subclasses_keep_their_attributes() -> None:
    made: Any = zarr.create_array(MemoryStore(), data=X)
    state = {name: getattr(made.async_array, name) for name in ("metadata", "store_path", "config")}
    array = pickle.loads(pickle.dumps(Elsewhere(Noted, **state, note="x")))
    assert (type(array), array.note) == (Noted, "x")
    check(zarr.Array(array), X)


class Noted(zarr.AsyncArray[Any]):
    note: str
