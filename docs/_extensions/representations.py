"""Replace ``<!-- representation: EXPRESSION -->`` in a page by what a notebook shows for it.

All Python snippets of the page are run first, in order and in a folder of their own. A snippet that
fails, or an expression without an HTML representation, fails the build.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from typing import Any

MARK = re.compile(r"<!-- representation: (.+?) -->")
STEP = re.compile(rf"^```python\n(?P<snippet>.*?)^```$|{MARK.pattern}", re.M | re.S)


def html(value: Any) -> str:
    """Return what a notebook shows of a value, which says so in one of two ways."""
    if hasattr(value, "_repr_mimebundle_"):
        return str(value._repr_mimebundle_()["text/html"])
    return str(value._repr_html_())


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Return the page with the representations in it; called by mkdocs for each page."""
    if not MARK.search(markdown):
        return markdown
    names: dict[str, Any] = {}

    def run(found: re.Match[str]) -> str:
        if (snippet := found["snippet"]) is not None:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(snippet, "<snippet>", "exec"), names)
            return found[0]
        return f'<div class="representation">{html(eval(found[2], names))}</div>'

    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return STEP.sub(run, markdown)
        finally:
            os.chdir(before)
