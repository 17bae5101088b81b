"""The filters and the compressor of a format 2 array, combined in one codec."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs._coders import decoder_of, many_decoder_of
from zarr.codecs._filters import limits_of
from zarr.codecs._results import array_of, encoded_buffer, writeable
from zarr.core.buffer.cpu import numpy_buffer_prototype

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from zarr.abc.numcodec import Numcodec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


# Maximum number of specs whose decoders are cached.
_KEPT_SPECS = 64


@dataclass(frozen=True)
class V2Codec(ArrayBytesCodec):
    """Codec that applies the filters and then the compressor (Zarr v2 specification, "Chunks").

    The elements are stored in the memory order of the chunk spec, ``"C"`` or ``"F"``, and in the
    byte order of the data type. If the elements are Python objects, such as strings of variable
    length, one of the codecs has to encode these objects as bytes.

    Parameters
    ----------
    filters : tuple of Numcodec or None
        Filters, applied in order before the compressor; None means no filters.
    compressor : Numcodec or None
        Compressor, applied last; None means no compressor.
    """

    is_fixed_size = False

    filters: tuple[Numcodec, ...] | None
    compressor: Numcodec | None

    @cached_property
    def _settled(self) -> dict[int, tuple[ArraySpec, list[Callable[[Any], Any]]]]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {"filters": self.filters, "compressor": self.compressor}

    def _decoders(self, chunk_spec: ArraySpec) -> list[Callable[[Any], Any]]:
        """Return the functions that decode chunks of a given spec, in the order of decoding."""
        found = self._settled.get(id(chunk_spec))
        if found is None or found[0] is not chunk_spec:
            if len(self._settled) >= _KEPT_SPECS:
                self._settled.clear()
            coders = zip(self._encoders, limits_of(self._encoders, chunk_spec))
            found = (chunk_spec, [decoder_of(codec, chunk_spec, limit) for codec, limit in coders])
            found[1].reverse()
            self._settled[id(chunk_spec)] = found
        return found[1]

    @property
    def _encoders(self) -> tuple[Numcodec, ...]:
        return (*(self.filters or ()), *(() if self.compressor is None else (self.compressor,)))

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return super().compute_encoded_size(input_byte_length, _chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        decoded: Any = chunk_data.as_numpy_array()
        for decode in self._decoders(chunk_spec):
            decoded = decode(decoded)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(_elements(decoded, chunk_spec))

    def _decoder_for(self, chunk_spec: ArraySpec) -> Callable[[Buffer], NDBuffer]:
        """Return a function that does the work of `_decode_sync` for chunks of one spec.

        Work that depends only on the spec is done once, in this method.
        """
        decoders, finish = self._decoders(chunk_spec), self._finish_for(chunk_spec)

        def decode(chunk_data: Buffer) -> NDBuffer:
            decoded: Any = chunk_data.as_numpy_array()
            for decode_one in decoders:
                decoded = decode_one(decoded)
            return finish(decoded)

        return decode

    def _many_decoder_for(
        self, chunk_spec: ArraySpec
    ) -> Callable[[Sequence[Buffer], bool], list[NDBuffer]]:
        """Return a function that decodes several chunks of one spec; see `_decode_sync`."""
        if self.filters or self.compressor is None:
            decode = self._decoder_for(chunk_spec)
            return lambda chunks, _: [decode(chunk) for chunk in chunks]
        (limit,) = limits_of([self.compressor], chunk_spec)
        decompress = many_decoder_of(self.compressor, chunk_spec, limit)
        finish = self._finish_for(chunk_spec)
        return lambda chunks, beside_loop: [
            finish(decoded)
            for decoded in decompress([chunk.as_numpy_array() for chunk in chunks], beside_loop)
        ]

    def _finish_for(self, chunk_spec: ArraySpec) -> Callable[[Any], NDBuffer]:
        """Return a function that turns the output of the last decoder into a chunk."""
        wrap = chunk_spec.prototype.nd_buffer
        native = chunk_spec.dtype.to_native_dtype()
        if (
            chunk_spec.prototype != numpy_buffer_prototype()
            or _is_object(native)
            or native.itemsize == 0
        ):
            return lambda decoded: wrap.from_numpy_array(_elements(decoded, chunk_spec))
        shape, order = chunk_spec.shape, chunk_spec.order
        nbytes = math.prod(shape) * native.itemsize
        is_stored_as_it_is = not self._encoders

        def finish(decoded: Any) -> NDBuffer:
            # Fast path. Most compressors return `bytes`. If there are no filters and no compressor,
            # `decoded` is an array of the stored bytes.
            if (type(decoded) is bytes or is_stored_as_it_is) and len(decoded) == nbytes:
                return wrap(np.ndarray(shape, native, decoded, 0, None, order))
            return wrap(_elements(decoded, chunk_spec))

        return finish

    def _encoder_for(self, chunk_spec: ArraySpec) -> Callable[[NDBuffer], Buffer | None]:
        """Return a function that does the work of `_encode_sync` for chunks of one spec.

        Work that depends only on the spec is done once, in this method.
        """
        order, wrap = chunk_spec.order, chunk_spec.prototype.buffer.from_array_like
        native = chunk_spec.dtype.to_native_dtype()
        is_plain = (
            not self.filters
            and self.compressor is None
            and chunk_spec.prototype == numpy_buffer_prototype()
            and not _is_object(native)
            and native.itemsize > 0
        )

        def encode(chunk_data: NDBuffer) -> Buffer | None:
            array = chunk_data.as_numpy_array()
            if is_plain and array.dtype == native:
                # Fast path for arrays that have no filters and no compressor.
                return wrap(array.ravel(order).view("B"))
            return self._encode_sync(chunk_data, chunk_spec)

        return encode

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        order = chunk_spec.order
        native = chunk_spec.dtype.to_native_dtype()
        encoded: Any = chunk_data.as_numpy_array()
        stored = np.dtype(object) if _is_object(native) else native
        encoded = encoded.astype(stored, order=order, copy=False)
        if stored.hasobject:
            encoded = writeable(encoded)
        for codec in self.filters or ():
            encoded = codec.encode(encoded)
            if isinstance(encoded, np.ndarray) and encoded.ndim > 1:
                # The codecs after this one read the elements in memory order. Some codecs, such as
                # BitRound, return arrays in C order even if the input is in F order.
                encoded = np.asarray(encoded, order=order)
        if self.compressor is not None:
            if isinstance(encoded, np.ndarray) and encoded.dtype.names is not None:
                # NumPy does not export datetime fields through the buffer protocol. A compressor
                # needs only the item size, so the fields are replaced by raw bytes.
                encoded = encoded.view(f"V{encoded.dtype.itemsize}")
            encoded = self.compressor.encode(encoded)
        return encoded_buffer(encoded, chunk_spec.prototype)


def _is_object(dtype: np.dtype[Any]) -> bool:
    return dtype.hasobject or dtype.kind == "T"


def _is_object_array(data: object) -> bool:
    return isinstance(data, np.ndarray) and data.dtype.hasobject


def _elements(decoded: object, chunk_spec: ArraySpec) -> npt.NDArray[Any]:
    """Return decoded data as an array with the shape and dtype of a chunk."""
    native = chunk_spec.dtype.to_native_dtype()
    if _is_object(native) or (native.kind in "SU" and _is_object_array(decoded)):
        return _objects(decoded, native, chunk_spec)
    return array_of(decoded, native, chunk_spec.shape, chunk_spec.order)


def _objects(decoded: object, native: np.dtype[Any], chunk_spec: ArraySpec) -> npt.NDArray[Any]:
    """Return decoded strings, byte strings or other objects as an array with the chunk shape."""
    if not isinstance(decoded, np.ndarray) or decoded.dtype.kind not in "OTUS":
        raise ValueError(
            f"A chunk of dtype {native} was decoded to bytes, expected an array of objects. Either "
            "no filter of the array is a codec for objects, such as vlen-utf8, or the chunk "
            "belongs to another array."
        )
    expected = math.prod(chunk_spec.shape)
    if decoded.size != expected:
        raise ValueError(
            f"A chunk of shape {chunk_spec.shape} has {expected} elements, but decoding gave "
            f"{decoded.size}. The stored chunk is corrupt, or belongs to another array."
        )
    if decoded.shape != chunk_spec.shape:
        decoded = decoded.reshape(-1, order="A").reshape(chunk_spec.shape, order=chunk_spec.order)
    if native.kind in "SU":
        nbytes = decoded.astype(native.kind).itemsize
        if nbytes > native.itemsize:
            raise ValueError(
                f"A chunk of dtype {native} was decoded to elements of up to {nbytes} bytes, "
                f"expected at most {native.itemsize}. The chunk belongs to another array."
            )
    return decoded.astype(native, copy=False)
