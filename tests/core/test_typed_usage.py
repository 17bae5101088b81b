"""What users write, as type checkers see it: checked with the rest by ``mypy --strict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import zarr
from zarr.core import BatchedCodecPipeline, Buffer
from zarr.core.array._documents import store_new_array
from zarr.core.buffer import NDArrayLike
from zarr.core.group import GroupMetadata
from zarr.storage import MemoryStore, StorePath


def test_numpy_arrays_are_array_likes(tmp_path: Path) -> None:
    literal: NDArrayLike = np.arange(3)
    matrix: NDArrayLike = np.zeros((2, 3), dtype="f4")
    objects: NDArrayLike = np.empty(3, dtype=object)
    structured: NDArrayLike = np.zeros(3, dtype=[("a", "i4")])

    def annotated(
        floats: npt.NDArray[np.float64],
        anything: npt.NDArray[Any],
        shaped: np.ndarray[tuple[int, int], np.dtype[np.int8]],
        text: npt.NDArray[np.str_],
    ) -> list[NDArrayLike]:
        return [floats, anything, shaped, text]

    arrays = annotated(np.zeros(1), np.zeros(1), np.zeros((1, 1), dtype="i1"), np.array(["a"]))
    for array in [literal, matrix, objects, structured, *arrays]:
        assert isinstance(array, NDArrayLike)
        flat: NDArrayLike = array.reshape(-1)
        assert array.reshape((array.size,)).shape == flat.shape
    zarr.save(str(tmp_path / "a"), np.arange(3))
    zarr.save_array(tmp_path / "b", np.arange(3))
    zarr.save_group(tmp_path / "c", np.arange(3), named=np.arange(3.0))


def test_names_of_the_core() -> None:
    from zarr.core.buffer import Buffer as BufferOfItsModule
    from zarr.core.codec_pipeline import BatchedCodecPipeline as PipelineOfItsModule

    pipeline: type[BatchedCodecPipeline] = PipelineOfItsModule
    assert pipeline is BatchedCodecPipeline
    assert BufferOfItsModule is Buffer
    assert not hasattr(zarr.core, "nothing_of_that_name")


async def test_metadata_of_a_group_are_stored_as_those_of_an_array() -> None:
    place = StorePath(MemoryStore(), "a/b")
    await store_new_array(place, GroupMetadata(attributes={"x": 1}), overwrite=False)
    assert zarr.open_group(place.store, path="a/b", mode="r").attrs["x"] == 1
    assert zarr.open_group(place.store, mode="r")["a"].attrs.asdict() == {}
