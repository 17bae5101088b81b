"""Released icechunk: repositories whose arrays and groups are ours, in transactions."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client

import zarr
from zarr.codecs import BloscCodec
from zarr.errors import ContainsArrayError

icechunk = client("icechunk")
icechunk_xarray = client("icechunk.xarray")
xarray = client("xarray")

from tests.clients.datasets import dataset  # noqa: E402  # imports a client

VALUES = np.random.default_rng(0).random((9, 10)).astype("f4")


def _memory(path: Path) -> Any:
    return icechunk.in_memory_storage()


def _local(path: Path) -> Any:
    return icechunk.local_filesystem_storage(str(path / "repository"))


@pytest.fixture(params=[_memory, _local])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return icechunk.Repository.create(request.param(tmp_path))


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Any, str]:
    """A repository with one commit, and the snapshot of that."""
    made = icechunk.Repository.create(_local(tmp_path))
    return made, commit(made, fill)


def fill(store: Any) -> None:
    group = zarr.create_group(store, attributes={"title": "a test"})
    group.create_array("v", data=VALUES, chunks=(3, 4), attributes={"units": "K"})
    group.create_array("deep/er/w", data=np.arange(5), fill_value=7)


def commit(repository: Any, change: Callable[[Any], object], branch: str = "main") -> str:
    session = repository.writable_session(branch)
    change(session.store)
    snapshot: str = session.commit("a change")
    return snapshot


def reading(repository: Any, **where: Any) -> zarr.Group:
    where = where or {"branch": "main"}
    return zarr.open_group(repository.readonly_session(**where).store, mode="r")


def test_write_commit_and_read(repository: Any, bulk_reads: BulkReads) -> None:
    session = repository.writable_session("main")
    fill(session.store)
    # What is not committed is read by its session, and by no other.
    np.testing.assert_array_equal(zarr.open_array(session.store, path="v")[:], VALUES)
    with pytest.raises(FileNotFoundError):
        reading(repository)
    assert session.has_uncommitted_changes
    session.commit("a first")

    group = reading(repository)
    assert group.attrs.asdict() == {"title": "a test"}
    assert sorted(group) == ["deep", "v"]
    assert sorted(dict(group.members(max_depth=None))) == ["deep", "deep/er", "deep/er/w", "v"]
    array: Any = group["v"]
    assert (array.shape, array.chunks, array.attrs["units"]) == ((9, 10), (3, 4), "K")
    bulk_reads.clear()
    np.testing.assert_array_equal(array[:], VALUES)
    assert bulk_reads.chunks == [("IcechunkStore", 9)]
    np.testing.assert_array_equal(array[2:5, ::3], VALUES[2:5, ::3])
    np.testing.assert_array_equal(array.oindex[:, np.array([9, 0])], VALUES[:, [9, 0]])
    np.testing.assert_array_equal(group["deep/er/w"][:], np.arange(5))  # type: ignore[index]
    assert array.nchunks_initialized == 9
    bulk_reads.expect_some("icechunk")


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f8", "c16", "M8[s]"])
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_data_types(dtype: str, repository: Any, bulk_reads: BulkReads) -> None:
    data = np.arange(12).astype(dtype)
    commit(repository, lambda store: zarr.create_array(store, name="a", data=data, chunks=(5,)))
    found = reading(repository)["a"][:]  # type: ignore[index]
    np.testing.assert_array_equal(found, data)
    assert found.dtype == data.dtype  # type: ignore[union-attr]
    bulk_reads.expect_some("icechunk")


def test_strings_and_scalars(repository: Any, bulk_reads: BulkReads) -> None:
    texts = np.array(["a", "", "ccé"], dtype=np.dtypes.StringDType())

    def change(store: Any) -> None:
        group = zarr.create_group(store)
        group.create_array("texts", data=texts)
        group.create_array("scalar", shape=(), dtype="i4")[...] = 3

    commit(repository, change)
    group = reading(repository)
    assert group["texts"][:].tolist() == texts.tolist()  # type: ignore[index, union-attr]
    assert group["scalar"][()] == 3  # type: ignore[index]
    bulk_reads.expect_some("icechunk")


def test_shards(repository: Any, bulk_reads: BulkReads) -> None:
    """The index of a shard is read by a suffix, and chunks by ranges."""

    def change(store: Any) -> None:
        zarr.create_array(
            store,
            name="s",
            data=VALUES,
            chunks=(1, 5),
            shards=(3, 10),
            compressors=BloscCodec(cname="zstd"),
        )

    commit(repository, change)
    array: Any = reading(repository)["s"]
    assert array.shards == (3, 10)
    np.testing.assert_array_equal(array[:], VALUES)
    np.testing.assert_array_equal(array[4, 6:], VALUES[4, 6:])
    bulk_reads.record("icechunk")


def test_history(filled: tuple[Any, str], bulk_reads: BulkReads) -> None:
    repository, first = filled
    repository.create_tag("v1", snapshot_id=first)

    def change(store: Any) -> None:
        group = zarr.open_group(store, mode="r+")
        group["v"][0] = -1  # type: ignore[index]
        group["v"].attrs["units"] = "C"
        group.create_array("new", data=np.arange(3))
        del group["deep"]

    second = commit(repository, change)
    assert [entry.id for entry in repository.ancestry(branch="main")][:2] == [second, first]
    now = reading(repository)
    assert sorted(now) == ["new", "v"]
    assert now["v"].attrs["units"] == "C"
    expected = VALUES.copy()
    expected[0] = -1
    np.testing.assert_array_equal(now["v"][:], expected)  # type: ignore[index]
    for where in ({"tag": "v1"}, {"snapshot_id": first}):
        then = reading(repository, **where)
        assert sorted(then) == ["deep", "v"]
        assert then["v"].attrs["units"] == "K"
        np.testing.assert_array_equal(then["v"][:], VALUES)  # type: ignore[index]
    assert "/v" in repository.diff(from_snapshot_id=first, to_snapshot_id=second).updated_chunks
    bulk_reads.expect_some("icechunk")


def test_branches(filled: tuple[Any, str], bulk_reads: BulkReads) -> None:
    repository, first = filled
    repository.create_branch("other", snapshot_id=first)

    def double(store: Any) -> None:
        array = zarr.open_array(store, path="v", mode="r+")
        array[:] = 2 * VALUES

    commit(repository, double, "other")
    np.testing.assert_array_equal(reading(repository)["v"][:], VALUES)  # type: ignore[index]
    found = reading(repository, branch="other")["v"][:]  # type: ignore[index]
    np.testing.assert_array_equal(found, 2 * VALUES)
    bulk_reads.expect_some("icechunk")


def test_resizing_appending_and_deleting(filled: tuple[Any, str], bulk_reads: BulkReads) -> None:
    repository, _ = filled

    def change(store: Any) -> None:
        array = zarr.open_array(store, path="v", mode="r+")
        array.append(VALUES[:2])
        array.resize((11, 5))
        group = zarr.open_group(store, mode="a", path="deep")
        group.require_array("er/w", shape=(5,), dtype="i8")
        group.create_array("er/w", data=np.zeros(2), overwrite=True)

    commit(repository, change)
    group = reading(repository)
    expected = np.concatenate([VALUES, VALUES[:2]])[:, :5]
    np.testing.assert_array_equal(group["v"][:], expected)  # type: ignore[index]
    np.testing.assert_array_equal(group["deep/er/w"][:], np.zeros(2))  # type: ignore[index]
    bulk_reads.expect_some("icechunk")


def test_a_transaction_that_fails_leaves_nothing(filled: tuple[Any, str]) -> None:
    repository, first = filled

    def change() -> None:
        with repository.transaction("main", message="no") as store:
            zarr.open_array(store, path="v", mode="r+")[:] = 0
            zarr.create_array(store, name="v", shape=(1,), dtype="i4")

    with pytest.raises(ContainsArrayError):
        change()
    assert repository.lookup_branch("main") == first
    np.testing.assert_array_equal(reading(repository)["v"][:], VALUES)  # type: ignore[index]
    session = repository.writable_session("main")
    zarr.open_array(session.store, path="v", mode="r+")[:] = 0
    session.discard_changes()
    np.testing.assert_array_equal(zarr.open_array(session.store, path="v")[:], VALUES)


# --- refused ----------------------------------------------------------------------------


def test_a_session_for_reading_refuses_writes(filled: tuple[Any, str]) -> None:
    repository, _ = filled
    store = repository.readonly_session(branch="main").store
    group = zarr.open_group(store, mode="r")
    assert store.read_only
    assert group.read_only
    array: Any = group["v"]
    for change in (
        lambda: array.__setitem__(0, 1),
        lambda: array.resize((1, 1)),
        lambda: array.attrs.update(a=1),
        lambda: group.create_array("new", shape=(1,), dtype="i4"),
        lambda: group.__delitem__("v"),
        lambda: zarr.create_group(store, path="other"),
    ):
        with pytest.raises((ValueError, icechunk.IcechunkError), match=r"(?i)read.?only"):
            change()
    # A session is finished by its commit.
    session = repository.writable_session("main")
    writable = zarr.open_array(session.store, path="v", mode="r+")
    writable[0] = 5
    session.commit("the end")
    with pytest.raises((ValueError, icechunk.IcechunkError), match=r"(?i)read.?only"):
        writable[0] = 6


def test_conflicts(filled: tuple[Any, str]) -> None:
    repository, _ = filled
    mine, yours = (repository.writable_session("main") for _ in range(2))
    for number, session in enumerate((mine, yours)):
        zarr.open_array(session.store, path="v", mode="r+")[0] = number
    mine.commit("mine")
    with pytest.raises(icechunk.ConflictError) as caught:
        yours.commit("yours")
    assert caught.value.actual_parent == mine.snapshot_id
    with pytest.raises(icechunk.RebaseFailedError):
        yours.rebase(icechunk.ConflictDetector())
    solver = icechunk.BasicConflictSolver(on_chunk_conflict=icechunk.VersionSelection.UseOurs)
    yours.commit("yours", rebase_with=solver)
    assert (reading(repository)["v"][0] == 1).all()  # type: ignore[index, union-attr]


def test_changes_that_do_not_meet_are_both_kept(filled: tuple[Any, str]) -> None:
    repository, _ = filled
    mine, yours = (repository.writable_session("main") for _ in range(2))
    zarr.open_array(mine.store, path="v", mode="r+")[0:3] = 1
    zarr.open_array(yours.store, path="v", mode="r+")[6:9] = 2
    mine.commit("mine")
    yours.commit("yours", rebase_with=icechunk.ConflictDetector())
    found: Any = reading(repository)["v"]
    np.testing.assert_array_equal(found[:, 0], [1, 1, 1, *VALUES[3:6, 0], 2, 2, 2])


def test_chunks_that_are_lost_are_no_fill_value(tmp_path: Path) -> None:
    """The repository knows of a chunk whose object is gone."""
    small = icechunk.RepositoryConfig(inline_chunk_threshold_bytes=0)
    storage = icechunk.local_filesystem_storage(str(tmp_path / "lost"))
    repository = icechunk.Repository.create(storage, config=small)
    commit(repository, fill)
    for path in (tmp_path / "lost" / "chunks").iterdir():
        path.unlink()
    array: Any = reading(repository)["v"]
    with pytest.raises(icechunk.IcechunkError) as caught:
        array[:]
    assert "v/c/" in f"{caught.value} {getattr(caught.value, '__notes__', '')}"


# --- several at once --------------------------------------------------------------------


async def test_asynchronous_arrays(filled: tuple[Any, str], bulk_reads: BulkReads) -> None:
    repository, _ = filled
    session = await repository.readonly_session_async(branch="main")
    group = await zarr.api.asynchronous.open_group(session.store, mode="r")
    array: Any = await group.getitem("v")
    bulk_reads.clear()
    parts = await asyncio.gather(*(array.getitem(slice(row, row + 3)) for row in (0, 3, 6)))
    np.testing.assert_array_equal(np.concatenate(parts), VALUES)
    assert bulk_reads.chunks == [("IcechunkStore", 3)] * 3
    bulk_reads.expect_some("icechunk")


def test_threads_write_into_one_session(repository: Any, bulk_reads: BulkReads) -> None:
    def change(store: Any) -> None:
        array = zarr.create_array(store, name="v", shape=(9, 10), chunks=(3, 4), dtype="f4")

        def write(row: int) -> None:
            array[row : row + 3] = VALUES[row : row + 3]

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, (0, 3, 6)))

    commit(repository, change)
    np.testing.assert_array_equal(reading(repository)["v"][:], VALUES)  # type: ignore[index]
    bulk_reads.expect_some("icechunk")


def test_pickled(filled: tuple[Any, str], bulk_reads: BulkReads) -> None:
    """Arrays go to workers with their sessions; forks come back with what was written."""
    repository, _ = filled
    array = pickle.loads(pickle.dumps(reading(repository)["v"]))
    np.testing.assert_array_equal(array[:], VALUES)
    with pytest.raises(ValueError, match="fork"):
        pickle.dumps(zarr.open_array(repository.writable_session("main").store, path="v"))
    session = repository.writable_session("main")
    forks = [pickle.loads(pickle.dumps(session.fork())) for _ in range(2)]
    for number, fork in enumerate(forks):
        zarr.open_array(fork.store, path="v", mode="r+")[3 * number : 3 * number + 3] = number
    session.merge(*pickle.loads(pickle.dumps(forks)))
    session.commit("both")
    found: Any = reading(repository)["v"]
    np.testing.assert_array_equal(found[:, 3], [0, 0, 0, 1, 1, 1, *VALUES[6:, 3]])
    bulk_reads.expect_some("icechunk")


# --- as xarray's users use it -----------------------------------------------------------


def test_xarray(repository: Any, bulk_reads: BulkReads) -> None:
    expected = dataset()[["temperature", "count", "flag"]]
    session = repository.writable_session("main")
    encoding = {"temperature": {"chunks": (1, 4, 5)}}
    icechunk_xarray.to_icechunk(expected.isel(time=slice(4)), session, encoding=encoding)
    session.commit("a first")
    session = repository.writable_session("main")
    icechunk_xarray.to_icechunk(expected.isel(time=slice(4, None)), session, append_dim="time")
    session.commit("appended")
    store = repository.readonly_session(branch="main").store
    with xarray.open_zarr(store, consolidated=False, chunks=None) as lazy:
        bulk_reads.clear()
        found = lazy.load()
    assert ("IcechunkStore", 6) in bulk_reads.chunks
    xarray.testing.assert_identical(found, expected)
    bulk_reads.expect_some("icechunk")


def test_xarray_with_dask(repository: Any, bulk_reads: BulkReads) -> None:
    client("dask.array")
    expected = dataset()[["temperature", "count", "flag"]]
    session = repository.writable_session("main")
    icechunk_xarray.to_icechunk(expected.chunk({"time": 2}), session)
    session.commit("by tasks")
    session = repository.writable_session("main")
    (expected + 1)[["count"]].to_zarr(session.store, mode="a", consolidated=False)
    session.commit("by xarray itself")
    store = repository.readonly_session(branch="main").store
    with xarray.open_zarr(store, consolidated=False, chunks={"time": 2}) as lazy:
        found = lazy.compute(scheduler="threads")
    xarray.testing.assert_equal(found["temperature"], expected["temperature"])
    xarray.testing.assert_equal(found["count"], expected["count"] + 1)
    bulk_reads.expect_some("icechunk")
