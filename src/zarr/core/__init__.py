"""Implementation of the public modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer as Buffer
    from zarr.core.buffer import NDBuffer as NDBuffer
    from zarr.core.codec_pipeline import BatchedCodecPipeline as BatchedCodecPipeline
else:
    # Names that other packages import from `zarr.core`. The modules that define these names depend
    # on most of this package, so the names are looked up lazily.
    _HOMES = {
        "BatchedCodecPipeline": "zarr.core.codec_pipeline",
        "Buffer": "zarr.core.buffer",
        "NDBuffer": "zarr.core.buffer",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        if not name.startswith("__"):
            # `name` may be the name of a submodule that has not been imported yet.
            module = f"{__name__}.{name}"
            try:
                return import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
