"""FsspecStore over servers: faults, requests, references, event loops and processes."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.implementations.reference import ReferenceNotReachable
from tests.servers.range_server import Fault, RangeServer
from tests.stores.fsspec_kit import PROTOTYPE, RANGES, TEN, buffer, listed, memory_root, part, read

from zarr.core._byte_ranges import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
)
from zarr.core.sync import sync
from zarr.errors import ZarrUserWarning
from zarr.storage import FsspecStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.s3 import S3Server


# --- a real server that misbehaves ------------------------------------------------------


FAILING = {
    "403": Fault(status=403),
    "408": Fault(status=408),
    "416": Fault(status=416),
    "429": Fault(status=429),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "reset": Fault(reset=True),
    "reset amid the body": Fault(reset_after=1),
    "truncated": Fault(truncate_to=1),
    "too long a body promised": Fault(declare=200),
    "too short a body promised": Fault(declare=2),
}
MISLEADING = {
    "another range": Fault(headers={"Content-Range": "bytes 0-2/10"}),
    "a shifted range": Fault(headers={"Content-Range": "bytes 6-8/10"}),
    "garbage as range": Fault(headers={"Content-Range": "garbage"}),
    "no range": Fault(headers={"Content-Range": ""}),
    "part of the range": Fault(body=b"z"),
    "more than the range": Fault(body=b"zzzzzzzzz"),
}


@pytest.mark.parametrize("name", FAILING)
def test_http_failure_is_raised(range_server: RangeServer, name: str) -> None:
    range_server.objects["a"] = TEN
    range_server.inject("a", FAILING[name])
    store = FsspecStore.from_url(range_server.url)
    for byte_range in (None, RangeByteRequest(2, 5), OffsetByteRequest(3), SuffixByteRequest(3)):
        with pytest.raises(Exception, match=r"."):
            read(store, "a", byte_range)


@pytest.mark.parametrize("name", MISLEADING)
@pytest.mark.parametrize(
    "byte_range", [RangeByteRequest(2, 5), OffsetByteRequest(5), SuffixByteRequest(4)], ids=repr
)
def test_http_answer_to_another_question_is_refused(
    range_server: RangeServer, name: str, byte_range: ByteRequest
) -> None:
    range_server.objects["a"] = TEN
    range_server.inject("a", MISLEADING[name])
    with pytest.raises(OSError, match="the server sent"):
        read(FsspecStore.from_url(range_server.url), "a", byte_range)


@pytest.mark.parametrize("byte_range", RANGES, ids=repr)
def test_http_server_that_ignores_ranges(
    range_server: RangeServer, byte_range: ByteRequest | None
) -> None:
    """It may, and then sends the whole object, of which the range is a part."""
    range_server.objects["a"] = TEN
    range_server.inject("a", Fault(ignore_range=True))
    assert read(FsspecStore.from_url(range_server.url), "a", byte_range) == part(TEN, byte_range)


@pytest.mark.parametrize("total", ["10", "*"])
@pytest.mark.parametrize("byte_range", [r for r in RANGES if r is not None], ids=repr)
def test_http_range_of_known_or_unknown_size(
    range_server: RangeServer, byte_range: ByteRequest, total: str
) -> None:
    range_server.objects["a"] = TEN
    wanted = part(TEN, byte_range)
    if wanted:
        start = TEN.index(wanted)
        described = f"bytes {start}-{start + len(wanted) - 1}/{total}"
        range_server.inject("a", Fault(headers={"Content-Range": described}))
    if len(wanted) < 10:  # the other ranges ask for no range
        assert read(FsspecStore.from_url(range_server.url), "a", byte_range) == wanted


@pytest.mark.parametrize("status", [403, 500, 503])
def test_http_look_at_a_path_that_fails(range_server: RangeServer, status: int) -> None:
    """fsspec reports it as a missing file."""
    range_server.objects["a"] = TEN
    range_server.inject("a", Fault(status=status), method=None)
    store = FsspecStore.from_url(range_server.url)
    looks: list[Callable[[], Any]] = [lambda: store.exists("a"), lambda: store.getsize("a")]
    for look in looks:
        with pytest.raises(Exception, match=str(status)) as raised:
            sync(look())
        assert not isinstance(raised.value, FileNotFoundError)


def test_http_404_is_absent(range_server: RangeServer) -> None:
    store = FsspecStore.from_url(range_server.url)
    assert read(store, "nope") is None
    assert [(r.method, r.status) for r in range_server.requests] == [("GET", 404)]
    assert not sync(store.exists("nope"))


def test_http_timeout_is_raised(range_server: RangeServer) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    range_server.objects["a"] = TEN
    range_server.inject("a", Fault(hang=True))
    timeout = aiohttp.ClientTimeout(total=0.2)
    store = FsspecStore.from_url(range_server.url, {"client_kwargs": {"timeout": timeout}})
    with pytest.raises(TimeoutError):
        read(store, "a")


def test_s3_requests(s3_server: S3Server, s3_bucket: str) -> None:
    """One request for one value, its range where there is one, and no second look."""
    store = FsspecStore.from_url(f"s3://{s3_bucket}/root", s3_server.storage_options)
    sync(store.set("a", buffer(TEN)))
    path = f"{s3_bucket}/root/a"
    for byte_range, sent in (
        (None, None),
        (RangeByteRequest(2, 5), "bytes=2-4"),
        (OffsetByteRequest(7), "bytes=7-"),
        (SuffixByteRequest(3), "bytes=-3"),
        (RangeByteRequest(3, 3), "bytes=0-0"),
    ):
        s3_server.clear()
        assert read(store, "a", byte_range) == part(TEN, byte_range)
        assert s3_server.reads() == [(path, sent)]
        assert len(s3_server.requests) == 1
    for status, error in ((403, PermissionError), (500, OSError)):
        s3_server.clear()
        s3_server.inject(path, status)
        with pytest.raises(error):
            read(store, "a")
    s3_server.clear()
    sync(store.set("g/c/0", buffer(TEN)))
    sync(store.set("gg", buffer(TEN)))
    sync(store.delete_dir("g"))
    assert sync(listed(store)) == ["a", "gg"]
    sync(store.clear())
    assert sync(listed(store)) == []
    assert s3_server.client().list_buckets()["Buckets"]  # the root is not part of its contents


# --- references -------------------------------------------------------------------------


def test_references(range_server: RangeServer) -> None:
    """Inlined values, parts of files, whole files, and references that lead nowhere."""
    range_server.objects["big"] = bytes(range(100))
    url = f"{range_server.url}/big"
    refs = {
        "inline": "text",
        "part": [url, 10, 5],
        "whole": [url],
        "gone": [f"{range_server.url}/gone", 0, 5],
        "past": [url, 98, 5],
        "none": [url, 10, 0],
    }
    options = {"fo": {"version": 1, "refs": refs}, "remote_protocol": "http"}
    store = FsspecStore.from_url("reference://", options)
    assert read(store, "inline") == b"text"
    for byte_range in RANGES:
        assert read(store, "part", byte_range) == part(bytes(range(10, 15)), byte_range)
    assert read(store, "whole", RangeByteRequest(3, 5)) == b"\3\4"
    assert read(store, "whole", RangeByteRequest(100, 105)) == b""
    assert read(store, "unlisted") is None
    with pytest.raises(ReferenceNotReachable) as raised:
        read(store, "gone")
    assert isinstance(raised.value.__cause__, FileNotFoundError)
    with pytest.raises(ReferenceNotReachable) as raised:
        read(store, "past")
    assert "returned 2 bytes, expected 5" in str(raised.value.__cause__)
    assert sync(listed(store)) == sorted(refs)
    range_server.inject("big", Fault(status=503))
    with pytest.raises(ReferenceNotReachable):
        read(store, "part")


def reference_arguments(url: str) -> dict[str, Callable[[], Any]]:
    """Ways in which users make a reference file system."""
    refs: dict[str, Any] = {"version": 1, "refs": {"a": [url, 2, 3]}}
    return {
        "remote_protocol": lambda: {"fo": refs, "remote_protocol": "http"},
        "remote_options": lambda: {
            "fo": refs,
            "remote_protocol": "http",
            "remote_options": {"block_size": 5},
        },
        "protocol of the references": lambda: {"fo": refs},
        "fs": lambda: {"fo": refs, "fs": fsspec.filesystem("http")},
        "dict of fs": lambda: {"fo": refs, "fs": {"http": fsspec.filesystem("http")}},
        "dict of options": lambda: {"fo": refs, "fs": {"http": {"block_size": 5}}},
    }


@pytest.mark.parametrize("how", reference_arguments(""))
@pytest.mark.parametrize("by", ["url", "mapper", "instance"])
def test_reference_file_systems_open(range_server: RangeServer, how: str, by: str) -> None:
    """However synchronous the parts are, they are made asynchronous together."""
    range_server.objects["big"] = TEN
    options = reference_arguments(f"{range_server.url}/big")[how]()
    if by == "url":
        store = FsspecStore.from_url("reference://", options)
    elif by == "mapper":
        store = FsspecStore.from_mapper(fsspec.get_mapper("reference://", **options))
    else:
        with pytest.warns(ZarrUserWarning, match="was not created with `asynchronous=True`"):
            store = FsspecStore(fsspec.filesystem("reference", **options), path="")
    assert read(store, "a") == b"234"
    assert asyncio.run(store.get("a", PROTOTYPE)).to_bytes() == b"234"  # type: ignore[union-attr]


# --- loops and processes ----------------------------------------------------------------


def test_one_store_in_several_loops(range_server: RangeServer) -> None:
    range_server.objects["a"] = TEN
    store = FsspecStore.from_url(range_server.url)
    other = FsspecStore.from_url(range_server.url)

    async def get(store: FsspecStore) -> bytes:
        found = await asyncio.gather(*(store.get("a", PROTOTYPE) for _ in range(3)))
        return b"".join(value.to_bytes() for value in found if value is not None)

    for _ in range(2):
        assert asyncio.run(get(store)) == TEN * 3
        assert asyncio.run(get(other)) == TEN * 3
        assert sync(get(store)) == TEN * 3
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(asyncio.run(get(store)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [TEN * 3] * 4


def test_synchronous_instances(range_server: RangeServer) -> None:
    """An instance whose client lives in fsspec's own loop is not used in another."""
    range_server.objects["a"] = TEN
    fs = fsspec.filesystem("http")
    assert fs.cat_file(f"{range_server.url}/a") == TEN
    with pytest.warns(ZarrUserWarning, match="was not created with `asynchronous=True`"):
        store = FsspecStore(fs, path=range_server.url)
    assert read(store, "a") == TEN
    assert fs.cat_file(f"{range_server.url}/a") == TEN
    mapped = FsspecStore.from_mapper(fs.get_mapper(range_server.url))
    assert mapped.fs.asynchronous
    assert read(mapped, "a") == TEN
    with pytest.raises(TypeError, match="Filesystem needs to support async operations"):
        FsspecStore(fsspec.filesystem("memory"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("used_before", [True, False])
def test_forked_child_reads(range_server: RangeServer, used_before: bool) -> None:
    range_server.objects["a"] = TEN
    store = FsspecStore.from_url(range_server.url)
    if used_before:
        assert read(store, "a") == TEN
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if read(store, "a") == TEN else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert read(store, "a") == TEN


def test_nothing_is_left_open_at_exit(range_server: RangeServer) -> None:
    """Nor does a client that was never closed complain on the way out."""
    range_server.objects["a"] = TEN
    code = f"""
import asyncio
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore

store = FsspecStore.from_url({range_server.url!r})
refs = {{"version": 1, "refs": {{"a": [{range_server.url!r} + "/a", 0, 3]}}}}
other = FsspecStore.from_url("reference://", {{"fo": refs, "remote_protocol": "http"}})
for each in (store, other):
    sync(each.get("a", default_buffer_prototype()))
    asyncio.run(each.get("a", default_buffer_prototype()))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=300,
    )
    assert "Unclosed" not in result.stderr


def test_pickle(range_server: RangeServer) -> None:
    range_server.objects["a"] = TEN
    refs = {"version": 1, "refs": {"a": [f"{range_server.url}/a", 0, 10]}}
    memory = FsspecStore.from_url(memory_root())
    sync(memory.set("a", buffer(TEN)))
    for store in (
        memory,
        FsspecStore.from_url(range_server.url, read_only=True, allowed_exceptions=(KeyError,)),
        FsspecStore.from_url("reference://", {"fo": refs, "remote_protocol": "http"}),
    ):
        assert read(store, "a") == TEN
        pickled = pickle.dumps(store)
        assert len(pickled) < 2000
        again = pickle.loads(pickled)
        assert again == store
        assert again.read_only == store.read_only
        assert again.allowed_exceptions == store.allowed_exceptions
        assert read(again, "a") == TEN


class SlowFtp(MemoryFileSystem):
    """A synchronous file system that fails when it is called twice at a time."""

    protocol = "ftp"
    cachable = False
    busy = threading.Lock()

    def cat_file(self, path: str, **kwargs: Any) -> bytes:
        assert self.busy.acquire(blocking=False), "called twice at a time"
        try:
            threading.Event().wait(0.002)
            return super().cat_file(path, **kwargs)
        finally:
            self.busy.release()


@pytest.mark.parametrize("chained", [False, True])
def test_clients_of_one_connection_get_one_call_at_a_time(chained: bool) -> None:
    fs = SlowFtp()
    root = f"/{uuid.uuid4()}"
    fs.pipe_file(f"{root}/a", TEN)
    if chained:
        fs = DirFileSystem(path=root, fs=fs, skip_instance_cache=True)
        root = ""
    store = pickle.loads(pickle.dumps(FsspecStore.from_mapper(fs.get_mapper(root))))
    requests = [("a", None)] * 10
    for _ in range(2):
        found = asyncio.run(store.get_partial_values(PROTOTYPE, requests))
        assert [value.to_bytes() for value in found] == [TEN] * 10
