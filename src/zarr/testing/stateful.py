"""State machines of hypothesis for whoever writes a store.

`ZarrStoreStateMachine` holds a store against a dictionary, `ZarrHierarchyStateMachine` the groups and
arrays in it against such in memory::

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
