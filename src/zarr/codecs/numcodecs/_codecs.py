"""The ``numcodecs.*`` codecs, one for each numcodecs codec that format 3 can use."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from zarr.codecs.numcodecs._base import (
    _NumcodecsArrayArrayCodec,
    _NumcodecsArrayBytesCodec,
    _NumcodecsBytesBytesCodec,
    _NumcodecsChecksumCodec,
)
from zarr.core.dtype import UInt8

if TYPE_CHECKING:
    from typing import Any, Self

    from zarr.core.array_spec import ArraySpec
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType


# --- compressors and shuffling: bytes to bytes ------------------------------------------


class Blosc(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.Blosc`."""

    codec_name = "numcodecs.blosc"


class BZ2(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.BZ2`."""

    codec_name = "numcodecs.bz2"


class GZip(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.GZip`."""

    codec_name = "numcodecs.gzip"


class LZ4(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.LZ4`."""

    codec_name = "numcodecs.lz4"


class LZMA(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.LZMA`."""

    codec_name = "numcodecs.lzma"


class Zlib(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.Zlib`."""

    codec_name = "numcodecs.zlib"


class Zstd(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.Zstd`."""

    codec_name = "numcodecs.zstd"


class Shuffle(_NumcodecsBytesBytesCodec):
    """Wraps `numcodecs.Shuffle`; ``elementsize`` defaults to the item size of the array."""

    codec_name = "numcodecs.shuffle"

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        return self._with_defaults(elementsize=array_spec.dtype.to_native_dtype().itemsize)


# --- checksums: bytes to bytes ----------------------------------------------------------


class Adler32(_NumcodecsChecksumCodec):
    """Wraps `numcodecs.Adler32`."""

    codec_name = "numcodecs.adler32"


class CRC32(_NumcodecsChecksumCodec):
    """Wraps `numcodecs.CRC32`."""

    codec_name = "numcodecs.crc32"


class CRC32C(_NumcodecsChecksumCodec):
    """Wraps `numcodecs.CRC32C`."""

    codec_name = "numcodecs.crc32c"


class Fletcher32(_NumcodecsChecksumCodec):
    """Wraps `numcodecs.Fletcher32`."""

    codec_name = "numcodecs.fletcher32"


class JenkinsLookup3(_NumcodecsChecksumCodec):
    """Wraps `numcodecs.JenkinsLookup3`."""

    codec_name = "numcodecs.jenkins_lookup3"


# --- filters: array to array ------------------------------------------------------------


class AsType(_NumcodecsArrayArrayCodec):
    """Wraps `numcodecs.AsType`; ``decode_dtype`` defaults to the data type of the array."""

    codec_name = "numcodecs.astype"
    _decoded_parameter = "decode_dtype"
    _encoded_parameter = "encode_dtype"


class BitRound(_NumcodecsArrayArrayCodec):
    """Wraps `numcodecs.BitRound`."""

    codec_name = "numcodecs.bitround"


class Delta(_NumcodecsArrayArrayCodec):
    """Wraps `numcodecs.Delta`, which requires the parameter ``dtype``."""

    codec_name = "numcodecs.delta"
    _decoded_parameter = "dtype"
    _encoded_parameter = "astype"

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        return self._with_defaults()


class FixedScaleOffset(_NumcodecsArrayArrayCodec):
    """Wraps `numcodecs.FixedScaleOffset`; ``dtype`` defaults to the data type of the array."""

    codec_name = "numcodecs.fixedscaleoffset"
    _decoded_parameter = "dtype"
    _encoded_parameter = "astype"


class PackBits(_NumcodecsArrayArrayCodec):
    """Wraps `numcodecs.PackBits`.

    The first stored byte is the number of padding bits. Each following byte contains 8 booleans.
    """

    codec_name = "numcodecs.packbits"

    def validate(self, *, dtype: ZDType[TBaseDType, TBaseScalar], **_kwargs: Any) -> None:
        """Check that the array has the data type bool.

        Raises
        ------
        ValueError
            If the data type is not bool.
        """
        if dtype.to_native_dtype().kind != "b":
            raise ValueError(f"Packbits filter requires bool dtype. Got {dtype}.")

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        # docstring inherited
        resolved = super().resolve_metadata(chunk_spec)
        return replace(resolved, shape=self._encoded_shape(chunk_spec.shape))

    def _encoded_dtype(
        self, dtype: ZDType[TBaseDType, TBaseScalar]
    ) -> ZDType[TBaseDType, TBaseScalar]:
        return UInt8()

    def _encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1 + -(-math.prod(shape) // 8),)


class Quantize(_NumcodecsArrayArrayCodec):
    """Wraps `numcodecs.Quantize`; ``dtype`` defaults to the data type of the array."""

    codec_name = "numcodecs.quantize"
    _decoded_parameter = "dtype"
    _encoded_parameter = "astype"


# --- serializers: array to bytes --------------------------------------------------------


class PCodec(_NumcodecsArrayBytesCodec):
    """Wraps `numcodecs.pcodec.PCodec`, which needs the package pcodec."""

    codec_name = "numcodecs.pcodec"


class ZFPY(_NumcodecsArrayBytesCodec):
    """Wraps `numcodecs.zfpy.ZFPY`, which needs the package zfpy."""

    codec_name = "numcodecs.zfpy"
