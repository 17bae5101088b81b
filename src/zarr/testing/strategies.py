"""Hypothesis strategies for authors of stores, codecs, and other code that handles arrays.

Most names of this module are functions that return a strategy. The following names are strategies
themselves: `array_names`, `array_shapes`, `attrs`, `compressors`, `node_names`,
`sharding_inner_codecs`, `short_node_names`, `stores`, `subchunk_write_orders`, `zarr_formats` and
`zarr_key_chars`.
"""

from __future__ import annotations

from zarr.testing._strategies_arrays import (
    array_metadata,
    arrays,
    block_test_arrays,
    complex_rectilinear_arrays,
    compressors,
    rectilinear_arrays,
    sharded_arrays,
    sharding_inner_codecs,
    simple_arrays,
    subchunk_write_orders,
)
from zarr.testing._strategies_chunks import (
    chunk_grids,
    chunk_paths,
    chunk_shapes,
    chunks_param_from_rectilinear,
    np_array_and_chunks,
    rectilinear_chunk_grids,
    rectilinear_chunk_shape_declarations,
    rectilinear_chunks,
    rectilinear_dim_edges,
    shard_shapes,
)
from zarr.testing._strategies_dtypes import (
    array_shapes,
    dtypes,
    numpy_arrays,
    safe_unicode_for_dtype,
    structured_dtypes,
    v2_dtypes,
    v3_dtypes,
    zdtypes,
)
from zarr.testing._strategies_names import (
    array_names,
    attrs,
    clear_store,
    dimension_names,
    key_ranges,
    keys,
    node_names,
    paths,
    short_node_names,
    stores,
    zarr_formats,
    zarr_key_chars,
)
from zarr.testing._strategies_selections import (
    basic_indices,
    block_indices,
    end_slices,
    is_negative_slice,
    orthogonal_indices,
)

__all__ = [
    "array_metadata",
    "array_names",
    "array_shapes",
    "arrays",
    "attrs",
    "basic_indices",
    "block_indices",
    "block_test_arrays",
    "chunk_grids",
    "chunk_paths",
    "chunk_shapes",
    "chunks_param_from_rectilinear",
    "clear_store",
    "complex_rectilinear_arrays",
    "compressors",
    "dimension_names",
    "dtypes",
    "end_slices",
    "is_negative_slice",
    "key_ranges",
    "keys",
    "node_names",
    "np_array_and_chunks",
    "numpy_arrays",
    "orthogonal_indices",
    "paths",
    "rectilinear_arrays",
    "rectilinear_chunk_grids",
    "rectilinear_chunk_shape_declarations",
    "rectilinear_chunks",
    "rectilinear_dim_edges",
    "safe_unicode_for_dtype",
    "shard_shapes",
    "sharded_arrays",
    "sharding_inner_codecs",
    "short_node_names",
    "simple_arrays",
    "stores",
    "structured_dtypes",
    "subchunk_write_orders",
    "v2_dtypes",
    "v3_dtypes",
    "zarr_formats",
    "zarr_key_chars",
    "zdtypes",
]
