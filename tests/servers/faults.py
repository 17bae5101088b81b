"""Answers of HTTP servers that are not what was asked for, by name: see `RangeServer.inject`.

Each is what some server, proxy or network in between has been seen to do::

    server.inject("data/c/0", html_page(), times=1)  # the next GET of this path
    server.inject("data/c/0", unavailable(), method="HEAD")
    server.inject(lambda verb, path, range_: range_ is not None, whole_for_range())
"""

from __future__ import annotations

from tests.servers.range_server import Fault

HTML = b"<!doctype html><html><body>Please sign in to continue.</body></html>\n" * 120


def html_page(status: int = 200) -> Fault:
    """Return the page that a login or an error handler sends in place of every object.

    It is long enough for most ranges to lie within it.
    """
    return Fault(status=status, headers={"Content-Type": "text/html"}, body=HTML)


def redirect_to_nowhere(status: int = 302) -> Fault:
    """Return a redirection that does not say where to, with a body all the same."""
    return Fault(status=status, headers={"Location": None}, body=HTML)


def other_range(shift: int = 8) -> Fault:
    """Return status 206 with a range that lies `shift` bytes further, honestly described."""
    return Fault(shift=shift)


def disguised_range(shift: int = 8) -> Fault:
    """Return status 206 with a range `shift` bytes further, described as the one asked for.

    No client can tell; what it reads is only as good as the checksums in it.
    """
    return Fault(shift=shift, keep_description=True)


def unasked_part(start: int = 0, stop: int = 16) -> Fault:
    """Return status 206 with this range of the object, also to a request without a range."""
    return Fault(send_range=(start, stop))


def undescribed_part() -> Fault:
    """Return the answer without ``Content-Range``, where it is a range."""
    return Fault(headers={"Content-Range": None})


def no_content() -> Fault:
    """Return status 204, which has no body and no length."""
    return Fault(status=204, body=b"", headers={"Content-Length": None})


def transformed() -> Fault:
    """Return the whole object under status 203, as a proxy that has changed something does."""
    return Fault(ignore_range=True, claim=203)


def too_many_requests(retry_after: int = 0) -> Fault:
    """Return status 429 and the seconds to wait."""
    return Fault(status=429, headers={"Retry-After": str(retry_after)})


def unavailable(retry_after: int = 0) -> Fault:
    """Return status 503 and the seconds to wait."""
    return Fault(status=503, headers={"Retry-After": str(retry_after)})


def gzip_of_the_answer() -> Fault:
    """Return the right bytes, compressed for the way: clients that decode get what they want.

    For a range this is against RFC 9110, section 14.1, but some proxies do it.
    """
    return Fault(compress="body")


def range_of_the_gzip() -> Fault:
    """Return the object compressed, and of it the range asked for, which cannot be decoded."""
    return Fault(compress="object")


def reset_before_the_reply() -> Fault:
    """Reset the connection instead of an answer."""
    return Fault(reset=True)


def cut_in_the_body(nbytes: int = 5) -> Fault:
    """Close the connection after `nbytes` bytes of the body, which was declared in full."""
    return Fault(truncate_to=nbytes)


def reset_in_the_body(nbytes: int = 5) -> Fault:
    """Reset the connection after `nbytes` bytes of the body, which was declared in full."""
    return Fault(reset_after=nbytes)


def declared_too_long(nbytes: int = 1 << 20) -> Fault:
    """Declare a ``Content-Length`` of `nbytes`, more than is sent before the connection is closed."""
    return Fault(declare=nbytes)


def declared_too_short(nbytes: int = 5) -> Fault:
    """Declare a ``Content-Length`` of `nbytes`, fewer than there are: clients read no further."""
    return Fault(declare=nbytes)


def range_refused() -> Fault:
    """Return status 416 without reason phrase, size or cause, wherever the range lies."""
    return Fault(status=416, reason="", body=b"")


def whole_for_range() -> Fault:
    """Return status 200 and the whole object in answer to a range, as a server may."""
    return Fault(ignore_range=True)
