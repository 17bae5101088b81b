"""Importing the package: little is loaded before it is needed, and all of it is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import zarr


def loaded_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_loads_little() -> None:
    loaded = loaded_by("import zarr")
    assert {name for name in loaded if name.startswith("zarr.")} == {"zarr._version"}
    assert "numpy" not in loaded


def test_using_it_loads_nothing_optional() -> None:
    loaded = loaded_by("import zarr\nzarr.create_array({}, shape=3, dtype='i4')[:]")
    optional = {"fsspec", "obstore", "typer", "rich", "dask", "hypothesis", "cupy", "aiohttp"}
    assert not loaded & optional


def test_trees_and_summaries_need_no_rich() -> None:
    program = """
sys.modules["rich"] = None  # as if it were not installed
import zarr
group = zarr.create_group({})
group.create_array("g/a", shape=(2, 3), dtype="i4")
assert str(group.tree()) == "/\\n└── g\\n    └── a (2, 3) int32\\n"
assert "int32" in group.tree()._repr_mimebundle_()["text/html"]
assert "(2, 3)" in repr(group["g/a"].info_complete()), group.info_complete()
"""
    loaded_by(program)


@pytest.mark.parametrize(
    "first",
    [
        "zarr.open_array",
        "zarr.core.group.Group",
        "zarr.storage.MemoryStore",
        "zarr.set_log_level",
        "zarr.__all__",
        "[getattr(zarr, name) for name in dir(zarr)]",
    ],
)
def test_the_first_use_loads_all(first: str) -> None:
    loaded = loaded_by(f"import zarr\n{first}\nassert zarr.Array is zarr.core.array.Array")
    assert {"zarr.api.asynchronous", "zarr.codecs", "zarr.storage"} <= loaded


@pytest.mark.parametrize(
    "imports",
    [
        "from zarr import *\nopen_array, Group, config",
        "from zarr import storage, set_format, open_group",
        "import zarr.storage, zarr\nzarr.open_group, zarr.codecs",
        "import zarr.core.metadata.v3, zarr\nzarr.array",
    ],
)
def test_ways_to_import(imports: str) -> None:
    assert "zarr.core.group" in loaded_by(imports)


def test_threads_that_are_first_at_once() -> None:
    loaded_by(
        "import threading, zarr\n"
        "found = []\n"
        "def use(): found.append((zarr.open_array, zarr.core.array.Array))\n"
        "threads = [threading.Thread(target=use) for _ in range(16)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "assert len(found) == 16"
    )


def test_names() -> None:
    assert set(zarr.__all__) <= set(dir(zarr))
    assert all(hasattr(zarr, name) for name in zarr.__all__)
    assert "import_module" not in dir(zarr)
    with pytest.raises(AttributeError, match="module 'zarr' has no attribute 'open_arrays'"):
        zarr.open_arrays  # type: ignore[attr-defined]
    assert not hasattr(zarr, "__path_of_nothing__")
