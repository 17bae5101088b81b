"""Cases, drawn by hypothesis and given by a seed and a number.

A case is a dictionary that JSON can hold: its `seed` and `number`; its `kind`, `array-v2`,
`array-v3`, `group-v2` or `group-v3`; the `config` it runs under; and its `steps`. Each of these has
the line of Python to run as its `code`, what it does as its `op`, and what recognises a deliberate
difference: which way an array is indexed (`via`), the shapes `selected` and assigned (`value`), the
elements themselves (`place`, an expression behind the array, and `fields`), what is `assigned`.
A step that is `needed` ends the case where it fails; those that are `final` read what is stored.

The same seed and number give the same case in the same revision and under the same release of
hypothesis.
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
# What every case starts with.
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
    """Have hypothesis draw the simplest case there is, then the one of a seed and a number."""

    @seed(f"{seed_}/{number}")
    @settings(
        # Under a seed of its own each, for the examples of one test are mutations of one another.
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
    """Return the case of a seed and a number."""
    drawn: list[Case] = []
    _visit(seed_, number, drawn.append, (Phase.generate,))
    return drawn[-1]


def simplify(case: Case, shows: Callable[[Case], bool]) -> None:
    """Have hypothesis look for simpler cases that show what a case does.

    Parameters
    ----------
    case : dict
        A case that has been drawn.
    shows : callable
        Whether a case shows it; called with each that is tried.
    """

    class Shown(Exception):
        """The case shows it."""

    def visit(tried: Case) -> None:
        if shows(tried):
            raise Shown

    try:
        _visit(case["seed"], case["number"], visit, (Phase.generate, Phase.shrink))
    except Shown:
        pass


def snippet(case: Case, last: int | None = None) -> str:
    """Write a case as a program, up to a step.

    Parameters
    ----------
    case : dict
        The case.
    last : int or None
        Number of the last step; None for all.
    """
    lines = [f"# Case {case.get('number')} of seed {case.get('seed')}: {case['kind']}.", *PREAMBLE]
    if case["config"]:
        lines.append(f"zarr.config.set({case['config']!r})")
    lines += [step["code"] for step in case["steps"][: None if last is None else last + 1]]
    return "\n".join(lines)
