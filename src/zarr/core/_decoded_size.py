"""Limits on the decoded size of a chunk, so that corrupt data cannot exhaust memory.

A decompressor trusts the size that its input states, so a few kilobytes can expand to gigabytes. If
the elements of a chunk have a fixed size, the decoded size of the chunk is known. A limit on the
output size of each bytes-to-bytes codec follows from the decoded size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec

# Compression can make incompressible data larger. The increase depends on the program that wrote
# the data, so the limit is generous.
_SLACK_FACTOR = 2
_SLACK_NBYTES = 1 << 20

# If the decoded size is unknown, for example for strings of variable length, the larger of
# `_UNKNOWN_NBYTES` and `_UNKNOWN_RATIO * encoded_nbytes` is added to `DecodedLimit.base`.
_UNKNOWN_NBYTES = 256 << 20
_UNKNOWN_RATIO = 1000


@dataclass(frozen=True)
class DecodedLimit:
    """A limit on the number of bytes that a codec may return during decoding.

    Parameters
    ----------
    known : int or None
        Maximum decoded size in bytes; None if unknown.
    base : int
        If `known` is None, the limit is the sum of `base` and a number of bytes that is computed
        from the encoded size. Otherwise `base` is not used.
    """

    known: int | None
    base: int = 0

    def of(self, encoded_nbytes: int) -> int:
        """Return the maximum decoded size of `encoded_nbytes` encoded bytes."""
        if self.known is not None:
            return self.known
        return self.base + max(_UNKNOWN_NBYTES, _UNKNOWN_RATIO * encoded_nbytes)


NO_LIMIT = DecodedLimit((1 << 63) - 1)


def limit_of(spec: ArraySpec) -> DecodedLimit:
    """Return the limit that the codec chain has stored in the spec of a bytes-to-bytes codec."""
    limit: DecodedLimit | None = spec._decoded_limit
    return unknown(spec) if limit is None else limit


def unknown(spec: ArraySpec) -> DecodedLimit:
    """Return the limit for data whose decoded size depends on the values of the elements."""
    # Some codecs write the length of each element, in four bytes. For each element, allow
    # four bytes or twice the item size, whichever is larger.
    return DecodedLimit(None, 4 + math.prod(spec.shape) * max(4, 2 * (spec._itemsize or 0)))


def compressed_limit(nbytes: int | None) -> int | None:
    """Return the maximum compressed size of `nbytes` bytes; None if `nbytes` is None."""
    return None if nbytes is None else _SLACK_FACTOR * nbytes + _SLACK_NBYTES


def too_large(limit: int) -> ValueError:
    """Return the error for data that decode to more than `limit` bytes."""
    return ValueError(
        f"The stored data decode to more than the limit of {limit} bytes. The data are corrupt, or "
        "belong to another array."
    )
