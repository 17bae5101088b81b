"""Failures of remote stores, and what they are about."""

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
    """Raise a failure as the store does, which says what key, or prefix, it is about."""
    try:
        yield
    except Exception as error:
        store._fail(error, key)


def note_once(
    failure: BaseException, store: object, key: str, byte_range: ByteRequest | None = None
) -> None:
    """Do what `note_failure` does, unless there is a note of the key already."""
    if not any(repr(key) in note for note in getattr(failure, "__notes__", ())):
        note_failure(failure, store, key, byte_range)


def note_failure(
    failure: BaseException, store: object, key: str, byte_range: ByteRequest | None
) -> None:
    """Add to a failure which key, or prefix, which bytes and which store it is about."""
    part = "" if byte_range is None else f", {byte_range}"
    failure.add_note(f"key {key!r}{part} in {store!r}")
