"""What others use and override of codecs under internal names, and which override is meant."""

from __future__ import annotations

import pickle
from typing import Any

import numcodecs
import numpy as np
import pytest

import zarr
from zarr.codecs import BloscCodec, ZstdCodec


@pytest.mark.parametrize(
    ("codec", "name", "configuration"),
    [
        (
            BloscCodec(typesize=4, cname="lz4", clevel=3, shuffle="shuffle", blocksize=7),
            "_blosc_codec",
            {"id": "blosc", "cname": "lz4", "clevel": 3, "shuffle": 1, "blocksize": 7},
        ),
        (
            BloscCodec(),
            "_blosc_codec",
            {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0},
        ),
        (
            ZstdCodec(level=5, checksum=True),
            "_zstd_codec",
            {"id": "zstd", "level": 5, "checksum": True},
        ),
    ],
    ids=["blosc", "blosc by default", "zstd"],
)
def test_the_codec_of_numcodecs(codec: Any, name: str, configuration: dict[str, Any]) -> None:
    inner = getattr(codec, name)
    assert inner is getattr(codec, name)
    assert isinstance(inner, numcodecs.abc.Codec)
    assert inner.get_config() == configuration
    again = pickle.loads(pickle.dumps(codec))
    assert again == codec
    data = np.arange(100, dtype="i4")
    assert bytes(getattr(again, name).decode(inner.encode(data))) == data.tobytes()


@pytest.mark.parametrize("how", ["subclass", "class"])
@pytest.mark.parametrize(
    ("base", "name"), [(BloscCodec, "_blosc_codec"), (ZstdCodec, "_zstd_codec")]
)
def test_a_codec_in_its_place_encodes_and_decodes(
    base: Any, name: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    class Noting(numcodecs.Zlib):
        def encode(self, buf: Any) -> Any:
            calls.append("encode")
            return super().encode(buf)

        def decode(self, buf: Any, out: Any = None) -> Any:
            calls.append("decode")
            return np.frombuffer(super().decode(buf, out), dtype="u2")

    instead = property(lambda self: Noting(1))
    if how == "class":
        monkeypatch.setattr(base, name, instead)
        codec = base()
    else:
        codec = type("Own", (base,), {name: instead})()
    array: Any = zarr.create_array({}, shape=(6,), chunks=(3,), dtype="i4", compressors=codec)
    array[:] = np.arange(1, 7)
    assert array[:].tolist() == [1, 2, 3, 4, 5, 6]
    assert array[1] == 2
    assert calls == ["encode"] * 2 + ["decode"] * 3
