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
from zarr.abc.codec import (
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
)
from zarr.abc.store import RangeByteRequest
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


@pytest.mark.parametrize("name", PARTIAL)
def test_coding_of_parts_of_nested_shards(name: str) -> None:
    calls: list[str] = []
    codec = noting(ShardingCodec, name, calls)(chunk_shape=(2,))
    used(AROUND["nested"](codec))
    # As often as by zarr-python: for each inner chunk that a selection touches.
    assert calls == [name] * (5 if "encode" in name else 7)


@pytest.mark.parametrize("name", PARTIAL)
def test_coding_of_parts_two_levels_down(name: str) -> None:
    calls: list[str] = []
    codec = noting(ShardingCodec, name, calls)(chunk_shape=(1,))
    middle = ShardingCodec(chunk_shape=(2,), codecs=[codec])
    used({**PLAIN, "serializer": ShardingCodec(chunk_shape=(4,), codecs=[middle])})
    assert calls == [name] * (9 if "encode" in name else 13)


@pytest.mark.parametrize("name", PARTIAL)
@pytest.mark.parametrize("nested", [False, True], ids=["alone", "nested"])
def test_replaced_methods_for_parts(
    name: str, nested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    base = type("Base", (ShardingCodec,), {}) if nested else ShardingCodec
    replacement: Any = vars(noting(base, name, calls))[name]
    codec: Any = base(chunk_shape=(2,))
    monkeypatch.setattr(base, name, replacement)
    used(AROUND["nested"](codec) if nested else {**PLAIN, "serializer": codec})
    assert calls
    assert set(calls) == {name}


def test_selections_and_keys_of_inner_chunks() -> None:
    """A codec may read and write the bytes of its inner chunk, also where it is absent."""
    seen: list[Any] = []

    class Own(ShardingCodec):
        async def _decode_partial_single(self, byte_getter: Any, selection: Any, spec: Any) -> Any:
            whole = await byte_getter.get(spec.prototype)
            first = await byte_getter.get(spec.prototype, RangeByteRequest(0, 4))
            assert (whole is None) == (first is None)
            if whole is not None:
                assert first.to_bytes() == whole.to_bytes()[:4]
            seen.append((selection, whole is not None))
            part = await super()._decode_partial_single(byte_getter, selection, spec)
            return None if part is None else spec.prototype.nd_buffer(-part.as_numpy_array())

        async def _encode_partial_single(
            self, byte_setter: Any, chunk_array: Any, selection: Any, chunk_spec: Any
        ) -> None:
            before = await byte_setter.get(chunk_spec.prototype)
            seen.append((selection, before is not None))
            await super()._encode_partial_single(byte_setter, chunk_array, selection, chunk_spec)

    codec = Own(chunk_shape=(2,))
    outer = ShardingCodec(chunk_shape=(4,), codecs=[codec])
    array: Any = zarr.create_array(
        {}, shape=(16,), chunks=(16,), dtype="i4", **PLAIN, serializer=outer
    )
    array[0:4] = np.arange(1, 5)
    array[1:6] = np.arange(2, 7)
    assert seen == [
        ((slice(0, 4, 1),), False),
        ((slice(1, 4, 1),), True),
        ((slice(0, 2, 1),), False),
    ]
    seen.clear()
    assert array[2:9].tolist() == [-3, -4, -5, -6, 0, 0, 0]
    assert seen == [
        ((slice(2, 4, 1),), True),
        ((slice(0, 4, 1),), True),
        ((slice(0, 1, 1),), False),
    ]
    assert array[:].tolist() == [-1, -2, -3, -4, -5, -6, *[0] * 10]
    assert array[5] == -6
    found = asyncio.run(array.async_array.getitem(slice(0, 5, 2)))
    assert found.tolist() == [-1, -3, -5]
    array[0:16] = 0
    assert not [key for key in array.store_path.store._store_dict if key.startswith("c/")]


def test_parts_by_a_codec_that_is_no_sharding_codec() -> None:
    calls: list[str] = []

    class Own(BytesCodec, ArrayBytesCodecPartialDecodeMixin, ArrayBytesCodecPartialEncodeMixin):
        async def _decode_partial_single(self, byte_getter: Any, selection: Any, spec: Any) -> Any:
            calls.append("decode")
            data = await byte_getter.get(spec.prototype)
            return None if data is None else (await self._decode_single(data, spec))[selection]

        async def _encode_partial_single(
            self, byte_setter: Any, chunk_array: Any, selection: Any, chunk_spec: Any
        ) -> None:
            calls.append("encode")
            data = await byte_setter.get(chunk_spec.prototype)
            chunk = np.zeros(chunk_spec.shape, "i4")
            if data is not None:
                chunk[...] = (await self._decode_single(data, chunk_spec)).as_numpy_array()
            chunk[selection] = chunk_array.as_numpy_array()
            encoded = await self._encode_single(
                chunk_spec.prototype.nd_buffer.from_numpy_array(chunk), chunk_spec
            )
            await byte_setter.set(encoded)

    used({**PLAIN, "serializer": ShardingCodec(chunk_shape=(4,), codecs=[Own()])})
    assert calls.count("encode") == 5
    assert calls.count("decode") == 7


def test_a_failure_of_an_override_names_the_inner_chunk() -> None:
    class Failing(ShardingCodec):
        async def _decode_partial_single(self, *_: Any) -> Any:
            raise KeyError("no")

    outer = ShardingCodec(chunk_shape=(4,), codecs=[Failing(chunk_shape=(2,))])
    array: Any = zarr.create_array(
        {}, shape=(8,), chunks=(8,), dtype="i4", serializer=outer, **PLAIN
    )
    array[:] = np.arange(1, 9)
    with pytest.raises(ValueError, match="cannot be decoded: KeyError") as caught:
        array[5]
    assert "inner chunk (1,) of the shard" in str(caught.value.__notes__)


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
