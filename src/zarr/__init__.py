"""Chunked, compressed, N-dimensional arrays in the Zarr storage formats 2 and 3.

Importing the package loads only a few modules. The first access to a public name, such as
`zarr.open`, loads the modules that define the public names. A program that imports the package
without using it therefore starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zarr._version import __version__ as __version__

if TYPE_CHECKING:
    from zarr._names import *  # noqa: F403
    from zarr._names import __all__ as __all__
    from zarr._names import abc as abc
    from zarr._names import api as api
    from zarr._names import buffer as buffer
    from zarr._names import codecs as codecs
    from zarr._names import dtype as dtype
    from zarr._names import errors as errors
    from zarr._names import registry as registry
    from zarr._names import set_format as set_format
    from zarr._names import set_log_level as set_log_level
    from zarr._names import storage as storage
else:

    def __getattr__(name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # The statement `from zarr import _names` would call `__getattr__` recursively. If the
        # current thread is already importing `_names`, `import_module` returns the partially loaded
        # module.
        _names = import_module("zarr._names")
        if name in vars(_names):
            globals()[name] = getattr(_names, name)
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        __getattr__("__all__")
        return sorted(
            {*globals(), *globals()["__all__"]}
            - {"Any", "TYPE_CHECKING", "annotations", "import_module"}
        )
