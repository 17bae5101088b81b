"""Hypothesis state machines for authors of stores.

`ZarrStoreStateMachine` compares a store with a dictionary. `ZarrHierarchyStateMachine` compares the
groups and arrays in a store with a model in memory::

    def test_my_store(tmp_path):
        run_state_machine_as_test(lambda: ZarrStoreStateMachine(MyStore(tmp_path)))
"""

from __future__ import annotations

from zarr.testing._stateful_hierarchy import ZarrHierarchyStateMachine
from zarr.testing._stateful_steps import split_prefix_name, with_frequency
from zarr.testing._stateful_stores import (
    MAX_BINARY_SIZE,
    SyncStoreWrapper,
    ZarrStoreStateMachine,
)

__all__ = [
    "MAX_BINARY_SIZE",
    "SyncStoreWrapper",
    "ZarrHierarchyStateMachine",
    "ZarrStoreStateMachine",
    "split_prefix_name",
    "with_frequency",
]
