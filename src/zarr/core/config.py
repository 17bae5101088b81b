"""Run-time configuration, which donfig collects from defaults, files and environment variables.

Keys are dotted paths such as ``array.order``. ``zarr.config.set`` sets a key for the process. If
``zarr.config.set`` is used as a context manager, the key is set only within the ``with`` block. A
key can also be set in a YAML file or in an environment variable: ``ZARR_ARRAY__ORDER=F`` sets
``array.order``. Two underscores in the name of the variable stand for a dot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from donfig import Config as DConfig
from donfig.config_obj import ConfigSet, update

from zarr.core._coalesce import (
    DEFAULT_MAX_COALESCED_BYTES,
    DEFAULT_MAX_GAP_BYTES,
    FSSPEC_MAX_COALESCED_BYTES,
    FSSPEC_MAX_GAP_BYTES,
)


class BadConfigError(ValueError):
    """The configuration contains an unusable value. The message names the key of the value."""


_NUMCODECS_CLASSES = {
    "bz2": "BZ2",
    "crc32": "CRC32",
    "crc32c": "CRC32C",
    "lz4": "LZ4",
    "lzma": "LZMA",
    "zfpy": "ZFPY",
    "adler32": "Adler32",
    "astype": "AsType",
    "bitround": "BitRound",
    "blosc": "Blosc",
    "delta": "Delta",
    "fixedscaleoffset": "FixedScaleOffset",
    "fletcher32": "Fletcher32",
    "gzip": "GZip",
    "jenkins_lookup3": "JenkinsLookup3",
    "pcodec": "PCodec",
    "packbits": "PackBits",
    "shuffle": "Shuffle",
    "quantize": "Quantize",
    "zlib": "Zlib",
    "zstd": "Zstd",
}

_CODECS = {
    "blosc": "zarr.codecs.blosc.BloscCodec",
    "gzip": "zarr.codecs.gzip.GzipCodec",
    "zstd": "zarr.codecs.zstd.ZstdCodec",
    "bytes": "zarr.codecs.bytes.BytesCodec",
    "endian": "zarr.codecs.bytes.BytesCodec",
    "crc32c": "zarr.codecs.crc32c_.Crc32cCodec",
    "sharding_indexed": "zarr.codecs.sharding.ShardingCodec",
    "transpose": "zarr.codecs.transpose.TransposeCodec",
    "vlen-utf8": "zarr.codecs.vlen_utf8.VLenUTF8Codec",
    "vlen-bytes": "zarr.codecs.vlen_utf8.VLenBytesCodec",
} | {
    f"numcodecs.{key}": f"zarr.codecs.numcodecs.{name}" for key, name in _NUMCODECS_CLASSES.items()
}

_DEFAULTS: dict[str, Any] = {
    "default_zarr_format": 3,
    "array": {
        "order": "C",
        "write_empty_chunks": False,
        "read_missing_chunks": True,
        "target_shard_size_bytes": None,
        "rectilinear_chunks": False,
        "sharding_coalesce_max_gap_bytes": DEFAULT_MAX_GAP_BYTES,
        "sharding_coalesce_max_bytes": DEFAULT_MAX_COALESCED_BYTES,
        "allow_unsafe_pickle_decode": False,
    },
    "async": {"concurrency": 10, "timeout": None},
    "bulk_reads": {
        "max_concurrency": None,
        "max_gap_bytes": FSSPEC_MAX_GAP_BYTES,
        "max_coalesced_bytes": FSSPEC_MAX_COALESCED_BYTES,
        "window_seconds": 0.0,
        "read_ahead_bytes": 0,
        "max_retries": 3,
    },
    "threading": {"max_workers": None},
    "json_indent": 2,
    "codec_pipeline": {
        "path": "zarr.core.codec_pipeline.BatchedCodecPipeline",
        "batch_size": 1,
        "max_workers": None,
    },
    "codecs": _CODECS,
    "buffer": "zarr.buffer.cpu.Buffer",
    "ndbuffer": "zarr.buffer.cpu.NDBuffer",
}


# Keys that only earlier releases used. Setting such a key raises an error, because the key would
# have no effect.
_REMOVED = (
    "array.v2_default_compressor.numeric",
    "array.v2_default_compressor.string",
    "array.v2_default_compressor.bytes",
    "array.v2_default_filters.string",
    "array.v2_default_filters.bytes",
    "array.v3_default_filters.numeric",
    "array.v3_default_filters.raw",
    "array.v3_default_filters.bytes",
    "array.v3_default_serializer.numeric",
    "array.v3_default_serializer.string",
    "array.v3_default_serializer.bytes",
    "array.v3_default_compressors",
    "array.v3_default_compressors.string",
    "array.v3_default_compressors.bytes",
)


class _Setting(ConfigSet):  # type: ignore[misc]
    """A `ConfigSet` that counts how often each key is set at run time."""

    def __init__(self, owner: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(owner.config, owner.config_lock, owner.deprecations, *args, **kwargs)
        self._counts = owner._times_set
        self._lock = owner.config_lock
        self._paths = {path for _, path, _ in self._record}
        with self._lock:
            self._counts.update(self._paths)

    def __exit__(self, *exc_info: Any) -> None:
        super().__exit__(*exc_info)
        with self._lock:
            self._counts.subtract(self._paths)


class Config(DConfig):  # type: ignore[misc]
    """The configuration of zarr; see `donfig.Config` for its methods."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._times_set: Counter[tuple[str, ...]] = Counter()
        self._collected: Mapping[str, Any] = {}
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Discard all values set at run time, and read files and environment variables again."""
        self.refresh()
        with self.config_lock:
            self._times_set.clear()

    def refresh(self, **kwargs: Any) -> None:
        """Read files and environment variables again; discard all values set at run time.

        While this method runs, other threads get either the old or the new value of a key. A key
        that exists both before and after the call is never missing during the call.

        Parameters
        ----------
        **kwargs
            Passed to `donfig.Config.collect`.
        """
        fresh: dict[str, Any] = {}
        for defaults in self.defaults:
            update(fresh, defaults, priority="old")
        update(fresh, self.collect(**kwargs))
        self.config.update(fresh)
        for key in list(self.config):
            if key not in fresh:
                self.config.pop(key, None)

    def set(self, arg: Any = None, **kwargs: Any) -> ConfigSet:
        # docstring inherited
        return _Setting(self, arg, **kwargs)

    def collect(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # docstring inherited
        self._collected = super().collect(*args, **kwargs)
        return dict(self._collected)

    def is_set(self, key: str) -> bool:
        """Return whether a key was set explicitly, even if the value equals the default.

        A key is set explicitly by `set`, by a file, or by an environment variable.

        Parameters
        ----------
        key : str
            A dotted path.
        """
        path = tuple(key.split("."))
        if any(self._times_set[path[:length]] > 0 for length in range(1, len(path) + 1)):
            return True
        found: Any = self._collected
        for name in path:
            if not isinstance(found, Mapping) or name not in found:
                return False
            found = found[name]
        return True

    def enable_gpu(self) -> Any:
        """Keep array data in GPU memory for this process, in buffers of `zarr.buffer.gpu`.

        Returns
        -------
        context manager
            A context manager that restores the previous buffer classes on exit.
        """
        return self.set(
            {"buffer": "zarr.buffer.gpu.Buffer", "ndbuffer": "zarr.buffer.gpu.NDBuffer"}
        )


config = Config("zarr", defaults=[_DEFAULTS], deprecations=dict.fromkeys(_REMOVED))


def parse_indexing_order(data: object) -> Literal["C", "F"]:
    """Return `data` if it names a memory layout, ``"C"`` or ``"F"``.

    Raises
    ------
    ValueError
        If `data` is neither ``"C"`` nor ``"F"``.
    """
    if data == "C" or data == "F":
        return data
    raise ValueError(
        f"Failed to parse input for 'order': expected Literal['C', 'F'], got {data!r}."
    )
