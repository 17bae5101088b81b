"""The boolean data type, at an import path that other packages use."""

from zarr.core.dtype._bool import Bool

__all__ = ["Bool"]
