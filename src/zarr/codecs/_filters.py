"""Maximum decoded size for each codec of a format 2 array."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core._decoded_size import DecodedLimit, compressed_limit, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zarr.abc.numcodec import Numcodec
    from zarr.core.array_spec import ArraySpec

# The keys of both dictionaries are numcodecs codec ids. `_CONVERSIONS` is for codecs that convert
# elements. Each of its values names two codec parameters: the data type of decoded elements, and
# the data type of encoded elements. `_SIZES` is for codecs without such parameters. Its values are
# functions that return the maximum encoded size for a decoded size.
_CONVERSIONS = {
    "astype": ("decode_dtype", "encode_dtype"),
    "delta": ("dtype", "astype"),
    "fixedscaleoffset": ("dtype", "astype"),
    "quantize": ("dtype", "astype"),
}
_SIZES: dict[str, Callable[[int], int | None]] = {
    **dict.fromkeys(("bitround", "shuffle"), lambda nbytes: nbytes),
    **dict.fromkeys(
        ("adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"), lambda nbytes: nbytes + 4
    ),
    **dict.fromkeys(("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"), compressed_limit),
    "base64": lambda nbytes: (nbytes + 2) // 3 * 4,
    "packbits": lambda nbytes: (nbytes + 7) // 8 + 1,
}


def _of_unknown_size(_nbytes: int) -> None:
    return None


def limits_of(codecs: Iterable[Numcodec], spec: ArraySpec) -> list[DecodedLimit]:
    """Return the maximum decoded size for each codec, in order of encoding.

    Parameters
    ----------
    codecs : iterable of Numcodec
        The filters and the compressor, in order of encoding.
    spec : ArraySpec
        Spec of the chunk.
    """
    limits = []
    nbytes = spec._nbytes
    for codec in codecs:
        limits.append(unknown(spec) if nbytes is None else DecodedLimit(nbytes))
        nbytes = _encoded_nbytes(codec, nbytes, spec)
    return limits


def _encoded_nbytes(codec: Any, nbytes: int | None, spec: ArraySpec) -> int | None:
    """Return the maximum encoded size for `nbytes` decoded bytes; None if unknown."""
    name = str(getattr(codec, "codec_id", None))
    if name == "categorize":
        # Each element is encoded as the number of its category. The number has the dtype
        # ``codec.astype``.
        return math.prod(spec.shape) * int(np.dtype(codec.astype).itemsize)
    if nbytes is None:
        return None
    if name in _CONVERSIONS:
        decoded, encoded = (int(np.dtype(getattr(codec, of)).itemsize) for of in _CONVERSIONS[name])
        return -(-nbytes // max(1, decoded)) * encoded
    return _SIZES.get(name, _of_unknown_size)(nbytes)
