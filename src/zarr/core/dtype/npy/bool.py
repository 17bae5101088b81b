"""Booleans; kept for others."""

from zarr.core.dtype._bool import Bool

__all__ = ["Bool"]
