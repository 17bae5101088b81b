"""Released anndata: annotated matrices in our groups, whole, in parts, and lazily."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client

import zarr
from zarr.storage import MemoryStore, ZipStore

anndata = client("anndata")
anndata_io = client("anndata.io")
experimental = client("anndata.experimental")
pandas = client("pandas")
sparse = client("scipy.sparse")

OURS = "zarr.core.codec_pipeline.FusedCodecPipeline"
FORMATS = [2, 3]

pytestmark = [
    # anndata's own: about its setting for the format, and an option of pandas that it looks at.
    pytest.mark.filterwarnings("ignore:This setting will be removed in 0.14:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:zarr v3 will become the only option:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option is deprecated"),
    pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated"),
]


@pytest.fixture(params=FORMATS)
def zarr_format(request: pytest.FixtureRequest) -> Any:
    """Make anndata write one format, through a pipeline of ours, and without shards.

    Where its users choose none it takes zarrs for local stores, if that is installed.
    """
    with (
        anndata.settings.override(zarr_write_format=request.param, auto_shard_zarr_v3=False),
        zarr.config.set({"codec_pipeline.path": OURS}),
    ):
        yield request.param


def made(nobs: int = 20, nvars: int = 6) -> Any:
    """Return matrices, tables, and what else it stores."""
    rng = np.random.default_rng(0)
    counts = sparse.random(nobs, nvars, density=0.3, format="csr", dtype="f4", rng=0)
    obs = pandas.DataFrame(
        {
            "kind": pandas.Categorical(rng.choice(["a", "b", "cé"], nobs)),
            "rank": pandas.Categorical(
                rng.choice(["low", "high"], nobs), categories=["low", "high"], ordered=True
            ),
            "label": pandas.array([f"text {number}" for number in range(nobs)], dtype="str"),
            "size": rng.random(nobs),
            "count": rng.integers(0, 9, nobs),
            "maybe": pandas.array([None, 1] * (nobs // 2), dtype="Int32"),
            "perhaps": pandas.array([True, None] * (nobs // 2), dtype="boolean"),
            "flag": rng.random(nobs) < 0.5,
        },
        index=[f"cell {number}" for number in range(nobs)],
    )
    var = pandas.DataFrame(
        {"length": np.arange(nvars)}, index=[f"gene {number}" for number in range(nvars)]
    )
    return anndata.AnnData(
        X=rng.random((nobs, nvars)).astype("f4"),
        obs=obs,
        var=var,
        layers={"csr": counts, "csc": counts.tocsc()},
        obsm={"pca": rng.random((nobs, 2)), "table": obs[["size"]].copy()},
        varm={"loadings": rng.random((nvars, 3))},
        obsp={"near": sparse.csr_matrix(np.eye(nobs))},
        uns={
            "title": "a test",
            "nothing": None,
            "number": 3,
            "deep": {"er": {"list": np.array(["x", "y"], dtype=object)}},
            "half": np.float16(0.5),
        },
    )


def check_equal(found: Any, expected: Any) -> None:
    pandas.testing.assert_frame_equal(found.obs, expected.obs)
    pandas.testing.assert_frame_equal(found.var, expected.var)
    assert type(found.X) is type(expected.X)
    np.testing.assert_array_equal(dense(found.X), dense(expected.X))
    for group in ("layers", "obsm", "varm", "obsp"):
        ours, theirs = getattr(found, group), getattr(expected, group)
        assert set(ours) == set(theirs)
        for name in theirs:
            assert type(ours[name]) is type(theirs[name])
            np.testing.assert_array_equal(dense(ours[name]), dense(theirs[name]))
    assert set(found.uns) == set(expected.uns)
    assert found.uns["title"] == expected.uns["title"]
    assert found.uns["nothing"] is None
    assert (found.uns["number"], found.uns["half"]) == (3, 0.5)
    assert list(found.uns["deep"]["er"]["list"]) == ["x", "y"]


def dense(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)


# --- whole ------------------------------------------------------------------------------


def test_written_and_read(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    expected = made()
    expected.write_zarr(tmp_path / "a.zarr", chunks=(5, 3))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group.metadata.zarr_format == zarr_format
    assert group.attrs["encoding-type"] == "anndata"
    assert group["X"].chunks == (5, 3)  # type: ignore[union-attr]
    bulk_reads.clear()
    found = anndata.read_zarr(tmp_path / "a.zarr")
    assert ("LocalStore", 8) in bulk_reads.chunks
    check_equal(found, expected)
    bulk_reads.expect_some("anndata")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # a zip file replaces nothing
@pytest.mark.parametrize("make", [MemoryStore, ZipStore])
def test_stores(tmp_path: Path, zarr_format: Any, make: Any, bulk_reads: BulkReads) -> None:
    expected = made()
    store: Any
    if make is ZipStore:
        with ZipStore(tmp_path / "a.zip", mode="w") as store:
            expected.write_zarr(store, consolidate_metadata=False)
        store = ZipStore(tmp_path / "a.zip", mode="r")
    else:
        store = MemoryStore()
        expected.write_zarr(store)
    check_equal(anndata.read_zarr(store), expected)
    store.close()
    bulk_reads.expect_some("anndata")


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_as_it_is_configured(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    """What is written by its default pipeline and by ours is the same to both."""
    expected = made()
    with anndata.settings.override(zarr_write_format=zarr_format):
        expected.write_zarr(tmp_path / "default")
        with zarr.config.set({"codec_pipeline.path": OURS}):
            expected.write_zarr(tmp_path / "ours")
            check_equal(anndata.read_zarr(tmp_path / "default"), expected)
        check_equal(anndata.read_zarr(tmp_path / "ours"), expected)
    bulk_reads.record("anndata")


def test_written_again(tmp_path: Path, zarr_format: Any) -> None:
    """A second write replaces everything."""
    made().write_zarr(tmp_path / "a.zarr")
    smaller = made(nobs=4)
    del smaller.layers["csc"]
    smaller.write_zarr(tmp_path / "a.zarr")
    check_equal(anndata.read_zarr(tmp_path / "a.zarr"), smaller)


def test_shards(tmp_path: Path, bulk_reads: BulkReads) -> None:
    expected = made()
    with (
        anndata.settings.override(zarr_write_format=3, auto_shard_zarr_v3=True),
        zarr.config.set({"codec_pipeline.path": OURS}),
    ):
        expected.write_zarr(tmp_path / "a.zarr")
        array: Any = zarr.open_array(tmp_path / "a.zarr/X", mode="r")
        assert array.shards is not None
        check_equal(anndata.read_zarr(tmp_path / "a.zarr"), expected)
    bulk_reads.record("anndata")


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", "csr_array", "csc_array"])
def test_a_sparse_matrix_as_the_main_one(
    tmp_path: Path, zarr_format: Any, kind: str, bulk_reads: BulkReads
) -> None:
    matrix = getattr(sparse, kind)(made().layers["csr"])
    anndata.AnnData(X=matrix).write_zarr(tmp_path / "a.zarr")
    found = anndata.read_zarr(tmp_path / "a.zarr")
    assert found.X.format == matrix.format
    np.testing.assert_array_equal(found.X.toarray(), matrix.toarray())
    np.testing.assert_array_equal(found.X.indptr, matrix.indptr)
    bulk_reads.expect_some("anndata")


# --- elements ---------------------------------------------------------------------------


ELEMENTS: dict[str, Any] = {
    "array": np.arange(12.0).reshape(3, 4),
    "big endian": np.arange(5, dtype=">i4"),
    "bool": np.array([True, False]),
    "texts": np.array(["a", "", "é"], dtype=object),
    "records": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "empty": np.empty((0, 3)),
    "scalar": np.float64(2.5),
    "text": "a text",
    "dict": {"a": np.arange(3), "b": {"c": "d"}},
    "categorical": pandas.Categorical(["x", None, "y", "x"]),
    "table": pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["i", "j"]),
    "csr": sparse.csr_matrix(np.diag([1, 0, 3])),
}


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("name", ELEMENTS)
def test_elements(name: str, zarr_format: Any, bulk_reads: BulkReads) -> None:
    expected = ELEMENTS[name]
    group = zarr.create_group(MemoryStore(), zarr_format=zarr_format)
    anndata_io.write_elem(group, "element", expected)
    found = anndata_io.read_elem(group["element"])
    if name == "dict":
        np.testing.assert_array_equal(found["a"], expected["a"])
        assert found["b"] == {"c": "d"}
    elif name == "categorical":
        pandas.testing.assert_extension_array_equal(found, expected)
    elif name == "table":
        pandas.testing.assert_frame_equal(found, expected)
    else:
        np.testing.assert_array_equal(dense(found), dense(expected))
    if name != "empty":
        bulk_reads.expect_some("anndata")


def test_a_part_of_a_sparse_matrix(zarr_format: Any, bulk_reads: BulkReads) -> None:
    """Rows of a matrix that stays in the store: no more is read than their values."""
    matrix = sparse.random(300, 40, density=0.2, format="csr", rng=0)
    group = zarr.create_group(MemoryStore(), zarr_format=zarr_format)
    anndata_io.write_elem(group, "m", matrix, dataset_kwargs={"chunks": (100,)})
    lazy = anndata_io.sparse_dataset(group["m"])
    nchunks = group["m/data"].nchunks  # type: ignore[union-attr]
    assert nchunks == -(-matrix.nnz // 100)
    bulk_reads.clear()
    np.testing.assert_array_equal(lazy[10:20].toarray(), matrix[10:20].toarray())
    assert max(requests for _, requests in bulk_reads.chunks) < nchunks
    np.testing.assert_array_equal(lazy[[250, 3, 77]].toarray(), matrix[[250, 3, 77]].toarray())
    lazy.append(matrix[:5])
    whole = anndata_io.sparse_dataset(group["m"]).to_memory()
    np.testing.assert_array_equal(whole.toarray(), sparse.vstack([matrix, matrix[:5]]).toarray())
    bulk_reads.expect_some("anndata")


# --- lazily -----------------------------------------------------------------------------


def test_lazily(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    client("dask.array")
    client("xarray")
    expected = made()
    expected.write_zarr(tmp_path / "a.zarr", chunks=(5, 3))
    lazy = experimental.read_lazy(tmp_path / "a.zarr")
    bulk_reads.clear()
    part = lazy[5:10, :3]
    np.testing.assert_array_equal(part.X.compute(scheduler="threads"), expected.X[5:10, :3])
    assert sum(requests for _, requests in bulk_reads.chunks) == 1
    flags = expected.obs["flag"].to_numpy()
    found = lazy[flags].to_memory()
    found.obs["label"] = found.obs["label"].astype(expected.obs["label"].dtype)
    check_equal(found, expected[flags].copy())
    bulk_reads.expect_some("anndata")


def test_concatenated_on_disk(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    first, second = made(), made(nobs=8)
    second.obs_names = [f"other {name}" for name in second.obs_names]
    for data in (first, second):
        data.uns.clear()
        del data.obsp["near"], data.obsm["table"], data.layers["csc"]
    first.write_zarr(tmp_path / "1")
    second.write_zarr(tmp_path / "2")
    experimental.concat_on_disk([tmp_path / "1", tmp_path / "2"], tmp_path / "both")
    found = anndata.read_zarr(tmp_path / "both")
    np.testing.assert_array_equal(found.X, np.concatenate([first.X, second.X]))
    np.testing.assert_array_equal(
        found.layers["csr"].toarray(),
        sparse.vstack([first.layers["csr"], second.layers["csr"]]).toarray(),
    )
    assert list(found.obs["label"]) == [*first.obs["label"], *second.obs["label"]]
    bulk_reads.expect_some("anndata")


def test_faults(tmp_path: Path, zarr_format: Any) -> None:
    made().write_zarr(tmp_path / "a.zarr", chunks=(5, 3))
    damaged = tmp_path / "a.zarr/X" / ("1.1" if zarr_format == 2 else "c/1/1")
    damaged.write_bytes(damaged.read_bytes()[:10])
    with pytest.raises(Exception, match=r"X/(c/)?1|Error raised while reading key 'X'") as caught:
        anndata.read_zarr(tmp_path / "a.zarr")
    assert not isinstance(caught.value, AssertionError)
    with pytest.raises(FileNotFoundError):
        anndata.read_zarr(tmp_path / "no.zarr")
