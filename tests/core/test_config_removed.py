"""Keys of the configuration that earlier releases had."""

from __future__ import annotations

import pytest

import zarr
from zarr.core.config import config

REMOVED = {
    "array.v2_default_compressor": ("numeric", "string", "bytes"),
    "array.v2_default_filters": ("string", "bytes"),
    "array.v3_default_filters": ("numeric", "raw", "bytes"),
    "array.v3_default_serializer": ("numeric", "string", "bytes"),
    "array.v3_default_compressors": ("string", "bytes"),
}
KEYS = [f"{key}.{kind}" for key, kinds in REMOVED.items() for kind in kinds]


@pytest.mark.parametrize("key", [*KEYS, "array.v3_default_compressors"])
def test_a_removed_key_cannot_be_set(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key}' has been removed"):
        zarr.config.set({key: "zstd"})
    with pytest.raises(ValueError, match="has been removed"):
        zarr.config.set(**{key.replace(".", "__"): "zstd"})
    assert zarr.config.get(key, None) is None


def test_other_keys_can_be_set() -> None:
    with zarr.config.set({"array.order": "F", "codecs.mine": "a.b", "array.mine": 1}):
        assert zarr.config.get("array.mine") == 1
    assert set(config.deprecations) == {*KEYS, "array.v3_default_compressors"}
