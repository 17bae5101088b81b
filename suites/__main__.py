"""Run the suites of released packages with the released zarr and with this one.

    python -m suites --only xarray virtualizarr

Each package is fetched, and installed twice with the same versions of all else. Its tests run
without a network. The exit status is 1 if a test passes with the released zarr and not with this
one, and `packages.toml` gives no reason.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from suites import environments, results, table
from suites.commands import Unavailable
from suites.compare import best, compare, differing
from suites.fetch import edit, fetch, unpack
from suites.pins import Package, Pins, load
from suites.run import Ran, run_suite

AGAIN = 200  # at most so many tests are run again


def say(text: str, *, progress: bool = False) -> None:
    """Tell what is going on; progress takes one line of a terminal, and is not told elsewhere."""
    terminal = sys.stderr.isatty()
    if progress and not terminal:
        return
    clear = "\r\x1b[K" if terminal else ""
    sys.stderr.write(clear + text + ("" if progress else "\n"))
    sys.stderr.flush()


def default_folder() -> Path:
    """Return the folder of the user's caches."""
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "zarr-suites"


class Suites:
    """Runs suites, and keeps what it needs in a folder.

    Parameters
    ----------
    pins : Pins
        What is pinned.
    folder : Path
        Where sdists, environments and reports are kept.
    python : str
        The interpreter that environments are made of.
    keep : bool
        Whether environments stay after their suite has run.
    reuse : bool
        Whether a run is not made again that was made of the same.
    """

    def __init__(self, pins: Pins, folder: Path, python: str, *, keep: bool, reuse: bool) -> None:
        self._pins = pins
        self._folder = folder
        self._python = python
        self._keep = keep
        self._reuse = reuse
        self._version = environments.python_version(python)
        self._wheel = environments.build_wheel(folder / "wheel", python)
        source = environments.ROOT / "src"
        self._own = results.digest(source.rglob("*.py"), source)

    @property
    def own_version(self) -> str:
        """The version of this zarr."""
        return self._wheel.name.split("-")[1]

    @property
    def taken(self) -> table.Taken:
        """What a table of today is taken with."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        released = self._pins.released.partition("==")[2]
        return table.Taken(today, released, self.own_version, self._version)

    def run(self, package: Package, title: str) -> table.Row:
        """Run the suite of a package on both sides and compare."""
        place = self._folder / "environments" / package.name
        place.mkdir(parents=True, exist_ok=True)
        try:
            return self._run(package, place, title)
        except Unavailable as error:
            return table.Row(package, why=str(error))
        finally:
            if not self._keep:
                shutil.rmtree(place, ignore_errors=True)

    def _run(self, package: Package, place: Path, title: str) -> table.Row:
        say(f"{title}: fetching", progress=True)
        sdist = fetch(package, self._python, self._folder / "sdists")
        say(f"{title}: resolving", progress=True)
        locked = self._lock(package, place)
        sides = ("there", None), ("here", self._wheel)
        make = {name: self._make(package, place, name, locked, wheel) for name, wheel in sides}
        ran: dict[str, Ran] = {}
        for name, wheel in sides:
            say(f"{title}: {name}", progress=True)
            key = results.fingerprint(package.runs, locked, self._version, wheel and self._own)
            kept = self._folder / "results" / f"{package.name}-{name}.json"
            before = results.load(kept, key) if self._reuse else None
            if before is None:
                before = self._suite(package, place, name, make[name](), sdist, f"{title}: {name}")
                results.save(kept, key, before)
            ran[name] = before
        return self._compare(package, place, make, sdist, ran, title)

    def _lock(self, package: Package, place: Path) -> str:
        """Return the versions of everything, as requirements."""
        key = results.fingerprint(package.runs, self._pins.requirements, self._version)
        kept = self._folder / "requirements" / f"{package.name}.txt"
        locked = results.load_text(kept, key) if self._reuse else None
        if locked is None:
            locked = environments.resolve(package, self._pins, self._python, place)
            results.save_text(kept, key, locked)
        return locked

    def _make(
        self, package: Package, place: Path, name: str, locked: str, wheel: Path | None
    ) -> Callable[[], Path]:
        """Return a function that makes an environment and checks what is in it."""

        def make() -> Path:
            python = environments.make(place / name, self._python, locked, wheel)
            found = environments.zarr_version(python)
            wanted = self.own_version if wheel else self._pins.released.partition("==")[2]
            if found != wanted:
                raise Unavailable(f"zarr is {found} where it should be {wanted}")
            return python

        return make

    def _suite(
        self,
        package: Package,
        place: Path,
        name: str,
        python: Path,
        sdist: Path,
        title: str,
        tests: Sequence[str] | None = None,
    ) -> Ran:
        unpack(sdist, () if package.imports else package.copy, place / "tests")
        edit(package, place / "tests")
        report = self._folder / "results" / f"{package.name}-{name}{'-again' if tests else ''}.xml"
        return run_suite(
            package,
            python,
            place / "tests",
            report,
            tests=tests,
            visit=lambda seconds: say(f"{title}, {seconds:.0f} s", progress=True),
        )

    def _compare(
        self,
        package: Package,
        place: Path,
        make: dict[str, Callable[[], Path]],
        sdist: Path,
        ran: dict[str, Ran],
        title: str,
    ) -> table.Row:
        there, here = ran["there"], ran["here"]
        unsteady = 0
        tests = differing(there.outcomes, here.outcomes)
        outcomes = {"there": there.outcomes, "here": here.outcomes}
        if 0 < len(tests) <= AGAIN:
            for name in outcomes:
                told = f"{title}: {name}, {len(tests)} tests again"
                say(told, progress=True)
                again = self._suite(package, place, name, make[name](), sdist, told, tests)
                outcomes[name] = best(outcomes[name], again.outcomes)
            unsteady = len(tests) - len(differing(**outcomes))
        faults = [f"{name}: {one.fault}" for name, one in ran.items() if one.fault]
        comparison = compare(package, **outcomes)
        return table.Row(package, comparison, "; ".join(faults), unsteady)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m suites",
        description="Run suites of released packages with the released zarr and with this one.",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these packages")
    parser.add_argument("--list", action="store_true", help="list the packages, run nothing")
    parser.add_argument("--table", type=Path, metavar="PAGE", help="a page to put the table into")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="what is kept")
    parser.add_argument("--python", default=sys.executable, help="made environments of, from 3.12")
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    parser.add_argument(
        "--reuse",
        action="store_true",
        help="do not run again what was run with the same pins, versions and sources",
    )
    return parser.parse_args(arguments)


def summarise(row: table.Row) -> str:
    """Write a row in a line."""
    if row.comparison is None:
        return f"did not run: {row.why}"
    lost, gained = len(row.comparison.lost), len(row.comparison.gained)
    more = f"; {row.why}" if row.why else ""
    return (
        f"{row.comparison.there} passed there, {row.comparison.here} here; "
        f"{lost} there alone ({row.unexplained} not explained), {gained} here alone{more}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = parse(arguments)
    pins = load()
    try:
        chosen = pins.choose(options.only)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if options.list:
        sys.stdout.writelines(f"{one.name} {one.version}\n" for one in chosen)
        return 0
    folder = options.folder.resolve()
    if folder.is_relative_to(environments.ROOT):
        raise SystemExit(
            "--folder has to be outside of the checkout, whose files tests would find."
        )
    folder.mkdir(parents=True, exist_ok=True)
    # A suite is a session of its own, and is to end with this process.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        suites = Suites(pins, folder, options.python, keep=options.keep, reuse=options.reuse)
    except Unavailable as error:
        raise SystemExit(f"No wheel of this checkout: {error}") from None
    rows = []
    for number, package in enumerate(chosen, 1):
        title = f"[{number}/{len(chosen)}] {package.name}"
        rows.append(suites.run(package, title))
        say(f"{title}: {summarise(rows[-1])}")
        for one in rows[-1].comparison.lost if rows[-1].comparison else ():
            say(f"    {one.test}\n        {one.here.what}: {one.here.message}")
    left_out = "left out of this run"
    listed = {row.package: row for row in rows}
    rows = [listed.get(one) or table.Row(one, why=left_out) for one in pins.packages]
    text = table.write(rows if options.table else [*listed.values()], suites.taken)
    sys.stdout.write(text)
    if options.table:
        table.insert(options.table, text)
    return int(any(row.unexplained for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
