"""Chunks that other implementations stored, decoded by single codec chains."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.codecs.codec_kit import make_spec

from zarr.codecs._v2 import V2Codec
from zarr.core._codec_chain import CodecChain
from zarr.core.array_spec import ArraySpec
from zarr.core.dtype import parse_dtype
from zarr.registry import get_codec_class, get_numcodec


def chunk_files(
    folder: Path, metadata: dict[str, Any], chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, ...], Path]]:
    """Yield the region of every stored chunk, and its file."""
    grid = [range(-(-length // chunk)) for length, chunk in zip(metadata["shape"], chunks)]
    for coords in itertools.product(*grid):
        if metadata["zarr_format"] == 2:
            separator = metadata.get("dimension_separator", ".")
            key = separator.join(map(str, coords)) or "0"
        else:
            encoding = metadata["chunk_key_encoding"]
            configuration = encoding.get("configuration", {})
            if encoding["name"] == "default":
                key = configuration.get("separator", "/").join(["c", *map(str, coords)])
            else:
                key = configuration.get("separator", ".").join(map(str, coords)) or "0"
        if (folder / key).is_file():
            yield tuple(slice(c * n, (c + 1) * n) for c, n in zip(coords, chunks)), folder / key


def chain_v2(metadata: dict[str, Any]) -> tuple[CodecChain, ArraySpec]:
    filters = tuple(get_numcodec(config) for config in metadata["filters"] or ())
    compressor = metadata["compressor"] and get_numcodec(metadata["compressor"])
    codec_ids = [config["id"] for config in metadata["filters"] or ()]
    objects = [
        codec_id for codec_id in codec_ids if codec_id.startswith(("vlen", "json", "msgpack"))
    ]
    name = metadata["dtype"]
    spec: Any = {"name": name, "object_codec_id": objects[0] if objects else None}
    dtype = parse_dtype(spec, zarr_format=2)
    codec = V2Codec(filters=filters or None, compressor=compressor)
    return CodecChain.from_codecs([codec]), make_spec(
        tuple(metadata["chunks"]), dtype, order=metadata["order"]
    )


def chain_v3(metadata: dict[str, Any]) -> tuple[CodecChain, ArraySpec]:
    codecs = []
    for form in metadata["codecs"]:
        form = {"name": form} if isinstance(form, str) else form
        codecs.append(get_codec_class(form["name"]).from_dict(form))
    dtype = parse_dtype(metadata["data_type"], zarr_format=3)
    fill_value = dtype.from_json_scalar(metadata["fill_value"], zarr_format=3)
    grid = metadata["chunk_grid"]["configuration"]
    spec = make_spec(tuple(grid["chunk_shape"]), dtype, fill_value=fill_value)
    return CodecChain.from_codecs(codecs).evolve(spec), spec


def same(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    if one.dtype.kind in "OTSU":
        return one.astype(object).tolist() == other.astype(object).tolist()
    return np.array_equal(one, other.astype(one.dtype), equal_nan=one.dtype.kind in "fcmM")


def readable(entry: dict[str, Any], metadata: dict[str, Any]) -> bool:
    """Leave out what codecs do not decide: shards and irregular grids."""
    if metadata["zarr_format"] == 2:
        return True
    names = [form if isinstance(form, str) else form["name"] for form in metadata["codecs"]]
    return metadata["chunk_grid"]["name"] == "regular" and "sharding_indexed" not in names


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_golden_chunks_decode(golden: Path) -> None:
    decoded_stores, wrong = 0, []
    for entry in json.loads((golden / "index.json").read_text()):
        if entry["kind"] != "array":
            continue
        folder = golden / entry["path"]
        metadata = json.loads(
            (folder / (".zarray" if entry["zarr_format"] == 2 else "zarr.json")).read_text()
        )
        if not readable(entry, metadata):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            chain, spec = (chain_v2 if entry["zarr_format"] == 2 else chain_v3)(metadata)
        expected = np.load(golden / entry["expected"], allow_pickle=entry["pickled"])
        for region, path in chunk_files(folder, metadata, spec.shape):
            stored = spec.prototype.buffer.from_bytes(path.read_bytes())
            chunk = chain.decode_sync(stored, spec).as_numpy_array()
            part = expected[region]
            if not same(chunk[tuple(slice(length) for length in part.shape)], part):
                wrong.append(f"{entry['path']}: {path.name}")
            # What was decoded is encoded to something that decodes to the same.
            again = chain.encode_sync(spec.prototype.nd_buffer.from_numpy_array(chunk), spec)
            assert again is not None
            if not same(chain.decode_sync(again, spec).as_numpy_array(), chunk):
                wrong.append(f"{entry['path']}: {path.name} encoded again")
        decoded_stores += 1
    assert wrong == []
    assert decoded_stores > 70
