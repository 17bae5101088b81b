"""Booleans; kept for other packages."""

from zarr.core.dtype._bool import Bool

__all__ = ["Bool"]
