"""Run the test suites of other packages, with the released zarr and with this checkout.

    python -m suites --only xarray virtualizarr

Each package is downloaded and installed twice, with the same versions of all other packages. Its
tests run without a network. If a test passes only with the released zarr, and
`packages.toml` gives no reason for this difference, the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from suites import environments, table
from suites.both import Both, Workshop
from suites.commands import Unavailable
from suites.pins import load


def say(text: str, *, progress: bool = False) -> None:
    """Print a message; progress messages share one line, and appear only on a terminal."""
    terminal = sys.stderr.isatty()
    if progress and not terminal:
        return
    clear = "\r\x1b[K" if terminal else ""
    sys.stderr.write(clear + text + ("" if progress else "\n"))
    sys.stderr.flush()


def tell_progress(title: str, told: str) -> None:
    """Print the current step for a package."""
    say(f"{title}: {told}", progress=True)


def default_folder() -> Path:
    """Return a folder in the user's cache directory."""
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "zarr-suites"


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
    """Return a row of the table as one line of text."""
    if row.comparison is None:
        return f"did not run: {row.why}"
    lost, gained = len(row.comparison.lost), len(row.comparison.gained)
    more = f"; {row.why}" if row.why else ""
    return (
        f"{row.comparison.there} tests passed with the released package, {row.comparison.here} with "
        f"this one; {lost} only with the released package ({row.unexplained} not explained), "
        f"{gained} only with this one{more}"
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
    # Each suite runs in its own session. Without this handler, a running suite would continue
    # after this process is terminated.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        workshop = Workshop(pins, folder, options.python, keep=options.keep, reuse=options.reuse)
    except Unavailable as error:
        raise SystemExit(f"No wheel of this checkout: {error}") from None
    rows = []
    for number, package in enumerate(chosen, 1):
        title = f"[{number}/{len(chosen)}] {package.name}"
        tell = partial(tell_progress, title)
        rows.append(Both(package, workshop, tell).run())
        say(f"{title}: {summarise(rows[-1])}")
        for one in rows[-1].comparison.lost if rows[-1].comparison else ():
            say(f"    {one.test}\n        {one.here.what}: {one.here.message}")
    left_out = "left out of this run"
    listed = {row.package: row for row in rows}
    rows = [listed.get(one) or table.Row(one, why=left_out) for one in pins.packages]
    text = table.write(rows if options.table else [*listed.values()], workshop.taken)
    sys.stdout.write(text)
    if options.table:
        table.insert(options.table, text)
    return int(any(row.unexplained for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
