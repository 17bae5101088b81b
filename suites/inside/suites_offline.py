"""A plugin of pytest: no connections but those to this machine, and the node ids in the report."""

from __future__ import annotations

import signal
import socket
from typing import Any

import pytest

LOCAL = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")


class NetworkIsBlocked(OSError):
    """A test wants to reach another machine."""


def is_local(host: object) -> bool:
    """Return whether a host, by name or number, is this machine."""
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    return host is None or (isinstance(host, str) and (host in LOCAL or host.startswith("127.")))


def block() -> None:
    """Refuse what leads to another machine, as a machine without a network does."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def check(host: object) -> None:
        if not is_local(host):
            raise NetworkIsBlocked(f"suites run without a network: {host!r}")

    def guard(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0])

    def guarded_connect(self: socket.socket, address: Any) -> None:
        guard(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        guard(self, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_local(host) and host != socket.gethostname():
            raise socket.gaierror(socket.EAI_NONAME, f"suites run without a network: {host!r}")
        return getaddrinfo(host, *args, **kwargs)

    for name, function in (
        ("connect", guarded_connect),
        ("connect_ex", guarded_connect_ex),
    ):
        setattr(socket.socket, name, function)
    socket.getaddrinfo = guarded_getaddrinfo


def pytest_configure() -> None:
    """Block the network before anything is collected, and let the run be interrupted."""
    # What is started in the background of a shell has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    block()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the report name each test as the command line does."""
    for item in items:
        item.user_properties.append(("nodeid", item.nodeid))
