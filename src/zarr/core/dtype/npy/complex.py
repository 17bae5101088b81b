"""The complex data types, at an import path that other packages use."""

from zarr.core.dtype._complex import BaseComplex, Complex64, Complex128
from zarr.core.dtype.npy.common import ComplexLike

__all__ = ["BaseComplex", "Complex64", "Complex128", "ComplexLike"]
