"""Checks of the shape of JSON forms."""

from __future__ import annotations

from typing import Any

import pytest

from zarr.core.dtype.common import (
    HasEndianness,
    HasItemSize,
    HasLength,
    ScalarTypeValidationError,
    check_dtype_name_v2,
    check_dtype_spec_no_object_codec_v2,
    check_dtype_spec_v2,
    check_dtype_spec_v3,
    check_structured_dtype_name_v2,
    check_structured_dtype_v2_inner,
)

FIELD = ["a", "<i4"]
NESTED = ["p", [FIELD]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (FIELD, True),
        (tuple(FIELD), True),
        (NESTED, True),
        (["a", []], True),
        (["a", 5], False),
        ([5, "x"], False),
        (["a"], False),
        (["a", "<i4", [2]], False),
        ("ab", False),
        (b"ab", False),
        (["a", ["b"]], False),
        (None, False),
    ],
)
def test_field(data: Any, expected: bool) -> None:
    assert check_structured_dtype_v2_inner(data) is expected
    assert check_structured_dtype_name_v2([data]) is expected
    assert check_structured_dtype_name_v2([FIELD, data]) is expected
    assert check_dtype_name_v2([data]) is expected
    assert check_dtype_spec_v2({"name": [data], "object_codec_id": None}) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [("<i4", True), ([], True), ([FIELD], True), (5, False), (["a", "b"], False), ({}, False)],
)
def test_name(data: Any, expected: bool) -> None:
    assert check_dtype_name_v2(data) is expected


@pytest.mark.parametrize(
    ("data", "expected", "no_codec"),
    [
        ({"name": "<i4", "object_codec_id": None}, True, True),
        ({"name": "|O", "object_codec_id": "vlen-utf8"}, True, False),
        ({"name": "|O", "object_codec_id": 5}, False, False),
        ({"name": "<i4"}, False, False),
        ({"name": "<i4", "configuration": {}}, False, False),
        ({"name": "<i4", "object_codec_id": None, "x": 1}, False, False),
        ({"name": 5, "object_codec_id": None}, False, False),
        ("<i4", False, False),
        (None, False, False),
    ],
)
def test_spec_v2(data: Any, expected: bool, no_codec: bool) -> None:
    assert check_dtype_spec_v2(data) is expected
    assert check_dtype_spec_no_object_codec_v2(data) is no_codec


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("x", True),
        ({"name": "x", "configuration": {}}, True),
        ({"name": "x"}, False),
        ({"name": "x", "configuration": 5}, False),
        ({"name": "x", "configuration": {}, "y": 1}, False),
        ({"configuration": {}, "y": 1}, False),
        (5, False),
    ],
)
def test_spec_v3(data: Any, expected: bool) -> None:
    assert check_dtype_spec_v3(data) is expected


def test_traits() -> None:
    assert HasEndianness().endianness == "little"
    assert HasEndianness(endianness="big") != HasEndianness()
    assert HasLength(length=3).length == 3
    with pytest.raises(NotImplementedError):
        HasItemSize().item_size
    assert issubclass(ScalarTypeValidationError, ValueError)
