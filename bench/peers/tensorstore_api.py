"""The operations with tensorstore, with its default settings."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from tests.servers.s3_dialect import REGION

from bench import imports, readers, scale
from bench.datasets import Dataset
from bench.peers import bare
from bench.scratch import Scratch
from bench.server import busy
from bench.task import ENDPOINT, Task
from bench.values import check_equal
from bench.workload import Unsupported, Workload, WrongResult

tensorstore: Any = importlib.import_module("tensorstore")
MODULE: str | None = "tensorstore"


def kvstore(task: Task, copy: int | None = None) -> dict[str, Any]:
    """Return the tensorstore specification of the location of an array."""
    if task.transport == "local":
        return {"driver": "file", "path": task.path(copy)}
    if task.transport == "http":
        return {"driver": "http", "base_url": task.array_url(copy)}
    if task.transport == "s3":
        bucket, _, path = task.array_url().removeprefix("s3://").partition("/")
        return {
            "driver": "s3",
            "bucket": bucket,
            "path": path,
            "endpoint": task.options[ENDPOINT],
            "aws_region": REGION,
            "aws_credentials": {"type": "anonymous"},
        }
    if task.transport == "memory":
        return {"driver": "memory"}
    raise Unsupported(f"tensorstore does not support {task.transport}")


def driver(dataset: Dataset) -> str:
    """Return the name of the driver for the format of a dataset."""
    return "zarr3" if dataset.zarr_format == 3 else "zarr"


def open_spec(task: Task, copy: int | None = None) -> dict[str, Any]:
    """Return the tensorstore specification of an existing array."""
    return {"driver": driver(task.dataset), "kvstore": kvstore(task, copy)}


def create(place: dict[str, Any], dataset: Dataset, fill_value: float = 0) -> Any:
    """Create the array of a dataset."""
    metadata: dict[str, Any] = {"shape": dataset.shape, "fill_value": fill_value}
    if dataset.zarr_format == 2:
        compressor = {"id": "zstd", "level": 1} if dataset.zstd else None
        metadata |= {"chunks": dataset.chunks, "dtype": "<f4", "compressor": compressor}
    else:
        grid = {"name": "regular", "configuration": {"chunk_shape": dataset.chunks}}
        codecs: list[Any] = [{"name": "bytes", "configuration": {"endian": "little"}}]
        if dataset.zstd:
            codecs.append({"name": "zstd", "configuration": {"level": 1}})
        metadata |= {"chunk_grid": grid, "data_type": "float32", "codecs": codecs}
    spec = {"driver": driver(dataset), "kvstore": place, "metadata": metadata}
    return tensorstore.open(spec, create=True, context=tensorstore.Context()).result()


def read(task: Task) -> Workload:
    """Read an array, or a selection of it."""
    if task.transport == "memory":
        array = create(kvstore(task), task.dataset)
        array[...] = task.expected()
    else:
        array = tensorstore.open(open_spec(task), read=True).result()
    selection = task.slices
    return Workload(
        lambda: array[selection].read().result(),
        lambda result: check_equal(result, task.expected()[selection]),
    )


def write(task: Task) -> Workload:
    """Write all chunks of an array that was created before."""
    elements = task.expected()
    scratch = Scratch(task.scratch, "tensorstore")
    array: Any = None

    def before() -> None:
        nonlocal array
        if task.transport == "memory":
            place = kvstore(task)
        else:
            place = {"driver": "file", "path": str(scratch.renew())}
        array = create(place, task.dataset)

    def check(_: Any) -> None:
        if task.transport == "memory":
            check_equal(array[...].read().result(), elements)
        else:
            stored = bare.read_local(task.dataset, str(scratch.folder), bare.bounds_of(task))
            check_equal(stored, elements)

    return Workload(lambda: array[...].write(elements).result(), check, before)


def open_array(task: Task) -> Workload:
    """Open an array, with a new context for each run so that nothing is cached."""
    spec = open_spec(task)

    def run() -> Any:
        return tensorstore.open(spec, read=True, context=tensorstore.Context()).result()

    def check(array: Any) -> None:
        if array.shape != task.dataset.shape:
            raise WrongResult(f"shape {array.shape}")

    return Workload(run, check)


def read_all(array: Any) -> Any:
    """Read an array."""
    return array.read().result()


def read_in_threads(task: Task) -> Workload:
    """Read several arrays, each in its own thread."""
    arrays = [
        tensorstore.open(open_spec(task, i), read=True).result()
        for i in range(task.options["readers"])
    ]
    return readers.in_threads(task, [partial(read_all, array) for array in arrays])


def select(task: Task) -> Workload:
    """Read an array without stored chunks: one element of every chunk, or all elements."""
    array = create({"driver": "memory"}, task.dataset, fill_value=1)
    kind = task.options["kind"]
    index = scale.index(kind, task.dataset)
    read_by = {"basic": array, "orthogonal": array.oindex, "coordinate": array.vindex}[kind]
    return Workload(
        lambda: read_by[index].read().result(),
        lambda result: scale.check(kind, task.dataset, result),
    )


def members(task: Task) -> Workload:
    """Raise `Unsupported`: there are no groups in tensorstore."""
    raise Unsupported("tensorstore does not support groups")


def flow(task: Task) -> Workload:
    """Run those flows that tensorstore supports: reads of arrays with one key per chunk."""
    name = task.options["flow"]
    if name in ("fsspec-keys", "obstore-keys"):
        return read(task)
    if name == "busy":
        return read(replace(task, url=busy(task.url)))
    if name == "concurrent":
        array = tensorstore.open(open_spec(task), read=True).result()
        return readers.parts_in_threads(task, lambda part: array[part].read().result())
    raise Unsupported("tensorstore does not support references")


OPERATIONS: dict[str, Callable[[Task], Workload]] = {
    "read": read,
    "write": write,
    "open": open_array,
    "members": members,
    "threads": read_in_threads,
    "processes": readers.in_processes,
    "import": imports.workload,
    "scale": select,
    "flow": flow,
}
