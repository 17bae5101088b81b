"""The cases: everything that the benchmarks measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench import formats, scale
from bench.datasets import Dataset

V2 = "-v2"
# The pipeline of zarrs takes 20 s for 1000 keys over HTTP. The case ``keys-http`` shows this. The
# cases with several readers over HTTP omit this pipeline.
WITHOUT_ZARRS = ("ours", "main", "zarr", "fused", "tensorstore", "limit")
IN_FLOWS = ("ours", "main", "zarr", "tensorstore")
SECONDS, MEBIBYTES, RATIO = "s", "MiB", "ratio"


@dataclass(frozen=True)
class Case:
    """One operation that every peer performs.

    Parameters
    ----------
    name : str
        Name; the name of a case in format 2 ends in ``-v2``.
    title : str
        Short description of the operation.
    operation, transport, selection, options
        See `bench.task.Task`.
    dataset : Dataset
        Data that are read or written.
    group : str
        Group of cases that are shown together.
    unit : str
        Unit of the figure.
    peers : tuple of str or None
        Names of the peers that perform the case; None for all peers.
    rounds : int or None
        Maximum number of rounds; None for the limit that applies to all cases.
    """

    name: str
    title: str
    operation: str
    dataset: Dataset
    transport: str = "local"
    selection: tuple[tuple[int, int], ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    group: str = "everyday"
    unit: str = SECONDS
    peers: tuple[str, ...] | None = None
    rounds: int | None = None

    @property
    def is_format_2(self) -> bool:
        """Whether the case is the format 2 twin of another case."""
        return self.name.endswith(V2)

    @property
    def nbytes(self) -> int:
        """Size in bytes of the elements that one run reads or writes."""
        return self.dataset.nbytes * int(self.options.get("readers", 1))


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases: elements, numbers of chunks or objects, and seconds.

    Parameters
    ----------
    side : int
        Elements along each side of the array with small chunks.
    large_side : int
        Elements along each side of the array with large chunks.
    shard : int
        Elements along each side of a shard.
    chunks_in_memory, keys, children : int
        Number of chunks of an array in memory; number of keys on a server; number of children of a
        group.
    readers : tuple of int
        Numbers of concurrent readers.
    reader_side : int
        Elements along each side of the array of one reader.
    callers, variables : int
        Number of threads that concurrently read parts of one array; number of small arrays in one
        object.
    memory_side : int
        Elements along each side of the array whose memory is measured.
    scales : tuple of int
        Numbers of chunks of the arrays in the group of cases ``scale``.
    delay : float
        Seconds that the HTTP server waits before each response.
    """

    side: int = 4096
    large_side: int = 4096
    shard: int = 1024
    chunks_in_memory: int = 10_000
    keys: int = 1000
    children: int = 200
    readers: tuple[int, ...] = (2, 4, 8)
    reader_side: int = 2048
    callers: int = 16
    variables: int = 50
    memory_side: int = 16_384
    scales: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    delay: float = 0.02


FULL = Sizes()
QUICK = Sizes(
    side=1024,
    large_side=2048,
    shard=512,
    chunks_in_memory=1000,
    keys=200,
    children=40,
    readers=(2, 4),
    reader_side=512,
    memory_side=4096,
    scales=(1_000, 10_000),
)
MINI = Sizes(
    side=128,
    large_side=1024,
    shard=128,
    chunks_in_memory=20,
    keys=10,
    children=4,
    readers=(2,),
    reader_side=64,
    callers=2,
    variables=5,
    memory_side=1024,
    scales=(1_000,),
    delay=0.001,
)


def all_cases(sizes: Sizes) -> list[Case]:
    """Return all cases; a format 2 case follows its twin in format 3."""
    cases = []
    for case in (*local(sizes), *remote(sizes), *readers(sizes), *flows(sizes)):
        cases.append(case)
        if has_twin(case):
            dataset = replace(case.dataset, zarr_format=2)
            cases.append(replace(case, name=case.name + V2, dataset=dataset))
    return [*cases, *both_formats(cases), *properties(sizes)]


def has_twin(case: Case) -> bool:
    """Return whether a case is also run in format 2."""
    is_stored = case.dataset.shards is None and case.operation != "import"
    return is_stored and case.group not in ("readers", "flows")


def both_formats(cases: Sequence[Case]) -> Iterator[Case]:
    """Yield cases that measure the ratio of the times with both formats, in one process."""
    for case in cases:
        if not has_twin(case) or case.is_format_2:
            continue
        yield replace(
            case,
            name=f"formats-{case.name}",
            title=f"time with format 2 / time with format 3: {case.title}",
            operation="formats",
            options={**case.options, formats.DOES: case.operation},
            group="formats",
            unit=RATIO,
            peers=("ours",),
            rounds=3,
        )


def local(sizes: Sizes) -> Iterator[Case]:
    """Yield cases on the local disk and in memory."""
    side = (sizes.side, sizes.side)
    small = Dataset(side, (64, 64))
    large = Dataset((sizes.large_side, sizes.large_side), (512, 1024))
    sharded = Dataset(side, (64, 64), shards=(sizes.shard, sizes.shard))
    flat = Dataset((100 * sizes.chunks_in_memory,), (100,), zstd=False, values="ramp")
    one = Dataset((16,), (16,), values="ramp")
    group = Dataset((4,), (4,), zstd=False, values="ramp", children=sizes.children)
    stop = min(300, sizes.side)
    window = ((100, stop), (100, stop))
    count = (sizes.side // 64) ** 2
    of_large = (sizes.large_side // 512) * (sizes.large_side // 1024)

    yield Case("small-full-local", f"read {count} zstd chunks of 64 x 64", "read", small)
    yield Case("small-write-local", f"write {count} zstd chunks of 64 x 64", "write", small)
    yield Case(
        "slice-local", "read a slice of 16 chunks of 64 x 64", "read", small, selection=window
    )
    yield Case("large-full-local", f"read {of_large} zstd chunks of 2 MiB", "read", large)
    yield Case("one-chunk-local", "read one zstd chunk of 64 bytes", "read", one)
    described = f"{count} chunks in shards of {sizes.shard} x {sizes.shard}"
    yield Case("sharded-full-local", f"read {described}", "read", sharded)
    yield Case(
        "sharded-slice-local",
        "read a slice of 16 chunks in shards",
        "read",
        sharded,
        selection=window,
    )
    for what in ("read", "write"):
        title = f"{what} {sizes.chunks_in_memory} uncompressed chunks of 100 elements in memory"
        yield Case(f"small-{what}-memory", title, what, flat, transport="memory")
    yield Case("open-array-local", "open an array", "open", small)
    title = f"open a group and its {sizes.children} members"
    yield Case("open-group-local", title, "members", group)
    for name, text, use in (
        ("import", "import the package, minus the time to import numpy", False),
        (
            "import-use",
            "import the package and get its function that opens an array, minus the time of numpy",
            True,
        ),
    ):
        yield Case(name, text, "import", one, options={"use": use})


def remote(sizes: Sizes) -> Iterator[Case]:
    """Yield cases that read from a server."""
    keys = Dataset((1750 * sizes.keys,), (1750,), zstd=False, values="ramp")
    group = Dataset((4,), (4,), zstd=False, values="ramp", children=sizes.children)
    latency = f"HTTP, {1000 * sizes.delay:.0f} ms per request"
    yield Case(
        "keys-http",
        f"read {sizes.keys} keys of 7 kB, {latency}",
        "read",
        keys,
        transport="http",
        group="remote",
    )
    yield Case(
        "references-http",
        f"read {sizes.keys} references into one object, {latency}",
        "read",
        keys,
        transport="references",
        group="remote",
    )
    yield Case(
        "members-http",
        f"list {sizes.children} members of a group, {latency}",
        "members",
        group,
        transport="http",
        group="remote",
    )
    title = f"read {sizes.keys} keys of 7 kB, S3, {1000 * sizes.delay:.0f} ms per request"
    yield Case("s3-keys", title, "read", keys, transport="s3", group="remote")


def readers(sizes: Sizes) -> Iterator[Case]:
    """Yield cases with several concurrent readers, each with its own array."""
    side, copies = sizes.reader_side, max(sizes.readers)
    large = min(512, side // 2)
    few = max(1, sizes.keys // 10)
    latency = f"HTTP, {1000 * sizes.delay:.0f} ms per request"
    for kind, transport, dataset, described in (
        (
            "small",
            "local",
            Dataset((side, side), (64, 64), copies=copies),
            f"{(side // 64) ** 2} chunks of 64 x 64 each",
        ),
        (
            "large",
            "local",
            Dataset((2 * side, 2 * side), (large, large), copies=copies),
            f"{(2 * side // large) ** 2} chunks of {large} x {large} each",
        ),
        (
            "http",
            "http",
            Dataset((65_536 * few,), (65_536,), values="ramp", copies=copies),
            f"{few} chunks of 256 KiB each, {latency}",
        ),
    ):
        for count in sizes.readers:
            for how in ("threads", "processes"):
                yield Case(
                    f"readers-{kind}-{count}-{how}",
                    f"{count} {how} read {described}",
                    how,
                    dataset,
                    transport=transport,
                    options={"readers": count},
                    group="readers",
                    peers=WITHOUT_ZARRS if transport == "http" else None,
                )


def flows(sizes: Sizes) -> Iterator[Case]:
    """Yield cases that model how users typically read arrays from a server."""
    keys = Dataset((1750 * sizes.keys,), (1750,), zstd=False, values="ramp")
    callers = sizes.callers
    of_callers = Dataset((100 * sizes.keys * callers,), (100,), zstd=False, values="ramp")
    few = {"bulk_reads.max_concurrency": 8}
    ahead = {"bulk_reads.read_ahead_bytes": 8 << 20}
    tasks = f"xarray and dask, {sizes.keys} references, one chunk per task"
    variables = f"read {sizes.variables} small variables in one object"
    for name, title, flow, transport, options in (
        ("fsspec-keys", f"read {sizes.keys} keys with fsspec", "fsspec-keys", "http", {}),
        ("obstore-keys", f"read {sizes.keys} keys with obstore", "obstore-keys", "http", {}),
        ("dask-references", f"{tasks}, 2 threads", "dask", "references", {"threads": 2}),
        (
            "dask-read-ahead",
            f"{tasks}, 2 threads, read-ahead of 8 MiB",
            "dask",
            "references",
            {"threads": 2, "settings": ahead},
        ),
        (
            "dask-64-threads",
            f"{tasks}, 64 threads, at most 8 requests in flight",
            "dask",
            "references",
            {"threads": 64, "settings": few},
        ),
        (
            "coordinates",
            f"{variables} in one call",
            "coordinates",
            "references",
            {"variables": sizes.variables},
        ),
        (
            "load-async",
            f"{variables} with asyncio.gather",
            "load-async",
            "references",
            {"variables": sizes.variables},
        ),
        (
            "concurrent",
            f"{callers} threads read {sizes.keys} keys each",
            "concurrent",
            "http",
            {"threads": callers},
        ),
        ("s3-fsspec-keys", f"read {sizes.keys} keys from S3 with s3fs", "fsspec-keys", "s3", {}),
        (
            "s3-obstore-keys",
            f"read {sizes.keys} keys from S3 with obstore",
            "obstore-keys",
            "s3",
            {},
        ),
        (
            "s3-fsspec-references",
            f"read {sizes.keys} references to S3 with s3fs",
            "fsspec-references",
            "s3-references",
            {},
        ),
        (
            "s3-obstore-references",
            f"read {sizes.keys} references to S3 with obstore",
            "obstore-references",
            "s3-references",
            {},
        ),
        (
            "503",
            f"read {sizes.keys} keys, 5 % of the requests answered with status 503",
            "busy",
            "http",
            {},
        ),
    ):
        yield Case(
            f"flows-{name}",
            title,
            "flow",
            of_callers if flow == "concurrent" else keys,
            transport=transport,
            options={"flow": flow, **options},
            group="flows",
            peers=IN_FLOWS,
            rounds=3 if flow == "concurrent" else 5,
        )


def properties(sizes: Sizes) -> Iterator[Case]:
    """Yield cases that measure memory, overlap, or the time for arrays with very many chunks."""
    side = (sizes.memory_side, sizes.memory_side)
    chunks = (min(512, side[0]), min(1024, side[0]))
    described = f"{4 * side[0] * side[1] / 1e9:.2g} GB"
    for name, dataset in (
        ("raw", Dataset(side, chunks, zstd=False, values="pattern")),
        ("zstd", Dataset(side, chunks, values="pattern")),
        (
            "sharded",
            Dataset(side, (256, 256), (min(2048, side[0]),) * 2, values="pattern"),
        ),
    ):
        yield Case(
            f"memory-{name}",
            f"memory that a read of {described} needs in addition to its result, {name}",
            "memory",
            dataset,
            group="memory",
            unit=MEBIBYTES,
            peers=("ours", "zarr"),
            rounds=2,
        )
    for name, array in (
        ("small", Dataset((sizes.side, sizes.side), (64, 64))),
        ("large", Dataset((sizes.large_side, sizes.large_side), (512, 1024))),
    ):
        yield Case(
            f"overlap-{name}",
            f"duration of a read / duration of fetching or decoding alone, {name} chunks",
            "overlap",
            array,
            group="overlap",
            unit=RATIO,
            peers=("ours", "main", "zarr", "fused"),
        )
    for kind in scale.KINDS:
        for nchunks in sizes.scales:
            yield Case(
                f"scale-{kind}-{nchunks}",
                f"{kind} selection of {nchunks:,} absent chunks",
                "scale",
                scale.dataset(nchunks),
                transport="memory",
                options={"kind": kind, "nchunks": nchunks},
                group="scale",
                peers=("ours", "main", "zarr", "fused", "tensorstore"),
                rounds=5 if nchunks < 100_000 else 1,
            )
