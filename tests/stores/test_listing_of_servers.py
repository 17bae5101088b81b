"""What servers list beside keys: markers of folders, links of index pages, names that are no keys."""

from __future__ import annotations

import functools
import http.server
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.servers import faults
from tests.servers.range_server import RangeServer
from tests.servers.s3 import S3Server
from tests.stores.bulk_kit import buffer, reference_store

import zarr
from zarr.abc.store import Store
from zarr.core._tree import draw_tree
from zarr.core.sync import sync
from zarr.errors import ZarrUserWarning
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ObjectStore, WrapperStore, ZipStore


async def drained(items: AsyncIterator[str]) -> list[str]:
    return sorted([item async for item in items])


def keys(store: Store, prefix: str | None = None) -> list[str]:
    return sync(drained(store.list() if prefix is None else store.list_prefix(prefix)))


def names(store: Store, prefix: str = "") -> list[str]:
    return sync(drained(store.list_dir(prefix)))


# --- markers of folders -----------------------------------------------------------------


def s3fs_store(server: S3Server, bucket: str, prefix: str) -> Store:
    pytest.importorskip("s3fs")
    return FsspecStore.from_url(f"s3://{bucket}/{prefix}".rstrip("/"), server.storage_options)


def obstore_store(server: S3Server, bucket: str, prefix: str) -> Store:
    obstore = pytest.importorskip("obstore")
    return ObjectStore(
        obstore.store.S3Store(
            bucket,
            prefix=prefix or None,
            endpoint=server.url,
            access_key_id=server.storage_options["key"],
            secret_access_key=server.storage_options["secret"],
            region="us-east-1",
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
        )
    )


on_s3 = pytest.mark.parametrize("make", [s3fs_store, obstore_store])


def upload(server: S3Server, bucket: str, values: dict[str, bytes]) -> None:
    for key, value in values.items():
        server.client().put_object(Bucket=bucket, Key=key, Body=value)


@on_s3
def test_markers_of_folders_are_no_members(s3_server: S3Server, s3_bucket: str, make: Any) -> None:
    store = make(s3_server, s3_bucket, "m")
    group = zarr.open_group(store, mode="w")
    group.create_array("x", data=np.array([1, 2]), chunks=(1,))
    group.create_group("h/i")
    markers = ("m/", "m/x/", "m/x/c/", "m/h/", "m/h/i/", "m/none/")
    upload(s3_server, s3_bucket, dict.fromkeys(markers, b""))
    store = make(s3_server, s3_bucket, "m")

    assert names(store) == ["h", "none", "x", "zarr.json"]
    assert names(store, "x") == ["c", "zarr.json"]
    assert names(store, "h") == ["i", "zarr.json"]
    assert names(store, "none") == []
    found = ["h/i/zarr.json", "h/zarr.json", "x/c/0", "x/c/1", "x/zarr.json", "zarr.json"]
    assert keys(store) == keys(store, "") == found
    assert keys(store, "x") == keys(store, "x/") == found[2:5]
    assert keys(store, "none") == []
    opened = zarr.open_group(store, mode="r")
    with pytest.warns(ZarrUserWarning, match="none"):
        assert sorted(opened.keys()) == ["h", "x"]
    with pytest.warns(ZarrUserWarning, match="none"):
        assert "x (2,)" in repr(opened.tree())
    with pytest.warns(ZarrUserWarning, match="none"):
        assert [path for path, _ in opened.members(max_depth=None)] == ["h", "x", "h/i"]


@on_s3
@pytest.mark.parametrize("below", ["", "m"])
def test_the_root_does_not_list_itself(
    s3_server: S3Server, s3_bucket: str, make: Any, below: str
) -> None:
    upload(s3_server, s3_bucket, {"m/": b"", "m/m/": b"", "m/m/a": b"x", "m/zero": b""})
    root = make(s3_server, s3_bucket, below)
    prefix = "" if below else "m"
    assert names(root, prefix) == ["m", "zero"]  # a folder of the same name is a name
    assert names(root, f"{prefix}/m".strip("/")) == ["a"]
    assert [key.removeprefix("m/") for key in keys(root, prefix)] == (
        ["a", "zero"] if below else ["m/a", "zero"]
    )


@on_s3
def test_hadoop_markers_are_names(s3_server: S3Server, s3_bucket: str, make: Any) -> None:
    """They are objects as any other, and their end is a convention of some clients."""
    upload(s3_server, s3_bucket, {"m/x_$folder$": b"", "m/x/a": b"x"})
    store = make(s3_server, s3_bucket, "m")
    assert names(store) == ["x", "x_$folder$"]
    assert keys(store) == ["x/a", "x_$folder$"]


@on_s3
def test_what_can_be_no_key_is_not_listed(s3_server: S3Server, s3_bucket: str, make: Any) -> None:
    store = make(s3_server, s3_bucket, "m")
    zarr.open_group(store, mode="w").create_group("x")
    upload(s3_server, s3_bucket, dict.fromkeys(("m/a\\b", "m/x/c\\d/zarr.json"), b"{}"))
    if make is s3fs_store:  # obstore fails, and says where
        others = ("m/a//b", "m/../e", "m/./e", "m/x//", "m//zarr.json")
        upload(s3_server, s3_bucket, dict.fromkeys(others, b"{}"))
    store = make(s3_server, s3_bucket, "m")
    readable = ["./e", "a//b"] if make is s3fs_store else []
    assert keys(store) == sorted([*readable, "x/zarr.json", "zarr.json"])
    assert set(names(store)) - {"a"} == {"x", "zarr.json"}
    assert names(store, "x") == ["zarr.json"]
    group = zarr.open_group(store, mode="r")
    if "a" in names(store):
        with pytest.warns(ZarrUserWarning, match="Object at a"):
            assert list(group.keys()) == ["x"]
    else:
        assert list(group.keys()) == ["x"]


@on_s3
def test_deleted_with_markers(s3_server: S3Server, s3_bucket: str, make: Any) -> None:
    upload(s3_server, s3_bucket, {"m/x/": b"", "m/x/a": b"1", "m/x/y/": b"", "m/z": b"1"})
    store = make(s3_server, s3_bucket, "m")
    sync(store.delete_dir("x"))
    assert keys(store) == ["z"]


# --- walking ----------------------------------------------------------------------------


class ListsMore(WrapperStore[MemoryStore]):
    """Lists names that are no children along with those that are."""

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in ("", ".", "..", "../x", "a\\b", "a//b", "g/h", "/", prefix or "/"):
            yield name
        async for name in super().list_dir(prefix):
            yield name


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_walking_ends_whatever_is_listed(zarr_format: Any) -> None:
    memory = MemoryStore()
    root = zarr.open_group(memory, mode="w", zarr_format=zarr_format)
    root.create_group("g/h").create_array("x", shape=(2,), dtype="i4")
    group = zarr.open_group(ListsMore(memory), mode="r", zarr_format=zarr_format)
    with pytest.warns(ZarrUserWarning, match="not recognized") as warned:
        assert [path for path, _ in group.members(max_depth=None)] == ["g", "g/h", "g/h/x"]
    # Only a name that could be one: that of the group, listed within it.
    assert {str(w.message).split()[2] for w in warned} == {"g/g"}
    with pytest.warns(ZarrUserWarning):
        assert repr(group.tree()).count("h") == 1


def test_a_group_within_one_of_its_name() -> None:
    root = zarr.open_group({}, mode="w")
    root.create_group("g/g/g")
    assert [path for path, _ in root.members(max_depth=None)] == ["g", "g/g", "g/g/g"]


# --- index pages ------------------------------------------------------------------------

APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><body><h1>Index</h1><table>
<tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th>
<th><a href="?C=S;O=A">Size</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr>
<tr><td><a href="x/">x/</a></td></tr><tr><td><a href="two%20words/">two words/</a></td></tr>
<tr><td><a href="zarr.json">zarr.json</a></td></tr></table></body></html>"""

NGINX = """<html><head><title>Index of /g/</title></head><body><h1>Index of /g/</h1><hr><pre>
<a href="../">../</a>
<a href="two%20words/">two words/</a>    29-Nov-2026 20:00    -
<a href="x/">x/</a>                      29-Nov-2026 20:00    -
<a href="zarr.json">zarr.json</a>        29-Nov-2026 20:00    113
</pre><hr></body></html>"""

CADDY = """<html><body><a href="..">Go up</a><a href="./?sort=name&amp;order=desc">Name</a>
<A class=dir HREF='./x/'>x</A><a href=./two%20words/>two words</a>
<a id="f" href="./zarr.json">zarr.json</a></body></html>"""

OTHERS = """<html><body><a name="top">Top</a><a href="#top">up</a><a href="">this</a><a href="./">.</a>
<a href="https://example.org/g/elsewhere/">elsewhere</a><a href="//example.org/g/there">there</a>
<a href="mailto:a@example.org">mail</a><a href="javascript:void(0)">do</a>
<a href="/other/y/">other</a><a href="../beside/">beside</a><a href="x/c/0">deep</a>
<a href="/g/x/">x</a><a href="%2e%2e/up/">up</a><a href="a%5Cb">backslash</a><a href="q%3Fq">q</a>
<a href="x/?download=1">download</a><a href="zarr.json#L1">line</a><a href="index.html">home</a>
<a href="{url}/g/two%20words/">two words</a><a href="{url}/g/">again</a>
<a href="zarr.json">zarr.json</a><a href="zarr.json">once more</a></body></html>"""


@pytest.mark.parametrize("page", [APACHE, NGINX, CADDY, OTHERS])
@pytest.mark.parametrize("root", ["", "/"])
def test_members_of_an_index_page(range_server: RangeServer, page: str, root: str) -> None:
    memory = MemoryStore()
    group = zarr.open_group(memory, mode="w")
    for name in ("x", "two words"):
        group.create_array(name, shape=(2,), dtype="i4")
    for key in keys(memory):
        value = memory.get_sync(key)
        assert value is not None
        range_server.objects[f"g/{key}"] = value.to_bytes()
    range_server.objects["g/"] = page.replace("{url}", range_server.url).encode()
    store = FsspecStore.from_url(f"{range_server.url}/g{root}", read_only=True)
    assert names(store) == ["two words", "x", "zarr.json"]
    assert keys(store) == ["two words/zarr.json", "x/zarr.json", "zarr.json"]
    range_server.clear()
    opened = zarr.open_group(store, mode="r", zarr_format=3)
    assert sorted(opened.keys()) == ["two words", "x"]
    asked = [request.path for request in range_server.requests]
    assert asked[:2] == ["g/zarr.json", "g/"]
    assert set(asked[2:]) == {"g/two words/zarr.json", "g/x/zarr.json"}
    assert len(asked) == 4


class _Recorded(http.server.SimpleHTTPRequestHandler):
    statuses: list[tuple[str, int]]

    def send_response(self, code: int, message: str | None = None) -> None:
        self.statuses.append((self.path, code))
        super().send_response(code, message)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded, not printed."""


@pytest.fixture
def python_server(tmp_path: Path) -> Iterator[tuple[str, Path, list[tuple[str, int]]]]:
    """The file server of the standard library: its URL, its directory, what it has answered."""
    statuses: list[tuple[str, int]] = []
    handler = type("Handler", (_Recorded,), {"statuses": statuses})
    made = functools.partial(handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", tmp_path, statuses
        server.shutdown()


def test_no_redirection_is_paid_for(
    python_server: tuple[str, Path, list[tuple[str, int]]],
) -> None:
    url, directory, statuses = python_server
    group = zarr.open_group(str(directory / "g"), mode="w")
    group.create_array("x & y <z>", data=np.array([1, 2]), chunks=(1,))
    group.create_group("é/empty")
    store = FsspecStore.from_url(f"{url}/g", read_only=True)
    opened = zarr.open_group(store, mode="r", zarr_format=3)
    found = [path for path, _ in opened.members(max_depth=None)]
    assert found == ["x & y <z>", "é", "é/empty"]
    assert keys(store) == keys(LocalStore(directory / "g"))
    assert [path for path, status in statuses if status not in (200, 404)] == []
    statuses.clear()
    assert names(store, "é/nothing") == []
    assert [status for _, status in statuses] == [404]


@pytest.mark.parametrize(
    "fault",
    [
        faults.unavailable(),
        faults.redirect_to_nowhere(),
        faults.no_content(),
        faults.unasked_part(0, 30),
        faults.cut_in_the_body(),
        faults.reset_before_the_reply(),
    ],
)
def test_a_listing_that_fails_is_no_empty_one(range_server: RangeServer, fault: Any) -> None:
    range_server.objects["g/"] = NGINX.encode()
    store = FsspecStore.from_url(f"{range_server.url}/g", read_only=True)
    range_server.inject("g/", fault)
    for listing in (names, keys):
        with pytest.raises(Exception) as caught:  # of many kinds
            listing(store)
        assert not isinstance(caught.value, FileNotFoundError)


def test_a_file_has_no_children(range_server: RangeServer) -> None:
    range_server.objects["g/a"] = b"12"
    store = FsspecStore.from_url(range_server.url, read_only=True)
    assert names(store, "g/a") == []
    url = f"memory://{uuid.uuid4()}"
    memory = FsspecStore.from_url(url)
    sync(memory.set("g/a", buffer(b"12")))
    assert names(memory, "g/a") == []
    assert names(memory, "g") == ["a"]
    assert keys(memory, "g/a") == ["g/a"]


# --- sizes ------------------------------------------------------------------------------

SIZES = {"g/a": b"1", "g/c/0": b"12345", "g/c/1": b"", "gg": b"123", "h/0": b"1234"}


def check_sizes(store: Store) -> None:
    for prefix, size in {"": 13, "g": 6, "g/": 6, "g/c": 5, "nothing": 0, "h": 4}.items():
        assert sync(store.getsize_prefix(prefix)) == size, prefix


@on_s3
def test_sizes_are_those_of_the_listing(s3_server: S3Server, s3_bucket: str, make: Any) -> None:
    values = {key: value for key, value in SIZES.items() if value}
    upload(s3_server, s3_bucket, {f"m/{key}": value for key, value in values.items()})
    store = make(s3_server, s3_bucket, "m")
    check_sizes(store)
    store = make(s3_server, s3_bucket, "m")
    s3_server.clear()
    assert sync(store.getsize_prefix("g")) == 6
    assert [request.method for request in s3_server.requests] == ["GET"]


def test_sizes_in_files_and_memory(tmp_path: Path) -> None:
    stores: list[Store] = [
        MemoryStore(),
        LocalStore(tmp_path / "local"),
        ZipStore(tmp_path / "a.zip", mode="w"),
        FsspecStore.from_url(f"memory://{uuid.uuid4()}"),
        FsspecStore.from_url(f"file://{tmp_path}/fsspec", {"auto_mkdir": True}),
    ]
    for store in stores:
        for key, value in SIZES.items():
            sync(store.set(key, buffer(value)))
        check_sizes(store)
        asked: list[str] = []
        store.getsize = asked.append  # type: ignore[method-assign, assignment]
        check_sizes(store)
        assert asked == []
        store.close()


def test_sizes_that_are_not_listed_are_asked_for(range_server: RangeServer) -> None:
    range_server.objects.update({"g/a": b"1", "g/c/0": b"12345"})
    store = FsspecStore.from_url(range_server.url, read_only=True)
    assert sync(store.getsize_prefix("g")) == 6
    references = {key: ["http://127.0.0.1:1/x", 5, len(value)] for key, value in SIZES.items()}
    check_sizes(reference_store(references))


# --- depth ------------------------------------------------------------------------------

PARTS = 2000
DEEP = "/".join(["a"] * PARTS)


def check_deep(store: Store) -> None:
    sync(store.set(f"{DEEP}/b", buffer(b"12")))
    assert keys(store) == keys(store, "a") == [f"{DEEP}/b"]
    assert names(store) == ["a"]
    assert names(store, DEEP) == ["b"]
    assert sync(store.getsize_prefix("")) == 2
    sync(store.delete_dir("a"))
    assert keys(store) == []


def test_deep_keys_in_file_systems_of_fsspec(tmp_path: Path) -> None:
    check_deep(FsspecStore.from_url(f"memory://{uuid.uuid4()}"))


@on_s3
def test_deep_keys_on_s3(
    s3_server: S3Server, s3_bucket: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.DEEP", "/".join(["a"] * 500))  # of 1024 bytes at most
    check_deep(make(s3_server, s3_bucket, "m"))


def test_deep_keys_in_obstore() -> None:
    obstore = pytest.importorskip("obstore")
    check_deep(ObjectStore(obstore.store.MemoryStore()))


def test_deep_keys_over_http(range_server: RangeServer) -> None:
    range_server.objects[f"{DEEP}/b"] = b"12"
    store = FsspecStore.from_url(range_server.url, read_only=True)
    assert keys(store) == [f"{DEEP}/b"]
    assert names(store, DEEP) == ["b"]


def test_a_deep_hierarchy_is_drawn() -> None:
    async def nodes() -> AsyncIterator[tuple[str, str | None]]:
        for count in range(1, PARTS + 1):
            yield "/".join(["a"] * count), None

    drawn = repr(sync(draw_tree("/", nodes(), bold=False, max_nodes=2 * PARTS)))
    assert drawn.count("── a") == PARTS
    assert drawn.startswith("/\n└── a\n    └── a\n        └── a\n")
