"""Damaged ZIP archives: what is read is right, or a clear error names the archive or the key."""

from __future__ import annotations

import io
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from tests.fuzz.fuzz_kit import BOUNDED, guarded

import zarr
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import ZipStore

PROTOTYPE = default_buffer_prototype()
DATA = np.arange(1, 65, dtype="i4")
VALUES = {"g/a": b"0123456789" * 20, "g/b": b"x" * 3000, "c": b""}
COMPRESSIONS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def _archive(compression: int) -> bytes:
    file = io.BytesIO()
    with ZipStore(file, mode="w", compression=compression) as store:
        zarr.create_array(store, name="x", data=DATA, chunks=(16,), fill_value=-1)
        for key, value in VALUES.items():
            sync(store.set(key, PROTOTYPE.buffer.from_bytes(value)))
    return file.getvalue()


ARCHIVES = {name: _archive(compression) for name, compression in COMPRESSIONS.items()}
SIZES = [
    0,
    1,
    0xFF,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFE,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
    (1 << 64) - 1,
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return an archive in which bytes are others, or missing, or where sizes are wrong."""
    data = bytearray(ARCHIVES[draw(st.sampled_from(sorted(ARCHIVES)))])
    # Directories lie at the end, and few bytes of an archive are part of one.
    near_end = st.integers(1, min(700, len(data))).map(lambda n: len(data) - n)
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        at = max(0, min(draw(st.one_of(near_end, st.integers(0, len(data) - 1))), len(data) - 1))
        kind = draw(
            st.sampled_from(["flip", "cut end", "cut", "size", "repeat", "insert", "field"])
        )
        if kind == "flip":
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "cut end":
            del data[at:]
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 60))]
        elif kind == "size":
            width = draw(st.sampled_from([2, 4, 8]))
            value = draw(st.sampled_from(SIZES)) % (1 << 8 * width)
            data[at : at + width] = value.to_bytes(width, "little")
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=40))
        else:
            _spoil_field(draw, data)
    return bytes(data)


def _spoil_field(draw: st.DrawFn, data: bytearray) -> None:
    """Replace a field of a header: see APPNOTE.TXT 4.3.7, 4.3.12 and 4.3.16."""
    fields = {
        b"PK\x03\x04": [(6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
        b"PK\x01\x02": [(8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4)],
        b"PK\x05\x06": [(8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
    }
    signature = draw(st.sampled_from(sorted(fields)))
    starts = [at for at in range(len(data)) if data[at : at + 4] == signature]
    if starts:
        offset, width = draw(st.sampled_from(fields[signature]))
        at = draw(st.sampled_from(starts)) + offset
        value = draw(st.sampled_from(SIZES)) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, "little")


def _get(store: ZipStore, key: str, byte_range: Any = None) -> Any:
    return sync(store.get(key, PROTOTYPE, byte_range))


def _getsize(store: ZipStore, key: str) -> int:
    return sync(store.getsize(key))


def _opened(target: Any, name: str, mode: Any = "r") -> ZipStore | None:
    store = ZipStore(target, mode=mode)
    outcome = guarded(lambda: sync(store._open()), name)
    return store if outcome.error is None else None


@settings(parent=BOUNDED, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=damaged())
def test_reading_a_damaged_archive(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.zip"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = _opened(path, "fuzzed.zip")
        if store is None:
            return
        with store:
            _check(store)


def _check(store: ZipStore) -> None:
    async def listed() -> list[str]:
        return [key async for key in store.list()]

    keys = guarded(lambda: sync(listed())).value
    for key in [*VALUES, *keys]:
        for byte_range in (None, RangeByteRequest(1, 9), SuffixByteRequest(4)):
            found = guarded(partial(_get, store, key, byte_range), repr(key)).value
            # A whole value has a checksum. What the directory does not name is absent.
            if byte_range is None and found is not None and key in VALUES:
                assert found.to_bytes() == VALUES[key]
    for key in keys:
        guarded(partial(_getsize, store, key), key)
    opened = guarded(lambda: zarr.open_array(store, path="x", mode="r"))
    if opened.error is None:
        found = guarded(lambda: opened.value[:]).value
        if found is not None and opened.value.metadata.fill_value == -1:
            assert found.shape == DATA.shape
            assert np.isin(found, [*DATA, -1]).all()


@settings(parent=BOUNDED, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=damaged())
def test_adding_to_a_damaged_archive(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is refused, and stays as it is, or added to, and all that was readable stays so."""
    path = tmp_path_factory.getbasetemp() / "added.zip"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = _readable(path)
        store = _opened(path, "added.zip", mode="a") if data else None
        if store is None:
            assert path.read_bytes() == data
            return
        guarded(lambda: sync(store.set("new", PROTOTYPE.buffer.from_bytes(b"value"))), "new")
        ended = guarded(store.close, "added.zip")
        if ended.error is not None:
            assert path.read_bytes() == data
            return
        after = _readable(path)
    assert after.pop("new") == b"value"
    assert after.items() >= {k: v for k, v in before.items() if k != "new"}.items()


def _readable(path: Path) -> dict[str, bytes]:
    """Return what can be read of an archive."""
    store = ZipStore(path)
    found: dict[str, bytes] = {}
    if guarded(lambda: sync(store._open())).error is not None:
        return found
    with store:
        for key in sync(store._keys()):
            value = guarded(partial(_get, store, key), repr(key)).value
            if value is not None:
                found[key] = value.to_bytes()
    return found
