"""Default codecs of a new array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs.bytes import BytesCodec
from zarr.codecs.zstd import ZstdCodec
from zarr.core.dtype.common import HasObjectCodec
from zarr.registry import get_codec_class, get_numcodec

if TYPE_CHECKING:
    from zarr.abc.codec import BytesBytesCodec
    from zarr.abc.numcodec import Numcodec
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType


def default_filters_v2(dtype: ZDType[Any, Any]) -> tuple[Numcodec, ...] | None:
    """Return the default filters of a new format 2 array.

    Parameters
    ----------
    dtype : ZDType
        Data type of the array.

    Returns
    -------
    tuple of numcodecs codec or None
        A tuple with the codec for objects if the data type has variable length; None for other data
        types.
    """
    if isinstance(dtype, HasObjectCodec):
        return (get_numcodec({"id": dtype.object_codec_id}),)
    return None


def default_compressor_v2(dtype: ZDType[Any, Any]) -> Numcodec:
    """Return the default compressor of a format 2 array: Zstandard at its default level.

    Parameters
    ----------
    dtype : ZDType
        Data type of the array; not used.
    """
    return get_numcodec({"id": "zstd", "level": 0})


def default_serializer_v3(dtype: ZDType[TBaseDType, TBaseScalar]) -> ArrayBytesCodec:
    """Return the default array-to-bytes codec of a new format 3 array.

    Parameters
    ----------
    dtype : ZDType
        Data type of the array.

    Returns
    -------
    ArrayBytesCodec
        The codec ``vlen-utf8`` or ``vlen-bytes`` for a data type of variable length, and the codec
        ``bytes`` for other data types. If the data type has a byte order, the codec ``bytes`` is
        little-endian; otherwise the codec has no byte order.
    """
    if isinstance(dtype, HasObjectCodec):
        return cast("type[ArrayBytesCodec]", get_codec_class(dtype.object_codec_id))()
    native = cast("np.dtype[Any]", dtype.to_native_dtype())
    return BytesCodec(endian="little" if _has_byte_order(native) else None)


def _has_byte_order(dtype: np.dtype[Any]) -> bool:
    if dtype.names is not None:
        return any(_is_wide(dtype[name]) for name in dtype.names)
    return dtype.byteorder != "|"


def _is_wide(dtype: np.dtype[Any]) -> bool:
    if dtype.names is not None:
        return any(_is_wide(dtype[name]) for name in dtype.names)
    return dtype.base.itemsize > 1


def default_compressors_v3(dtype: ZDType[Any, Any]) -> tuple[BytesBytesCodec, ...]:
    """Return the default bytes-to-bytes codecs for format 3: Zstandard at its default level.

    Parameters
    ----------
    dtype : ZDType
        Data type of the array; not used.
    """
    return (ZstdCodec(),)
