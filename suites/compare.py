"""Comparing what became of the tests of a suite with the two packages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from suites.junit import Outcome
from suites.pins import Package

GONE = Outcome("not collected")


@dataclass(frozen=True)
class Difference:
    """A test that passes with one of the two alone.

    Parameters
    ----------
    test : str
        Its node id.
    there, here : Outcome
        What became of it with the released package and with this one.
    why : str
        The reason, where `packages.toml` gives one.
    """

    test: str
    there: Outcome
    here: Outcome
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """What both made of a suite.

    Parameters
    ----------
    there, here : int
        How many tests passed.
    lost, gained : tuple of Difference
        What passes there alone, and here alone.
    """

    there: int
    here: int
    lost: tuple[Difference, ...] = ()
    gained: tuple[Difference, ...] = ()


def compare(
    package: Package, there: Mapping[str, Outcome], here: Mapping[str, Outcome]
) -> Comparison:
    """Return what differs: what passes with one and not with the other.

    A test that is skipped, that is expected to fail, or that is not collected does not pass.
    """
    lost: list[Difference] = []
    gained: list[Difference] = []
    for test in dict.fromkeys((*there, *here)):
        their, our = there.get(test, GONE), here.get(test, GONE)
        if (their.what == "passed") != (our.what == "passed"):
            difference = Difference(test, their, our, package.reason(test))
            (lost if their.what == "passed" else gained).append(difference)
    return Comparison(passed(there), passed(here), tuple(lost), tuple(gained))


def passed(outcomes: Mapping[str, Outcome]) -> int:
    """Return how many tests passed."""
    return sum(outcome.what == "passed" for outcome in outcomes.values())


def differing(there: Mapping[str, Outcome], here: Mapping[str, Outcome]) -> list[str]:
    """Return the tests to run again, which can be named: ran with both, and passed with one."""
    return [
        test
        for test, outcome in there.items()
        if test in here
        and (outcome.what == "passed") != (here[test].what == "passed")
        and "::" in test
        and not re.search(r"0x|\s#\d+$|\n", test)
    ]


def best(first: Mapping[str, Outcome], again: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the outcomes of two runs: a test passes that passes in one of them."""
    better = {test: outcome for test, outcome in again.items() if outcome.what == "passed"}
    return {**first, **{test: better[test] for test in first if test in better}}


def function(test: str) -> str:
    """Return the node id of a test without its parameters."""
    return re.sub(r"\[.*\]( #\d+)?$", "", test, flags=re.DOTALL)
