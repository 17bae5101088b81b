"""Names that may change without a deprecation: chunk grids, and in `cache_store` a caching store."""

from zarr.core.chunk_grids import ChunkGrid, ChunkSpec

__all__ = ["ChunkGrid", "ChunkSpec"]
