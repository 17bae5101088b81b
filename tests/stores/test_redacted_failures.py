"""Failures behind URLs with secrets: nothing that a traceback shows has them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.servers import faults
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import PROTOTYPE, bulk, reference_store

from zarr.abc.store import Store
from zarr.core.sync import sync
from zarr.storage import FsspecStore, ObjectStore

KEY = "data"


def secret_url(server: RangeServer) -> str:
    return server.url.replace("//", "//user:SECRET@")


def direct(server: RangeServer) -> Store:
    return FsspecStore.from_url(secret_url(server), read_only=False)


def referenced(server: RangeServer) -> Store:
    return reference_store({KEY: [f"{secret_url(server)}/data?X-Amz-Signature=SECRET", 0, 10]})


def cached(server: RangeServer) -> Store:
    return FsspecStore.from_url(f"simplecache::{secret_url(server)}", read_only=False)


def obstore_http(server: RangeServer) -> Store:
    from obstore.store import HTTPStore

    options: Any = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 0}}
    return ObjectStore(HTTPStore.from_url(secret_url(server), **options))


async def listed(store: Store) -> list[str]:
    return [name async for name in store.list_dir("")]


CALLS: dict[str, Callable[[Store], Coroutine[Any, Any, object]]] = {
    "get": lambda store: store.get(KEY, PROTOTYPE),
    "get_many": lambda store: bulk(store, [KEY]),
    "exists": lambda store: store.exists(KEY),
    "getsize": lambda store: store.getsize(KEY),
    "list_dir": listed,
    "set": lambda store: store.set(KEY, PROTOTYPE.buffer.from_bytes(b"x")),
    "delete": lambda store: store.delete(KEY),
    "delete_dir": lambda store: store.delete_dir("a"),
}
FAULTS = {
    "unavailable": faults.unavailable(),
    "forbidden": Fault(status=403),
    "cut": faults.cut_in_the_body(),
    "reset": faults.reset_before_the_reply(),
    "nowhere": faults.redirect_to_nowhere(),
    "part": faults.unasked_part(),
}


@pytest.mark.parametrize("make", [direct, referenced, cached, obstore_http])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_traceback_shows(range_server: RangeServer, make: Any, fault: str) -> None:
    range_server.objects[KEY] = bytes(100)
    range_server.inject(lambda *_: True, FAULTS[fault])
    store = make(range_server)
    shown = {}
    for name, call in CALLS.items():
        try:
            sync(call(store))
        except Exception as error:
            shown[name] = "".join(traceback.format_exception(error))
    assert shown
    assert [name for name, text in shown.items() if "SECRET" in text] == []
