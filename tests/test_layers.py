"""Modules import only what lies below them, also inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

# From the bottom up. A module belongs to the longest name that is a prefix of its own; modules of
# one layer may import each other.
LAYERS: list[set[str]] = [
    {
        "zarr.errors",
        "zarr._version",
        "zarr.core.common",
        "zarr.core._concurrent",
        "zarr.core.config",
        "zarr.core._byte_ranges",
        "zarr.core._coalesce",
        "zarr.core._immediate",
        "zarr.core._entry_points",
        "zarr.core._pool",
        "zarr.core._process_lock",
        "zarr.core.sync",
        "zarr.core._json",
        "zarr.core._overrides",
        "zarr.core._redact",
        "zarr.core._retry",
        "zarr.core._states",
        "zarr.core._writes",
        "zarr.core.chunks._scheduling",
        "zarr.core._derive",
        "zarr.core._faults",
        "zarr.core._html",
        "zarr.abc.metadata",
    },
    {"zarr.core.dtype", "zarr.dtype"},
    {"zarr.registry"},
    {
        "zarr.core.buffer",
        "zarr.abc.buffer",
        "zarr.buffer",
        "zarr.core._decoded_size",
        "zarr.core.array_spec",
        "zarr.core.chunk_grids",
        "zarr.core.chunk_key_encodings",
        "zarr.core.indexing",
    },
    {"zarr.core._fetch", "zarr.core._read_ahead", "zarr.core._read_options"},
    {"zarr.core._read_request"},
    {"zarr.core._read_queue"},
    {"zarr.core._read_scheduler"},
    {"zarr.core._bulk_read"},
    {"zarr.abc"},
    {"zarr.core.metadata", "zarr.storage"},
    {
        "zarr.core._codec_chain",
        "zarr.core.chunk_utils",
        "zarr.core.chunks",
        "zarr.core.codec_pipeline",
    },
    {"zarr.codecs"},
    {
        "zarr.core.array",
        "zarr.core.attributes",
        "zarr.core._info",
        "zarr.core.metadata.io",
        "zarr.types",
    },
    {"zarr.core.group", "zarr.core.sync_group", "zarr.core._tree"},
    {"zarr.api"},
    {"zarr", "zarr._names", "zarr._debug", "zarr.core"},
    {"zarr.metadata", "zarr.experimental"},
    {"zarr._cli"},
    {"zarr.testing"},
]
TOP = LAYERS[-1]  # its modules may import all
# Folders whose modules have layers of their own.
FOLDERS = {"zarr", "zarr.core"}
EMPTY_PACKAGES = {"zarr.core", "zarr.abc"}


def layer_of(module: str) -> int:
    found = [
        (len(name), level)
        for level, names in enumerate(LAYERS)
        for name in names
        if module == name or (name not in FOLDERS and module.startswith(f"{name}."))
    ]
    assert found, f"{module} has no layer"
    return max(found)[1]


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def run_time_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield what a module imports, leaving out what only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from run_time_imports(ast.Module([other], []))
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            for alias in node.names:
                submodule = f"{module}.{alias.name}"
                path = SOURCE / Path(*submodule.split("."))
                is_module = path.is_dir() or path.with_suffix(".py").is_file()
                yield node.lineno, submodule if is_module else module
        yield from run_time_imports(node)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


@pytest.mark.parametrize(
    "module", [name for name in MODULES if name not in EMPTY_PACKAGES and package(name) not in TOP]
)
def test_imports_only_downwards(module: str) -> None:
    level = layer_of(module)
    upward = [
        f"line {line}: {name}"
        for line, name in run_time_imports(ast.parse(MODULES[module].read_text()))
        if name.split(".")[0] == "zarr" and layer_of(name) > level
    ]
    assert upward == [], f"{module} (layer {level}) imports from above"


def test_the_layers_are_of_modules_that_exist() -> None:
    assert set().union(*LAYERS) <= MODULES.keys()


def test_the_check_sees_imports_inside_functions() -> None:
    tree = ast.parse(
        "def f():\n    from zarr.core.array import Array\nif TYPE_CHECKING:\n    import zarr.api\n"
    )
    assert [name for _, name in run_time_imports(tree)] == ["zarr.core.array"]


@pytest.mark.parametrize("module", sorted(EMPTY_PACKAGES))
def test_folders_of_rooms_import_nothing(module: str) -> None:
    # Names that other packages import from a folder are looked up by `__getattr__`, by name: what
    # lies in the folder may import any of its modules without loading the others.
    imported = {name for _, name in run_time_imports(ast.parse(MODULES[module].read_text()))}
    assert {name for name in imported if name.split(".")[0] == "zarr"} == set()
