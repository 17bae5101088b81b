"""The part of S3 that clients need to read: listings (ListObjectsV2), errors, and headers.

What is here makes documents only; `tests.servers.s3_range_server` and `bench.server` serve them. Only
unsigned requests in path style are meant, ``http://HOST/BUCKET/KEY``. See
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

REGION = "us-east-1"
MOST_KEYS = 1000  # of one listing, which is the default of S3 as well
MODIFIED, MODIFIED_HTTP = "2026-01-01T00:00:00.000Z", "Thu, 01 Jan 2026 00:00:00 GMT"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def s3fs_options(url: str) -> dict[str, object]:
    """Return arguments for s3fs to read from a server at a URL without signing."""
    return {"anon": True, "endpoint_url": url, "client_kwargs": {"region_name": REGION}}


def obstore_options(url: str) -> dict[str, object]:
    """Return arguments for a store of obstore to read from a server at a URL without signing."""
    return {
        "endpoint": url,
        "region": REGION,
        "skip_signature": True,
        "virtual_hosted_style_request": False,
        "client_options": {"allow_http": True},
    }


def object_headers(key: str, nbytes: int) -> dict[str, str]:
    """Return headers that clients ask of an object beside its length."""
    return {
        "ETag": etag(key, nbytes),
        "Last-Modified": MODIFIED_HTTP,
        "Content-Type": "binary/octet-stream",
    }


def etag(key: str, nbytes: int) -> str:
    """Return a name for the content of an object, which is taken to be fixed by key and size."""
    return f'"{hashlib.sha256(f"{key} {nbytes}".encode()).hexdigest()[:32]}"'


def error(code: str, key: str) -> bytes:
    """Return the document of an error, for instance ``NoSuchKey``."""
    return f"{XML}<Error><Code>{code}</Code><Key>{escape(key)}</Key></Error>".encode()


def asks_for_listing(query: str) -> bool:
    """Return whether the query of a request to a bucket is that of ListObjectsV2."""
    return ("list-type", "2") in parse_qsl(query, keep_blank_values=True)


def listing(bucket: str, sizes: Mapping[str, int], query: str) -> bytes:
    """Return one page of a listing.

    Parameters
    ----------
    bucket : str
        Its name.
    sizes : mapping
        The keys in it, and the size of each object in bytes.
    query : str
        That of the request: ``prefix``, ``delimiter``, ``max-keys``, ``start-after`` and
        ``continuation-token`` count.

    Returns
    -------
    bytes
        The document, in XML.
    """
    asked = dict(parse_qsl(query, keep_blank_values=True))
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    after = asked.get("continuation-token") or asked.get("start-after", "")
    most = min(int(asked.get("max-keys", MOST_KEYS)), MOST_KEYS)
    found: list[str] = []
    is_truncated = False
    for name in entries(sizes, prefix, delimiter):
        if name <= after:
            continue
        if len(found) == most:
            is_truncated = True
            break
        found.append(name)
    parts = [
        f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix>",
        f"<Delimiter>{escape(delimiter)}</Delimiter>" if delimiter else "",
        f"<MaxKeys>{most}</MaxKeys><KeyCount>{len(found)}</KeyCount>",
        f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>",
    ]
    if is_truncated:
        # A page that ends with a common prefix is followed by what does not begin with it.
        token = escape(found[-1]) if found else ""
        parts.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
    for name in found:
        if name in sizes:
            parts.append(
                f"<Contents><Key>{escape(name)}</Key><LastModified>{MODIFIED}</LastModified>"
                f"<ETag>{escape(etag(name, sizes[name]))}</ETag><Size>{sizes[name]}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
        else:
            parts.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
    body = "".join(parts)
    return f'{XML}<ListBucketResult xmlns="{NAMESPACE}">{body}</ListBucketResult>'.encode()


def entries(keys: Iterable[str], prefix: str, delimiter: str) -> Iterator[str]:
    """Yield keys and common prefixes of a listing, each once and in their order."""
    last = None
    for key in sorted(key for key in keys if key.startswith(prefix)):
        name = key
        if delimiter:
            head, found, _ = key[len(prefix) :].partition(delimiter)
            name = prefix + head + found
        if name != last:
            yield name
        last = name
