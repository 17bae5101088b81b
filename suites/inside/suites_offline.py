"""A pytest plugin that blocks connections to other machines, and reports node ids."""

from __future__ import annotations

import signal
import socket
from typing import Any

import pytest

LOCAL = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")


class NetworkIsBlocked(OSError):
    """A test tried to connect to another machine."""


def is_local(host: object) -> bool:
    """Return whether a host name or address refers to this machine."""
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    return host is None or (isinstance(host, str) and (host in LOCAL or host.startswith("127.")))


def block() -> None:
    """Make connections to other machines fail, as on a machine without a network."""
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
    """Enable interrupts, and block the network, before pytest collects the tests."""
    # A process that a shell starts in the background ignores SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    block()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the node id of each test to the report, in the form that pytest accepts as argument."""
    for item in items:
        item.user_properties.append(("nodeid", item.nodeid))
