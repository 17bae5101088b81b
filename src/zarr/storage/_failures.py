"""Add notes to failures of remote stores; a note contains key, byte range and store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarr.core._byte_ranges import ByteRequest


class _Fails(Protocol):
    def _fail(
        self, error: Exception, key: str, byte_range: ByteRequest | None = None
    ) -> NoReturn: ...


@contextmanager
def naming(store: _Fails, key: str) -> Iterator[None]:
    """Context manager that passes each exception to the method `_fail` of a store.

    `_fail` adds a note that names the key or prefix, and raises the exception.
    """
    try:
        yield
    except Exception as error:
        store._fail(error, key)


def note_once(
    failure: BaseException, store: object, key: str, byte_range: ByteRequest | None = None
) -> None:
    """Call `note_failure` unless the failure already has a note that contains the key."""
    if not any(repr(key) in note for note in getattr(failure, "__notes__", ())):
        note_failure(failure, store, key, byte_range)


def note_failure(
    failure: BaseException, store: object, key: str, byte_range: ByteRequest | None
) -> None:
    """Add a note to a failure; the note names the key or prefix, the byte range and the store."""
    part = "" if byte_range is None else f", {byte_range}"
    failure.add_note(f"key {key!r}{part} in {store!r}")
