"""Errors for stored bytes that cannot be decoded, with the location of the bytes as a note."""

from __future__ import annotations

import struct
import zlib

# Decoders that do not validate their input raise errors of these types. The messages of such errors
# describe the code of the decoder, not the data.
_UNCLEAR = (
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    struct.error,
)


class CutOffError(ValueError, EOFError):
    """The stored bytes are truncated."""


class CorruptStreamError(ValueError, zlib.error):
    """The stored bytes are not a zlib or gzip stream."""


def told(error: Exception, where: str | None = None) -> Exception:
    """Return the error to raise for a failure to decode stored bytes.

    Parameters
    ----------
    error : Exception
        The error that a decoder raised.
    where : str or None
        Description of the stored object, which is added to the error as a note; None if the caller
        of this function adds the note itself.

    Returns
    -------
    Exception
        The error itself, or a `ValueError` with the error as its cause. The `ValueError` replaces
        errors of types that do not help the user, for example `KeyError`.
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
            "or belong to another array."
        )
    return error


def _is_lzma(error: Exception) -> bool:
    # The type is compared by name, because some Python builds lack the module `lzma`.
    return type(error).__name__ == "LZMAError"
