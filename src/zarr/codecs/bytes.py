"""The ``bytes`` codec, which stores the elements of a chunk in C order and a given byte order."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs._deprecated import DeprecatedNames
from zarr.codecs._named import NamedCodec
from zarr.codecs._parse import parse_choice
from zarr.codecs._results import check_nbytes
from zarr.core.common import parse_named_configuration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON

_BYTE = np.dtype("B")

EndianLiteral: TypeAlias = Literal["little", "big"]
_ENDIANS: tuple[EndianLiteral, ...] = ("little", "big")
_NUMPY_ORDER: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}


class Endian(metaclass=DeprecatedNames, names=_ENDIANS):
    """Deprecated enumeration of the byte orders; pass ``"little"`` or ``"big"`` instead."""


@dataclass(frozen=True)
class BytesCodec(ArrayBytesCodec, NamedCodec):
    """Codec that stores the elements of a chunk contiguously, in C order.

    See the Zarr v3 core specification, "bytes codec".

    Parameters
    ----------
    endian : {"little", "big"} or None
        Byte order of the stored elements. None if the elements are single bytes, or have no byte
        order.

    Raises
    ------
    ValueError
        If `endian` is neither "little", "big" nor None.
    """

    is_fixed_size = True
    _name = "bytes"
    _configuration_required = False

    endian: EndianLiteral | None

    def __init__(self, *, endian: EndianLiteral | None = "little") -> None:
        parsed = None if endian is None else parse_choice(endian, "endian", _ENDIANS)
        object.__setattr__(self, "endian", parsed)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        # docstring inherited
        _, found = parse_named_configuration(data, cls._name, require_configuration=False)
        # If the metadata contain no byte order, `endian` is None. The default of the constructor
        # is not used.
        members: dict[str, Any] = {"endian": None, **(found or {})}
        return cls(**members)

    def _configuration(self) -> dict[str, JSON] | None:
        return None if self.endian is None else {"endian": self.endian}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Drop `endian` if the data type has no byte order; require `endian` otherwise.

        Raises
        ------
        ValueError
            If the data type has a byte order and the codec does not specify one. For structured
            data types, a `UserWarning` is emitted instead, and little-endian is assumed.
        """
        dtype = array_spec.dtype.to_native_dtype()
        if not has_byte_order(dtype):
            return self if self.endian is None else replace(self, endian=None)
        if self.endian is not None:
            return self
        if dtype.names is None:
            raise ValueError(
                "The `endian` configuration needs to be specified for multi-byte data types."
            )
        warnings.warn(
            "Missing 'endian' for structured dtype with multi-byte fields. "
            "Assuming little-endian for legacy compatibility.",
            UserWarning,
            stacklevel=2,
        )
        return replace(self, endian="little")

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return input_byte_length

    def _stored_dtype(self, native: np.dtype[Any]) -> np.dtype[Any]:
        if native.hasobject or native.kind == "T":
            raise TypeError(
                f"The bytes codec needs elements of a fixed size, but elements of dtype {native} "
                "have no fixed size."
            )
        return native if self.endian is None else native.newbyteorder(_NUMPY_ORDER[self.endian])

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        native = chunk_spec.dtype.to_native_dtype()
        stored = self._stored_dtype(native)
        shape = chunk_spec.shape
        check_nbytes(len(chunk_data), native, shape)
        nd_buffer = chunk_spec.prototype.nd_buffer
        if native.itemsize == 0:
            return nd_buffer.from_numpy_array(np.zeros(shape, dtype=native))
        # The data are not converted to NumPy, so that data in GPU memory stay in GPU memory.
        array: Any = chunk_data.as_array_like()
        if not hasattr(array, "reshape"):
            array = chunk_data.as_numpy_array()
        array = array.view(stored).reshape(shape)
        if stored != native:
            array = _in_order_of(native, array)
        return nd_buffer.from_ndarray_like(array)

    def _decoder_for(self, chunk_spec: ArraySpec) -> Callable[[Buffer], NDBuffer]:
        """Return a function that does the work of `_decode_sync` for chunks of one spec.

        Work that depends only on the spec is done once, in this method.
        """
        native = chunk_spec.dtype.to_native_dtype()
        shape = chunk_spec.shape
        nbytes = math.prod(shape) * native.itemsize
        is_view = native.itemsize > 0 and self._stored_dtype(native) == native
        wrap = chunk_spec.prototype.nd_buffer

        def decode(chunk_data: Buffer) -> NDBuffer:
            data: Any = chunk_data.as_array_like()
            if is_view and type(data) is np.ndarray and data.nbytes == nbytes:
                return wrap(np.ndarray(shape, native, data))
            return self._decode_sync(chunk_data, chunk_spec)

        return decode

    def _encoder_for(self, chunk_spec: ArraySpec) -> Callable[[NDBuffer], Buffer | None]:
        """Return a function that does the work of `_encode_sync` for chunks of one spec.

        Work that depends only on the spec is done once, in this method.
        """
        native = chunk_spec.dtype.to_native_dtype()
        is_view = native.itemsize > 0 and self._stored_dtype(native) == native
        wrap = chunk_spec.prototype.buffer.from_array_like

        def encode(chunk_data: NDBuffer) -> Buffer | None:
            array: Any = chunk_data.as_ndarray_like()
            if is_view and array.dtype == native:
                return wrap(array.ravel(order="C").view(_BYTE))
            return self._encode_sync(chunk_data, chunk_spec)

        return encode

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        array: Any = chunk_data.as_ndarray_like()
        stored = self._stored_dtype(array.dtype)
        if stored != array.dtype:
            array = _in_order_of(stored, array)
        buffer = chunk_spec.prototype.buffer
        if stored.itemsize == 0:
            return buffer.create_zero_length()
        return buffer.from_array_like(array.ravel(order="C").view(_BYTE))


def _in_order_of(dtype: np.dtype[Any], array: Any) -> Any:
    """Convert an array to a dtype that differs from the dtype of the array only in byte order."""
    if dtype.kind in "mM":
        # For datetime dtypes that have no unit, NumPy's `astype` does not swap the bytes.
        return array.byteswap().view(dtype)
    return array.astype(dtype)


def has_byte_order(dtype: np.dtype[Any]) -> bool:
    """Return whether a NumPy dtype, or at least one of its fields, has a byte order."""
    element = dtype.base
    if element.fields is not None:
        return any(has_byte_order(field[0]) for field in element.fields.values())
    return element.byteorder != "|"
