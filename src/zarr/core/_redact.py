"""Redaction of the parts of URLs that may contain secrets.

Passwords are in the part before an ``@``; signatures and tokens are in the query. The part before
the ``@`` and the query are replaced completely. The whole query is replaced because only the server
knows which query parameters are secret.
"""

from __future__ import annotations

import re
from typing import Final

_HIDDEN: Final = "***"
# URLs with these schemes name files or keys, in which ``?`` and ``@`` have no special meaning.
_LOCAL: Final = frozenset({"file", "local", "zip", "memory", "gpumemory"})
_IS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*").fullmatch
_SCHEME_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-"
)
# In URLs with these schemes, the part before ``@`` is secret only if it contains a password. For
# example, in ``abfs://container@account`` this part is the name of a container.
_NAMES_USERS: Final = frozenset(
    {"abfs", "abfss", "adl", "az", "wasb", "wasbs", "ssh", "sftp", "scp", "hdfs", "webhdfs"}
)
# The start of the next link in a chained URL such as ``simplecache::https://...``.
_CHAIN: Final = r"::(?=[A-Za-z][A-Za-z0-9+.\-]*(?:://|::))"
_END_OF_LINK: Final = re.compile(_CHAIN)
_END_IN_TEXT: Final = {
    quote: re.compile(rf"[{quote}\n]|{_CHAIN}" if quote else rf'[\s"<>]|{_CHAIN}')
    for quote in ("", "'", '"', "`")
}
_AUTHORITY: Final = re.compile(r"[^/?#]*")
_IS_HOST: Final = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::[0-9]*)?").fullmatch


def redact_url(url: str, *, relative: bool = False) -> str:
    """Return a URL without its user, password and query.

    Parameters
    ----------
    url : str
        The URL, which may be a chain of URLs joined by ``::``. A string without a scheme, such as a
        path, is returned unchanged.
    relative : bool
        Whether a string without a scheme can be the last part of a URL, such as
        ``bucket/key?signature=...``. If True, a query that contains ``=`` is redacted. An absolute
        path is never redacted.

    Returns
    -------
    str
        The URL with ``***`` in place of the redacted parts. The run time is linear in the length of
        the URL.
    """
    if "://" not in url:
        path, mark, query = url.partition("?")
        is_url = relative and not path.startswith("/")
        return f"{path}?{_HIDDEN}" if is_url and mark and "=" in query else url
    return _redact(url, whole=True)


def redact_urls_in(text: str) -> str:
    """Return a message in which each URL is redacted as by `redact_url`.

    Parameters
    ----------
    text : str
        The message. A URL that follows a quotation mark ends at the next mark of the same kind.
        Other URLs end at white space, ``"``, ``<`` or ``>``.
    """
    return _redact(text, whole=False) if "://" in text else text


def redact_failure(error: BaseException) -> None:
    """Redact the URLs in the messages of an exception and its causes, in place.

    The messages of client libraries contain the URLs that were requested.
    """
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        # The causes and contexts of exceptions may form a cycle.
        if id(error) in seen:
            continue
        seen.add(id(error))
        error.args = tuple(redact_urls_in(a) if isinstance(a, str) else a for a in error.args)
        for name in ("filename", "filename2"):
            if isinstance(value := getattr(error, name, None), str):
                setattr(error, name, redact_urls_in(value))
        request = getattr(error, "request_info", None)
        if request is not None:  # an exception class of aiohttp
            url = type(request.url)
            shown = {
                name: url(redact_url(str(getattr(request, name)))) for name in ("url", "real_url")
            }
            error.request_info = request._replace(**shown)  # type: ignore[attr-defined]
        waiting += [e for e in (error.__cause__, error.__context__) if e is not None]


def _redact(text: str, *, whole: bool) -> str:
    parts: list[str] = []
    position = end = 0
    while (colon := text.find("://", position)) >= 0:
        begin = colon
        while begin > position and text[begin - 1] in _SCHEME_CHARACTERS:
            begin -= 1
        scheme = text[begin:colon].lstrip("0123456789+.-")
        start = colon + 3
        parts.append(text[position:start])
        position = start
        if _IS_SCHEME(scheme) is None or scheme.lower() in _LOCAL:
            continue
        if start > end:  # this URL is not part of the path of the previous URL
            pattern = _END_OF_LINK
            if not whole:
                before = text[begin - 1 : begin]
                pattern = _END_IN_TEXT[before if before in ("'", '"', "`") else ""]
            found = pattern.search(text, start)
            end = len(text) if found is None else found.start()
        # Search only up to the next scheme, so that the run time stays linear.
        following = text.find("://", start)
        stop = end if following < 0 else min(end, following)
        secret = _end_of_user(text, start, stop)
        if secret > start and (":" in text[start:secret] or scheme.lower() not in _NAMES_USERS):
            parts.append(f"{_HIDDEN}@")
            position = secret
        query = text.find("?", position, stop)
        if query >= 0:
            shown = len(text[query:end].rstrip(")]},.;:!")) if not whole else end - query
            parts += [text[position:query], f"?{_HIDDEN}", text[query + shown : end]]
            position = end
    parts.append(text[position:])
    return "".join(parts)


def _end_of_user(text: str, start: int, stop: int) -> int:
    """Return the position after the user and password in a URL; `start` if the URL has neither."""
    found = _AUTHORITY.match(text, start, stop)
    end = stop if found is None else found.end()
    at = text.rfind("@", start, end)
    if at < 0 and _IS_HOST(text, start, end) is None:
        at = text.rfind("@", start, stop)  # the password contains a slash or a question mark
    return at + 1 if at >= 0 else start
