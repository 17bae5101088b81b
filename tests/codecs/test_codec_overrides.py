"""What others use and override of codecs under internal names, and which override is meant."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import numcodecs
import numpy as np
import pytest

import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)


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


# --- which override is meant ------------------------------------------------------------

CODING = ["_decode_single", "decode", "_encode_single", "encode", "_decode_sync", "_encode_sync"]
PARTIAL = ["_decode_partial_single", "decode_partial", "_encode_partial_single", "encode_partial"]


def noting(base: Any, name: str, calls: list[str]) -> Any:
    """Return a subclass of a codec that notes when one of its methods is called."""
    original = getattr(base, name)

    async def waiting(self: Any, *args: Any) -> Any:
        await asyncio.sleep(0)
        calls.append(name)
        return await original(self, *args)

    def at_once(self: Any, *args: Any) -> Any:
        calls.append(name)
        return original(self, *args)

    return type("Own", (base,), {name: at_once if name.endswith("_sync") else waiting})


def used(codecs: dict[str, Any]) -> Any:
    array: Any = zarr.create_array({}, shape=(16,), chunks=(8,), dtype="i4", **codecs)
    array[:] = np.arange(16)
    array[0:1] = 5
    assert array[:].tolist() == [5, *range(1, 16)]
    assert array[1] == 1
    assert asyncio.run(array.async_array.getitem(slice(4, 12))).tolist() == list(range(4, 12))
    return array


PLAIN: dict[str, Any] = {"compressors": None, "filters": None}
AROUND: dict[str, Callable[[Any], dict[str, Any]]] = {
    "compressed": lambda codec: {"serializer": codec, "compressors": [GzipCodec()]},
    "filtered": lambda codec: {
        "serializer": codec,
        "compressors": None,
        "filters": [TransposeCodec(order=(0,))],
    },
    "nested": lambda codec: {
        **PLAIN,
        "serializer": ShardingCodec(chunk_shape=(4,), codecs=[codec]),
    },
}


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", CODING)
def test_coding_of_whole_shards(name: str, around: str) -> None:
    calls: list[str] = []
    codec = noting(ShardingCodec, name, calls)(chunk_shape=(2,))
    used(AROUND[around](codec))
    assert calls
    assert set(calls) == {name}


@pytest.mark.parametrize("name", PARTIAL)
def test_coding_of_parts_of_shards(name: str) -> None:
    calls: list[str] = []
    codec = noting(ShardingCodec, name, calls)(chunk_shape=(2,))
    used({**PLAIN, "serializer": codec})
    # Two shards that are written whole and one in part; those that three selections touch.
    assert calls == [name] * (3 if "encode" in name else 5)


@pytest.mark.parametrize("within_shards", [False, True], ids=["chunks", "shards"])
@pytest.mark.parametrize("name", CODING)
@pytest.mark.parametrize("base", [BytesCodec, GzipCodec, ZstdCodec, Crc32cCodec])
def test_what_only_one_method_overrides(base: Any, name: str, within_shards: bool) -> None:
    calls: list[str] = []
    codec = noting(base, name, calls)()
    chain = [codec] if base is BytesCodec else [BytesCodec(), codec]
    if within_shards:
        codecs = {**PLAIN, "serializer": ShardingCodec(chunk_shape=(4,), codecs=chain)}
    else:
        codecs = {"serializer": chain[0], "compressors": chain[1:] or None}
    used(codecs)
    assert calls
    assert set(calls) == {name}
