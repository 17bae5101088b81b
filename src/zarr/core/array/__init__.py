"""Arrays: reading, writing, creating and resizing them."""

from zarr.core.array._async import AsyncArray
from zarr.core.array._create import (
    create_array,
    from_array,
    init_array,
    open_array_node,
)
from zarr.core.array._defaults import (
    default_compressor_v2,
    default_compressors_v3,
    default_filters_v2,
    default_serializer_v3,
)
from zarr.core.array._documents import get_array_metadata
from zarr.core.array._keep import _parse_keep_array_attr as _parse_keep_array_attr
from zarr.core.array._parse import parse_array_metadata
from zarr.core.array._pipeline import create_codec_pipeline
from zarr.core.array._sync import Array
from zarr.core.array._types import (
    DEFAULT_FILL_VALUE,
    CompressorLike,
    CompressorsLike,
    FiltersLike,
    SerializerLike,
    ShardsConfigParam,
    ShardsLike,
)

__all__ = [
    "DEFAULT_FILL_VALUE",
    "Array",
    "AsyncArray",
    "CompressorLike",
    "CompressorsLike",
    "FiltersLike",
    "SerializerLike",
    "ShardsConfigParam",
    "ShardsLike",
    "create_array",
    "create_codec_pipeline",
    "default_compressor_v2",
    "default_compressors_v3",
    "default_filters_v2",
    "default_serializer_v3",
    "from_array",
    "get_array_metadata",
    "init_array",
    "open_array_node",
    "parse_array_metadata",
]

# Set `__module__` of the public objects to this module, so that pickles refer to this module.
for _public in (
    Array,
    AsyncArray,
    create_array,
    create_codec_pipeline,
    default_compressor_v2,
    default_compressors_v3,
    default_filters_v2,
    default_serializer_v3,
    from_array,
    get_array_metadata,
    init_array,
    parse_array_metadata,
):
    _public.__module__ = __name__
