"""Compare the outcomes of a test suite with two versions of zarr."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from suites.junit import Outcome
from suites.pins import Package

GONE = Outcome("not collected")


@dataclass(frozen=True)
class Difference:
    """A test that passes with only one of the two versions.

    Parameters
    ----------
    test : str
        Node id of the test.
    there, here : Outcome
        Outcomes with the released package (`there`) and with this package (`here`).
    why : str
        Reason from `packages.toml`; empty if it gives none.
    """

    test: str
    there: Outcome
    here: Outcome
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """Outcomes of a test suite with the released package and with this package.

    Parameters
    ----------
    there, here : int
        Number of tests that passed.
    lost, gained : tuple of Difference
        Tests that pass only with the released package (`lost`) or only with this package
        (`gained`).
    """

    there: int
    here: int
    lost: tuple[Difference, ...] = ()
    gained: tuple[Difference, ...] = ()


def compare(
    package: Package, there: Mapping[str, Outcome], here: Mapping[str, Outcome]
) -> Comparison:
    """Return the tests that pass with only one of the two versions.

    A test that is skipped, is expected to fail, or is not collected counts as not passed.
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
    """Return the number of tests that passed."""
    return sum(outcome.what == "passed" for outcome in outcomes.values())


def differing(there: Mapping[str, Outcome], here: Mapping[str, Outcome]) -> list[str]:
    """Return the tests to run again: they ran with both versions and passed with only one."""
    return [
        test
        for test, outcome in there.items()
        if test in here
        and (outcome.what == "passed") != (here[test].what == "passed")
        and "::" in test
        and not re.search(r"0x|\s#\d+$|\n", test)
    ]


def best(first: Mapping[str, Outcome], again: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Combine the outcomes of two runs: a test passes if it passes in at least one run."""
    better = {test: outcome for test, outcome in again.items() if outcome.what == "passed"}
    return {**first, **{test: better[test] for test in first if test in better}}


def function(test: str) -> str:
    """Return the node id of a test without its parameters."""
    return re.sub(r"\[.*\]( #\d+)?$", "", test, flags=re.DOTALL)
