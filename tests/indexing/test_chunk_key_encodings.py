"""Keys of chunks, and the encodings that metadata name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zarr.registry
from zarr.core.chunk_key_encodings import (
    ChunkKeyEncoding,
    DefaultChunkKeyEncoding,
    V2ChunkKeyEncoding,
    parse_chunk_key_encoding,
    parse_separator,
)

SEPARATOR = "Failed to parse input for 'separator': expected Literal['.', '/'], got "


@pytest.mark.parametrize(
    ("encoding", "coords", "key"),
    [
        (DefaultChunkKeyEncoding(), (1, 20), "c/1/20"),
        (DefaultChunkKeyEncoding("."), (1, 20), "c.1.20"),
        (DefaultChunkKeyEncoding(), (), "c"),
        (V2ChunkKeyEncoding(), (1, 20), "1.20"),
        (V2ChunkKeyEncoding("/"), (1, 20), "1/20"),
        (V2ChunkKeyEncoding(), (), "0"),
        (V2ChunkKeyEncoding(), (0,), "0"),
    ],
)
def test_keys(encoding: ChunkKeyEncoding, coords: tuple[int, ...], key: str) -> None:
    assert encoding.encode_chunk_key(coords) == key
    template = encoding._key_template(len(coords))
    assert template is not None
    assert template % coords == key


@pytest.mark.parametrize("base", [DefaultChunkKeyEncoding, V2ChunkKeyEncoding])
def test_a_subclass_makes_its_keys_itself(base: type[ChunkKeyEncoding]) -> None:
    class Reversed(base):  # type: ignore[misc, valid-type]
        def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
            return super().encode_chunk_key(chunk_coords[::-1])

    assert Reversed()._key_template(2) is None


@given(
    st.sampled_from([DefaultChunkKeyEncoding, V2ChunkKeyEncoding]),
    st.sampled_from("./"),
    st.lists(st.integers(0, 10**6), max_size=4).map(tuple),
)
def test_keys_are_decoded_to_their_position(
    cls: Any, separator: str, coords: tuple[int, ...]
) -> None:
    encoding = cls(separator)
    # The v2 key of an array without dimensions is also that of the first of one dimension.
    expected = (0,) if cls is V2ChunkKeyEncoding and coords == () else coords
    assert encoding.decode_chunk_key(encoding.encode_chunk_key(coords)) == expected


@pytest.mark.parametrize(
    ("encoding", "key"),
    [
        (DefaultChunkKeyEncoding(), "d/1/2"),
        (DefaultChunkKeyEncoding(), "c.1.2"),
        (DefaultChunkKeyEncoding("."), "c/1/2"),
        (DefaultChunkKeyEncoding(), ""),
        (DefaultChunkKeyEncoding(), "c/"),
        (DefaultChunkKeyEncoding(), "c/a"),
        (DefaultChunkKeyEncoding(), "c/-1"),
        (DefaultChunkKeyEncoding(), "c/1_0"),
        (DefaultChunkKeyEncoding(), "c/1²"),
        (DefaultChunkKeyEncoding(), "zarr.json"),
        (V2ChunkKeyEncoding(), "1/2"),
        (V2ChunkKeyEncoding(), ""),
        (V2ChunkKeyEncoding(), ".zarray"),
        (V2ChunkKeyEncoding(), "0. 1"),
    ],
)
def test_other_keys_are_refused(encoding: ChunkKeyEncoding, key: str) -> None:
    message = f"Invalid chunk key for {encoding.name} encoding: {key!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        encoding.decode_chunk_key(key)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"name": "default"}, DefaultChunkKeyEncoding()),
        ({"name": "v2"}, V2ChunkKeyEncoding()),
        ({"name": "default", "configuration": {}}, DefaultChunkKeyEncoding()),
        (
            {"name": "default", "configuration": {"separator": "."}},
            DefaultChunkKeyEncoding("."),
        ),
        ({"name": "v2", "separator": "/"}, V2ChunkKeyEncoding("/")),
        (
            {"name": "v2", "separator": ".", "configuration": {"separator": "/"}},
            V2ChunkKeyEncoding("."),
        ),
        (DefaultChunkKeyEncoding("."), DefaultChunkKeyEncoding(".")),
    ],
)
def test_parse(data: Any, expected: ChunkKeyEncoding) -> None:
    parsed = parse_chunk_key_encoding(data)
    assert parsed == expected
    assert parse_chunk_key_encoding(parsed.to_dict()) == expected


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("default", TypeError, "Expected dict, got <class 'str'>"),
        (None, TypeError, "Expected dict, got <class 'NoneType'>"),
        ({"name": 3}, TypeError, "Expected a string"),
        ({"name": "default", "configuration": None}, TypeError, "Expected dict"),
        ({"name": "default", "configuration": {"x": 1}}, TypeError, "'x'"),
        ({"separator": "."}, ValueError, "does not have a 'name' key"),
        ({"name": "default", "separator": "-"}, ValueError, SEPARATOR + "'-'."),
        (
            {"name": "other"},
            ValueError,
            "Unknown chunk key encoding: \"Chunk key encoding 'other' not found in registered chunk "
            "key encodings: ['default', 'v2']",
        ),
    ],
)
def test_parse_refuses(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        parse_chunk_key_encoding(data)


def test_json_forms() -> None:
    assert V2ChunkKeyEncoding().to_dict() == {"name": "v2", "configuration": {"separator": "."}}
    assert repr(DefaultChunkKeyEncoding()) == "DefaultChunkKeyEncoding(separator='/')"
    slashes: list[ChunkKeyEncoding] = [DefaultChunkKeyEncoding("/"), V2ChunkKeyEncoding("/")]
    assert slashes[0] != slashes[1]
    assert parse_separator(".") == "."
    with pytest.raises(ValueError, match=re.escape(SEPARATOR + "None.")):
        parse_separator(None)
    with pytest.raises(ValueError, match=re.escape(SEPARATOR)):
        V2ChunkKeyEncoding("-")  # type: ignore[arg-type]


@dataclass(frozen=True)
class ReversedEncoding(ChunkKeyEncoding):
    name: ClassVar[str] = "reversed"
    joint: str = "-"

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        return self.joint.join(map(str, reversed(chunk_coords)))


@pytest.fixture
def registered() -> Iterator[None]:
    zarr.registry.register_chunk_key_encoding("reversed", ReversedEncoding)
    yield
    del zarr.registry._chunk_key_encodings["reversed"]


def test_an_encoding_of_ones_own(registered: None) -> None:
    assert zarr.registry.get_chunk_key_encoding_class("v2") is V2ChunkKeyEncoding
    encoding = parse_chunk_key_encoding({"name": "reversed", "configuration": {"joint": "+"}})
    assert encoding.encode_chunk_key((1, 2)) == "2+1"
    assert encoding.to_dict() == {"name": "reversed", "configuration": {"joint": "+"}}
    with pytest.raises(NotImplementedError, match="ReversedEncoding does not implement"):
        encoding.decode_chunk_key("2+1")
