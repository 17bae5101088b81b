"""The table of passed tests: with the released package, with this package, and differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from suites.compare import GONE, Comparison, Difference, function
from suites.pins import Package

BEGIN = "<!-- suites: begin -->"
END = "<!-- suites: end -->"


@dataclass(frozen=True)
class Row:
    """A package in the table.

    Parameters
    ----------
    package : Package
        Package of the row.
    comparison : Comparison or None
        Outcomes with both versions; None if the suite did not run.
    why : str
        Reason why the suite did not run or did not finish; empty if it finished.
    unsteady : int
        Number of tests that passed only in the second of two runs.
    """

    package: Package
    comparison: Comparison | None = None
    why: str = ""
    unsteady: int = 0

    @property
    def unexplained(self) -> int:
        """Number of tests that, for an unknown reason, pass only with the released package."""
        return sum(not one.why for one in self.comparison.lost) if self.comparison else 0


@dataclass(frozen=True)
class Taken:
    """The date and the versions of a table."""

    date: str
    released: str
    own: str
    python: str


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


SOME = 3  # maximum number of cases of a test that are listed individually


def _named(differences: Iterable[Difference]) -> Iterator[tuple[str, int, str]]:
    """Yield the name, the number of tests and the reason of each test or group of tests.

    If more than `SOME` tests of one function have the same reason, they form a group. Tests that
    were collected with only one of the two packages are grouped by module, not by function.
    """

    def key(one: Difference) -> tuple[str, str]:
        if GONE in (one.there, one.here):  # for example, a module that cannot be imported
            return one.test.partition("::")[0], one.why
        return function(one.test), one.why

    for (name, why), found in groupby(sorted(differences, key=key), key):
        tests = [one.test for one in found]
        if len(tests) > SOME:
            yield name, len(tests), why
        else:
            yield from ((test, 1, why) for test in tests)


def _differs(row: Row) -> str:
    assert row.comparison is not None
    lost, gained = len(row.comparison.lost), len(row.comparison.gained)
    told = [f"{lost} only with the released package"] * bool(lost)
    told += [f"{gained} only with this package"] * bool(gained)
    told += [f"{row.unsteady} passed in one of two runs"] * bool(row.unsteady)
    told += ["the sdist has no tests: its modules are imported"] * bool(row.package.imports)
    told += [row.why] * bool(row.why) + [row.package.note] * bool(row.package.note)
    return "; ".join(told)


def rows(found: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table, including the totals."""
    yield "| package | released package | this package | differences |"
    yield "|---|---:|---:|---|"
    there = here = lost = 0
    for row in found:
        name = f"{row.package.name} {row.package.version}"
        if row.comparison is None:
            yield f"| {name} | | | did not run: {_cell(row.why)} |"
            continue
        there += row.comparison.there
        here += row.comparison.here
        lost += len(row.comparison.lost)
        told = _cell(_differs(row))
        yield f"| {name} | {row.comparison.there:,} | {row.comparison.here:,} | {told} |"
    yield f"| all | {there:,} | {here:,} | {share(lost, there)} |"


def share(lost: int, there: int) -> str:
    """Return the number and percentage of tests that pass only with the released package."""
    return f"{lost:,} only with the released package, {100 * lost / there:.2f} %" if there else ""


def names(found: Sequence[Row]) -> Iterator[str]:
    """Yield a Markdown line for each test or group of tests that passes with only one package.

    The line includes the reason if there is one.
    """
    for row in found:
        if row.comparison is None:
            continue
        for where, differences in (
            ("only with the released package", row.comparison.lost),
            ("only with this package", row.comparison.gained),
        ):
            for name, count, why in _named(differences):
                cases = f" ({count} cases)" if count > 1 else ""
                reason = why or ("not explained" if differences is row.comparison.lost else "")
                told = f": {reason}" if reason else ""
                plain = " ".join(name.replace("`", "'").split())
                yield f"- {row.package.name}, {where}: `{plain}`{cases}{told}"


def write(found: Sequence[Row], taken: Taken) -> str:
    """Return the table in Markdown, with its date and the names of the differing tests."""
    lines = [
        f"Number of passed tests, taken on {taken.date} with Python {taken.python}. The released "
        f"package is zarr {taken.released}, this package is {taken.own}.",
        "",
        *rows(found),
    ]
    if listed := list(names(found)):
        lines += ["", *listed]
    return "\n".join(lines) + "\n"


def insert(page: Path, text: str) -> None:
    """Insert a table into a page, in place of the previous table.

    Raises
    ------
    ValueError
        If the page lacks the markers for the table.
    """
    whole = page.read_text(encoding="utf-8")
    head, begin, rest = whole.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no {BEGIN} that is followed by {END}")
    page.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")
