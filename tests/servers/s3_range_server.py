"""The range server as a server of S3, for clients that read without signing.

In contrast to `tests.servers.s3`, which is moto, it has the faults and delays of `RangeServer`::

    with S3RangeServer({"bucket/data/c/0": b"..."}) as server:
        server.inject(lambda *_: True, Fault(delay=0.02))
        s3fs.S3FileSystem(**s3fs_options(server.url)).cat("bucket/data/c/0")
"""

from __future__ import annotations

from tests.servers import s3_dialect
from tests.servers.range_server import Fault, RangeServer, Reply


class S3RangeServer(RangeServer):
    """Serve objects as S3 does; the first part of a path is the bucket."""

    def _reply(self, path: str, range_: str | None, fault: Fault, query: str) -> Reply:
        bucket, _, key = path.partition("/")
        if s3_dialect.asks_for_listing(query):
            return self._listing(bucket, query)
        if path not in self._source:
            return self._absent(bucket, key)
        reply = super()._reply(path, range_, fault, query)
        reply.headers = {
            **s3_dialect.object_headers(key, len(self._source[path])),
            "Accept-Ranges": "bytes",
            **reply.headers,
        }
        return reply

    def _listing(self, bucket: str, query: str) -> Reply:
        start = f"{bucket}/"
        sizes = {
            path.removeprefix(start): len(self._source[path])
            for path in list(self._source)
            if path.startswith(start)
        }
        if not sizes:
            return self._absent(bucket, "")
        document = s3_dialect.listing(bucket, sizes, query)
        return Reply(200, {"Content-Type": "application/xml"}, document)

    def _absent(self, bucket: str, key: str) -> Reply:
        has_bucket = any(path.startswith(f"{bucket}/") for path in list(self._source))
        if has_bucket and not key:
            return Reply(200)  # what HEAD asks of a bucket
        code = "NoSuchKey" if has_bucket else "NoSuchBucket"
        headers: dict[str, str | None] = {"Content-Type": "application/xml"}
        return Reply(404, headers, s3_dialect.error(code, key))
