"""What the reply of an HTTP server is worth: whether it is the bytes that were asked for."""

from __future__ import annotations

import errno
import re
import sys
from typing import TYPE_CHECKING, Any

from zarr.core._byte_ranges import SuffixByteRequest, resolve_byte_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarr.core._byte_ranges import ByteRequest

_parse_content_range = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z").match

# Tags with which a document is recognised as HTML (WHATWG MIME Sniffing Standard, section 7.1).
_TAGS = (
    *("!doctype html", "html", "head", "script", "iframe", "h1", "div", "font", "table", "a"),
    *("style", "title", "b", "body", "br", "p", "!--"),
)
_begins_as_html = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\x0c\r ]*<(?:"
    + b"|".join(tag.encode() for tag in _TAGS)
    + rb")[ >\r\n\t]",
    re.IGNORECASE,
).match

# Bytes that no text has (section 7.2); and how much of a document the standard looks at.
_has_binary_data = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]").search
_SNIFFED_NBYTES = 1445

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})


class HttpReply:
    """Judges the reply of an HTTP server to a read, and hands out what was asked for.

    A read of a whole object takes the statuses 200 and 203, that of a byte range 206 with just the
    range asked for, or 200 with the whole object, as of a server that ignores ``Range`` (RFC 9110,
    section 14.2). Pass an instance as the ``raise_for_status`` of a request, so that it is called
    before the body is read, and the body to `part`. Statuses from 400 are left to the file system.

    Parameters
    ----------
    byte_range : ByteRequest or None
        The request, which is not an empty one; None for the whole object.
    """

    def __init__(self, byte_range: ByteRequest | None) -> None:
        self._byte_range = byte_range
        self._nbytes: int | None = None  # of the range, where the reply is one
        self._content_type = ""

    async def __call__(self, response: Any) -> None:
        """Judge a reply by its status and headers.

        Raises
        ------
        OSError
            If it is not what was asked for.
        """
        if response.status >= 400:
            return
        try:
            self._judge(response.status, response.headers)
        except OSError:
            response.close()  # its body may be long, and nobody reads it
            raise

    def _judge(self, status: int, headers: Mapping[str, str]) -> None:
        self._nbytes = None
        if self._byte_range is None:
            if status not in (200, 203):
                raise _fault(f"the server replied with status {status}, not with the object")
            return
        self._content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if status == 200:
            return
        if status != 206:
            raise _fault(f"the server replied with status {status}, not with the range")
        coding = headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            # A range of what was compressed, or a compressed range: the length does not tell which.
            raise _fault(f"the server sent a range with Content-Encoding {coding!r}")
        self._nbytes = self._promised(headers.get("Content-Range", ""))

    def part(self, body: bytes) -> bytes:
        """Return the bytes asked for from the body of the reply.

        Parameters
        ----------
        body : bytes
            The body.

        Raises
        ------
        OSError
            If it has not the length that its headers promise, or is a page instead of the object.
        """
        if self._byte_range is None:
            return body
        if self._nbytes is not None:
            if len(body) != self._nbytes:
                raise _fault(f"the server sent {len(body)} bytes of a range of {self._nbytes}")
            return body
        if _is_page(self._content_type, body):
            raise _fault("the server replied with an HTML page, not with the range")
        start, stop = resolve_byte_range(self._byte_range, len(body))
        return body[start:stop]

    def _promised(self, described: str) -> int:
        """Return the length of the range that the header describes, if it is the one wanted."""
        match = _parse_content_range(described.strip())
        if match is not None:
            assert self._byte_range is not None
            start, stop = int(match[1]), int(match[2]) + 1
            if match[3] != "*":
                fits = resolve_byte_range(self._byte_range, int(match[3])) == (start, stop)
            elif isinstance(self._byte_range, SuffixByteRequest):
                fits = stop - start <= self._byte_range.suffix
            else:
                first, last = resolve_byte_range(self._byte_range, sys.maxsize)
                fits = start == first and stop <= last
            if fits and start < stop:
                return stop - start
        raise _fault(f"the server sent another range: Content-Range {described!r}")


def _is_page(content_type: str, body: bytes) -> bool:
    """Return whether a body is an HTML page: it begins like one, or is text that is said to be."""
    if _begins_as_html(body) is not None:
        return True
    # Servers call many things HTML that are not: data has bytes that text does not have.
    return content_type in _PAGE_TYPES and _has_binary_data(body[:_SNIFFED_NBYTES]) is None


def _fault(message: str) -> OSError:
    return OSError(errno.EIO, message)
