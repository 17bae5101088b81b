"""The floating-point data types, at an import path that other packages use."""

from zarr.core.dtype._float import BaseFloat, Float16, Float32, Float64
from zarr.core.dtype.npy.common import FloatLike

__all__ = ["BaseFloat", "Float16", "Float32", "Float64", "FloatLike"]
