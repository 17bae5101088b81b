"""Conversion of lazy indices, such as dask arrays, to NumPy arrays."""

from __future__ import annotations

import asyncio
from types import EllipsisType, NoneType
from typing import Any, Final

import numpy as np

from zarr.core.sync import has_event_loop

_SETTLED: Final = (slice, int, np.ndarray, EllipsisType, list, str, NoneType)


def is_lazy(item: object) -> bool:
    """Return whether an item of a selection needs conversion to a NumPy array.

    Lazy items are objects that NumPy can convert to an array, such as dask, pandas and zarr arrays.
    A NumPy bool counts as lazy, because as an index it acts like a zero-dimensional array. Arrays
    in GPU memory are not converted.
    """
    if isinstance(item, _SETTLED):
        return False
    if isinstance(item, np.generic):
        return isinstance(item, np.bool_)
    if hasattr(item, "__cuda_array_interface__"):
        return False
    return hasattr(item, "__array__") or hasattr(item, "__array_interface__")


def made_arrays(selection: Any) -> Any:
    """Return a selection with its lazy items converted to NumPy arrays.

    Parameters
    ----------
    selection : object
        One item or a tuple of items. Lazy items that are zero-dimensional integer arrays become
        integers.

    Returns
    -------
    object
        The converted selection; `selection` itself if no item is lazy.
    """
    if not isinstance(selection, tuple):
        return _made_array(selection) if is_lazy(selection) else selection
    if not any(map(is_lazy, selection)):
        return selection
    return tuple(_made_array(item) if is_lazy(item) else item for item in selection)


async def made_arrays_async(selection: Any) -> Any:
    """Return the result of `made_arrays`, which runs in a separate thread if necessary.

    A separate thread is used if an item is lazy and the calling thread runs an event loop.

    The thread is not taken from the worker pool. The conversion may read other arrays, and these
    reads need free workers.
    """
    items = selection if isinstance(selection, tuple) else (selection,)
    if not any(map(is_lazy, items)):
        return selection
    if not has_event_loop():
        return made_arrays(selection)
    return await asyncio.to_thread(made_arrays, selection)


def _made_array(item: Any) -> Any:
    array = np.asarray(item)
    return int(array) if array.ndim == 0 and array.dtype.kind in "iu" else array
