"""Released zarrs: its codec pipeline, written in Rust, in the place of ours."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client

import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr.storage import LocalStore, MemoryStore

zarrs = client("zarrs")
numcodecs = client("numcodecs")

OURS = "zarr.core.codec_pipeline.BatchedCodecPipeline"
THEIRS = "zarrs.ZarrsCodecPipeline"
METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
VALUES = np.random.default_rng(0).random((11, 10)).astype("f4")

WRITINGS: dict[str, dict[str, Any]] = {
    "plain": {"compressors": None},
    "default": {},
    "gzip": {"compressors": GzipCodec(level=2)},
    "zstd and checksum": {"compressors": [ZstdCodec(level=3), Crc32cCodec()]},
    "blosc": {"compressors": BloscCodec(cname="lz4", shuffle="shuffle")},
    "big endian": {"serializer": BytesCodec(endian="big")},
    "transposed": {"filters": [TransposeCodec(order=(1, 0))]},
    "shards": {"shards": (6, 8)},
    "slashes": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "version 2": {"zarr_format": 2},
    "version 2, plain": {"zarr_format": 2, "compressors": None},
    "version 2, zstd": {"zarr_format": 2, "compressors": numcodecs.Zstd(level=1)},
    "version 2, gzip": {"zarr_format": 2, "compressors": numcodecs.GZip(level=1)},
}


def using(pipeline: str) -> Any:
    return zarr.config.set({"codec_pipeline.path": pipeline})


@pytest.fixture
def strict() -> Iterator[None]:
    """Arrays that go to zarrs, and fail where they would have gone back to a pipeline of ours."""
    with zarr.config.set({"codec_pipeline.path": THEIRS, "codec_pipeline.strict": True}):
        yield


def write(path: Path, pipeline: str, data: Any = VALUES, **how: Any) -> None:
    """Create an array and write it in two parts, which meet within chunks."""
    with using(pipeline):
        array = zarr.create_array(
            LocalStore(path),
            name="a",
            shape=data.shape,
            dtype=data.dtype,
            chunks=(3, 4)[: data.ndim],
            fill_value=1,
            **how,
        )
        array[:5] = data[:5]
        array[5:] = data[5:]


def opened(path: Path, pipeline: str) -> Any:
    with using(pipeline):
        return zarr.open_array(LocalStore(path), path="a", mode="r+")


def chunks(path: Path) -> dict[str, bytes]:
    """Return every stored value but metadata."""
    return {
        str(found.relative_to(path)): found.read_bytes()
        for found in path.rglob("*")
        if found.is_file() and found.name not in METADATA
    }


@pytest.mark.parametrize("how", WRITINGS.values(), ids=WRITINGS.keys())
def test_each_reads_what_the_other_wrote(
    tmp_path: Path, how: dict[str, Any], strict: None, bulk_reads: BulkReads
) -> None:
    for writer in (OURS, THEIRS):
        path = tmp_path / writer
        write(path, writer, **how)
        bulk_reads.clear()
        np.testing.assert_array_equal(opened(path, THEIRS)[:], VALUES)
        assert bulk_reads.chunks == []  # it reads files by itself
        bulk_reads.record("zarrs")
        np.testing.assert_array_equal(opened(path, OURS)[:], VALUES)
    ours, theirs = chunks(tmp_path / OURS), chunks(tmp_path / THEIRS)
    assert ours.keys() == theirs.keys()
    if "compressors" in how and how["compressors"] is None:
        assert ours == theirs


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i4", "u8", "f2", "f8", "c8", "c16"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_data_types(tmp_path: Path, dtype: str, zarr_format: Any, strict: None) -> None:
    data = np.arange(11).astype(dtype)
    for writer, reader in ((OURS, THEIRS), (THEIRS, OURS)):
        write(tmp_path / writer, writer, data, zarr_format=zarr_format)
        found = opened(tmp_path / writer, reader)[:]
        np.testing.assert_array_equal(found, data)
        assert found.dtype == data.dtype


@pytest.mark.parametrize("how", ["default", "shards", "version 2"])
def test_selections(tmp_path: Path, how: str, strict: None, bulk_reads: BulkReads) -> None:
    write(tmp_path, OURS, **WRITINGS[how])
    array = opened(tmp_path, THEIRS)
    bulk_reads.clear()
    for index in (
        (-1, 3),
        (slice(2, 7), slice(1, 9)),
        (slice(4, 4),),
        (..., 5),
        (slice(3, 6), slice(4, 8)),
        (),
    ):
        np.testing.assert_array_equal(array[index], VALUES[index])
    np.testing.assert_array_equal(array.oindex[2:5, np.array([3, 4])], VALUES[2:5, [3, 4]])
    if how != "shards":
        np.testing.assert_array_equal(array.blocks[1, 2], VALUES[3:6, 8:])
    assert bulk_reads.chunks == []
    bulk_reads.record("zarrs")


def test_selections_it_leaves_to_us(tmp_path: Path, bulk_reads: BulkReads) -> None:
    """A single row, an order of its own, or points: read through our pipeline, in bulk."""
    write(tmp_path, THEIRS)
    array = opened(tmp_path, THEIRS)
    bulk_reads.clear()
    np.testing.assert_array_equal(array[7], VALUES[7])
    assert bulk_reads.chunks == [("LocalStore", 3)]
    rows, columns = np.array([9, 0, 4]), np.array([1, 1, 7])
    np.testing.assert_array_equal(array[::3, 1], VALUES[::3, 1])
    np.testing.assert_array_equal(array.oindex[rows], VALUES[rows])
    np.testing.assert_array_equal(array.vindex[rows, columns], VALUES[rows, columns])
    mask = VALUES > 0.5
    np.testing.assert_array_equal(array[mask], VALUES[mask])
    assert ("LocalStore", 12) in bulk_reads.chunks
    bulk_reads.expect_some("zarrs")


@pytest.mark.parametrize("how", ["default", "shards", "version 2"])
def test_writing_parts(tmp_path: Path, how: str) -> None:
    expected = VALUES.copy()
    write(tmp_path, OURS, **WRITINGS[how])
    array = opened(tmp_path, THEIRS)
    indices: tuple[Any, ...] = (
        (slice(1, 8), slice(2, 3)),
        (4,),
        (slice(None), -1),
        (slice(None, None, 4), slice(0, 2)),
    )
    for number, index in enumerate(indices):
        expected[index] = number
        array[index] = number
    array.oindex[np.array([10, 0])] = 9
    expected[[10, 0]] = 9
    np.testing.assert_array_equal(array[:], expected)
    np.testing.assert_array_equal(opened(tmp_path, OURS)[:], expected)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_absent_chunks_and_fill_values(tmp_path: Path, zarr_format: Any, strict: None) -> None:
    write(tmp_path, OURS, zarr_format=zarr_format)
    array = opened(tmp_path, THEIRS)
    array[3:6] = 1  # the fill value: these chunks go
    assert len(chunks(tmp_path)) == 9
    expected = VALUES.copy()
    expected[3:6] = 1
    np.testing.assert_array_equal(array[:], expected)
    np.testing.assert_array_equal(opened(tmp_path, OURS)[:], expected)
    array.resize((14, 10))
    np.testing.assert_array_equal(array[11:], np.ones((3, 10)))


def test_what_it_does_not_know_is_read_by_us(tmp_path: Path, bulk_reads: BulkReads) -> None:
    """Strings, and stores of Python: read through our pipeline."""
    texts = np.array(["a", "", "ccé", "d"], dtype=np.dtypes.StringDType())
    with using(THEIRS):
        array = zarr.create_array(tmp_path / "t", shape=(4,), chunks=(3,), dtype=texts.dtype)
        array[:] = texts
        assert zarr.open_array(tmp_path / "t")[:].tolist() == texts.tolist()  # type: ignore[union-attr]
        inner = zarr.create_array(MemoryStore(), data=VALUES, chunks=(3, 4))
        np.testing.assert_array_equal(inner[:], VALUES)
    assert ("MemoryStore", 12) in bulk_reads.chunks
    bulk_reads.expect_some("zarrs")


def test_damaged_chunks_are_no_data(tmp_path: Path, strict: None) -> None:
    write(tmp_path, OURS, **WRITINGS["zstd and checksum"])
    chunk = tmp_path / "a/c/1/1"
    chunk.write_bytes(chunk.read_bytes()[:-3] + b"\0\0\0")
    array = opened(tmp_path, THEIRS)
    with pytest.raises(RuntimeError, match="checksum"):
        array[:]
    np.testing.assert_array_equal(array[:3], VALUES[:3])


def test_groups_and_pickling(tmp_path: Path, strict: None) -> None:
    with using(THEIRS):
        group = zarr.create_group(tmp_path / "g")
        group.create_array("deep/a", data=VALUES, chunks=(3, 4))
        copied = pickle.loads(pickle.dumps(group["deep/a"]))
    np.testing.assert_array_equal(copied[:], VALUES)
    with using(OURS):
        np.testing.assert_array_equal(
            zarr.open_group(tmp_path / "g")["deep/a"][:],  # type: ignore[index]
            VALUES,
        )


async def test_asynchronous_arrays(tmp_path: Path, strict: None) -> None:
    store = LocalStore(tmp_path)
    array = await zarr.api.asynchronous.create_array(
        store, name="a", shape=VALUES.shape, chunks=(3, 4), dtype="f4"
    )
    await array.setitem(..., VALUES)
    np.testing.assert_array_equal(await array.getitem((slice(2, 9), 3)), VALUES[2:9, 3])
