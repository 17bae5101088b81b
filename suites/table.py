"""The table: what passes with the released package, what passes here, and what differs."""

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
        The package.
    comparison : Comparison or None
        What was found, None if the suite did not run.
    why : str
        Why it did not run, or why not to its end; empty if it did.
    unsteady : int
        How many tests passed in the second of two runs alone.
    """

    package: Package
    comparison: Comparison | None = None
    why: str = ""
    unsteady: int = 0

    @property
    def unexplained(self) -> int:
        """How many tests pass there and not here, without a reason being known."""
        return sum(not one.why for one in self.comparison.lost) if self.comparison else 0


@dataclass(frozen=True)
class Taken:
    """When and with what a table was taken."""

    date: str
    released: str
    own: str
    python: str


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


SOME = 3  # cases of a test that are named each


def _named(differences: Iterable[Difference]) -> Iterator[tuple[str, int, str]]:
    """Yield each test, or many of one function or module, with their number and a reason."""

    def key(one: Difference) -> tuple[str, str]:
        if GONE in (one.there, one.here):  # as a module is that cannot be imported
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
    told = [f"{lost} there alone"] * bool(lost) + [f"{gained} here alone"] * bool(gained)
    told += [f"{row.unsteady} not each time"] * bool(row.unsteady)
    told += ["no tests in the sdist: imports of its modules"] * bool(row.package.imports)
    told += [row.why] * bool(row.why) + [row.package.note] * bool(row.package.note)
    return "; ".join(told)


def rows(found: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table, and its sums."""
    yield "| package | passed there | passed here | differs |"
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
    """Write how much of what passes there does not pass here."""
    return f"{lost:,} there alone, {100 * lost / there:.2f} %" if there else ""


def names(found: Sequence[Row]) -> Iterator[str]:
    """Yield what passes with one of the two alone, by name, with the reasons."""
    for row in found:
        if row.comparison is None:
            continue
        for where, differences in (
            ("not here", row.comparison.lost),
            ("here alone", row.comparison.gained),
        ):
            for name, count, why in _named(differences):
                cases = f" ({count} cases)" if count > 1 else ""
                reason = why or ("not explained" if where == "not here" else "")
                told = f": {reason}" if reason else ""
                plain = " ".join(name.replace("`", "'").split())
                yield f"- {row.package.name}, {where}: `{plain}`{cases}{told}"


def write(found: Sequence[Row], taken: Taken) -> str:
    """Return the table in Markdown, with its date and the names of what differs."""
    lines = [
        f"Taken on {taken.date} with Python {taken.python}: zarr {taken.released} there, "
        f"{taken.own} here.",
        "",
        *rows(found),
    ]
    if listed := list(names(found)):
        lines += ["", *listed]
    return "\n".join(lines) + "\n"


def insert(page: Path, text: str) -> None:
    """Put a table into a page, in the place of the last one.

    Raises
    ------
    ValueError
        If the page has no place for one.
    """
    whole = page.read_text(encoding="utf-8")
    head, begin, rest = whole.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no {BEGIN} that is followed by {END}")
    page.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")
