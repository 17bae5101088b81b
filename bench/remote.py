"""Stores that read from the servers of a comparison, through fsspec or through obstore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.servers import s3_dialect

import zarr
from bench.task import ENDPOINT, Task
from bench.workload import Unsupported


def by_fsspec(task: Task, copy: int | None = None, *, url: str | None = None) -> Any:
    """Return a store over fsspec; `url` replaces the URL of the array of a task."""
    return zarr.storage.FsspecStore.from_url(
        task.array_url(copy) if url is None else url,
        storage_options=s3fs_options(task),
        read_only=True,
    )


def s3fs_options(task: Task) -> dict[str, object]:
    """Return the arguments for the s3fs file system; empty for HTTP."""
    endpoint = task.options.get(ENDPOINT)
    return {} if endpoint is None else s3_dialect.s3fs_options(endpoint)


def by_obstore(task: Task) -> Any:
    """Return a store over obstore."""
    return zarr.storage.ObjectStore(client_of_obstore(task), read_only=True)


def client_of_obstore(task: Task) -> Any:
    """Return an obstore client for the array of a task."""
    try:
        from obstore.store import HTTPStore, S3Store
    except ImportError as error:
        raise Unsupported(str(error)) from error
    url = task.array_url()
    endpoint = task.options.get(ENDPOINT)
    if endpoint is None:
        return HTTPStore.from_url(url, client_options={"allow_http": True})
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    options: dict[str, Any] = s3_dialect.obstore_options(endpoint)
    return S3Store(bucket, prefix=prefix, **options)


def over_references(task: Task, references: Mapping[str, Any], *, obstore: bool = False) -> Any:
    """Return a reference file system; the references point to the server of a task.

    Parameters
    ----------
    task : Task
        Task with the address of the server.
    references : mapping
        References in the form of kerchunk.
    obstore : bool
        If True, obstore reads the targets of the references; only for S3. If False, s3fs or the
        HTTP file system of fsspec reads the targets.
    """
    import fsspec

    protocol = task.url.partition("://")[0]
    # The connections of a file system belong to one event loop.
    alone = {"asynchronous": True, "skip_instance_cache": True}
    where: dict[str, Any]
    if obstore:
        try:
            from obstore.fsspec import FsspecStore
        except ImportError as error:
            raise Unsupported(str(error)) from error
        options: dict[str, Any] = s3_dialect.obstore_options(task.options[ENDPOINT])
        where = {"fs": {protocol: FsspecStore(protocol, **options, **alone)}}
    else:
        options = {**s3fs_options(task), **alone}
        where = {"remote_protocol": protocol, "remote_options": options}
    return fsspec.filesystem(
        "reference", fo={"version": 1, "refs": dict(references)}, **where, **alone
    )
