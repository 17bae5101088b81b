"""Released xarray's trees of datasets: hierarchies of groups written and read."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client

import zarr
from zarr.storage import MemoryStore
from zarr.testing.recording import RecordingStore

xarray = client("xarray")

from tests.clients.datasets import dataset  # noqa: E402  # imports the client

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Consolidated metadata is currently not part:zarr.errors.ZarrUserWarning"
    ),
]


def tree() -> Any:
    """Return a tree whose nodes inherit a coordinate; one of them is empty."""
    whole = dataset().drop_vars(["name", "packed"])
    return xarray.DataTree.from_dict(
        {
            "/": whole[["time"]].assign_attrs(title="root"),
            "/surface": whole[["temperature"]].drop_vars("time"),
            "/surface/fine": xarray.Dataset({"v": (("x",), np.arange(10.0))}, {"x": range(10)}),
            "/empty": xarray.Dataset(attrs={"note": "nothing here"}),
            "/other": whole[["count"]].drop_vars("time") * 2,
        }
    )


@pytest.mark.parametrize(
    ("zarr_format", "consolidated"), list(itertools.product([2, 3], [True, False]))
)
def test_round_trip(
    tmp_path: Path, zarr_format: Any, consolidated: bool, bulk_reads: BulkReads
) -> None:
    expected = tree()
    path = tmp_path / "a.zarr"
    expected.to_zarr(
        path,
        zarr_format=zarr_format,
        consolidated=consolidated,
        encoding={"/surface": {"temperature": {"chunks": (2, 2, 5)}}},
    )
    bulk_reads.clear()
    with xarray.open_datatree(path, engine="zarr", consolidated=consolidated) as lazy:
        found = lazy.load()
    bulk_reads.expect_some("xarray")
    assert ("LocalStore", 6) in bulk_reads.chunks
    xarray.testing.assert_identical(found, expected)
    array = zarr.open_group(path, mode="r", use_consolidated=False)["surface/temperature"]
    assert isinstance(array, zarr.Array)
    assert array.chunks == (2, 2, 5)
    assert array.metadata.zarr_format == zarr_format


def test_parts_of_a_tree(tmp_path: Path, bulk_reads: BulkReads) -> None:
    path = tmp_path / "a.zarr"
    tree().to_zarr(path, zarr_format=3, consolidated=False)
    options: dict[str, Any] = {"engine": "zarr", "consolidated": False}
    with xarray.open_datatree(path, group="surface", **options) as found:
        assert list(found.children) == ["fine"]
        np.testing.assert_array_equal(found["fine/v"], np.arange(10.0))
    with xarray.open_zarr(path, group="other", consolidated=False) as found:
        np.testing.assert_array_equal(found["count"], np.arange(6) * 2)
    bulk_reads.expect_some("xarray")
    assert len(xarray.open_groups(path, group="surface", **options)) == 2


def test_more_is_added_to_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    options: dict[str, Any] = {"zarr_format": 3, "consolidated": False}
    tree().to_zarr(path, **options)
    with pytest.raises(FileExistsError):
        tree().to_zarr(path, mode="w-", **options)
    more = xarray.DataTree.from_dict({"/late": xarray.Dataset({"v": ("y", [1, 2, 3])})})
    more.to_zarr(path, mode="a", **options)
    with xarray.open_datatree(path, engine="zarr", consolidated=False) as found:
        assert set(found.children) == {"surface", "empty", "other", "late"}
        np.testing.assert_array_equal(found["late/v"], [1, 2, 3])
        np.testing.assert_array_equal(found["surface/fine/v"], np.arange(10.0))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata_are_all_that_is_read(zarr_format: Any) -> None:
    store = RecordingStore(MemoryStore())
    plain = xarray.DataTree.from_dict(
        {f"/{name}": xarray.Dataset({"v": ("x", [1.0, 2.0])}) for name in "abc"}
    )
    plain.to_zarr(store, zarr_format=zarr_format, consolidated=True)
    store.reset()
    with xarray.open_datatree(store, engine="zarr", consolidated=True) as found:
        assert {asked.key for asked in store.asked if asked.method != "list_dir"} <= {
            "zarr.json",
            ".zmetadata",
            ".zgroup",
            ".zattrs",
        }
        np.testing.assert_array_equal(found["b/v"], [1, 2])


def test_a_fault_in_one_node_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    tree().to_zarr(path, zarr_format=3, consolidated=False)
    key = "surface/fine/v/c/0"
    (path / key).write_bytes((path / key).read_bytes()[:-3])
    with xarray.open_datatree(path, engine="zarr", consolidated=False) as found:
        with pytest.raises(RuntimeError) as caught:
            found.load()
        assert key in "".join(caught.value.__notes__)
        np.testing.assert_array_equal(found["other/count"], np.arange(6) * 2)
