"""Pickles of `ZipStore` that zarr-python made."""

from __future__ import annotations

from typing import Any


def state_of_zarr_python(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a store that zarr-python pickled."""
    mode = state["_zmode"]
    next_mode = mode
    # Before 3.4 it does not say whether it has made its archive, so what is there stays.
    if mode == "w" and "_was_opened" not in state and state["path"].exists():
        next_mode = "a"
    own = {name: state[name] for name in ("path", "compression", "allowZip64", "_read_only")}
    return {
        **own,
        "_file": None,
        "_mode": mode,
        "_next_mode": next_mode,
        "_is_open": False,
        # Where the archive was open, its directory is not written, and may be by another process.
        "_orphaned": state["_is_open"] and mode != "r",
    }
