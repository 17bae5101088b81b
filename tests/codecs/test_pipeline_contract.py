"""`CodecPipeline` as others subclass it: nothing is abstract, and nothing is left out silently."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.abc.codec import CodecPipeline
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.registry import register_pipeline

SPEC: Any = None


class Bare(CodecPipeline):
    """Defines nothing."""


def test_it_is_made_without_defining_anything() -> None:
    assert not inspect.isabstract(CodecPipeline)
    assert isinstance(Bare(), CodecPipeline)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("evolve_from_array_spec", lambda p: p.evolve_from_array_spec(SPEC)),
        ("from_codecs", lambda p: p.from_codecs([])),
        ("from_array_metadata_and_store", lambda p: p.from_array_metadata_and_store(SPEC, SPEC)),
        ("compute_encoded_size", lambda p: p.compute_encoded_size(1, SPEC)),
        ("decode", lambda p: asyncio.run(p.decode([]))),
        ("encode", lambda p: asyncio.run(p.encode([]))),
        ("read", lambda p: asyncio.run(p.read([], SPEC))),
        ("write", lambda p: asyncio.run(p.write([], SPEC))),
    ],
)
def test_what_it_does_not_define_says_so(name: str, call: Callable[[Any], object]) -> None:
    # Returning None, a pipeline that lacks `read` would give arrays whatever is in memory.
    with pytest.raises(NotImplementedError, match="Bare") as caught:
        call(Bare())
    if name != "from_array_metadata_and_store":
        assert name in str(caught.value)


def test_it_validates_nothing_and_does_nothing_in_parts() -> None:
    assert Bare().validate(shape=(), dtype=SPEC, chunk_grid=SPEC) is None  # type: ignore[func-returns-value]
    assert not Bare().supports_partial_decode
    assert not Bare().supports_partial_encode


class Least(CodecPipeline):
    """Defines what reading and writing use, and leaves the rest as it is."""

    def __init__(self, inner: BatchedCodecPipeline) -> None:
        self.inner = inner

    @classmethod
    def from_codecs(cls, codecs: Any) -> Least:
        return cls(BatchedCodecPipeline.from_codecs(codecs))

    def evolve_from_array_spec(self, array_spec: Any) -> Least:
        return Least(self.inner.evolve_from_array_spec(array_spec))

    async def read(self, batch_info: Any, out: Any, drop_axes: Any = ()) -> Any:
        return await self.inner.read(batch_info, out, drop_axes)

    async def write(self, batch_info: Any, value: Any, drop_axes: Any = ()) -> None:
        await self.inner.write(batch_info, value, drop_axes)


def test_arrays_work_with_one_that_defines_only_what_they_use() -> None:
    register_pipeline(Least)
    path = f"{Least.__module__}.{Least.__qualname__}"
    with zarr.config.set({"codec_pipeline.path": path}):
        array = zarr.create_array({}, shape=(5, 4), chunks=(2, 2), dtype="i4")
        assert isinstance(array.async_array.codec_pipeline, Least)
        array[1:4] = 7
        expected = np.zeros((5, 4), "i4")
        expected[1:4] = 7
        np.testing.assert_array_equal(array[:], expected)
