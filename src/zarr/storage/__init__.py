"""Stores: mappings that contain the keys and values of a hierarchy."""

from __future__ import annotations

import sys
import types
import warnings
from importlib import import_module
from typing import Any

from zarr.errors import ZarrDeprecationWarning
from zarr.storage._common import StoreLike, StorePath
from zarr.storage._fsspec import FsspecStore
from zarr.storage._local import LocalStore
from zarr.storage._logging import LoggingStore
from zarr.storage._memory import GpuMemoryStore, ManagedMemoryStore, MemoryStore
from zarr.storage._obstore import ObjectStore
from zarr.storage._wrapper import WrapperStore
from zarr.storage._zip import ZipStore

__all__ = [
    "FsspecStore",
    "GpuMemoryStore",
    "LocalStore",
    "LoggingStore",
    "ManagedMemoryStore",
    "MemoryStore",
    "ObjectStore",
    "StoreLike",
    "StorePath",
    "WrapperStore",
    "ZipStore",
]


class VerboseModule(types.ModuleType):
    """A module that issues a warning if a value is assigned to a removed setting."""

    def __setattr__(self, attr: str, value: Any) -> None:
        if attr != "default_compressor":
            super().__setattr__(attr, value)
            return
        warnings.warn(
            "setting zarr.storage.default_compressor is deprecated, use zarr.config to configure "
            "array.v2_default_compressor e.g. config.set({'codecs.zstd':'numcodecs.Zstd', "
            "'array.v2_default_compressor.numeric': 'zstd'})",
            category=ZarrDeprecationWarning,
            stacklevel=2,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle the module by name, like an ordinary module. If a function that uses this module is
        # pickled, and unpickled in another process, the function uses the module of that process.
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = VerboseModule
