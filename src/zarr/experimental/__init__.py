"""Names that may change without a deprecation: the chunk grid of an array."""

from zarr.core.chunk_grids import ChunkGrid, ChunkSpec

__all__ = ["ChunkGrid", "ChunkSpec"]
