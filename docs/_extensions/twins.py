"""What the API reference shows of functions that exist only once the package is imported.

Synchronous functions and methods are made from asynchronous ones (`zarr.core._derive`), so there
is no `def` to read. Here they get the parameters and the docstring that they have when imported.
Synchronous functions and methods without a docstring take the one of their asynchronous twin.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from typing import Any

import griffe

ENTRY = re.compile(r"^(\*{0,2}\w+ : )(.+)$", re.M)
TWINS = {
    "zarr.api.synchronous": "zarr.api.asynchronous",
    "zarr.core.array._sync.Array": "zarr.core.array._async.AsyncArray",
    "zarr.core.group._sync.Group": "zarr.core.group._async.AsyncGroup",
}
KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: griffe.ParameterKind.positional_only,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
    inspect.Parameter.VAR_POSITIONAL: griffe.ParameterKind.var_positional,
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
    inspect.Parameter.VAR_KEYWORD: griffe.ParameterKind.var_keyword,
}


def runtime(path: str) -> Any:
    """Return the object that a path names once the package is imported; None if there is none.

    Fields of instances have none, and modules that need what is not installed.
    """
    names = path.split(".")
    for end in range(len(names), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(names[:end]))
        except ImportError:
            continue
        for name in names[end:]:
            found = getattr(found, name, None)
        return found
    return None


def is_call(attribute: griffe.Attribute) -> bool:
    """Return whether a public name is assigned what a call returns."""
    return not attribute.name.startswith("_") and isinstance(attribute.value, griffe.ExprCall)


def function(attribute: griffe.Attribute, made: Any) -> griffe.Function:
    """Return a function with the parameters and the docstring of an imported one."""
    signature = inspect.signature(made)

    def text(annotation: Any) -> str | None:
        return None if annotation is inspect.Parameter.empty else str(annotation)

    def default(parameter: inspect.Parameter) -> str | None:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return "()"
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            return "{}"
        empty = parameter.default is inspect.Parameter.empty
        return None if empty else repr(parameter.default)

    parameters = griffe.Parameters(
        *(
            griffe.Parameter(
                each.name,
                annotation=text(each.annotation),
                kind=KINDS[each.kind],
                default=default(each),
            )
            for each in signature.parameters.values()
        )
    )
    result = griffe.Function(
        attribute.name,
        parameters=parameters,
        returns=text(signature.return_annotation),
        lineno=attribute.lineno,
        endlineno=attribute.endlineno,
        parent=attribute.parent,
    )
    document(result, inspect.getdoc(made))
    return result


def document(found: griffe.Function, text: str | None) -> None:
    """Give a function a docstring, if there is one."""
    if text:
        found.docstring = griffe.Docstring(text, lineno=1, parser="numpy", parent=found)


def typed(entry: re.Match[str]) -> str:
    """Write the type of an entry so that it is shown as it is meant.

    griffe takes the first of the choices ``{"a", "b"}`` for the default, and a type that happens
    to be an expression, such as ``dtype-like, int``, for a tuple and a difference.
    """
    name, text = entry.groups()
    text = re.sub(r"\{(.+)\}", r"Literal[\1]", text).replace("-like", "\N{NON-BREAKING HYPHEN}like")
    try:
        parsed = ast.parse(text, mode="eval").body
    except SyntaxError:
        return name + text
    return name + (text.replace(", ", " or ") if isinstance(parsed, ast.Tuple) else text)


class Twins(griffe.Extension):
    """Adds derived functions, and mends the types and defaults of choices."""

    def on_package(self, *, pkg: griffe.Module, loader: Any, **kwargs: Any) -> None:
        self._visit(pkg)
        for path, twin in TWINS.items():
            self._share(pkg, path, twin)

    def _visit(self, parent: griffe.Object) -> None:
        for name, member in list(parent.members.items()):
            if member.is_alias:
                continue
            if isinstance(member, griffe.Attribute) and is_call(member):
                made = runtime(member.path)
                if inspect.isfunction(made):
                    member = function(member, made)
                    parent.set_member(name, member)
            if member.docstring is not None:
                member.docstring.value = ENTRY.sub(typed, member.docstring.value)
            if isinstance(member, griffe.Module | griffe.Class):
                self._visit(member)

    def _share(self, pkg: griffe.Module, path: str, twin: str) -> None:
        """Give functions without a docstring that of the same name in the asynchronous twin."""
        asynchronous = runtime(twin)
        for name, member in pkg[path.removeprefix("zarr.")].members.items():
            if isinstance(member, griffe.Function) and member.docstring is None:
                text = inspect.getdoc(getattr(asynchronous, name, None))
                if text and not name.startswith("_"):
                    document(member, ENTRY.sub(typed, text))
