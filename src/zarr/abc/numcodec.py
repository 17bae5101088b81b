"""Protocol of codecs for format 2 arrays; `numcodecs.abc.Codec` implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["Numcodec"]


class Numcodec(Protocol):
    """A filter or compressor of the numcodecs library, or a compatible codec.

    Attributes
    ----------
    codec_id : str
        The ``id`` in the configuration of the codec.
    """

    codec_id: ClassVar[str]

    def encode(self, buf: Any) -> Any:
        """Encode an array or bytes.

        Parameters
        ----------
        buf : array or bytes-like
            Data to encode.

        Returns
        -------
        array or bytes-like
        """
        ...

    def decode(self, buf: Any, out: Any | None = None) -> Any:
        """Decode data that `encode` returned.

        Parameters
        ----------
        buf : array or bytes-like
            Encoded data.
        out : array, bytes-like or None
            Writable memory that has exactly the size of the decoded data. If `out` is None, the
            codec allocates new memory.

        Returns
        -------
        array or bytes-like
        """
        ...

    def get_config(self) -> Any:
        """Return the JSON form of the codec: the member ``id``, and one member per parameter."""
        ...

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a codec from its JSON form, from which the member ``id`` has been removed."""
        ...
