"""What is raised for stored bytes that cannot be decoded: a clear error that says where they lie."""

from __future__ import annotations

import struct
import zlib

# What decoders raise that believe their input. It tells of their inside, not of the data.
_UNCLEAR = (
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    struct.error,
)


class CutOffError(ValueError, EOFError):
    """The stored bytes end before what they hold does."""


class CorruptStreamError(ValueError, zlib.error):
    """The stored bytes are not a stream of zlib or gzip."""


def told(error: Exception, where: str | None = None) -> Exception:
    """Return the error to raise for one of decoding stored bytes.

    Parameters
    ----------
    error : Exception
        What a decoder raised.
    where : str or None
        What was decoded, for a note; None where a caller adds one.

    Returns
    -------
    Exception
        The error itself, or a `ValueError` with it as its cause where it is one that nobody can
        act on, such as a `KeyError`.
    """
    clear = _clear(error)
    if clear is not error:
        clear.__cause__ = error
    if where is not None:
        clear.add_note(where)
    return clear


def _clear(error: Exception) -> Exception:
    if isinstance(error, ValueError | OSError):
        return error
    said = str(error) or type(error).__name__
    if isinstance(error, EOFError):
        return CutOffError(said)
    if isinstance(error, zlib.error):
        return CorruptStreamError(said)
    if isinstance(error, _UNCLEAR) or type(error) is Exception or _is_lzma(error):
        return ValueError(
            f"The stored bytes cannot be decoded: {type(error).__name__}: {said}. They are corrupt, "
            "or of another array."
        )
    return error


def _is_lzma(error: Exception) -> bool:
    # By name: not every Python has the module.
    return type(error).__name__ == "LZMAError"
