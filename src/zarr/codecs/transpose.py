"""The ``transpose`` codec."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from zarr.abc.codec import ArrayArrayCodec
from zarr.codecs._named import NamedCodec

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.metadata.v3 import ChunkGridMetadata


def parse_transpose_order(data: object) -> tuple[int, ...]:
    """Return the order of dimensions as a tuple of Python integers.

    Raises
    ------
    TypeError
        If `data` is not an iterable of integers.
    """
    if not isinstance(data, Iterable):
        raise TypeError(f"Expected an iterable. Got {data} instead.")
    entries = tuple(data)
    if any(isinstance(entry, bool) or not hasattr(entry, "__index__") for entry in entries):
        raise TypeError(f"Expected an iterable of integers. Got {data} instead.")
    return tuple(operator.index(entry) for entry in entries)


def _check_permutation(order: tuple[int, ...], ndim: int) -> None:
    if len(order) != ndim:
        raise ValueError(
            "The `order` tuple must have as many entries as there are dimensions in the array. "
            f"Got {order}."
        )
    if len(set(order)) != ndim:
        raise ValueError(f"There must not be duplicates in the `order` tuple. Got {order}.")
    if not all(0 <= entry < ndim for entry in order):
        raise ValueError(
            "All entries in the `order` tuple must be between 0 and the number of dimensions in "
            f"the array. Got {order}."
        )


@dataclass(frozen=True)
class TransposeCodec(ArrayArrayCodec, NamedCodec):
    """Codec that permutes the dimensions of a chunk (Zarr v3 core, "transpose codec").

    Parameters
    ----------
    order : iterable of int
        A permutation of the dimensions. Dimension ``i`` of the encoded chunk is dimension
        ``order[i]`` of the decoded chunk.

    Raises
    ------
    TypeError
        If `order` is not an iterable of integers.
    ValueError
        If `order` is not a permutation of the integers from 0 to ``len(order) - 1``.
    """

    is_fixed_size = True
    _name = "transpose"

    order: tuple[int, ...]

    def __init__(self, *, order: Iterable[int]) -> None:
        parsed = parse_transpose_order(order)
        _check_permutation(parsed, len(parsed))
        object.__setattr__(self, "order", parsed)

    @cached_property
    def _inverse(self) -> tuple[int, ...]:
        return tuple(sorted(range(len(self.order)), key=self.order.__getitem__))

    def validate(
        self,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGridMetadata,
    ) -> None:
        # docstring inherited
        _check_permutation(self.order, len(shape))

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        _check_permutation(self.order, array_spec.ndim)
        return self

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        # docstring inherited
        return replace(chunk_spec, shape=tuple(chunk_spec.shape[axis] for axis in self.order))

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return input_byte_length

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return chunk_data.transpose(self._inverse)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer | None:
        return chunk_data.transpose(self.order)
