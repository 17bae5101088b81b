"""The public buffer classes, for host memory and for GPU memory."""

from zarr.buffer import cpu, gpu
from zarr.core.buffer import default_buffer_prototype

__all__ = ["cpu", "default_buffer_prototype", "gpu"]
