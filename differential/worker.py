"""Run cases with the `zarr` that this interpreter imports, and return their outcomes.

    python -P worker.py

reads one request per line of standard input and writes one answer per line of standard output,
both as JSON. It needs only zarr, numpy and numcodecs. Each of the two compared packages has its own
worker.

A request has these entries:

- ``preamble``: lines of Python that run first and create the dictionary ``store``
- ``steps``: lines of Python that run in the namespace of the preamble
- ``config``: the zarr settings for the steps
- ``store``: the initial content of the store, a dictionary from keys to values in base64
- ``needed``: indices of steps, counted from 0; if one of these steps fails, the case ends
- ``settle``: indices of steps, counted from 0; if one of these steps fails, the worker waits for
  the tasks that are still running, at most `SETTLE_SECONDS` seconds per event loop

The answer has one dictionary per step that ran, with these entries:

- ``result``, or for an exception ``raises``, ``mro`` and ``message``
- ``warnings``: the class names of the warnings that the step caused, if zarr defines the class
- ``stored``: the values that the step wrote, in base64 by key; the value of a deleted key is None

Tracebacks are not returned, because they would show source lines of the compared packages.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import gc
import gzip
import json
import os
import platform
import re
import sys
import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, TextIO

import numcodecs
import numpy as np

import zarr
from zarr.buffer.cpu import Buffer

MESSAGE_LENGTH = 300
SETTLE_SECONDS = 5.0


def encode(value: Any) -> Any:
    """Encode a result as JSON that preserves values, types, data types and shapes."""
    if value is None or type(value) in (bool, int):
        return value
    if type(value) is str:
        return clean(value)
    if isinstance(value, np.ndarray):
        return encode_array(value)
    if isinstance(value, np.generic):
        return {"scalar": encode_array(np.asarray(value))}
    if type(value) is float:
        return {"float": repr(value)}
    if type(value) is complex:
        return {"complex": repr(value)}
    if type(value) is bytes:
        return {"bytes": base64.b64encode(value).decode()}
    if type(value) is list:
        return [encode(item) for item in value]
    if type(value) is tuple:
        return {"tuple": [encode(item) for item in value]}
    if type(value) in (set, frozenset):
        return {"set": sorted((encode(item) for item in value), key=json.dumps)}
    if isinstance(value, Mapping):
        pairs = [[encode(key), encode(item)] for key, item in value.items()]
        return {"mapping": sorted(pairs, key=lambda pair: json.dumps(pair[0]))}
    if isinstance(value, (zarr.Array, zarr.Group)):
        return encode_node(value)
    return {"repr": clean(repr(value))}


def clean(text: str) -> str:
    """Replace memory addresses and URLs of memory stores, because both differ between runs."""
    return re.sub(r"\b0x[0-9a-f]{6,}|memory://\d+", "ID", text)


def encode_array(array: Any) -> Any:
    """Encode an array by its data type, shape, memory order and elements.

    Elements of a fixed size are encoded together as bytes in C order. Other elements are encoded
    one by one.
    """
    encoded: dict[str, Any] = {"dtype": repr(array.dtype), "shape": list(array.shape)}
    if array.dtype.hasobject or array.dtype.kind == "T":
        encoded["items"] = [encode(item) for item in array.ravel().tolist()]
    else:
        encoded["descr"] = np.lib.format.dtype_to_descr(array.dtype)
        encoded["data"] = base64.b64encode(array.tobytes()).decode()
    if array.ndim > 1 and array.size > 1:
        encoded["order"] = "C" * array.flags.c_contiguous + "F" * array.flags.f_contiguous
    return {"array": encoded}


def encode_node(node: Any) -> Any:
    """Encode an array or a group by the properties that identify it."""
    described = {"type": type(node).__name__, "path": node.path, "read_only": node.read_only}
    if isinstance(node, zarr.Array):
        described |= {"shape": list(node.shape), "dtype": repr(node.dtype)}
    return {"node": described | {"attributes": encode(node.attrs.asdict())}}


def encode_error(error: BaseException) -> dict[str, Any]:
    """Encode an exception by its class, its base classes and its message."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls is not object]
    return {"raises": names[0], "mro": names, "message": clean(str(error))[:MESSAGE_LENGTH]}


def run_line(line: str, namespace: dict[str, Any]) -> Any:
    """Run statements; return the value of the last one if it is an expression, else None."""
    tree = ast.parse(line)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if tree.body:
        exec(compile(tree, "<step>", "exec"), namespace)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "<step>", "eval"), namespace)
    return None


def run_step(line: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Run one step; return its result or exception, and the warnings of zarr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = {"result": encode(run_line(line, namespace))}
        except SyntaxError:
            raise  # invalid Python is a mistake of the harness
        except Exception as error:
            answer = encode_error(error)
    ours = {w.category.__name__ for w in caught if w.category.__module__.startswith("zarr")}
    return answer | {"warnings": sorted(ours)}


def contents(store: dict[str, Any]) -> dict[str, str]:
    """Return the content of a store: for each key, the value in base64."""
    return {key: base64.b64encode(value.to_bytes()).decode() for key, value in store.items()}


async def _other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=SETTLE_SECONDS)


def settle(loops: list[asyncio.AbstractEventLoop]) -> None:
    """Wait for tasks that a failed call left running; `loops` caches the event loops."""
    if not any(loop.is_running() for loop in loops):
        found = (item for item in gc.get_objects() if isinstance(item, asyncio.AbstractEventLoop))
        loops[:] = [loop for loop in found if loop.is_running()]
    for loop in loops:
        asyncio.run_coroutine_threadsafe(_other_tasks(), loop).result()


def run_case(
    request: Mapping[str, Any], loops: list[asyncio.AbstractEventLoop]
) -> list[dict[str, Any]]:
    """Run the steps of a case; stop if a step fails whose index is in ``needed``."""
    namespace: dict[str, Any] = {}
    exec("\n".join(request["preamble"]), namespace)
    store = namespace["store"]
    for key, value in request.get("store", {}).items():
        store[key] = Buffer.from_bytes(base64.b64decode(value))
    before = contents(store)
    answers = []
    with zarr.config.set(request.get("config", {})):
        for number, line in enumerate(request["steps"]):
            answer = run_step(line, namespace)
            if "raises" in answer and number in request.get("settle", ()):
                settle(loops)
            after = contents(store)
            answer["stored"] = {
                key: after.get(key)
                for key in sorted({*before, *after})
                if before.get(key) != after.get(key)
            }
            before = after
            answers.append(answer)
            if "raises" in answer and number in request.get("needed", ()):
                break
    return answers


def versions() -> dict[str, str]:
    """Return the versions of the packages and of Python."""
    return {
        "zarr": zarr.__version__,
        "path": str(zarr.__file__),
        "numpy": np.__version__,
        "numcodecs": str(numcodecs.__version__),
        "python": platform.python_version(),
    }


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are no more."""

    def send(answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    loops: list[asyncio.AbstractEventLoop] = []
    send(versions())
    for line in requests:
        send(run_case(json.loads(line), loops))


if __name__ == "__main__":
    # The header of a gzip stream contains the time of writing, which would differ in each run.
    vars(gzip)["time"] = SimpleNamespace(time=lambda: 0.0)
    # Blosc threads write the blocks of a chunk in the order in which the threads finish.
    numcodecs.blosc.use_threads = False
    # Redirect standard output to standard error, so that only answers are written to `channel`.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, channel)
