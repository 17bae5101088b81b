"""Stores of the demo: a store over references, and a store that reads each chunk separately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import fsspec

from zarr.core.sync import sync
from zarr.storage import FsspecStore


class PerChunkStore(FsspecStore):
    """A store that reads each key separately, like a store without bulk reads.

    Every read calls `get` because this class overrides it. Requests of different callers are not
    merged either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "max_gap_bytes": None})

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        """Read one key separately."""
        return await super().get(*args, **kwargs)


def over_references(
    cls: type[FsspecStore], references: Mapping[str, Any], url: str
) -> tuple[FsspecStore, Any]:
    """Return a store over references, and the file system that reads their targets."""
    protocol = url.split("://")[0]
    filesystem = fsspec.filesystem(
        "reference",
        fo=references,
        remote_protocol=protocol,
        # The connections of a file system belong to one event loop.
        remote_options={"asynchronous": True, "skip_instance_cache": True},
        asynchronous=True,
        skip_instance_cache=True,
    )
    return cls(filesystem, read_only=True, path=""), filesystem.fss[protocol]


def close(filesystems: Iterable[Any]) -> None:
    """Close the connections of HTTP file systems, on the event loop that opened them."""

    async def close_all() -> None:
        for filesystem in filesystems:
            session = getattr(filesystem, "_session", None)
            if session is not None:
                await session.close()

    sync(close_all())
