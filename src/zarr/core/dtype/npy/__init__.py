"""Import paths of data types for other packages, with one module per family of data types.

The modules re-export names from `zarr.core.dtype`. No other part of this package uses the modules.
The names of the modules are the same as in zarr-python. Pickles made with zarr-python contain these
import paths; such pickles can be loaded because the modules exist.
"""

from zarr.core.dtype.npy import bool as bool
from zarr.core.dtype.npy import bytes as bytes
from zarr.core.dtype.npy import common as common
from zarr.core.dtype.npy import complex as complex
from zarr.core.dtype.npy import float as float
from zarr.core.dtype.npy import int as int
from zarr.core.dtype.npy import string as string
from zarr.core.dtype.npy import structured as structured
from zarr.core.dtype.npy import time as time
