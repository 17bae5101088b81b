"""Unpickle a `ZipStore` pickled by zarr-python."""

from __future__ import annotations

from typing import Any


def state_of_zarr_python(state: dict[str, Any]) -> dict[str, Any]:
    """Convert the state of a store pickled by zarr-python to the state of a `ZipStore`."""
    mode = state["_zmode"]
    next_mode = mode
    # Pickles made by zarr-python before version 3.4 do not record whether the store had already
    # created the archive. If the archive exists, open it for appending, so that it is not
    # truncated.
    if mode == "w" and "_was_opened" not in state and state["path"].exists():
        next_mode = "a"
    own = {name: state[name] for name in ("path", "compression", "allowZip64", "_read_only")}
    return {
        **own,
        "_file": None,
        "_mode": mode,
        "_next_mode": next_mode,
        "_is_open": False,
        # If the archive was open for writing when the store was pickled, the central directory may
        # be missing, and the process that opened the archive may still write to it.
        "_orphaned": state["_is_open"] and mode != "r",
    }
