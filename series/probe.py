"""Print the requests that some reads of one commit send to a server, as JSON.

    python probe.py

The script runs in the environment of the commit, with the test servers of the commit. The script
therefore uses only features that exist in every commit of the series. The requests of one read are
sorted, because concurrent requests arrive in any order.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
from tests.servers.range_server import RangeServer

import zarr
from zarr.storage import FsspecStore

NCHUNKS, CHUNK = 100, 250
# Bytes between two references; by default, the store merges requests across gaps of up to 16 KiB.
GAPS = {
    "adjacent references": 0,
    "references 8 KiB apart": 8 << 10,
    "references 32 KiB apart": 32 << 10,
}
VALUES = np.arange(1, 4097, dtype="u2").reshape(64, 64)

# Arrays with shards of 16 x 16 elements and inner chunks of 4 x 4. One shard is never written.
SHARDED: dict[str, dict[str, Any]] = {
    "index at the end": {"compressors": None},
    "index at the start": {"compressors": None, "index_location": "start"},
    "compressed": {},
}
SELECTIONS: dict[str, Any] = {
    "one inner chunk": np.s_[0:4, 0:4],
    "a row of inner chunks": np.s_[0:4, 0:16],
    "parts of inner chunks": np.s_[2:7, 3:10],
    "inner chunks that are apart": np.s_[0:16:8, 0:4],
    "two shards": np.s_[0:4, 12:20],
    "four shards": np.s_[14:18, 14:18],
    "a whole shard": np.s_[16:32, 16:32],
    "a whole shard and a part": np.s_[16:32, 16:36],
    "an absent shard": np.s_[49:60, 49:60],
    "an absent shard and its neighbour": np.s_[44:52, 50:54],
    "one element": np.s_[21, 42],
    "all": np.s_[...],
}
OTHERS: dict[str, Any] = {
    "orthogonal": lambda array: array.oindex[[1, 17, 40], [2, 33]],
    "coordinates": lambda array: array.vindex[[1, 17, 40], [2, 33, 60]],
    "blocks": lambda array: array.blocks[0, 1],
}


def write_sharded(place: Path, index_location: str = "end", **options: Any) -> None:
    """Write a sharded array whose last shard is absent."""
    shards: Any = {"shape": (16, 16), "index_location": index_location}
    array = zarr.create_array(
        str(place),
        shape=VALUES.shape,
        chunks=(4, 4),
        shards=shards,
        dtype=VALUES.dtype,
        fill_value=0,
        **options,
    )
    array[:48] = VALUES[:48]
    array[48:, :48] = VALUES[48:, :48]


def requests_of(server: RangeServer, read: Any) -> list[str]:
    """Return the requests of one read, each as method, path and range."""
    server.clear()
    read()
    return sorted(f"{r.method} {r.path} {r.range or 'whole'}" for r in server.requests)


def shards(server: RangeServer, folder: Path) -> dict[str, list[str]]:
    """Return the requests that reads of sharded arrays send."""
    found = {}
    for name, options in SHARDED.items():
        place = name.replace(" ", "-")
        write_sharded(folder / place, **options)
        for path in (folder / place).rglob("*"):
            if path.is_file():
                server.objects[path.relative_to(folder).as_posix()] = path.read_bytes()
        store = FsspecStore.from_url(f"{server.url}/{place}", read_only=True)
        array = zarr.open_array(store, mode="r")
        expected = VALUES.copy()
        expected[48:, 48:] = 0
        if not np.array_equal(array[...], expected):
            raise SystemExit(f"{name}: wrong values")
        reads = {k: lambda s=s, a=array: a[s] for k, s in SELECTIONS.items()}
        reads |= {k: lambda r=r, a=array: r(a) for k, r in OTHERS.items()}
        for kind, read in reads.items():
            found[f"{name}, {kind}"] = requests_of(server, read)
    return found


def whole_chunks(server: RangeServer, folder: Path) -> dict[str, list[str]]:
    """Return the requests that reads of whole arrays without shards send."""
    values = np.arange(NCHUNKS * CHUNK, dtype="f4")
    chunks = [values[i * CHUNK : (i + 1) * CHUNK].tobytes() for i in range(NCHUNKS)]
    zarr.create_array(
        str(folder / "plain"), shape=values.shape, chunks=(CHUNK,), dtype="f4", compressors=None
    )
    metadata = (folder / "plain" / "zarr.json").read_text()

    def requests(store: FsspecStore) -> list[str]:
        array = zarr.open_array(store, mode="r")

        def read() -> None:
            if not np.array_equal(array[...], values):
                raise SystemExit("wrong values")

        return requests_of(server, read)

    found = {}
    for name, gap in GAPS.items():
        place = name.replace(" ", "-")
        step = len(chunks[0]) + gap
        server.objects[place] = b"".join(chunk + bytes(gap) for chunk in chunks)
        refs: dict[str, Any] = {
            f"c/{i}": [f"{server.url}/{place}", i * step, len(chunk)]
            for i, chunk in enumerate(chunks)
        }
        filesystem = fsspec.filesystem(
            "reference",
            fo={"version": 1, "refs": {**refs, "zarr.json": metadata}},
            remote_protocol="http",
            remote_options={"asynchronous": True, "skip_instance_cache": True},
            asynchronous=True,
            skip_instance_cache=True,
        )
        found[f"{NCHUNKS} {name}"] = requests(FsspecStore(filesystem, read_only=True, path=""))
    server.objects["plain/zarr.json"] = metadata.encode()
    server.objects.update({f"plain/c/{i}": chunk for i, chunk in enumerate(chunks)})
    store = FsspecStore.from_url(f"{server.url}/plain", read_only=True)
    found[f"{NCHUNKS} keys"] = requests(store)
    return found


def main() -> None:
    """Print the requests."""
    with tempfile.TemporaryDirectory() as folder, RangeServer({}) as server:
        found = {
            "shards": shards(server, Path(folder)),
            "whole": whole_chunks(server, Path(folder)),
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
