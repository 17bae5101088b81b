"""Finding implementations by name, and the configuration that chooses among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zarr import registry
from zarr.abc.codec import BytesBytesCodec
from zarr.core.array_spec import ArrayConfig, parse_array_config
from zarr.core.config import BadConfigError, config, parse_indexing_order
from zarr.errors import UnknownCodecError, ZarrUserWarning

DEFAULTS = {
    "default_zarr_format": 3,
    "array.order": "C",
    "array.write_empty_chunks": False,
    "array.read_missing_chunks": True,
    "array.target_shard_size_bytes": None,
    "array.rectilinear_chunks": False,
    "array.sharding_coalesce_max_gap_bytes": 1048576,
    "array.sharding_coalesce_max_bytes": 16777216,
    "array.allow_unsafe_pickle_decode": False,
    "async.concurrency": 10,
    "async.timeout": None,
    "threading.max_workers": None,
    "json_indent": 2,
    "codec_pipeline.path": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "codec_pipeline.batch_size": 1,
    "codec_pipeline.max_workers": None,
    "codecs.gzip": "zarr.codecs.gzip.GzipCodec",
    "codecs.numcodecs.pcodec": "zarr.codecs.numcodecs.PCodec",
    "buffer": "zarr.buffer.cpu.Buffer",
    "ndbuffer": "zarr.buffer.cpu.NDBuffer",
}


@pytest.mark.parametrize("key", DEFAULTS)
def test_defaults(key: str) -> None:
    found = config.get("codecs")[key[7:]] if key.startswith("codecs.") else config.get(key)
    assert found == DEFAULTS[key]


def test_setting_for_a_while_and_resetting() -> None:
    with config.set({"array.order": "F"}):
        assert config.get("array.order") == "F"
    assert config.get("array.order") == "C"
    config.set({"array.order": "F"})
    config.reset()
    assert config.get("array.order") == "C"
    with config.enable_gpu():
        assert config.get("buffer") == "zarr.buffer.gpu.Buffer"
    assert config.get("buffer") == "zarr.buffer.cpu.Buffer"


def test_environment() -> None:
    program = (
        "import json; from zarr.core.config import config\n"
        "print(json.dumps([config.get('array.order'), config.get('async.concurrency')]))"
    )
    env = os.environ | {"ZARR_ARRAY__ORDER": "F", "ZARR_ASYNC__CONCURRENCY": "3"}
    env["PYTHONPATH"] = str(Path(registry.__file__).parents[1])
    out = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert json.loads(out.stdout) == ["F", 3]


def test_order_is_checked() -> None:
    assert parse_indexing_order("F") == "F"
    with pytest.raises(ValueError, match="got 'Q'"):
        parse_indexing_order("Q")


class CodecA(BytesBytesCodec):
    is_fixed_size = True


class CodecB(CodecA):
    pass


def test_codecs() -> None:
    registry.register_codec("test-one", CodecA)
    assert registry.get_codec_class("test-one") is CodecA
    with pytest.raises(UnknownCodecError, match="'nope'"):
        registry.get_codec_class("nope")
    registry.register_codec("test-two", CodecA)
    registry.register_codec("test-two", CodecB)
    with pytest.warns(ZarrUserWarning, match="not configured"):
        assert registry.get_codec_class("test-two") is CodecB
    with config.set({"codecs.test-two": registry.fully_qualified_name(CodecA)}):
        assert registry.get_codec_class("test-two") is CodecA
    with (
        config.set({"codecs.test-two": "no.such.Codec"}),
        pytest.raises(BadConfigError, match=r"no\.such\.Codec"),
    ):
        registry.get_codec_class("test-two")


def test_what_is_configured_has_to_exist() -> None:
    for key, get in (
        ("buffer", registry.get_buffer_class),
        ("ndbuffer", registry.get_ndbuffer_class),
        ("codec_pipeline.path", registry.get_pipeline_class),
    ):
        with config.set({key: "no.such.Thing"}), pytest.raises(BadConfigError, match=key):
            get()


def test_numcodecs_codecs() -> None:
    codec: Any = registry.get_numcodec({"id": "zlib", "level": 3})
    assert codec.get_config() == {"id": "zlib", "level": 3}
    with pytest.raises(UnknownCodecError, match="'zzz'"):
        registry.get_numcodec({"id": "zzz"})


def test_entry_points(tmp_path: Path) -> None:
    """An installed package adds codecs, imported when first asked for."""
    (tmp_path / "plugin.py").write_text(
        "from zarr.abc.codec import BytesBytesCodec\n"
        "class Plugged(BytesBytesCodec):\n    is_fixed_size = True\n"
    )
    info = tmp_path / "plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[zarr.codecs]\nplugged = plugin:Plugged\n[zarr]\ncodecs.older = plugin:Plugged\n"
    )
    program = (
        "import sys; from zarr.registry import get_codec_class\n"
        "assert 'plugin' not in sys.modules\n"
        "print(get_codec_class('plugged').__name__, get_codec_class('older').__name__)"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(registry.__file__).parents[1])])
    out = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.split() == ["Plugged", "Plugged"]


def test_array_options_follow_the_configuration() -> None:
    with config.set({"array.order": "F", "array.write_empty_chunks": True}):
        assert parse_array_config(None) == ArrayConfig("F", True)
        assert parse_array_config({"order": "C"}) == ArrayConfig("C", True)
    given = ArrayConfig("C", False, read_missing_chunks=False)
    assert parse_array_config(given) is given
    assert ArrayConfig.from_dict(given.to_dict()) == given
    with pytest.raises(TypeError, match="Unknown array config keys"):
        parse_array_config({"unknown": 1})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 or more"):
        ArrayConfig("C", False, sharding_coalesce_max_bytes=-1)


def test_codecs_that_no_configuration_names_are_found_at_once() -> None:
    program = "import zarr.registry as r; print(r.get_codec_class('cast_value').__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout == "CastValue\n"
