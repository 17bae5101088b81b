"""Look whether the built API reference shows what it should: run after `mkdocs build`."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import zarr.api.synchronous

SITE = Path(__file__).parents[2] / "site"
# A parameter, as the lists of the reference show it: its type, and its default.
SHOWN = {
    ("stores", "zarr.storage.LocalStore.open", "root"): ("Path or str", "required"),
    ("stores", "zarr.storage.LocalStore.open", "read_only"): ("bool", "False"),
    ("stores", "zarr.storage.LocalStore.open", "mode"): (
        "Literal['r', 'r+', 'a', 'w', 'w-'] or None",
        "None",
    ),
    ("zarr", "zarr.api.synchronous.create_array", "zarr_format"): ("Literal[2, 3] or None", "3"),
    ("zarr", "zarr.api.synchronous.open_group", "mode"): (
        "Literal['r', 'r+', 'a', 'w', 'w-']",
        "'a'",
    ),
    ("nodes", "zarr.Array.get_basic_selection", "out"): ("NDBuffer or None", "None"),
    ("nodes", "zarr.Group.create_array", "overwrite"): ("bool", "False"),
}


def section(page: str, name: str) -> str:
    """Return what a page has between the heading of a name and the next one, or nothing."""
    text = (SITE / "api" / page / "index.html").read_text()
    _, found, after = text.partition(f'id="{name}"')
    return re.split(r"<h[1-6] id=", after)[0] if found else ""


def row(page: str, name: str, parameter: str) -> tuple[str, str] | None:
    """Return type and default of a parameter, None where there is no item for it."""
    for item in re.findall(r"<li class=\"doc-section-item.*?</li>", section(page, name), re.S):
        text = html.unescape(re.sub(r"<[^>]+>", "", item.partition("<div")[0]))
        found = re.match(r"(\w+) \((.*?)(?:, default: (.*))?\) ", " ".join(text.split()) + " ")
        if found and found[1] == parameter:
            return found[2].strip(), (found[3] or "required").strip()
    return None


def faults() -> list[str]:
    """Return what is missing from the reference, and what is shown wrong."""
    functions = [f"zarr.api.synchronous.{name}" for name in zarr.api.synchronous.__all__]
    found = [f"no entry for {name}" for name in functions if not section("zarr", name)]
    methods = ("Array.append", "Array.info", "Array.shape", "Group.create_array", "Group.keys")
    found += [f"no entry for {m}" for m in methods if not section("nodes", f"zarr.{m}")]
    for (page, name, parameter), expected in SHOWN.items():
        shown = row(page, name, parameter)
        if shown is None or (shown[0], shown[1].replace('"', "'")) != expected:
            found.append(f"{name}, {parameter}: {shown}, not {expected}")
    return found


if __name__ == "__main__":
    wrong = faults()
    sys.exit("\n".join(wrong) if wrong else 0)
