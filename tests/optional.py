"""What the package works without: tests of it are left out where an environment says it is minimal.

Anywhere else a missing package is a failure, so that no test is left out unnoticed.
"""

from __future__ import annotations

import ast
import importlib.util
import os
from functools import cache
from pathlib import Path

PACKAGES = {
    *("aiohttp", "boto3", "dask", "distributed", "fsspec", "h5py", "iris_sample_data", "kerchunk"),
    *("matplotlib", "moto", "obstore", "pandas", "rich", "s3fs", "typer", "upath", "werkzeug"),
    "xarray",
}
ROOT = Path(__file__).parents[1]


def lacks(package: str) -> bool:
    """Tell whether a package is missing, and may be."""
    return bool(os.environ.get("ZARR_TEST_MINIMAL")) and importlib.util.find_spec(package) is None


@cache
def missing(path: Path) -> frozenset[str]:
    """Return the packages that a module, or a kit it uses, imports when it is loaded and lacks."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            package = name.split(".")[0]
            kit = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if package in PACKAGES and lacks(package):
                found.add(package)
            elif package in ("tests", "demo") and kit.exists():
                found |= missing(kit)
    return frozenset(found)
