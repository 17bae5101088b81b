"""How many bytes an encoded chunk may decode to at most, so that no more is ever allocated.

A compressor believes what its input says: a few kilobytes can decompress to gigabytes. What a chunk
has is known where its elements are of fixed size, and with it what each codec from bytes to bytes
has to give back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec

# Compressing makes data that are not compressible larger, some writers make it worse.
_SLACK_FACTOR = 2
_SLACK_NBYTES = 1 << 20

# Where nothing is known of what was compressed, strings of variable length say, only what is stored
# tells what to expect: this many bytes, or as many times those that are stored.
_UNKNOWN_NBYTES = 256 << 20
_UNKNOWN_RATIO = 1000


@dataclass(frozen=True)
class DecodedLimit:
    """Limits the size of what a codec decodes.

    Parameters
    ----------
    known : int or None
        The most bytes it can be; None where that is not known.
    base : int
        Bytes to allow at any rate where it is not known.
    """

    known: int | None
    base: int = 0

    def of(self, encoded_nbytes: int) -> int:
        """Return how many bytes `encoded_nbytes` may be decoded to at most."""
        if self.known is not None:
            return self.known
        return self.base + max(_UNKNOWN_NBYTES, _UNKNOWN_RATIO * encoded_nbytes)


NO_LIMIT = DecodedLimit((1 << 63) - 1)


def limit_of(spec: ArraySpec) -> DecodedLimit:
    """Return the limit for a codec from bytes to bytes, which a chain leaves in the spec it sees."""
    limit: DecodedLimit | None = spec._decoded_limit
    return unknown(spec) if limit is None else limit


def unknown(spec: ArraySpec) -> DecodedLimit:
    """Return a limit for what depends on the values of a chunk in ways that are not known."""
    # Each element takes four bytes at least where a codec writes its length, or twice its size.
    return DecodedLimit(None, 4 + math.prod(spec.shape) * max(4, 2 * (spec._itemsize or 0)))


def compressed_limit(nbytes: int | None) -> int | None:
    """Return how many bytes a compressor may make of so many at most."""
    return None if nbytes is None else _SLACK_FACTOR * nbytes + _SLACK_NBYTES


def too_large(limit: int) -> ValueError:
    """Return the error for what decodes to more than it can be."""
    return ValueError(
        f"The stored data decode to more than the {limit} bytes that they can have here. They are "
        "corrupt, or of another array."
    )
