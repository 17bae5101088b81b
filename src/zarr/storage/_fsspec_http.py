"""Check that the response of an HTTP server contains the requested bytes."""

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

# Tags that identify a document as HTML (WHATWG MIME Sniffing Standard, section 7.1).
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

# Finds bytes that do not occur in text (WHATWG MIME Sniffing Standard, section 7.2). Only the first
# 1445 bytes of a body are examined, the size of the resource header in this standard.
_has_binary_data = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]").search
_SNIFFED_NBYTES = 1445

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})


class HttpReply:
    """Validates the response of an HTTP server to a read, and extracts the requested bytes.

    A read of a whole object accepts the statuses 200 and 203. A read of a byte range accepts 206
    with exactly the requested range. It also accepts 200 with the whole object, from a server that
    ignores ``Range`` (RFC 9110, section 14.2). Pass an instance of this class as the argument
    ``raise_for_status`` of a request, so that the instance is called before the body is read. Then
    pass the body to `part`. The file system handles statuses of 400 and above.

    Parameters
    ----------
    byte_range : ByteRequest or None
        A non-empty byte range; None means the whole object.
    """

    def __init__(self, byte_range: ByteRequest | None) -> None:
        self._byte_range = byte_range
        self._nbytes: int | None = None  # length of the range; None if the response has no range
        self._content_type = ""

    async def __call__(self, response: Any) -> None:
        """Validate the status and headers of a response.

        Raises
        ------
        OSError
            If the response does not match the request.
        """
        if response.status >= 400:
            return
        try:
            self._judge(response.status, response.headers)
        except OSError:
            response.close()  # do not read the body, which may be long
            raise

    def _judge(self, status: int, headers: Mapping[str, str]) -> None:
        self._nbytes = None
        if self._byte_range is None:
            if status not in (200, 203):
                raise _fault(f"expected the object, but the server replied with status {status}")
            return
        self._content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if status == 200:
            return
        if status != 206:
            raise _fault(f"expected a byte range, but the server replied with status {status}")
        coding = headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            # The server may have compressed the range, or it may have sent a range of the
            # compressed object. The status and the headers do not distinguish these two cases.
            raise _fault(
                "expected a byte range without Content-Encoding, but the server sent "
                f"Content-Encoding {coding!r}"
            )
        self._nbytes = self._promised(headers.get("Content-Range", ""))

    def part(self, body: bytes) -> bytes:
        """Return the requested bytes from the body of the response.

        Parameters
        ----------
        body : bytes
            The body.

        Raises
        ------
        OSError
            If the length of the body differs from the length in the headers, or if the body is an
            HTML page.
        """
        if self._byte_range is None:
            return body
        if self._nbytes is not None:
            if len(body) != self._nbytes:
                raise _fault(
                    f"expected {self._nbytes} bytes, but the server sent {len(body)} bytes"
                )
            return body
        if _is_page(self._content_type, body):
            raise _fault("expected a byte range, but the server replied with an HTML page")
        start, stop = resolve_byte_range(self._byte_range, len(body))
        return body[start:stop]

    def _promised(self, described: str) -> int:
        """Return the length of the range in ``Content-Range``, after comparing it with the request.

        Raises
        ------
        OSError
            If the range in the header is not the requested range.
        """
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
        raise _fault(
            f"requested {self._byte_range}, but the server sent Content-Range {described!r}"
        )


def _is_page(content_type: str, body: bytes) -> bool:
    """Return whether a body is an HTML page.

    A body counts as an HTML page if it begins with an HTML tag, or if it is text and has the
    content type of HTML.
    """
    if _begins_as_html(body) is not None:
        return True
    # The content type is not sufficient, because some servers declare binary data as HTML. Binary
    # data are recognized by bytes that do not occur in text.
    return content_type in _PAGE_TYPES and _has_binary_data(body[:_SNIFFED_NBYTES]) is None


def _fault(message: str) -> OSError:
    return OSError(errno.EIO, message)
