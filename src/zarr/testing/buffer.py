"""Buffer classes for tests, and a memory store that checks the buffer class of chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core.buffer import Buffer, BufferPrototype, cpu
from zarr.storage import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    import numpy.typing as npt

    from zarr.abc.store import ByteRequest
    from zarr.core.common import MemoryOrder

__all__ = [
    "NDBufferUsingTestNDArrayLike",
    "StoreExpectingTestBuffer",
    "TestBuffer",
    "TestNDArrayLike",
]


class TestNDArrayLike(np.ndarray):
    """Array subclass for tests."""

    __test__ = False


class TestBuffer(cpu.Buffer):
    """Host memory buffer subclass for tests."""

    __test__ = False


class NDBufferUsingTestNDArrayLike(cpu.NDBuffer):
    """Array buffer that creates `TestNDArrayLike` arrays."""

    @classmethod
    def create(
        cls,
        *,
        shape: Iterable[int],
        dtype: npt.DTypeLike,
        order: MemoryOrder = "C",
        fill_value: Any | None = None,
    ) -> Self:
        # docstring inherited
        array: Any = TestNDArrayLike(shape=tuple(shape), dtype=np.dtype(dtype), order=order)
        array[...] = 0 if fill_value is None else fill_value
        return cls(array)

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: npt.DTypeLike, order: MemoryOrder = "C") -> Self:
        # docstring inherited
        array: Any = TestNDArrayLike(shape=shape, dtype=np.dtype(dtype), order=order)
        return cls(array)


class StoreExpectingTestBuffer(MemoryStore):
    """Memory store that checks the buffer class of chunks when they are written and read.

    If the buffer class of a chunk is not `TestBuffer`, the store raises an `AssertionError`.
    """

    async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
        # docstring inherited
        if "json" not in key:
            assert isinstance(value, TestBuffer)
        await super().set(key, value, byte_range)

    async def get(  # type: ignore[override]  # the prototype is required here
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        if "json" not in key:
            assert prototype.buffer is TestBuffer
        value = await super().get(key, prototype, byte_range)
        if "json" not in key and value is not None:
            assert isinstance(value, TestBuffer)
        return value
