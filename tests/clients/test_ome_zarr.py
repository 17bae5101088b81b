"""Released ome-zarr: bioimages, their pyramids and labels, in the formats 0.4 and 0.5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client
from tests.servers.range_server import RangeServer

import zarr
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

client("ome_zarr")
formats = client("ome_zarr.format")
ome_io = client("ome_zarr.io")
reader = client("ome_zarr.reader")
writer = client("ome_zarr.writer")
dask_array = client("dask.array")
numcodecs = client("numcodecs")

SHAPE = (2, 64, 48)
IMAGE = np.random.default_rng(0).integers(0, 60000, SHAPE, dtype="u2")
AXES = "cyx"


@pytest.fixture(params=["0.4", "0.5"])
def fmt(request: pytest.FixtureRequest) -> Any:
    """A format of its own: 0.4 is on version 2 of ours, 0.5 on version 3."""
    return formats.format_from_version(request.param)


def group_at(where: Any, fmt: Any) -> zarr.Group:
    return zarr.open_group(where, mode="w", zarr_format=fmt.zarr_format)


def write_image(group: zarr.Group, fmt: Any, image: Any = IMAGE, **options: Any) -> None:
    writer.write_image(
        image,
        group,
        fmt=fmt,
        axes=AXES,
        scale={"c": 1.0, "y": 0.5, "x": 0.25},
        scale_factors=(2, 4),
        storage_options={"chunks": (1, 16, 16)},
        **options,
    )


def ome_attributes(group: zarr.Group, fmt: Any) -> Any:
    attributes: Any = group.attrs.asdict()
    return attributes["ome"] if fmt.zarr_format == 3 else attributes


def nodes(path: Any) -> list[Any]:
    return list(reader.Reader(ome_io.parse_url(path))())


# --- images -----------------------------------------------------------------------------


def test_image(tmp_path: Path, fmt: Any, bulk_reads: BulkReads) -> None:
    write_image(group_at(tmp_path / "a.zarr", fmt), fmt, name="an image")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    (multiscales,) = ome_attributes(group, fmt)["multiscales"]
    assert multiscales["name"] == "an image"
    assert [axis["name"] for axis in multiscales["axes"]] == list(AXES)
    paths = [dataset["path"] for dataset in multiscales["datasets"]]
    assert len(paths) == 3
    arrays: list[Any] = [group[path] for path in paths]
    assert [array.shape for array in arrays] == [(2, 64, 48), (2, 32, 24), (2, 16, 12)]
    assert {array.metadata.zarr_format for array in arrays} == {fmt.zarr_format}
    assert arrays[0].chunks == (1, 16, 16)
    if fmt.zarr_format == 3:
        assert arrays[0].metadata.dimension_names == tuple(AXES)
    else:
        assert (tmp_path / "a.zarr" / paths[0] / "1/3/2").is_file()
    np.testing.assert_array_equal(arrays[0][:], IMAGE)

    (node,) = nodes(tmp_path / "a.zarr")
    assert node.metadata["axes"] == multiscales["axes"]
    bulk_reads.clear()
    np.testing.assert_array_equal(node.data[0].compute(scheduler="threads"), IMAGE)
    # Its tasks read a chunk each.
    assert bulk_reads.chunks == [("LocalStore", 1)] * 24
    np.testing.assert_array_equal(node.data[2].compute(), arrays[2][:])
    np.testing.assert_array_equal(node.data[0][1, 5:40, 7], IMAGE[1, 5:40, 7])
    bulk_reads.expect_some("ome-zarr")


def test_lazy_image_written_later(tmp_path: Path, fmt: Any, bulk_reads: BulkReads) -> None:
    lazy = dask_array.from_array(IMAGE, chunks=(1, 32, 32))
    jobs = writer.write_image(
        lazy,
        group_at(tmp_path / "a.zarr", fmt),
        fmt=fmt,
        axes=AXES,
        scale_factors=(2,),
        compute=False,
    )
    dask_array.compute(*jobs, scheduler="threads")
    (node,) = nodes(tmp_path / "a.zarr")
    np.testing.assert_array_equal(node.data[0].compute(), IMAGE)
    bulk_reads.expect_some("ome-zarr")


def test_pyramid_of_ones_own(tmp_path: Path, fmt: Any, bulk_reads: BulkReads) -> None:
    pyramid = [IMAGE, IMAGE[:, ::2, ::2], IMAGE[:, ::4, ::4]]
    group = group_at(tmp_path / "a.zarr", fmt)
    writer.write_multiscale([dask_array.from_array(level) for level in pyramid], group, axes=AXES)
    (node,) = nodes(tmp_path / "a.zarr")
    for found, expected in zip(node.data, pyramid):
        np.testing.assert_array_equal(found.compute(), expected)
    bulk_reads.expect_some("ome-zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_compressors(tmp_path: Path, version: str, bulk_reads: BulkReads) -> None:
    fmt = formats.format_from_version(version)
    compressor: Any = BloscCodec(cname="zstd", clevel=3)
    if fmt.zarr_format == 2:
        compressor = numcodecs.Blosc(cname="zstd", clevel=3)
    group = group_at(tmp_path / "a.zarr", fmt)
    options = {"chunks": (1, 32, 48), "compressor": compressor}
    writer.write_image(
        IMAGE, group, fmt=fmt, axes=AXES, scale_factors=(2,), storage_options=options
    )
    array: Any = group["s0"]
    (stored,) = array.compressors
    assert type(stored) is type(compressor)
    np.testing.assert_array_equal(array[:], IMAGE)
    bulk_reads.expect_some("ome-zarr")


def test_shards(tmp_path: Path, bulk_reads: BulkReads) -> None:
    fmt = formats.format_from_version("0.5")
    group = group_at(tmp_path / "a.zarr", fmt)
    options = {"chunks": (1, 16, 16), "shards": (2, 32, 48)}
    writer.write_image(IMAGE, group, fmt=fmt, axes=AXES, scale_factors=[], storage_options=options)
    array: Any = group["s0"]
    assert (array.chunks, array.shards) == ((1, 16, 16), (2, 32, 48))
    (node,) = nodes(tmp_path / "a.zarr")
    np.testing.assert_array_equal(node.data[0].compute(), IMAGE)
    bulk_reads.record("ome-zarr")


def test_a_group_of_the_other_version_is_refused(tmp_path: Path, fmt: Any) -> None:
    other = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=5 - fmt.zarr_format)
    with pytest.raises(ValueError, match=f"Group is zarr_format: {5 - fmt.zarr_format}"):
        write_image(other, fmt)
    assert list(other) == []


# --- labels -----------------------------------------------------------------------------


def test_labels(tmp_path: Path, fmt: Any, bulk_reads: BulkReads) -> None:
    group = group_at(tmp_path / "a.zarr", fmt)
    write_image(group, fmt)
    labels = (IMAGE > 30000).astype("u1") * 3
    writer.write_labels(
        labels,
        group,
        name="cells",
        fmt=fmt,
        axes=AXES,
        scale_factors=(2, 4),
        storage_options={"chunks": (1, 16, 16)},
        label_metadata={"colors": [{"label-value": 3, "rgba": [255, 0, 0, 255]}]},
    )
    assert ome_attributes(zarr.open_group(tmp_path / "a.zarr/labels"), fmt)["labels"] == ["cells"]
    cells = zarr.open_group(tmp_path / "a.zarr/labels/cells", mode="r")
    assert ome_attributes(cells, fmt)["image-label"]["colors"][0]["label-value"] == 3
    found = {node.zarr.basename(): node for node in nodes(tmp_path / "a.zarr")}
    assert set(found) == {"a.zarr", "labels", "cells"}
    bulk_reads.clear()
    np.testing.assert_array_equal(found["cells"].data[0].compute(), labels)
    # Nothing of a label is between the values, at any size.
    assert set(np.unique(found["cells"].data[2].compute())) == {0, 3}
    bulk_reads.expect_some("ome-zarr")


# --- plates -----------------------------------------------------------------------------


def test_plate(tmp_path: Path, fmt: Any, bulk_reads: BulkReads) -> None:
    group = group_at(tmp_path / "plate.zarr", fmt)
    writer.write_plate_metadata(group, ["A", "B"], ["1"], ["A/1", "B/1"], fmt=fmt)
    for number, well in enumerate(("A/1", "B/1")):
        row, column = well.split("/")
        well_group = group.require_group(row).require_group(column)
        writer.write_well_metadata(well_group, ["0"], fmt=fmt)
        image = well_group.require_group("0")
        writer.write_image(IMAGE + number, image, fmt=fmt, axes=AXES, scale_factors=(2,))
    (node,) = nodes(tmp_path / "plate.zarr")
    found = node.data[0].compute()
    np.testing.assert_array_equal(found, np.concatenate([IMAGE, IMAGE + 1], axis=1))
    bulk_reads.expect_some("ome-zarr")


# --- where they are ---------------------------------------------------------------------


def test_stores(fmt: Any, bulk_reads: BulkReads) -> None:
    store = MemoryStore()
    group = group_at(store, fmt)
    write_image(group.require_group("deep/er"), fmt)
    location = ome_io.ZarrLocation(zarr.storage.StorePath(store, "deep/er"), fmt=fmt)
    (node,) = reader.Reader(location)()
    np.testing.assert_array_equal(node.data[0].compute(), IMAGE)
    assert ("MemoryStore", 1) in bulk_reads.chunks
    bulk_reads.expect_some("ome-zarr")


def test_over_http(
    tmp_path: Path, fmt: Any, range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """As most images are looked at: a part of one, from a server."""
    write_image(group_at(tmp_path / "a.zarr", fmt), fmt)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            range_server.objects[str(path.relative_to(tmp_path))] = path.read_bytes()
    (node,) = nodes(f"{range_server.url}/a.zarr")
    range_server.clear()
    bulk_reads.clear()
    found = node.data[0][1, 20:30, 10:40].compute()
    np.testing.assert_array_equal(found, IMAGE[1, 20:30, 10:40])
    assert bulk_reads.chunks == [("FsspecStore", 1)] * 3
    assert len(range_server.requests) == 3
    bulk_reads.expect_some("ome-zarr")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert ome_io.parse_url(tmp_path / "absent.zarr") is None
    zarr.open_group(tmp_path / "plain.zarr", mode="w")
    assert nodes(tmp_path / "plain.zarr") == []
