"""The ``sharding_indexed`` codec, which stores many inner chunks in one value."""

from __future__ import annotations

from zarr.codecs.sharding._codec import ShardingCodec, ShardingCodecIndexLocation
from zarr.codecs.sharding._index import MAX_UINT_64
from zarr.codecs.sharding._index import ShardingIndexLocation as IndexLocation
from zarr.codecs.sharding._plan import SUBCHUNK_WRITE_ORDERS, SubchunkWriteOrder

__all__ = [
    "MAX_UINT_64",
    "SUBCHUNK_WRITE_ORDERS",
    "IndexLocation",
    "ShardingCodec",
    "ShardingCodecIndexLocation",
    "SubchunkWriteOrder",
]

# Set the public module path of both classes; the configuration and pickles contain this path.
ShardingCodec.__module__ = __name__
ShardingCodecIndexLocation.__module__ = __name__
