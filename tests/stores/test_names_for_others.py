"""Helpers of stores under the names by which other packages find them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.optional import lacks

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.storage._utils import _join_paths, _normalize_byte_range_index, _relativize_path

VALUE = b"0123456789"


@pytest.mark.parametrize(
    ("paths", "joined"),
    [
        ([], ""),
        (["", "a"], "a"),
        (["a", "", "b", ""], "a/b"),
        (iter(["a", "b", "c"]), "a/b/c"),
        (["a/", "/b"], "a///b"),
    ],
)
def test_parts_are_joined(paths: Any, joined: str) -> None:
    assert _join_paths(paths) == joined


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("a/b", "a", "b"),
        ("a/b/c", "a/b", "c"),
        ("a/b", "", "a/b"),
        ("", "", ""),
        ("/a/b", "/a", "b"),
        ("a/", "a", ""),
        ("a//b", "a", "/b"),
    ],
)
def test_a_path_below_another(path: str, prefix: str, expected: str) -> None:
    assert _relativize_path(path=path, prefix=prefix) == expected


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("a", "a"), ("ab", "a"), ("b", "a"), ("", "a"), ("a/b", "a/"), ("a/b/c", "b"), ("/a/b", "a")],
)
def test_a_path_that_does_not_lie_below(path: str, prefix: str) -> None:
    with pytest.raises(ValueError, match="below"):
        _relativize_path(path=path, prefix=prefix)


@pytest.mark.parametrize(
    ("request_", "bounds"),
    [
        (None, (0, 11)),
        (RangeByteRequest(2, 5), (2, 5)),
        (RangeByteRequest(2, 50), (2, 50)),
        (OffsetByteRequest(3), (3, 11)),
        (OffsetByteRequest(30), (30, 11)),
        (SuffixByteRequest(4), (6, 11)),
        (SuffixByteRequest(40), (0, 11)),
    ],
)
def test_bounds_of_a_byte_request(request_: Any, bounds: tuple[int, int]) -> None:
    data = default_buffer_prototype().buffer.from_bytes(VALUE)
    start, stop = _normalize_byte_range_index(data, request_)
    assert (start, stop) == bounds
    assert data[start:stop].to_bytes() == VALUE[slice(*bounds)]


@pytest.mark.parametrize("request_", [(1, 2), "x", 3])
def test_what_is_no_byte_request(request_: Any) -> None:
    data = default_buffer_prototype().buffer.from_bytes(VALUE)
    with pytest.raises(ValueError, match="Unexpected byte_range"):
        _normalize_byte_range_index(data, request_)


@pytest.mark.skipif(lacks("fsspec"), reason="needs fsspec")
def test_file_systems_become_asynchronous() -> None:
    import fsspec
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

    from zarr.storage._fsspec import _make_async

    local = fsspec.filesystem("file")
    wrapped = _make_async(local)
    assert isinstance(wrapped, AsyncFileSystemWrapper)
    assert wrapped.sync_fs is local
    assert wrapped.asynchronous
    assert _make_async(wrapped) is wrapped

    synchronous = fsspec.filesystem("reference", fo={"a": "x"})
    made = _make_async(synchronous)
    assert type(made) is type(synchronous)
    assert made.asynchronous
    assert not synchronous.asynchronous
