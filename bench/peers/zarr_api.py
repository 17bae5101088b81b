"""Case operations with `zarr` (this checkout, the commit before `get_many`, or a release)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import zarr
from bench import datasets, flows, formats, imports, memory, overlap, readers, remote, scale
from bench.scratch import Scratch
from bench.task import Task
from bench.values import check_equal
from bench.workload import Unsupported, Workload, WrongResult

MODULE: str | None = "zarr"


def configure(settings: dict[str, Any]) -> None:
    """Set configuration for the whole process."""
    zarr.config.set(settings)


def store_of(task: Task, copy: int | None = None) -> Any:
    """Return the `store` argument of `zarr.open`."""
    if task.transport == "local":
        return task.path(copy)
    if task.transport in ("http", "s3"):
        return remote.by_fsspec(task, copy)
    if task.transport == "references":
        return reference_store(task)
    raise Unsupported(f"transport {task.transport}")


def reference_store(task: Task) -> Any:
    """Return a store for a dataset whose chunks are references into an object on a server."""
    import fsspec

    references = json.loads((Path(task.folder) / datasets.REFERENCES).read_text())
    for value in references.values():
        if isinstance(value, list):
            value[0] = f"{task.url}/{value[0]}"
    filesystem = fsspec.filesystem(
        "reference",
        fo={"version": 1, "refs": references},
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
    )
    return zarr.storage.FsspecStore(filesystem, read_only=True, path="")


def open_for_reading(task: Task) -> Any:
    """Return the open array of a task; an array in memory is written first."""
    if task.transport == "memory":
        array = datasets.create({}, task.dataset)
        array[...] = task.expected()
        return array
    return zarr.open_array(store_of(task), mode="r")


def read(task: Task) -> Workload:
    """Read an array, or a selection of it."""
    array, selection = open_for_reading(task), task.slices
    return Workload(
        lambda: array[selection], lambda result: check_equal(result, task.expected()[selection])
    )


def write(task: Task) -> Workload:
    """Write all chunks of an array that was created before."""
    elements = task.expected()
    scratch = Scratch(task.scratch, "zarr")
    array: Any = None

    def before() -> None:
        nonlocal array
        array = datasets.create({} if task.transport == "memory" else scratch.renew(), task.dataset)

    def run() -> None:
        array[...] = elements

    def check(_: Any) -> None:
        if task.transport == "memory":
            check_equal(array[...], elements)
        else:
            from bench.peers import bare

            stored = bare.read_local(task.dataset, str(scratch.folder), bare.bounds_of(task))
            check_equal(stored, elements)

    return Workload(run, check, before)


def open_array(task: Task) -> Workload:
    """Open an array."""
    store = store_of(task)

    def check(array: Any) -> None:
        if array.shape != task.dataset.shape:
            raise WrongResult(f"shape {array.shape}")

    return Workload(lambda: zarr.open_array(store, mode="r"), check)


def members(task: Task) -> Workload:
    """List the children of a group; a workload with a local group also opens the group."""
    store, count = store_of(task), task.dataset.children

    def check(found: Any) -> None:
        if len(dict(found)) != count:
            raise WrongResult(f"{len(found)} children, not {count}")

    if task.transport == "local":
        return Workload(lambda: zarr.open_group(store, mode="r").members(), check)
    return Workload(zarr.open_group(store, mode="r").members, check)


def read_in_threads(task: Task) -> Workload:
    """Read several arrays, each in its own thread."""
    count = task.options["readers"]
    arrays = [zarr.open_array(store_of(task, copy), mode="r") for copy in range(count)]
    return readers.in_threads(task, [partial(array.__getitem__, ...) for array in arrays])


def select(task: Task) -> Workload:
    """Read an array without stored chunks: all elements, or one element of every chunk."""
    array = datasets.create({}, task.dataset, fill_value=1)
    kind = task.options["kind"]
    index = scale.index(kind, task.dataset)
    read_by = {"basic": array, "orthogonal": array.oindex, "coordinate": array.vindex}[kind]
    return Workload(lambda: read_by[index], lambda result: scale.check(kind, task.dataset, result))


OPERATIONS: dict[str, Callable[[Task], Workload]] = {
    "read": read,
    "write": write,
    "open": open_array,
    "members": members,
    "threads": read_in_threads,
    "processes": readers.in_processes,
    "import": imports.workload,
    "memory": memory.workload,
    "overlap": overlap.workload,
    "scale": select,
    "flow": flows.workload,
    "formats": lambda task: formats.workload(task, OPERATIONS),
}
