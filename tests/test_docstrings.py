"""The parameters of docstrings: one entry each, as the API reference shows them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src" / "zarr"
SECTIONS = ("Parameters", "Other Parameters", "Attributes")
COMBINED = re.compile(r"^\*{0,2}\w+(, ?\*{0,2}\w+)+ *(:|$)")
NAME = re.compile(r"^(\*{0,2}\w+) *(:|$)")
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def entries(docstring: str) -> Iterator[str]:
    """Yield the first line of each entry in the sections that list parameters."""
    section = ""
    lines = docstring.splitlines()
    for line, below in zip(lines, [*lines[1:], ""]):
        if set(below) == {"-"} and len(below) >= 3:
            section = line
        elif section in SECTIONS and line and not line[0].isspace() and set(line) != {"-"}:
            yield line


def documented(source: str) -> Iterator[tuple[Documented, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented) and (docstring := ast.get_docstring(node)):
            yield node, docstring


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the names in a signature, with their stars."""
    given = node.args
    names = {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    names |= {f"*{given.vararg.arg}"} if given.vararg else set()
    return names | ({f"**{given.kwarg.arg}"} if given.kwarg else set())


def combined(source: str) -> list[str]:
    """Return the entries that stand for several parameters."""
    return [
        f"{node.name}: {entry}"
        for node, docstring in documented(source)
        for entry in entries(docstring)
        if COMBINED.match(entry)
    ]


def unknown(source: str) -> list[str]:
    """Return the entries of functions that have no parameter of that name."""
    return [
        f"{node.name}: {entry}"
        for node, docstring in documented(source)
        if not isinstance(node, ast.ClassDef)
        for entry in entries(docstring)
        if not (named := NAME.match(entry)) or named[1] not in parameters(node)
    ]


PLANTED = '''
def read(key, byte_range, *, prototype, **options):
    """Read a value.

    Parameters
    ----------
    key, byte_range
        As for `get`.
    buffers : int
        How many.
    prototype : BufferPrototype
        Classes of buffers, one, two.
    **options
        More, or less.

    Raises
    ------
    TypeError, ValueError
        If a parameter is wrong.
    """
'''


def test_each_parameter_has_an_entry_of_its_own() -> None:
    """The reference would show the type and default of the first for all of them."""
    assert combined(PLANTED) == ["read: key, byte_range"]
    modules = sorted(SOURCES.rglob("*.py"))
    assert len(modules) > 100
    found = [f"{path.name}: {each}" for path in modules for each in combined(path.read_text())]
    assert found == []


def test_each_entry_is_of_a_parameter() -> None:
    assert unknown(PLANTED) == ["read: key, byte_range", "read: buffers : int"]
    found = [
        f"{path.name}: {each}"
        for path in sorted(SOURCES.rglob("*.py"))
        for each in unknown(path.read_text())
    ]
    assert found == []
