"""`ArraySpec` describes a chunk for codecs; `ArrayConfig` contains run-time options of an array."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypedDict, cast

import numpy as np

from zarr.core._coalesce import DEFAULT_MAX_COALESCED_BYTES, DEFAULT_MAX_GAP_BYTES
from zarr.core.common import (
    parse_bool,
    parse_fill_value,
    parse_int,
    parse_order,
    parse_shapelike,
    product,
)
from zarr.core.config import config as zarr_config

if TYPE_CHECKING:
    from typing import Self

    from zarr.core._decoded_size import DecodedLimit
    from zarr.core.buffer import BufferPrototype
    from zarr.core.common import MemoryOrder
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

_CONFIG_KEYS = (
    "order",
    "write_empty_chunks",
    "read_missing_chunks",
    "sharding_coalesce_max_gap_bytes",
    "sharding_coalesce_max_bytes",
)


class ArrayConfigParams(TypedDict, total=False):
    """The options of `ArrayConfig` as a dictionary; `zarr.config` supplies missing options."""

    order: MemoryOrder
    write_empty_chunks: bool
    read_missing_chunks: bool
    sharding_coalesce_max_gap_bytes: int
    sharding_coalesce_max_bytes: int


@dataclass(frozen=True)
class ArrayConfig:
    """Options of an array that are not stored in its metadata.

    Parameters
    ----------
    order : {"C", "F"}
        Memory layout of the NumPy arrays that a read returns.
    write_empty_chunks : bool
        Whether to store a chunk that contains only the fill value. If False, such a chunk is
        deleted from the store instead.
    read_missing_chunks : bool
        Whether reading an absent chunk returns the fill value. If False, reading an absent chunk
        raises `ChunkNotFoundError`.
    sharding_coalesce_max_gap_bytes : int
        Maximum gap, in bytes, between two inner chunks of a shard that are read together.
    sharding_coalesce_max_bytes : int
        Maximum size, in bytes, of one read that covers several inner chunks.
    """

    order: MemoryOrder
    write_empty_chunks: bool
    read_missing_chunks: bool
    sharding_coalesce_max_gap_bytes: int
    sharding_coalesce_max_bytes: int

    def __init__(
        self,
        order: MemoryOrder,
        write_empty_chunks: bool,
        *,
        read_missing_chunks: bool = True,
        sharding_coalesce_max_gap_bytes: int = DEFAULT_MAX_GAP_BYTES,
        sharding_coalesce_max_bytes: int = DEFAULT_MAX_COALESCED_BYTES,
    ) -> None:
        object.__setattr__(self, "order", parse_order(order))
        object.__setattr__(self, "write_empty_chunks", parse_bool(write_empty_chunks))
        object.__setattr__(self, "read_missing_chunks", parse_bool(read_missing_chunks))
        for name, value in (
            ("sharding_coalesce_max_gap_bytes", sharding_coalesce_max_gap_bytes),
            ("sharding_coalesce_max_bytes", sharding_coalesce_max_bytes),
        ):
            if parse_int(value) < 0:
                raise ValueError(f"{name} must be 0 or more bytes, got {value}.")
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, data: ArrayConfigParams) -> Self:
        """Return a configuration from some of its options; `zarr.config` supplies the others.

        Raises
        ------
        TypeError
            If `data` contains an unknown option.
        """
        options: dict[str, Any] = {key: zarr_config.get(f"array.{key}") for key in _CONFIG_KEYS}
        return cls(**(options | dict(data)))

    def to_dict(self) -> ArrayConfigParams:
        """Return all options as a dictionary."""
        return cast("ArrayConfigParams", {name: getattr(self, name) for name in _CONFIG_KEYS})


ArrayConfigLike: TypeAlias = ArrayConfig | ArrayConfigParams  # for other packages


def parse_array_config(data: ArrayConfig | ArrayConfigParams | None) -> ArrayConfig:
    """Convert an argument to an array configuration with all options.

    Parameters
    ----------
    data : ArrayConfig, dict or None
        A configuration, or a dictionary with some or all options; None means no options.
        `zarr.config` supplies the options that are missing.

    Raises
    ------
    TypeError
        If `data` is a dictionary with an unknown option.
    """
    if isinstance(data, ArrayConfig):
        return data
    if data is None:
        return ArrayConfig.from_dict({})
    unknown = [key for key in data if key not in _CONFIG_KEYS]
    if unknown:
        raise TypeError(
            f"Unknown array config keys: {unknown}. Valid keys are {list(_CONFIG_KEYS)}."
        )
    return ArrayConfig.from_dict(data)


@dataclass(frozen=True, eq=False)
class ArraySpec:
    """The description of one decoded chunk that codecs receive.

    Two specs are equal if all parameters below are equal. Fill values are compared bit by bit.

    Parameters
    ----------
    shape : tuple of int
        Shape of the chunk in elements.
    dtype : ZDType
        Data type of the elements.
    fill_value : scalar
        Value of elements that are not stored.
    config : ArrayConfig
        Options of the array.
    prototype : BufferPrototype
        Buffer classes for encoded and decoded data.
    """

    shape: tuple[int, ...]
    dtype: ZDType[TBaseDType, TBaseScalar]
    fill_value: Any
    config: ArrayConfig
    prototype: BufferPrototype

    # See `zarr.core._decoded_size.limit_of`. Comparison and hashing of specs ignore the limit on
    # the decoded size.
    _decoded_limit: ClassVar[DecodedLimit | None] = None

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        fill_value: Any,
        config: ArrayConfig,
        prototype: BufferPrototype,
    ) -> None:
        object.__setattr__(self, "shape", parse_shapelike(shape))
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "fill_value", parse_fill_value(fill_value))
        object.__setattr__(self, "config", config)
        object.__setattr__(self, "prototype", prototype)

    def _limited(self, limit: DecodedLimit) -> ArraySpec:
        """Return a copy of this spec with a limit on the number of decoded bytes."""
        limited = copy(self)
        object.__setattr__(limited, "_decoded_limit", limit)
        return limited

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        if self is other:
            return True
        return (
            self.shape == other.shape
            and self.dtype == other.dtype
            and self.config == other.config
            and self.prototype == other.prototype
            and (self.fill_value is other.fill_value or self._fill_bits == other._fill_bits)
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self._fill_bits, self.config, self.prototype))

    @cached_property
    def _itemsize(self) -> int | None:
        """The size of an element in bytes; None if the elements vary in size."""
        native = self.dtype.to_native_dtype()
        return None if native.hasobject or native.kind == "T" else native.itemsize

    @cached_property
    def _nbytes(self) -> int | None:
        """The size of the chunk in bytes; None if the elements vary in size."""
        return None if self._itemsize is None else product(self.shape) * self._itemsize

    @cached_property
    def _fill_bits(self) -> bytes | str | None:
        """The fill value in a hashable form for bitwise comparison.

        In this form, -0.0 is different from 0.0, and NaT is equal to NaT.
        """
        value = self.fill_value
        if value is None or isinstance(value, str | bytes):
            return value
        try:
            native = self.dtype.to_native_dtype()
            if not native.hasobject and native.kind != "T":
                return np.asarray(value, dtype=native).tobytes()
        except (TypeError, ValueError, OverflowError):
            pass  # the value does not fit the data type; code that uses the value raises an error
        return repr(value)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def order(self) -> MemoryOrder:
        """Memory layout of the decoded chunk."""
        return self.config.order
