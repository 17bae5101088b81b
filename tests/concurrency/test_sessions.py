"""Sessions of HTTP belong to one event loop and one store: the end of one leaves others alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.concurrency.programs import printed_by
from tests.servers.range_server import RangeServer

pytest.importorskip("aiohttp")

STORES = """
import asyncio, gc, json, threading
import fsspec, zarr
import zarr.api.asynchronous as za
from zarr.storage import FsspecStore

URL = {url!r}
DOCUMENT = json.dumps(dict(
    chunks=[2], compressor=None, dtype="<i4", fill_value=0, filters=None, order="C", shape=[100],
    zarr_format=2,
))

def references(name):
    # fsspec makes one file system of HTTP for all of them, as their options are the same.
    fs = fsspec.filesystem(
        "reference",
        fo={{".zarray": DOCUMENT, **{{str(i): [f"{{URL}}/blob{{name}}", i * 8, 8] for i in range(50)}}}},
        remote_protocol="http", remote_options={{"asynchronous": True}}, asynchronous=True,
    )
    return FsspecStore(fs, path="", read_only=True)
"""

ONE_AND_ANOTHER = """
import urllib.request
def urlopen(url):
    urllib.request.urlopen(url).close()
one, other = zarr.open_array(references("1"), mode="r"), references("2")
one[:2]
urlopen(f"{URL}/hold")
failed = []
def read():
    try:
        one[2:4]
    except Exception as error:
        failed.append(repr(error))
thread = threading.Thread(target=read)
async def main():
    array = await za.open_array(store=other, mode="r")
    await array.getitem(slice(0, 2))
    thread.start()
    await asyncio.to_thread(urlopen, f"{URL}/asked")
asyncio.run(main())
urlopen(f"{URL}/go")
thread.join()
print(failed)
"""

MANY = """
failed = []
ended = threading.Event()

def read(name):
    array = zarr.open_array(references("?" + name), mode="r")
    while not ended.is_set():
        try:
            assert (array[:] == range(100)).all()
        except Exception as error:
            failed.append((name, repr(error), repr(error.__cause__)))
            return

def run_loops(name):
    for turn in range(15):
        try:
            asyncio.run(main(references(f"?{name}{turn % 3}"), turn))
        except Exception as error:
            failed.append((name, repr(error), repr(error.__cause__)))
            return

async def main(store, turn):
    array = await za.open_array(store=store, mode="r")
    assert (await array.getitem(slice(0, 20)) == range(20)).all()
    if turn % 3 == 0:  # left in the middle
        prototype = zarr.core.buffer.default_buffer_prototype()
        async for _ in store.get_many([str(i) for i in range(0, 50, 5)], prototype=prototype):
            break
    if turn % 3 == 1:  # a store that ends with its loop
        own = FsspecStore.from_url(URL, {"skip_instance_cache": True}, read_only=True)
        await own.get("blob", zarr.core.buffer.default_buffer_prototype())
        del own
    if turn % 5 == 0:  # a read that goes on at the end
        asyncio.ensure_future(array.getitem(slice(20, 100)))
        await asyncio.sleep(0)

readers = [threading.Thread(target=read, args=(f"thread{i}",)) for i in range(2)]
runners = [threading.Thread(target=run_loops, args=(f"loops{i}",)) for i in range(2)]
[thread.start() for thread in readers + runners]
run_loops("main")
[thread.join() for thread in runners]
ended.set()
[thread.join() for thread in readers]
gc.collect()
print(failed)
"""


BLOB = b"".join(i.to_bytes(4, "little") for i in range(100))


class Held(dict[str, bytes]):
    """Objects of which one is not handed out until others have been asked for."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(objects)
        self.is_held, self.is_asked, self.may_go = (threading.Event() for _ in range(3))

    def __getitem__(self, key: str) -> bytes:
        if key == "hold":
            self.is_held.set()
        elif key == "asked":
            assert self.is_asked.wait(60)
        elif key == "go":
            self.may_go.set()
        elif key == "blob1" and self.is_held.is_set():
            self.is_asked.set()
            assert self.may_go.wait(60)
        return super().__getitem__(key)


def test_the_session_of_another_store(tmp_path: Path) -> None:
    """One store is read by a loop that ends while another one waits for its server."""
    objects = Held({"blob1": BLOB, "blob2": BLOB, "hold": b"", "asked": b"", "go": b""})
    with RangeServer(objects) as server:
        code = STORES.format(url=server.url) + ONE_AND_ANOTHER
        assert printed_by(tmp_path, code) == "[]\n"


def test_many_loops_beside_threads(tmp_path: Path) -> None:
    with RangeServer({"blob": BLOB}) as server:
        code = STORES.format(url=server.url) + MANY
        assert printed_by(tmp_path, code, warnings="default") == "[]\n"
