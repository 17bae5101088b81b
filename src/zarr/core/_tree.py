"""Drawing of a hierarchy as text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

_STYLE: Final = (
    "white-space:pre;overflow-x:auto;line-height:normal;"
    "font-family:Menlo,'DejaVu Sans Mono',consolas,'Courier New',monospace"
)


class TreeRepr:
    """A drawn hierarchy: text for terminals, HTML for notebooks.

    Parameters
    ----------
    text : str
        The tree as text.
    html : str
        The tree as HTML.
    note : str
        A line above the tree to warn that nodes may be missing; empty if the tree is complete.
    """

    def __init__(self, text: str, html: str, note: str = "") -> None:
        self._text = text
        self._html = html
        self._note = note

    def __repr__(self) -> str:
        return self._note + self._text

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        from html import escape  # imported late, because the import takes milliseconds

        return {
            "text/plain": repr(self),
            "text/html": f'{escape(self._note)}<pre style="{_STYLE}">{self._html}</pre>\n',
        }


async def draw_tree(
    title: str, nodes: AsyncIterator[tuple[str, str | None]], *, bold: bool, max_nodes: int
) -> TreeRepr:
    """Return the drawing of a hierarchy.

    Parameters
    ----------
    title : str
        Label of the root.
    nodes : async iterator of tuple
        For each node, a pair of the path relative to the root, and the label to draw after the name
        (None means no label). Parents come before their children.
    bold : bool
        Whether names are bold in the HTML form.
    max_nodes : int
        Maximum number of nodes drawn. At most ``max_nodes + 1`` nodes are consumed from `nodes`.
    """
    from html import escape

    labels: dict[str, str | None] = {}
    note = ""
    async for path, label in nodes:
        if len(labels) == max_nodes:
            note = f"Truncated at max_nodes={max_nodes}, some nodes and their children may be missing\n"
            break
        labels[path] = label
    below: dict[str, list[str]] = {}
    for path in sorted(labels):
        below.setdefault(path.rpartition("/")[0], []).append(path)

    def rows() -> Iterator[tuple[str, str, str]]:
        # Stack of pending rows; the last entry is drawn next. A recursive function could exceed the
        # recursion limit, because a hierarchy may be deep.
        waiting = [("", path, path == below[""][-1]) for path in reversed(below.get("", []))]
        while waiting:
            indent, path, is_last = waiting.pop()
            label = labels[path]
            name = path.rpartition("/")[2]
            yield indent + ("└── " if is_last else "├── "), name, f" {label}" if label else ""
            indent += "    " if is_last else "│   "
            children = below.get(path, [])
            waiting += [(indent, child, child == children[-1]) for child in reversed(children)]

    lines = [("", title, ""), *rows()]
    opening, closing = ("<b>", "</b>") if bold else ("", "")
    return TreeRepr(
        "".join(f"{branch}{name}{label}\n" for branch, name, label in lines),
        "".join(
            f"{branch}{opening}{escape(name)}{closing}{escape(label)}\n"
            for branch, name, label in lines
        ),
        note,
    )
