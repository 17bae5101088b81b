"""Reads while the interpreter exits: they work or say why not; nothing hangs, nothing crashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.concurrency.programs import running
from tests.servers.range_server import RangeServer

import zarr

OPENINGS = {
    "local": "zarr.open_array({folder!r}, mode='r')",
    "memory": "zarr.array(numpy.arange(4000, dtype='i4').reshape(40, 100), chunks=(1, 100))",
    "zip": "zarr.open_array(zarr.storage.ZipStore({folder!r} + '.zip', mode='r'), mode='r')",
    "http": "zarr.open_array({url!r}, mode='r')",
    "fsspec": "zarr.open_array(zarr.storage.FsspecStore.from_url('file://' + {folder!r}), mode='r')",
    "obstore": "zarr.open_array(zarr.storage.ObjectStore(obstore.store.LocalStore({folder!r})))",
    "obstore over http": """zarr.open_array(zarr.storage.ObjectStore(obstore.store.HTTPStore.from_url(
        {url!r}, client_options={{"allow_http": True}})), mode='r')""",
}

# What the program says goes past `sys.stdout`, which is gone in the end.
PROGRAM = """
import atexit, asyncio, os, sys, threading
def say(what, write=os.write):
    write(1, what.encode() + b"\\n")
def read(say=say, RuntimeError=RuntimeError):
    try:
        say("right" if int(z[:].sum()) == 7998000 else "wrong")
    except RuntimeError as error:
        say("refused" if "interpreter is shutting down" in str(error) else f"other: {{error}}")
{before}
import numpy, zarr, zarr.storage
{imports}
z = {opening}
{moment}
"""

DELETED = """
class Kept:
    def __init__(self):
        self.read, self.z = read, z
    def __del__(self):
        self.read()
kept = Kept()
"""
IN_A_CYCLE = DELETED + "kept.itself = kept; del kept\nimport gc; gc.disable()"
WARM = "z[:]\n"
OPENING_LATE = """
class Kept:
    def __del__(self, say=say, open=zarr.open_array, store=z.store, RuntimeError=RuntimeError):
        try:
            open(store, mode="r")
            say("right")
        except RuntimeError as error:
            say("refused" if "interpreter is shutting down" in str(error) else f"other: {error}")
kept = Kept()
"""
WRITING = """
class Kept:
    def __del__(self, say=say, z=zarr.zeros(4, chunks=1), RuntimeError=RuntimeError):
        try:
            z[:] = 1
            say("right")
        except RuntimeError as error:
            say("refused" if "interpreter is shutting down" in str(error) else f"other: {error}")
kept = Kept()
"""
AT_EXIT = "atexit.register(read)"
DAEMON = """
begun = threading.Event()
def go_on():
    while True:
        z[:]
        begun.set()
threads = [threading.Thread(target=go_on, daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
begun.wait()
say("right")
"""
THREAD = """
def after_main():
    threading.main_thread().join()
    read()
threading.Thread(target=after_main).start()
"""
GENERATOR = """
async def numbers():
    try:
        yield 1
        yield 2
    finally:
        read()
loop = asyncio.new_event_loop()
generator = numbers()
loop.run_until_complete(generator.__anext__())
say("right")
"""
BATCHES = """
prototype = zarr.core.buffer.default_buffer_prototype()
loop = asyncio.new_event_loop()
generator = z.store.get_many([f"c/{i}/0" for i in range(40)], prototype=prototype)
loop.run_until_complete(generator.__anext__())
say("right")
"""

MOMENTS = {
    "deleted": (DELETED, {"refused"}),
    "deleted, after a read": (WARM + DELETED, {"refused"}),
    "deleted in a cycle": (IN_A_CYCLE, {"refused"}),
    "opened when deleted": (OPENING_LATE, {"refused"}),
    "written when deleted": (WRITING, {"refused"}),
    "atexit": (AT_EXIT, {"right"}),
    "atexit, after a read": (WARM + AT_EXIT, {"right"}),
    "daemon": (DAEMON, {"right"}),
    "thread": (THREAD, {"right"}),
    "generator": (GENERATOR, {"right", "refused"}),
    "batches": (BATCHES, {"right"}),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("exit") / "a"
    data = np.arange(4000, dtype="i4").reshape(40, 100)
    zarr.create_array(folder, data=data, chunks=(1, 100))
    with zarr.storage.ZipStore(f"{folder}.zip", mode="w") as store:
        zarr.create_array(store, data=data, chunks=(1, 100))
    with RangeServer(folder) as server:
        yield {"folder": str(folder), "url": server.url}


def said_by(tmp_path: Path, code: str) -> set[str]:
    """Run a program, which may complain of what it could not read, but has to end by itself."""
    with running(tmp_path, code, warnings="default") as program:
        out, error = program.finish()
        status = program._process.returncode
    assert status in (0, 1), f"status {status}: {out}\n{error}"
    assert "Segmentation" not in error
    return set(out.split("\n")) - {""}


# A process takes a second or more: not all with all.
CASES = [(place, "deleted, after a read") for place in OPENINGS] + [
    (place, moment)
    for place in ("local", "http", "obstore")
    for moment in MOMENTS
    if moment != "deleted, after a read"
]


@pytest.mark.parametrize(("place", "moment"), CASES)
def test_reads_at_the_end(tmp_path: Path, places: dict[str, str], place: str, moment: str) -> None:
    imports = ""
    if "obstore" in place:
        pytest.importorskip("obstore")
        imports = "import obstore.store"
    elif place == "http":
        pytest.importorskip("aiohttp")
    code, expected = MOMENTS[moment]
    program = PROGRAM.format(
        before="", imports=imports, opening=OPENINGS[place].format(**places), moment=code
    )
    said = said_by(tmp_path, program)
    assert said
    assert said <= expected


@pytest.mark.parametrize("place", ["local", "http", "obstore"])
def test_reads_after_all_that_was_registered_later(
    tmp_path: Path, places: dict[str, str], place: str
) -> None:
    """Functions that were registered before zarr was imported are called after its own."""
    imports = "import obstore.store" if "obstore" in place else ""
    if imports:
        pytest.importorskip("obstore")
    program = PROGRAM.format(
        before=AT_EXIT, imports=imports, opening=OPENINGS[place].format(**places), moment="z[:]"
    )
    assert said_by(tmp_path, program) == {"right"}
