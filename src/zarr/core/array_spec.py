"""The description of a chunk for codecs, and the run-time options of an array."""

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
    """The options of `ArrayConfig` as a dictionary; missing options are as configured."""

    order: MemoryOrder
    write_empty_chunks: bool
    read_missing_chunks: bool
    sharding_coalesce_max_gap_bytes: int
    sharding_coalesce_max_bytes: int


@dataclass(frozen=True)
class ArrayConfig:
    """Options of an array that are not stored with it.

    Parameters
    ----------
    order : {"C", "F"}
        Memory layout of the arrays that reading returns.
    write_empty_chunks : bool
        Whether a chunk that holds only the fill value is stored. It is deleted otherwise.
    read_missing_chunks : bool
        Whether an absent chunk reads as fill value. Reading it raises `ChunkNotFoundError`
        otherwise.
    sharding_coalesce_max_gap_bytes : int
        Largest gap in bytes between inner chunks of a shard that one read fetches.
    sharding_coalesce_max_bytes : int
        Largest such merged read, in bytes.
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
                raise ValueError(f"{name} has to be 0 or more bytes, got {value}.")
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, data: ArrayConfigParams) -> Self:
        """Return a configuration from some of its options; the rest follow `zarr.config`.

        Raises
        ------
        TypeError
            If `data` holds an option that does not exist.
        """
        options: dict[str, Any] = {key: zarr_config.get(f"array.{key}") for key in _CONFIG_KEYS}
        return cls(**(options | dict(data)))

    def to_dict(self) -> ArrayConfigParams:
        """Return all options as a dictionary."""
        return cast("ArrayConfigParams", {name: getattr(self, name) for name in _CONFIG_KEYS})


ArrayConfigLike: TypeAlias = ArrayConfig | ArrayConfigParams  # for other packages


def parse_array_config(data: ArrayConfig | ArrayConfigParams | None) -> ArrayConfig:
    """Return a full array configuration.

    Parameters
    ----------
    data : ArrayConfig, dict or None
        A configuration, some of its options, or None for the options of `zarr.config`.

    Raises
    ------
    TypeError
        If a dictionary holds an option that does not exist.
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
    """The description of one chunk on the array side of a codec.

    Two specs are equal if all attributes are equal. Fill values are compared bitwise.

    Parameters
    ----------
    shape : tuple of int
        Shape of the chunk in elements.
    dtype : ZDType
        Data type of its elements.
    fill_value : scalar
        Value of the elements that are not stored.
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

    # See `zarr.core._decoded_size.limit_of`. Not part of equality or hash.
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
        """Return a copy for a bytes-to-bytes codec, with a limit on its decoded size."""
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
        """The size of an element in bytes; None if elements vary in size."""
        native = self.dtype.to_native_dtype()
        return None if native.hasobject or native.kind == "T" else native.itemsize

    @cached_property
    def _nbytes(self) -> int | None:
        """The size of the chunk in bytes; None if its elements vary in size."""
        return None if self._itemsize is None else product(self.shape) * self._itemsize

    @cached_property
    def _fill_bits(self) -> bytes | str | None:
        """The fill value in a comparable and hashable form: -0.0 is not 0.0, and NaT is NaT."""
        value = self.fill_value
        if value is None or isinstance(value, str | bytes):
            return value
        try:
            native = self.dtype.to_native_dtype()
            if not native.hasobject and native.kind != "T":
                return np.asarray(value, dtype=native).tobytes()
        except (TypeError, ValueError, OverflowError):
            pass  # not of the data type; an error is raised on use
        return repr(value)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def order(self) -> MemoryOrder:
        """Memory layout of the decoded chunk."""
        return self.config.order
