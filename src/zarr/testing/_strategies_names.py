"""Strategies for nodes, paths, keys, dimension names, attributes, and memory stores."""

from __future__ import annotations

import string
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from zarr.core._byte_ranges import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.sync import sync
from zarr.storage import MemoryStore
from zarr.storage._utils import METADATA_NAMES

if TYPE_CHECKING:
    from typing import TypeAlias

    from zarr.abc.store import Store
    from zarr.core._byte_ranges import ByteRequest
    from zarr.core.common import JSON, ZarrFormat

    KeyRange: TypeAlias = tuple[str, ByteRequest | None]

S = TypeVar("S", bound="Store")

_MOST_NODES = 8

# Integers that every JSON reader preserves exactly (RFC 8259, section 6).
_SAFE_INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)

zarr_key_chars: st.SearchStrategy[str] = st.sampled_from(
    string.digits + string.ascii_letters + "-_."
)
"""Characters that the specification recommends for the names of nodes."""


def _is_node_name(name: str) -> bool:
    """Return whether a string is a valid node name (Zarr v3 core specification, "Node names").

    The name of a metadata document is not a valid node name. For example, the directory of a node
    named ``zarr.json`` would have the same path as the metadata document of its parent.
    """
    return bool(name.strip(".")) and not name.startswith("__") and name not in METADATA_NAMES


def _names(max_size: int) -> st.SearchStrategy[str]:
    return st.text(zarr_key_chars, min_size=1, max_size=max_size).filter(_is_node_name)


node_names: st.SearchStrategy[str] = _names(32)
"""Names of groups and arrays."""

short_node_names: st.SearchStrategy[str] = _names(3)
"""Names of groups and arrays of at most three characters: some collide."""

array_names: st.SearchStrategy[str] = node_names
"""Names of arrays."""

zarr_formats: st.SearchStrategy[ZarrFormat] = st.sampled_from([3, 2])
"""Both versions of the format."""

_JSON_VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none()
    | st.booleans()
    | _SAFE_INTEGERS
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=12), values),
    max_leaves=4,
)

attrs: st.SearchStrategy[dict[str, JSON] | None] = st.none() | st.dictionaries(
    st.text(max_size=12), _JSON_VALUES, max_size=4
)
"""User attributes: JSON objects with any text for names, and None for no attributes."""


# The strategy is cached, because hypothesis validates each strategy object on its first draw.
@lru_cache(64)
def _lists_of_names(most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(node_names, min_size=1, max_size=most)


@st.composite
def keys(draw: st.DrawFn, *, max_num_nodes: int | None = None) -> str:
    """Draw a key of a store: node names joined by ``/``.

    Parameters
    ----------
    max_num_nodes : int or None
        Maximum number of names, at least 1. If None, the maximum is eight.
    """
    most = _MOST_NODES if max_num_nodes is None else max_num_nodes
    return "/".join(draw(_lists_of_names(most)))


@st.composite
def paths(draw: st.DrawFn, *, max_num_nodes: int | None = None) -> str:
    """Draw the path of a node: ``/`` for the root, or names joined by ``/``.

    Parameters
    ----------
    max_num_nodes : int or None
        Maximum number of names, at least 1. If None, the maximum is eight.
    """
    return draw(st.just("/") | keys(max_num_nodes=max_num_nodes))


@lru_cache(64)
def _names_of_dimensions(count: int) -> st.SearchStrategy[list[str | None] | None]:
    names = st.none() | st.text(zarr_key_chars, max_size=16)
    return st.none() | st.lists(names, min_size=count, max_size=count)


@st.composite
def dimension_names(draw: st.DrawFn, *, ndim: int | None = None) -> list[str | None] | None:
    """Draw the names of dimensions (Zarr v3 core specification, "dimension_names").

    Parameters
    ----------
    ndim : int or None
        Number of dimensions. If None, a number from 0 to 4 is drawn.

    Returns
    -------
    list or None
        Either None, or a list that contains a name or None for each dimension. Names may be empty
        or repeated.
    """
    count = draw(st.integers(0, 4)) if ndim is None else ndim
    return draw(_names_of_dimensions(count))


@st.composite
def key_ranges(
    draw: st.DrawFn, keys: st.SearchStrategy[str] = node_names, max_size: int = sys.maxsize
) -> list[KeyRange]:
    """Draw requests for values and byte ranges of values, as for `Store.get_partial_values`.

    Parameters
    ----------
    keys : strategy for str
        Keys to request.
    max_size : int
        Maximum start, end, offset and suffix length of a byte range, in bytes. A byte range can be
        empty. Its start and its end can lie past the end of the value.

    Returns
    -------
    list of tuple
        At least one pair ``(key, byte range)``. If the byte range is None, the pair requests the
        whole value. Pairs may be repeated.
    """
    bounds = st.integers(0, max_size)
    byte_ranges = st.one_of(
        st.none(),
        st.lists(bounds, min_size=2, max_size=2).map(lambda ends: RangeByteRequest(*sorted(ends))),
        st.builds(OffsetByteRequest, bounds),
        st.builds(SuffixByteRequest, bounds),
    )
    return draw(st.lists(st.tuples(keys, byte_ranges), min_size=1, max_size=10))


def clear_store(x: S) -> S:
    """Delete all keys of a store.

    Parameters
    ----------
    x : Store
        Store that supports deletes.

    Returns
    -------
    Store
        The same store.
    """
    sync(x.clear())
    return x


stores: st.SearchStrategy[MemoryStore] = st.builds(MemoryStore)
"""Empty stores in memory, a new one each time."""
