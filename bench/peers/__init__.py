"""How each package does the work of the cases; imported where that package is installed."""

from __future__ import annotations

import importlib
import json
from typing import Any


def load(name: str, settings: str) -> Any:
    """Import the module of this package that does the work, and set up what it uses.

    Parameters
    ----------
    name : str
        The module.
    settings : str
        JSON with ``imports``, names of packages that register themselves, and ``config``.
    """
    chosen = json.loads(settings)
    for package in chosen.get("imports", ()):
        importlib.import_module(package)
    module = importlib.import_module(f"bench.peers.{name}")
    if chosen.get("config"):
        module.configure(chosen["config"])
    return module
