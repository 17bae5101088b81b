"""Futures that call one function in the same turn of the event loop in which they are done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from zarr.core._immediate import ImmediateFuture

WAYS: dict[str, Callable[[ImmediateFuture[int]], object]] = {
    "result": lambda future: future.set_result(1),
    "exception": lambda future: future.set_exception(OSError("gone")),
    "cancelled": lambda future: future.cancel(),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_function_is_called_once_in_the_same_turn(way: str) -> None:
    async def run() -> None:
        calls: list[ImmediateFuture[int]] = []
        future: ImmediateFuture[int] = ImmediateFuture(asyncio.get_running_loop())
        future.call_when_done(calls.append)
        assert calls == []
        WAYS[way](future)
        assert calls == [future]
        assert future.done()
        assert not future.cancel()
        await asyncio.sleep(0)
        assert calls == [future]
        if way == "exception":
            assert isinstance(future.exception(), OSError)

    asyncio.run(run())


def test_a_future_that_is_done_calls_in_the_next_turn() -> None:
    async def run() -> None:
        calls: list[ImmediateFuture[int]] = []
        future: ImmediateFuture[int] = ImmediateFuture(asyncio.get_running_loop())
        future.set_result(1)
        future.call_when_done(calls.append)
        assert calls == []
        await asyncio.sleep(0)
        assert calls == [future]

    asyncio.run(run())


def test_it_can_be_awaited_besides() -> None:
    async def run() -> None:
        calls: list[ImmediateFuture[int]] = []
        future: ImmediateFuture[int] = ImmediateFuture(asyncio.get_running_loop())
        future.call_when_done(calls.append)
        asyncio.get_running_loop().call_soon(future.set_result, 7)
        assert await future == 7
        assert calls == [future]

    asyncio.run(run())
