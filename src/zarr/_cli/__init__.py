"""Command line interface ``zarr``; it requires the packages that ``zarr[cli]`` installs."""

from __future__ import annotations

import sys
import warnings
from zipfile import BadZipFile


def main() -> None:
    """Run the command line interface, and end the process with its exit status.

    If a command raises an exception, the type and message of the exception are printed without a
    traceback, and the exit status is 1.
    """
    try:
        from zarr._cli.cli import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit(
            'The command zarr needs the packages typer and rich. Install them with: pip install "zarr[cli]"'
        )
    warnings.showwarning = _show_warning
    try:
        app()
    except (BadZipFile, LookupError, NotImplementedError, OSError, TypeError, ValueError) as error:
        lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
        sys.exit("\n".join(lines))


def _show_warning(
    message: Warning | str, category: type[Warning], *_where: object, **_more: object
) -> None:
    print(f"{category.__name__}: {message}", file=sys.stderr)
