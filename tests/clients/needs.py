"""The clients that tests are about: imported, or why not."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest

ALL_CLIENTS = os.environ.get("ZARR_TEST_CLIENTS") == "all"


def client(name: str) -> ModuleType:
    """Import a client, or a module that only tests of a client need.

    Call it at the top of a test module, before anything of the client is imported by name.

    Parameters
    ----------
    name : str
        Name to import, dots allowed.

    Raises
    ------
    pytest.skip.Exception
        If it is not installed: nobody has to install every client to work on this package.
    ImportError
        If it is not installed and the environment variable ``ZARR_TEST_CLIENTS`` is ``all``; or
        if it is installed and cannot be imported, which always is a failure.
    """
    if ALL_CLIENTS:
        return importlib.import_module(name)
    return pytest.importorskip(name)
