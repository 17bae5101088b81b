"""Typical reads from a server: reads with dask, reads of many variables, concurrent reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr
from bench import remote
from bench.datasets import REFERENCES
from bench.readers import parts_in_threads
from bench.server import busy
from bench.task import Task
from bench.values import AnyValues, check_equal
from bench.workload import Unsupported, Workload

# The options of a case contain the name of its flow, and may contain zarr settings for this flow,
# under these keys.
FLOW, SETTINGS = "flow", "settings"
# In flows that read many variables, each variable consists of one chunk. Only every second chunk of
# the data is used as a variable, so merged reads contain unused bytes.
STRIDE = 2
VARIABLE = "a"


def whole(task: Task) -> Callable[[Any], None]:
    """Return a function that checks the elements of the whole array."""
    return lambda result: check_equal(result, task.expected())


def keys(task: Task, store: Any) -> Workload:
    """Read an array with one key per chunk."""
    array = zarr.open_array(store, mode="r")
    return Workload(lambda: array[...], whole(task))


def concurrent(task: Task) -> Workload:
    """Read parts of an array through one store, each part in its own thread."""
    array = zarr.open_array(remote.by_fsspec(task), mode="r")
    return parts_in_threads(task, array.__getitem__)


# --- references into one object ---------------------------------------------------------


def chunks_of_object(task: Task) -> tuple[dict[str, Any], list[list[Any]]]:
    """Return the metadata of an array, and the URL, offset and length of each chunk."""
    references = json.loads((Path(task.folder) / REFERENCES).read_text())
    metadata = json.loads(references.pop("zarr.json"))
    in_order = sorted(references.items(), key=lambda item: item[1][1])
    return metadata, [[f"{task.url}/{name}", *where] for _, (name, *where) in in_order]


def group_of(task: Task, arrays: Mapping[str, tuple[dict[str, Any], Sequence[list[Any]]]]) -> Any:
    """Return a reference file system with a group that contains the given arrays."""
    references: dict[str, Any] = {
        "zarr.json": json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}})
    }
    for name, (metadata, chunks) in arrays.items():
        references[f"{name}/zarr.json"] = json.dumps(metadata)
        references.update({f"{name}/c/{i}": where for i, where in enumerate(chunks)})
    return remote.over_references(task, references)


def store_over(filesystem: Any) -> Any:
    """Return a new store without cached values, over a file system with open connections."""
    return zarr.storage.FsspecStore(filesystem, read_only=True, path="")


def references(task: Task, *, obstore: bool = False) -> Workload:
    """Read an array whose chunks are references, with a new store for each run."""
    metadata, places = chunks_of_object(task)
    found = {"zarr.json": json.dumps(metadata)} | {f"c/{i}": p for i, p in enumerate(places)}
    filesystem = remote.over_references(task, found, obstore=obstore)
    array: Any = None

    def before() -> None:
        nonlocal array
        array = zarr.open_array(store_over(filesystem), mode="r")

    return Workload(lambda: array[...], whole(task), before)


def dask(task: Task) -> Workload:
    """Open references with xarray, and compute an array in dask threads, one task per chunk."""
    try:
        import dask.array  # noqa: F401
        import xarray
    except ImportError as error:
        raise Unsupported(str(error)) from error
    metadata, places = chunks_of_object(task)
    filesystem = group_of(task, {VARIABLE: ({**metadata, "dimension_names": ["x"]}, places)})
    settings = dict(task.options.get(SETTINGS, {}))
    data: Any = None

    def before() -> None:
        nonlocal data
        with zarr.config.set(settings):
            opened = xarray.open_zarr(
                store_over(filesystem), chunks={}, consolidated=False, mask_and_scale=False
            )
        data = opened[VARIABLE].data

    def run() -> Any:
        with zarr.config.set(settings):
            return data.compute(scheduler="threads", num_workers=task.options["threads"])

    return Workload(run, whole(task), before)


def variables(task: Task) -> tuple[Any, list[str], AnyValues]:
    """Return a reference file system with small arrays, their names, and their elements."""
    metadata, places = chunks_of_object(task)
    count = min(task.options["variables"], len(places) // STRIDE)
    size = task.dataset.chunks[0]
    names = [f"v{i:03}" for i in range(count)]
    metadata["shape"] = [size]
    arrays = {name: (metadata, [places[STRIDE * i]]) for i, name in enumerate(names)}
    return (
        group_of(task, arrays),
        names,
        task.expected().reshape(-1, size)[: STRIDE * count : STRIDE],
    )


def coordinates(task: Task) -> Workload:
    """Read all arrays of a group by `zarr.read_many`, or by a loop if there is no such function."""
    filesystem, names, expected = variables(task)
    read_many = getattr(zarr, "read_many", None)
    arrays: list[Any] = []

    def before() -> None:
        group = zarr.open_group(store_over(filesystem), mode="r")
        arrays[:] = [group[name] for name in names]

    def run() -> Any:
        return [array[...] for array in arrays] if read_many is None else read_many(arrays)

    return Workload(run, lambda found: check_equal(found, expected), before)


def load_async(task: Task) -> Workload:
    """Read all arrays of a group by concurrent tasks of one event loop."""
    filesystem, names, expected = variables(task)
    runner = asyncio.Runner()
    arrays: list[Any] = []

    async def open_arrays() -> None:
        group = await zarr.api.asynchronous.open_group(store_over(filesystem), mode="r")
        arrays[:] = [await group.getitem(name) for name in names]

    async def read() -> list[Any]:
        return await asyncio.gather(*(array.getitem(...) for array in arrays))

    return Workload(
        lambda: runner.run(read()),
        lambda found: check_equal(found, expected),
        before=lambda: runner.run(open_arrays()),
        close=runner.close,
    )


FLOWS: dict[str, Callable[[Task], Workload]] = {
    "fsspec-keys": lambda task: keys(task, remote.by_fsspec(task)),
    "obstore-keys": lambda task: keys(task, remote.by_obstore(task)),
    "busy": lambda task: keys(task, remote.by_fsspec(task, url=busy(task.array_url()))),
    "fsspec-references": references,
    "obstore-references": lambda task: references(task, obstore=True),
    "concurrent": concurrent,
    "dask": dask,
    "coordinates": coordinates,
    "load-async": load_async,
}


def workload(task: Task) -> Workload:
    """Return the workload for the flow that `task.options` names."""
    return FLOWS[task.options[FLOW]](task)
