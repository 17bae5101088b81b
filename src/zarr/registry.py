"""Registry of implementations by name: codecs, pipelines, buffers, chunk key encodings.

An implementation is registered by a call of a ``register_*`` function, by an entry point of an
installed package, or by a dotted path in the configuration. The entry point groups are
``zarr.codecs``, ``zarr.codec_pipeline``, ``zarr.buffer``, ``zarr.ndbuffer`` and
``zarr.chunk_key_encoding``. Entry points of the older group ``zarr``, with names such as
``codecs.x``, are also read. An implementation is imported only when it is requested.
"""

from __future__ import annotations

import importlib
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from zarr.core._entry_points import load_entry_points
from zarr.core._process_lock import ProcessLock
from zarr.core.config import BadConfigError, config
from zarr.errors import UnknownCodecError, ZarrUserWarning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

    from zarr.abc.codec import Codec, CodecPipeline
    from zarr.abc.numcodec import Numcodec
    from zarr.core.buffer.core import Buffer, NDBuffer
    from zarr.core.chunk_key_encodings import ChunkKeyEncoding

__all__ = [
    "Registry",
    "get_buffer_class",
    "get_chunk_key_encoding_class",
    "get_codec_class",
    "get_ndbuffer_class",
    "get_pipeline_class",
    "register_buffer",
    "register_chunk_key_encoding",
    "register_codec",
    "register_ndbuffer",
    "register_pipeline",
]

T = TypeVar("T")


class Registry(dict[str, type[T]], Generic[T]):
    """Maps lookup names to classes of one kind; entry points are loaded on first use."""

    def __init__(self) -> None:
        super().__init__()
        self.lazy_load_list: list[EntryPoint] = []

    def lazy_load(self, use_entrypoint_name: bool = False) -> None:
        """Import the entry points that are not loaded yet, and register their classes.

        Parameters
        ----------
        use_entrypoint_name : bool
            Whether to register a class under the name of its entry point, instead of the qualified
            name of the class.
        """

        def add(entry: EntryPoint, cls: type[T]) -> None:
            self.register(cls, qualname=entry.name if use_entrypoint_name else None)

        load_entry_points(self.lazy_load_list, add)

    def register(self, cls: type[T], qualname: str | None = None) -> None:
        """Add a class.

        Parameters
        ----------
        cls : type
            Class to add.
        qualname : str or None
            Lookup name. If None, the lookup name is the module and the qualified name of the class,
            joined by a dot.
        """
        self[fully_qualified_name(cls) if qualname is None else qualname] = cls


_codecs: dict[str, Registry[Codec]] = defaultdict(Registry)
_pipelines: Registry[CodecPipeline] = Registry()
_buffers: Registry[Buffer] = Registry()
_ndbuffers: Registry[NDBuffer] = Registry()
_chunk_key_encodings: Registry[ChunkKeyEncoding] = Registry()
_entry_points_collected = False
_collecting = ProcessLock()


def _codecs_of(key: str) -> Registry[Codec]:
    """Return the registry of classes for a codec name; create the registry if it does not exist."""
    found = _codecs.get(key)
    # `setdefault` is atomic. With `_codecs[key]`, two threads could each create a registry. The
    # second registry would replace the first, and a class in the first registry would be lost.
    return _codecs.setdefault(key, Registry()) if found is None else found


def _collect_entrypoints() -> None:
    """Collect the entry points of installed packages, without importing them."""
    global _entry_points_collected
    if _entry_points_collected:
        return
    # `importlib.metadata` is imported only here, because its import takes a tenth of the time of
    # `import zarr`. Few programs need more than the built-in implementations.
    from importlib.metadata import entry_points

    with _collecting:
        if not _entry_points_collected:
            _distribute(entry_points())
            # The flag is set last. If it were set earlier, other threads could use incomplete
            # registries.
            _entry_points_collected = True


def _distribute(found: Any) -> None:
    """Add each entry point to the `lazy_load_list` of the registry for its group."""
    for group, registry in (
        ("buffer", _buffers),
        ("ndbuffer", _ndbuffers),
        ("codec_pipeline", _pipelines),
        ("chunk_key_encoding", _chunk_key_encodings),
    ):
        registry.lazy_load_list.extend(found.select(group=f"zarr.{group}"))
        registry.lazy_load_list.extend(found.select(group="zarr", name=group))
    for entry in found.select(group="zarr.codecs"):
        _codecs_of(entry.name).lazy_load_list.append(entry)
    for entry in found.select(group="zarr"):
        if entry.name.startswith("codecs."):
            _codecs_of(entry.name.split(".")[1]).lazy_load_list.append(entry)


def fully_qualified_name(cls: type[Any]) -> str:
    """Return the module and the qualified name of a class, joined by a dot."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _import_class(path: str) -> type[Any] | None:
    """Import the class at a dotted path; return None if the module or the class does not exist."""
    module, _, name = path.rpartition(".")
    if not module:
        return None
    try:
        return cast("type[Any] | None", getattr(importlib.import_module(module), name, None))
    except ModuleNotFoundError as error:
        # Return None only if the configured module or one of its parent packages is missing. If an
        # import inside the configured module fails, the error of that import is raised.
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            return None
        raise


def _configured(registry: Registry[T], path: str) -> type[T] | None:
    """Return the class at a configured path; import and register it if necessary."""
    if path in registry:
        return registry[path]
    _collect_entrypoints()
    registry.lazy_load()
    if path in registry:
        return registry[path]
    cls = _import_class(path)
    if cls is not None:
        registry.register(cls, qualname=path)
    return cls


def _select(registry: Registry[T], key: str, reload_config: bool) -> type[T]:
    if reload_config:
        config.refresh()
    path = cast("str", config.get(key))
    cls = _configured(registry, path)
    if cls is None:
        raise BadConfigError(
            f"The configured {key} {path!r} is neither registered nor importable. "
            f"Registered: {sorted(registry)}."
        )
    return cls


# --- registering ------------------------------------------------------------------------


def register_codec(key: str, codec_cls: type[Codec], *, qualname: str | None = None) -> None:
    """Register a class that implements a codec.

    Parameters
    ----------
    key : str
        Name of the codec in metadata, for example ``"gzip"``. Several classes may implement the
        same codec; the configuration value ``codecs.<key>`` selects one.
    codec_cls : type of Codec
        Class to register.
    qualname : str or None
        Name by which the configuration refers to the class. If None, the name is the module and the
        qualified name of the class, joined by a dot.
    """
    _codecs_of(key).register(codec_cls, qualname=qualname)


def register_pipeline(pipe_cls: type[CodecPipeline]) -> None:
    """Register a pipeline class; the setting ``codec_pipeline.path`` selects the class in use."""
    _pipelines.register(pipe_cls)


def register_buffer(cls: type[Buffer], qualname: str | None = None) -> None:
    """Register a class of byte buffers; the setting ``buffer`` selects the class in use."""
    _buffers.register(cls, qualname)


def register_ndbuffer(cls: type[NDBuffer], qualname: str | None = None) -> None:
    """Register a class of array buffers; the setting ``ndbuffer`` selects the class in use."""
    _ndbuffers.register(cls, qualname)


def register_chunk_key_encoding(key: str, cls: type[ChunkKeyEncoding]) -> None:
    """Register a class for a chunk key encoding; `key` is the name of the encoding in metadata."""
    _chunk_key_encodings.register(cls, key)


# --- finding ----------------------------------------------------------------------------


def get_codec_class(key: str, reload_config: bool = False) -> type[Codec]:
    """Return the class that implements a codec.

    Parameters
    ----------
    key : str
        Name of the codec in metadata.
    reload_config : bool
        Whether to reload configuration files and environment variables before the lookup.

    Raises
    ------
    UnknownCodecError
        If no implementation of the codec is registered or installed, and no importable class is
        configured for the codec.
    BadConfigError
        If the class configured for the codec is neither registered nor importable, but another
        implementation of the codec is registered or installed.
    """
    if reload_config:
        config.refresh()
    path = config.get("codecs", {}).get(key)
    if path is not None:
        cls = _configured(_codecs_of(key), path)
        if cls is not None:
            return cls
    importlib.import_module("zarr.codecs")  # registers codecs that the configuration does not name
    _collect_entrypoints()
    registry = _codecs.get(key)
    if registry is not None:
        registry.lazy_load()
    if not registry:
        raise UnknownCodecError(
            f"An implementation for codec {key!r} is not available. Register one explicitly using "
            "the codec registry (see "
            "https://zarr.readthedocs.io/en/stable/user-guide/extending/#custom-codecs), or install "
            "a Python package that registers a codec implementation with zarr."
        )
    if path is not None:
        raise BadConfigError(
            f"The configured codec {path!r} for {key!r} is neither registered nor importable. "
            f"Registered: {sorted(registry)}."
        )
    if len(registry) > 1:
        warnings.warn(
            f"Codec '{key}' not configured in config. Selecting any implementation.",
            stacklevel=2,
            category=ZarrUserWarning,
        )
    return list(registry.values())[-1]


def get_numcodec(data: Mapping[str, Any]) -> Numcodec:
    """Return the numcodecs codec for a codec configuration of format 2.

    Parameters
    ----------
    data : mapping
        The codec configuration, ``{"id": ..., ...}``, as stored in ``.zarray``.

    Raises
    ------
    UnknownCodecError
        If numcodecs has no codec with the id in `data`.
    """
    import numcodecs.registry
    from numcodecs.errors import UnknownCodecError as NumcodecsUnknownCodecError

    try:
        return cast("Numcodec", numcodecs.registry.get_codec(dict(data)))
    except NumcodecsUnknownCodecError as error:
        raise UnknownCodecError(
            f"An implementation for codec {data.get('id')!r} is not available. Register one "
            "explicitly using the codec registry (see "
            "https://numcodecs.readthedocs.io/en/stable/registry.html#numcodecs.registry.register_codec"
            "), or install a Python package that registers a codec implementation with numcodecs."
        ) from error


def get_pipeline_class(reload_config: bool = False) -> type[CodecPipeline]:
    """Return the configured codec pipeline class (``codec_pipeline.path``).

    Raises
    ------
    BadConfigError
        If the configured class is neither registered nor importable.
    """
    return _select(_pipelines, "codec_pipeline.path", reload_config)


def get_buffer_class(reload_config: bool = False) -> type[Buffer]:
    """Return the configured class of byte buffers (``buffer``).

    Raises
    ------
    BadConfigError
        If the configured class is neither registered nor importable.
    """
    return _select(_buffers, "buffer", reload_config)


def get_ndbuffer_class(reload_config: bool = False) -> type[NDBuffer]:
    """Return the configured class of array buffers (``ndbuffer``).

    Raises
    ------
    BadConfigError
        If the configured class is neither registered nor importable.
    """
    return _select(_ndbuffers, "ndbuffer", reload_config)


def get_chunk_key_encoding_class(key: str) -> type[ChunkKeyEncoding]:
    """Return the class for a chunk key encoding; `key` is the name of the encoding in metadata.

    Raises
    ------
    KeyError
        If no class is registered or installed under the name `key`.
    """
    if key not in _chunk_key_encodings:
        _collect_entrypoints()
        _chunk_key_encodings.lazy_load(use_entrypoint_name=True)
    if key not in _chunk_key_encodings:
        raise KeyError(
            f"Chunk key encoding '{key}' not found in registered chunk key encodings: "
            f"{list(_chunk_key_encodings)}."
        )
    return _chunk_key_encodings[key]
