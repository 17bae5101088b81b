"""Options for the bulk reads of a store, and their configured defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from zarr.core._coalesce import (
    FSSPEC_MAX_COALESCED_BYTES,
    FSSPEC_MAX_GAP_BYTES,
    CoalescePolicy,
)
from zarr.core._retry import MAX_RETRIES
from zarr.core.config import config

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarr.core._fetch import BulkReadReport

# If an option has this value, the value that is configured under ``bulk_reads`` is used.
Configured: TypeAlias = Literal["config"]

# Default maximum number of reads in flight. With 64 reads in flight, 1000 small reads of 20 ms each
# take a third of a second in total. The default of ``async.concurrency`` is not used, because that
# option counts operations, and one operation may make many reads.
DEFAULT_CONCURRENCY: Final = 64


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Options of the bulk reads of a store.

    Parameters
    ----------
    max_concurrency : int or None
        Maximum number of reads of the store in flight, for all callers on one event loop together.
        None means the configured ``bulk_reads.max_concurrency``. If the configured value is also
        None, the maximum is the value of ``async.concurrency`` if a user has set this key, and 64
        otherwise.
    max_gap_bytes : int or None
        Maximum gap, in bytes, between two requests that are merged into one read. With 0, only
        touching and overlapping requests are merged. With None, two requests are merged only if the
        range of one request contains the range of the other.
    max_coalesced_bytes : int
        Maximum size of a merged read, in bytes; a single request may be larger.
    window_seconds : float
        Number of seconds that a request waits, so that later requests can be merged with it.
    read_ahead_bytes : int
        Number of additional bytes to read if the reads of an object are sequential. Use this option
        only for objects that do not change.
    max_retries : int
        Maximum number of retries of a read after transient failures. It has no effect with
        obstore, or with a file system that has its own retries.

    Raises
    ------
    TypeError
        If an option has a wrong type.
    ValueError
        If an option is negative, or if `max_concurrency` is below 1.
    """

    max_concurrency: int | None = None
    max_gap_bytes: int | None = FSSPEC_MAX_GAP_BYTES
    max_coalesced_bytes: int = FSSPEC_MAX_COALESCED_BYTES
    window_seconds: float = 0.0
    read_ahead_bytes: int = 0
    max_retries: int = MAX_RETRIES

    @classmethod
    def configured(cls, **options: Any) -> ReadOptions:
        """Return options; use the configured value if an option is missing or ``"config"``.

        This does not apply to `max_concurrency`. If `max_concurrency` is missing or None,
        `concurrency` looks up the configured value when a read starts.
        """
        for field in fields(cls):
            if field.name != "max_concurrency" and options.get(field.name, "config") == "config":
                options[field.name] = config.get(f"bulk_reads.{field.name}")
        return cls(**options)

    def __post_init__(self) -> None:
        _check("max_concurrency", self.max_concurrency, 1, may_be_none=True)
        _check("max_gap_bytes", self.max_gap_bytes, 0, may_be_none=True)
        for name in ("max_coalesced_bytes", "window_seconds", "read_ahead_bytes", "max_retries"):
            _check(name, getattr(self, name), 0)

    @property
    def policy(self) -> CoalescePolicy:
        """The policy that decides which requests are merged."""
        return CoalescePolicy(self.max_gap_bytes, self.max_coalesced_bytes)

    def concurrency(self) -> int:
        """Return the maximum number of reads in flight, as currently configured."""
        if self.max_concurrency is not None:
            return self.max_concurrency
        configured = config.get("bulk_reads.max_concurrency")
        if configured is None:
            key = "async.concurrency"
            return int(config.get(key)) if config.is_set(key) else DEFAULT_CONCURRENCY
        _check("bulk_reads.max_concurrency", configured, 1)
        return int(configured)


def _check(name: str, value: Any, least: int, *, may_be_none: bool = False) -> None:
    if value is None and may_be_none:
        return
    kinds = (int, float) if name == "window_seconds" else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, got {value}.")


class BulkOptions(TypedDict, total=False):
    """Keyword options of stores that merge their reads; see `FsspecStore`."""

    max_gap_bytes: int | Configured | None
    max_coalesced_bytes: int | Configured
    max_concurrency: int | None
    window_seconds: float | Configured
    read_ahead_bytes: int | Configured
    max_retries: int | Configured
    on_bulk_read: Callable[[BulkReadReport], object] | None
