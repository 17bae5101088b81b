"""The operations of the cases. A worker imports them in the environment of its peer."""

from __future__ import annotations

import importlib
import json
from typing import Any


def load(name: str, settings: str) -> Any:
    """Import a module with the operations of a peer, and configure its package.

    Parameters
    ----------
    name : str
        Name of the module in `bench.peers`.
    settings : str
        JSON with ``imports``, the names of packages to import, and ``config``.
    """
    chosen = json.loads(settings)
    for package in chosen.get("imports", ()):
        importlib.import_module(package)
    module = importlib.import_module(f"bench.peers.{name}")
    if chosen.get("config"):
        module.configure(chosen["config"])
    return module
