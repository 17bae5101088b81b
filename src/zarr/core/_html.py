"""HTML representation of arrays and groups for notebooks.

Names, paths and attributes come from a store and are not trusted. All text is escaped, and
truncated if it is long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import islice
from typing import Final

# Maximum number of attributes, and of members, that are listed. If there are more, a line states
# how many are not listed.
MAX_ROWS: Final = 40
# Maximum length of each displayed text, in characters.
MAX_TEXT: Final = 200

# The style inherits the colours of the page, so that the text is readable in light and dark themes.
_STYLE: Final = (
    ".zarr-node{color:inherit;font-family:inherit;font-size:.9em;line-height:1.4;overflow-x:auto}"
    ".zarr-node table{border-collapse:collapse;margin:.25em 0 .25em .5em}"
    ".zarr-node :is(tr,th,td){background:transparent!important;border:0;text-align:left;"
    "vertical-align:top;padding:.1em .8em .1em 0}"
    ".zarr-node th{font-weight:normal;opacity:.65;white-space:nowrap}"
    ".zarr-node td{overflow-wrap:anywhere;white-space:pre-wrap;max-width:60em}"
    ".zarr-node summary{cursor:pointer}"
    ".zarr-node>div{border-bottom:1px solid;padding-bottom:.2em;overflow-wrap:anywhere}"
)

# Characters that are invalid in HTML or UTF-8: control characters, lone surrogates, and
# noncharacters.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# Labels of the summary rows that are omitted, because the title shows their values.
_IN_TITLE: Final = {"Type", "Name"}


def node_html(
    kind: str,
    place: str,
    summary: Iterable[tuple[str, object]],
    attributes: Mapping[str, object],
    members: Iterable[tuple[str, str]] | None = None,
    n_members: int = 0,
) -> str:
    """Return the HTML description of a node.

    Parameters
    ----------
    kind : str
        Name of the class of the node, for example ``Array``.
    place : str
        The location of the node.
    summary : iterable of tuple
        Pairs of a label and a value. Pairs with the value None are omitted.
    attributes : mapping
        The user attributes, shown as JSON.
    members : iterable of tuple or None
        One pair per member of a group: the name and the description of the member. For an array, or
        if the members are unknown, the value is None. At most `MAX_ROWS` pairs are consumed.
    n_members : int
        Number of members.

    Returns
    -------
    str
        One ``div`` element with its style sheet, at most about 200 kB long.
    """
    rows = ((label, str(value)) for label, value in summary if value is not None)
    parts = [
        f'<div class="zarr-node"><style>{_STYLE}</style>',
        f"<div><strong>{_text(kind)}</strong> {_text(place)}</div>",
        _table(row for row in rows if row[0] not in _IN_TITLE),
    ]
    if attributes:
        shown = ((name, _json(value)) for name, value in attributes.items())
        parts.append(_section("Attributes", shown, len(attributes)))
    if members is not None:
        parts.append(_section("Members", members, n_members))
    return "".join(parts) + "</div>"


def _section(title: str, rows: Iterable[tuple[str, str]], count: int) -> str:
    more = f"<p>and {count - MAX_ROWS} more</p>" if count > MAX_ROWS else ""
    table = _table(islice(rows, MAX_ROWS))
    return f"<details><summary>{title} ({count})</summary>{table}{more}</details>"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{_text(label)}</th><td>{_text(value)}</td></tr>'
        for label, value in rows
    )
    return f"<table><tbody>{lines}</tbody></table>"


def _text(text: str) -> str:
    """Return text as escaped HTML, truncated if it is long."""
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1] + "…"
    return escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text))


def _json(value: object) -> str:
    """Return a value as JSON, truncated shortly after the first `MAX_TEXT` characters."""
    text = ""
    try:
        for piece in _pieces(value):
            text += piece
            if len(text) > MAX_TEXT:
                break
    except (TypeError, ValueError, RecursionError):
        return f"{text}<{type(value).__name__}>"
    return text


def _pieces(value: object) -> Iterator[str]:
    if isinstance(value, str):  # the encoder would process the whole string
        value = value[: MAX_TEXT + 1]
    return json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value)
