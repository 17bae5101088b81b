"""Cases that hypothesis draws; a case is determined by a seed and a number.

A case is a dictionary with a JSON form. It has these entries:

- `seed` and `number`
- `kind`: `array-v2`, `array-v3`, `group-v2` or `group-v3`
- `config`: the zarr settings for the steps
- `steps`: one dictionary per step

Each step has a line of Python as its `code`, and the type of operation as its `op`. If a `needed`
step fails, the case ends. The `final` steps read the stored data. Further entries help to recognize
deliberate differences:

- `via`: the way of indexing
- `place`: the selection, as an expression that follows the name of the array
- `fields`: the selected fields
- `selected`: the shape of the selection
- `value`: the shape of the assigned value
- `assigned`: the assigned value, as an expression
- `repeats`: whether elements are selected more than once

The same seed and number give the same case if the revision of this package and the release of
hypothesis are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from differential.arrays import ArrayBuilder
from differential.choices import Choices
from differential.groups import GroupBuilder

Case = dict[str, Any]
# Lines that are run before the steps of every case.
PREAMBLE = (
    "import json",
    "import numcodecs",
    "import numpy as np",
    "import zarr",
    "import zarr.codecs as zc",
    "import zarr.codecs.numcodecs as zn",
    "store = {}",
)


@st.composite
def cases(draw: Any) -> Case:
    """Draw one case."""
    choices = Choices(draw)
    kind = choices.weighted(((50, "array-v3"), (30, "array-v2"), (14, "group-v3"), (6, "group-v2")))
    builder = ArrayBuilder if kind.startswith("array") else GroupBuilder
    return builder(choices, int(kind[-1])).build()


def _visit(
    seed_: int, number: int, visit: Callable[[Case], None], phases: tuple[Phase, ...]
) -> None:
    """Visit the simplest case, and then the case that a seed and a number determine."""

    @seed(f"{seed_}/{number}")
    @settings(
        # Each case has its own seed. If several cases had the same seed, hypothesis would often
        # make a case by changing an earlier one.
        max_examples=2,
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def visit_each(case: Case) -> None:
        visit({"seed": seed_, "number": number} | case)

    visit_each()


def draw_case(seed_: int, number: int) -> Case:
    """Return the case that a seed and a number determine."""
    drawn: list[Case] = []
    _visit(seed_, number, drawn.append, (Phase.generate,))
    return drawn[-1]


def simplify(case: Case, shows: Callable[[Case], bool]) -> None:
    """Let hypothesis search for simpler cases with the same behaviour.

    Parameters
    ----------
    case : dict
        Case from which the search starts.
    shows : callable
        Called with each tried case; returns whether the case shows the behaviour.
    """

    class Shown(Exception):
        """Raised if a tried case shows the behaviour."""

    def visit(tried: Case) -> None:
        if shows(tried):
            raise Shown

    try:
        _visit(case["seed"], case["number"], visit, (Phase.generate, Phase.shrink))
    except Shown:
        pass


def snippet(case: Case, last: int | None = None) -> str:
    """Return a program that runs the steps of a case, up to and including step `last`.

    Parameters
    ----------
    case : dict
        Case to show.
    last : int or None
        Index of the last step, counted from 0; None for all steps.
    """
    lines = [f"# Case {case.get('number')} of seed {case.get('seed')}: {case['kind']}.", *PREAMBLE]
    if case["config"]:
        lines.append(f"zarr.config.set({case['config']!r})")
    lines += [step["code"] for step in case["steps"][: None if last is None else last + 1]]
    return "\n".join(lines)
