"""Experimental API, which may change without deprecation: chunk grids, and `cache_store`."""

from zarr.core.chunk_grids import ChunkGrid, ChunkSpec

__all__ = ["ChunkGrid", "ChunkSpec"]
