"""Many concurrent GET requests by aiohttp, without any other work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

AT_ONCE = 100


class Fetcher:
    """Fetches the same URLs repeatedly.

    Parameters
    ----------
    urls : sequence of str
        URLs to fetch.
    other : Fetcher or None
        Fetcher whose connections are used; None for new connections.
    """

    def __init__(self, urls: Sequence[str], other: Fetcher | None = None) -> None:
        self._urls = urls
        self._loop: asyncio.AbstractEventLoop
        self._session: Any
        if other is None:
            self._loop, self._session = asyncio.new_event_loop(), None
        else:
            self._loop, self._session = other._loop, other._session

    def fetch(self) -> list[bytes]:
        """Return the content of each URL, in the order of the URLs."""
        return self._loop.run_until_complete(self._fetch())

    async def _fetch(self) -> list[bytes]:
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=AT_ONCE)
            self._session = aiohttp.ClientSession(connector=connector)

        async def one(url: str) -> bytes:
            async with self._session.get(url) as response:
                response.raise_for_status()
                data: bytes = await response.read()
                return data

        return await asyncio.gather(*map(one, self._urls))

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._loop.run_until_complete(self._session.close())
        self._loop.close()


def links(page: bytes) -> list[str]:
    """Return the directories that an index page links to."""
    return re.findall(r'href="([^"]+/)"', page.decode())
