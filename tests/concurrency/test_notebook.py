"""Notebooks: cells run in a thread whose event loop is running."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.concurrency.programs import ROOT, printed_by, running
from tests.optional import lacks

needs_kernel = pytest.mark.skipif(
    find_spec("ipykernel") is None or find_spec("jupyter_client") is None,
    reason="needs ipykernel and jupyter_client",
)
SECONDS = 120

SETUP = """
import asyncio, threading
import numpy as np
import zarr
from tests.concurrency.slow import VALUES, slow_store, until
"""
CELLS = [
    "array = zarr.create_array('a', data=VALUES, chunks=(5,), attributes={'unit': 'm'})",
    "assert (array[...] == VALUES).all() and zarr.open_array('a')[7] == 7",
    "array[:5] = 1; assert array[:6].tolist() == [1, 1, 1, 1, 1, 5]",
    "group = zarr.open_group('g', mode='a'); b = group.create_array('b', data=VALUES)",
    "assert [name for name, _ in group.members()] == ['b']",
    "store = slow_store(); slow = zarr.open_array(store, mode='r+'); store.seconds = 0.01",
    "assert (slow[...] == VALUES).all()",
]
ASYNC_CELLS = [
    "assert (await slow.async_array.getitem(...) == VALUES).all()",
    "parts = await asyncio.gather(*(array.async_array.getitem(i) for i in range(5, 50)))",
    "assert [int(part) for part in parts] == list(range(5, 50))",
    "assert (slow[...] == await array.async_array.getitem(...)).sum() == 96",
]


class Kernel:
    """A running kernel, and what a notebook does with it."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager = manager
        self._client = client

    def start(self, code: str) -> str:
        """Begin to run a cell."""
        number: str = self._client.execute(code)
        return number

    def results(self, number: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what comes of a cell until it has ended."""
        while True:
            message = self._client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return
            if kind not in ("status", "execute_input"):
                yield kind, content

    def run(self, code: str) -> list[tuple[str, dict[str, Any]]]:
        """Run a cell, which has to end well."""
        results = list(self.results(self.start(code)))
        assert all(kind != "error" for kind, _ in results), results
        return results


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with what `SETUP` imports."""
    manager = import_module("jupyter_client.manager").KernelManager()
    folder = tmp_path_factory.mktemp("notebook")
    manager._kernel_spec = import_module("jupyter_client.kernelspec").KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        env={"PYTHONPATH": f"{ROOT / 'src'}{':' if sys.platform != 'win32' else ';'}{ROOT}"},
        language="python",
    )
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        kernel = Kernel(manager, client)
        kernel.run(SETUP)
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


@needs_kernel
def test_cells(kernel: Kernel) -> None:
    for cell in [*CELLS, *ASYNC_CELLS]:
        assert kernel.run(cell) == []


WITH_HTML = {"array", "group", *([] if lacks("rich") else ["group.tree()"])}


@needs_kernel
@pytest.mark.parametrize("code", ["array.info", "array", "group", "group.tree()"])
def test_display(kernel: Kernel, code: str) -> None:
    kernel.run("array = zarr.create_array({}, data=VALUES, chunks=(5,))")
    kernel.run("group = zarr.create_group({}); b = group.create_array('b', data=VALUES)")
    ((kind, content),) = kernel.run(code)
    assert kind == "execute_result"
    data = content["data"]
    assert data["text/plain"]
    assert ("text/html" in data) == (code in WITH_HTML)
    assert "<" in data.get("text/html", "<")


@needs_kernel
@pytest.mark.parametrize(
    "code", ["slow[...]", "slow[3:] = 1", "copy = zarr.create_array({}, data=slow, chunks=(5,))"]
)
def test_interrupt(kernel: Kernel, code: str) -> None:
    kernel.run("store = slow_store(); slow = zarr.open_array(store, mode='r+')")
    kernel.run(
        "def began():\n"
        "    until(lambda: store.started)\n"
        "    print('began', flush=True)\n"
        "threading.Thread(target=began).start()"
    )
    number = kernel.start(code)
    seen = []
    for kind, content in kernel.results(number):
        if kind == "stream":
            kernel.manager.interrupt_kernel()
        seen.append(content.get("ename") or content["text"].strip())
    assert seen[0] == "began"
    assert seen[1:] == ["KeyboardInterrupt"]
    kernel.run("until(store.has_ended); store.seconds = 0")
    kernel.run("assert (slow[...] == VALUES).all() and (array[...] == VALUES).all()")


# --- without a kernel --------------------------------------------------------------------------

CONSOLE = """
import ast, asyncio, inspect

async def main():
    names = {"__name__": "__main__"}
    for cell in CELLS:
        result = eval(compile(cell, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(result):
            await result
    print(names["array"].shape)

asyncio.run(main())
"""


def test_cells_in_a_loop_of_this_thread(tmp_path: Path) -> None:
    code = f"CELLS = {[SETUP, *CELLS, *ASYNC_CELLS]!r}\n{CONSOLE}"
    assert printed_by(tmp_path, code) == "(100,)\n"


def test_the_asyncio_console(tmp_path: Path) -> None:
    # `python -m asyncio` runs its loop in the main thread, and what is typed on it.
    lines = "\n".join([*SETUP.strip().splitlines(), *CELLS, *ASYNC_CELLS, "print(array.shape)"])
    code = f"""
import subprocess, sys
print(subprocess.run([sys.executable, "-m", "asyncio"], input={lines!r} + "\\n", text=True,
    capture_output=True, timeout=120))
"""
    with running(tmp_path, code) as program:
        out, error = program.finish(0)
    assert "(100,)" in out
    assert "Error" not in out + error
