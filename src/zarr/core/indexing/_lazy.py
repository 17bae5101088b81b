"""Indices that have yet to become NumPy arrays, such as those of dask."""

from __future__ import annotations

import asyncio
from types import EllipsisType, NoneType
from typing import Any, Final

import numpy as np

from zarr.core.sync import has_event_loop

_SETTLED: Final = (slice, int, np.ndarray, EllipsisType, list, str, NoneType)


def is_lazy(item: object) -> bool:
    """Tell whether an item of a selection has yet to become a NumPy array.

    So has whatever NumPy can make an array of: arrays of dask and pandas, arrays of this library,
    also a NumPy bool, which selects as an array without dimensions does. Arrays in the memory of a
    GPU are left alone.
    """
    if isinstance(item, _SETTLED):
        return False
    if isinstance(item, np.generic):
        return isinstance(item, np.bool_)
    if hasattr(item, "__cuda_array_interface__"):
        return False
    return hasattr(item, "__array__") or hasattr(item, "__array_interface__")


def made_arrays(selection: Any) -> Any:
    """Return a selection with NumPy arrays in place of what has yet to become one.

    Parameters
    ----------
    selection : object
        One item or a tuple of them. Single integers become integers.

    Returns
    -------
    object
        `selection` itself where there is nothing to do.
    """
    if not isinstance(selection, tuple):
        return _made_array(selection) if is_lazy(selection) else selection
    if not any(map(is_lazy, selection)):
        return selection
    return tuple(_made_array(item) if is_lazy(item) else item for item in selection)


async def made_arrays_async(selection: Any) -> Any:
    """Return what `made_arrays` does; what has to be computed is, in a thread of its own.

    Not in the worker pool: what is computed may read other arrays, which takes workers.
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
