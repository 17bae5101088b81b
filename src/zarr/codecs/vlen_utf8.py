"""The ``vlen-utf8`` and ``vlen-bytes`` codecs, for elements of variable length.

The codecs use the encoding that numcodecs defined and that zarr-extensions adopted. A stored chunk
begins with the number of elements. For each element in C order, its length in bytes and its bytes
follow. The number of elements and the lengths are little-endian integers of 4 bytes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs._counts import decode_vlen
from zarr.codecs._named import NamedCodec
from zarr.codecs._results import writeable

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


class _VLenCodec(ArrayBytesCodec, NamedCodec):
    """Base class of the vlen codecs; they differ in the element type and in the numcodecs codec."""

    is_fixed_size = False
    _configuration_required = False

    # `_kinds` contains the kinds of NumPy dtypes that the codec supports. `_element` is the name of
    # the element type in error messages.
    _kinds: ClassVar[str]
    _element: ClassVar[str]

    @staticmethod
    @abstractmethod
    def _codec() -> Any:
        """Return the numcodecs codec that encodes and decodes the elements."""

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        raise NotImplementedError("compute_encoded_size is not implemented for VLen codecs")

    def _check_kind(self, dtype: np.dtype[Any]) -> None:
        if dtype.kind not in self._kinds:
            raise TypeError(f"Expected {self._element}, got {dtype}")

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        native = chunk_spec.dtype.to_native_dtype()
        self._check_kind(native)
        elements = decode_vlen(self._codec(), chunk_data.as_numpy_array(), chunk_spec.shape)
        array = elements.reshape(chunk_spec.shape).astype(native, copy=False)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        array = chunk_data.as_numpy_array()
        self._check_kind(array.dtype)
        elements = writeable(array.astype(object, copy=False).reshape(-1))
        return chunk_spec.prototype.buffer.from_bytes(self._codec().encode(elements))


@dataclass(frozen=True)
class VLenUTF8Codec(_VLenCodec):
    """Codec that stores strings of variable length, encoded as UTF-8."""

    _name = "vlen-utf8"
    _kinds = "OTU"
    _element = "str"

    @staticmethod
    @cache
    def _codec() -> Any:
        from numcodecs.vlen import VLenUTF8

        return VLenUTF8()


@dataclass(frozen=True)
class VLenBytesCodec(_VLenCodec):
    """Codec that stores byte strings of variable length."""

    _name = "vlen-bytes"
    _kinds = "OS"
    _element = "bytes"

    @staticmethod
    @cache
    def _codec() -> Any:
        from numcodecs.vlen import VLenBytes

        return VLenBytes()
