"""Running the suite of a package with both versions of zarr, and comparing the results."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from suites import environments, results, table
from suites.commands import Unavailable
from suites.compare import best, compare, differing
from suites.fetch import edit, fetch, unpack
from suites.junit import Outcome
from suites.pins import Package, Pins
from suites.run import Ran, run_suite

AGAIN = 200  # maximum number of tests that are run again
SIDES = ("there", "here")


class Workshop:
    """Settings and resources that all packages share.

    Parameters
    ----------
    pins : Pins
        Contents of `packages.toml`.
    folder : Path
        Folder of sdists, environments and reports.
    python : str
        Interpreter from which the environments are made.
    keep : bool
        Whether to keep environments after their suite has run.
    reuse : bool
        Whether to reuse the results of an earlier run with the same pins, versions and sources.

    Raises
    ------
    Unavailable
        If the interpreter does not exist, or no wheel can be built from this checkout.
    """

    def __init__(self, pins: Pins, folder: Path, python: str, *, keep: bool, reuse: bool) -> None:
        self.pins = pins
        self.folder = folder
        self.python = python
        self.keep = keep
        self.reuse = reuse
        self.version = environments.python_version(python)
        self.wheel = environments.build_wheel(folder / "wheel", python)
        source = environments.ROOT / "src"
        self.own = results.digest(source.rglob("*.py"), source)

    def zarr(self, side: str) -> str:
        """Return the version of zarr on one side."""
        if side == "here":
            return self.wheel.name.split("-")[1]
        return self.pins.released.partition("==")[2]

    @property
    def taken(self) -> table.Taken:
        """Date and versions for a table that is made today."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        return table.Taken(today, self.zarr("there"), self.zarr("here"), self.version)


class Both:
    """The suite of a package, run with the released zarr ("there") and with this zarr ("here").

    Parameters
    ----------
    package : Package
        Package with the suite.
    workshop : Workshop
        Shared settings and resources.
    tell : callable
        Called with a description of the current step.
    """

    def __init__(
        self, package: Package, workshop: Workshop, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._package = package
        self._workshop = workshop
        self._tell = tell
        self._place = workshop.folder / "environments" / package.name

    def run(self) -> table.Row:
        """Run the suite on both sides and compare the outcomes."""
        self._place.mkdir(parents=True, exist_ok=True)
        try:
            return self._compare({side: self._ran(side) for side in SIDES})
        except Unavailable as error:
            return table.Row(self._package, why=str(error))
        finally:
            if not self._workshop.keep:
                shutil.rmtree(self._place, ignore_errors=True)

    @cached_property
    def _sdist(self) -> Path:
        self._tell("fetching")
        return fetch(self._package, self._workshop.python, self._workshop.folder / "sdists")

    @cached_property
    def _locked(self) -> str:
        """Pinned versions of all packages, as requirements."""
        self._tell("resolving")
        shared = self._workshop
        key = results.fingerprint(self._package.runs, shared.pins.requirements, shared.version)
        kept = shared.folder / "requirements" / f"{self._package.name}.txt"
        locked = results.load_text(kept, key) if shared.reuse else None
        if locked is None:
            locked = environments.resolve(self._package, shared.pins, shared.python, self._place)
            results.save_text(kept, key, locked)
        return locked

    def _interpreter(self, side: str) -> Path:
        """Return the interpreter in the environment of a side; check its version of zarr."""
        self._tell(f"{side}, installing")
        shared = self._workshop
        wheel = shared.wheel if side == "here" else None
        python = environments.make(self._place / side, shared.python, self._locked, wheel)
        found = environments.zarr_version(python)
        if found != shared.zarr(side):
            raise Unavailable(f"zarr is {found} where it should be {shared.zarr(side)}")
        return python

    def _ran(self, side: str, tests: Sequence[str] = ()) -> Ran:
        """Return the results of the suite, or of some of its tests, on one side."""
        package, shared = self._package, self._workshop
        own = shared.own if side == "here" else None
        key = results.fingerprint(package.runs, self._locked, shared.version, own, *tests)
        name = f"{package.name}-{side}{'-again' if tests else ''}"
        kept = shared.folder / "results" / f"{name}.json"
        ran = results.load(kept, key) if shared.reuse else None
        if ran is None:
            python = self._interpreter(side)
            place = self._place / "tests"
            unpack(self._sdist, () if package.imports else package.copy, place)
            edit(package, place)
            told = f"{side}, {len(tests)} tests again" if tests else side
            ran = run_suite(
                package,
                python,
                place,
                kept.with_suffix(".xml"),
                tests=tests or None,
                visit=lambda seconds: self._tell(f"{told}, {seconds:.0f} s"),
            )
            results.save(kept, key, ran)
        return ran

    def _compare(self, ran: dict[str, Ran]) -> table.Row:
        outcomes: dict[str, dict[str, Outcome]] = {side: ran[side].outcomes for side in SIDES}
        tests = differing(**outcomes)
        unsteady = 0
        if 0 < len(tests) <= AGAIN:
            for side in SIDES:
                outcomes[side] = best(outcomes[side], self._ran(side, tests).outcomes)
            unsteady = len(tests) - len(differing(**outcomes))
        faults = [f"{side}: {ran[side].fault}" for side in SIDES if ran[side].fault]
        comparison = compare(self._package, **outcomes)
        return table.Row(self._package, comparison, "; ".join(faults), unsteady)
