"""Indexing: conversion of a user's selection to the selected part of each chunk.

An indexer validates a selection for an array shape and a chunk grid, and yields one
`ChunkProjection` per selected chunk. This package does no I/O.
"""

from __future__ import annotations

from zarr.core.indexing._accessors import (
    AsyncOIndex,
    AsyncVIndex,
    BlockIndex,
    OIndex,
    VIndex,
)
from zarr.core.indexing._basic import (
    BasicIndexer,
)
from zarr.core.indexing._block import (
    BlockIndexer,
)
from zarr.core.indexing._coordinate import (
    CoordinateIndexer,
)
from zarr.core.indexing._dims import (
    BoolArrayDimIndexer,
    IntArrayDimIndexer,
    IntDimIndexer,
    SliceDimIndexer,
)
from zarr.core.indexing._kinds import (
    is_basic_selection,
    is_bool,
    is_bool_array,
    is_bool_list,
    is_contiguous_selection,
    is_contiguous_slice,
    is_coordinate_selection,
    is_int_or_bool_iterable,
    is_integer,
    is_integer_array,
    is_integer_list,
    is_mask_selection,
    is_positive_slice,
    is_pure_fancy_indexing,
    is_pure_orthogonal_indexing,
    is_scalar,
    is_slice,
)
from zarr.core.indexing._lazy import (
    made_arrays,
    made_arrays_async,
)
from zarr.core.indexing._mask import (
    MaskIndexer,
)
from zarr.core.indexing._normalize import (
    boundscheck_indices,
    check_fields,
    check_no_multi_fields,
    check_selection_length,
    ensure_tuple,
    err_too_many_indices,
    make_slice_selection,
    normalize_integer_selection,
    pop_fields,
    replace_ellipsis,
    replace_lists,
    slice_to_range,
    wraparound_indices,
)
from zarr.core.indexing._orders import (
    colexicographic_order_coords,
    decode_morton,
    decode_morton_vectorized,
    lexicographic_order_coords,
    morton_order_coords,
)
from zarr.core.indexing._orthogonal import (
    OrthogonalIndexer,
    ix_,
    oindex,
    oindex_set,
)
from zarr.core.indexing._runs import (
    Order,
    sorted_run_ends,
)
from zarr.core.indexing._select import (
    get_indexer,
    item_indexer,
)
from zarr.core.indexing._types import (
    ArrayOfIntOrBool,
    BasicSelection,
    BasicSelector,
    ChunkDimProjection,
    ChunkProjection,
    CoordinateSelection,
    CoordinateSelectionNormalized,
    Fields,
    Indexer,
    IntSequence,
    MaskSelection,
    OrthogonalSelection,
    Selection,
    SelectionNormalized,
    SelectionWithFields,
    Selector,
    SelectorTuple,
)

__all__ = [
    "ArrayOfIntOrBool",
    "AsyncOIndex",
    "AsyncVIndex",
    "BasicIndexer",
    "BasicSelection",
    "BasicSelector",
    "BlockIndex",
    "BlockIndexer",
    "BoolArrayDimIndexer",
    "ChunkDimProjection",
    "ChunkProjection",
    "CoordinateIndexer",
    "CoordinateSelection",
    "CoordinateSelectionNormalized",
    "Fields",
    "Indexer",
    "IntArrayDimIndexer",
    "IntDimIndexer",
    "IntSequence",
    "MaskIndexer",
    "MaskSelection",
    "OIndex",
    "Order",
    "OrthogonalIndexer",
    "OrthogonalSelection",
    "Selection",
    "SelectionNormalized",
    "SelectionWithFields",
    "Selector",
    "SelectorTuple",
    "SliceDimIndexer",
    "VIndex",
    "boundscheck_indices",
    "check_fields",
    "check_no_multi_fields",
    "check_selection_length",
    "colexicographic_order_coords",
    "decode_morton",
    "decode_morton_vectorized",
    "ensure_tuple",
    "err_too_many_indices",
    "get_indexer",
    "is_basic_selection",
    "is_bool",
    "is_bool_array",
    "is_bool_list",
    "is_contiguous_selection",
    "is_contiguous_slice",
    "is_coordinate_selection",
    "is_int_or_bool_iterable",
    "is_integer",
    "is_integer_array",
    "is_integer_list",
    "is_mask_selection",
    "is_positive_slice",
    "is_pure_fancy_indexing",
    "is_pure_orthogonal_indexing",
    "is_scalar",
    "is_slice",
    "item_indexer",
    "ix_",
    "lexicographic_order_coords",
    "made_arrays",
    "made_arrays_async",
    "make_slice_selection",
    "morton_order_coords",
    "normalize_integer_selection",
    "oindex",
    "oindex_set",
    "pop_fields",
    "replace_ellipsis",
    "replace_lists",
    "slice_to_range",
    "sorted_run_ends",
    "wraparound_indices",
]

# Pickles refer to objects by module path. The submodules are private, so set the module path of the
# objects to this package, which is public.
for _name in __all__:
    if getattr(globals()[_name], "__module__", "").startswith(f"{__name__}._"):
        globals()[_name].__module__ = __name__
del _name
