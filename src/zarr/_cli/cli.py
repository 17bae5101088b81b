"""Commands of ``zarr``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from zarr.core.common import ZarrFormat
from zarr.core.sync import sync
from zarr.metadata._migration import migrate as migrate_metadata
from zarr.metadata._removal import remove_metadata as delete_metadata
from zarr.storage import ZipStore

logger = logging.getLogger(__name__)

app = typer.Typer(pretty_exceptions_enable=False)

_LOCATION = (
    "store, path to directory in file system or name of zip file e.g. "
    "'data/example-1.zarr', 's3://example-bucket/example'..."
)


class _Target(StrEnum):
    """Zarr formats to which metadata can be migrated."""

    v3 = "v3"


class _Format(StrEnum):
    """Zarr formats whose metadata can be removed."""

    v2 = "v2"
    v3 = "v3"


_FORMATS: dict[_Format, ZarrFormat] = {_Format.v2: 2, _Format.v3: 3}


@app.callback(
    help="See available commands below - access help for individual commands with zarr COMMAND "
    "--help."
)
def common_options(
    ctx: typer.Context,
    verbose: Annotated[
        bool,
        typer.Option(
            help="enable verbose logging - will print info about metadata files being deleted / "
            "saved."
        ),
    ] = False,
) -> None:
    """Store the value of the option ``--verbose`` in the context that every command receives."""
    ctx.obj = verbose


@app.command(
    help="Migrate all v2 metadata in a zarr hierarchy to v3. This will create a zarr.json file for "
    "each level (every group / array). v2 files (.zarray, .zattrs etc.) will be left as-is."
)
def migrate(
    ctx: typer.Context,
    zarr_format: Annotated[
        _Target,
        typer.Argument(help="Zarr format to migrate to. Currently only 'v3' is supported."),
    ],
    input_store: Annotated[
        str, typer.Argument(help=f"Input Zarr to migrate - should be a {_LOCATION}")
    ],
    output_store: Annotated[
        str | None,
        typer.Argument(
            help="Output location to write generated metadata (no array data will be copied). If "
            "not provided, metadata will be written to input_store. Should be a " + _LOCATION
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            help="Enable a dry-run: files that would be converted are logged, but no new files are "
            "created or changed."
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            help="Remove any existing v3 metadata at the output location, before migration starts."
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            help="Only used when --overwrite is given. Allows v3 metadata to be removed when no "
            "valid v2 metadata exists at the output location."
        ),
    ] = False,
    remove_v2_metadata: Annotated[
        bool,
        typer.Option(
            help="Remove v2 metadata (if any) from the output location, after migration is complete."
        ),
    ] = False,
) -> None:
    """Write format 3 metadata for format 2 nodes."""
    with _report(ctx, dry_run), ExitStack() as opened:
        if dry_run:
            logger.info(
                "Dry run enabled - no new files will be created or changed. Log of files that would "
                "be created on a real run:"
            )
        in_place = output_store is None
        source = _store(input_store, opened, writes=in_place and not dry_run)
        target = (
            None
            if output_store is None
            else _store(output_store, opened, writes=not dry_run, creates=not dry_run)
        )
        sync(
            migrate_metadata(
                source,
                target,
                dry_run=dry_run,
                overwrite=overwrite,
                force=force,
                remove_v2_metadata=remove_v2_metadata,
            )
        )


@app.command(
    help="Remove all v2 (.zarray, .zattrs, .zgroup, .zmetadata) or v3 (zarr.json) metadata files "
    "from the given Zarr. Note - this will remove metadata files at all levels of the hierarchy "
    "(every group and array)."
)
def remove_metadata(
    ctx: typer.Context,
    zarr_format: Annotated[
        _Format, typer.Argument(help="Which format's metadata to remove - v2 or v3.")
    ],
    store: Annotated[
        str,
        typer.Argument(help=f"Store or {_LOCATION.removeprefix('store, ')}"),
    ],
    force: Annotated[
        bool,
        typer.Option(
            help="Allow metadata to be deleted when no valid alternative exists e.g. allow deletion "
            "of v2 metadata, when no v3 metadata is present."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            help="Enable a dry-run: files that would be deleted are logged, but no files are removed "
            "or changed."
        ),
    ] = False,
) -> None:
    """Delete the metadata documents of one Zarr format."""
    with _report(ctx, dry_run), ExitStack() as opened:
        if dry_run:
            logger.info(
                "Dry run enabled - no files will be deleted or changed. Log of files that would be "
                "deleted on a real run:"
            )
        place = _store(store, opened, writes=not dry_run)
        sync(delete_metadata(place, _FORMATS[zarr_format], force=force, dry_run=dry_run))


def _store(
    location: str, opened: ExitStack, *, writes: bool, creates: bool = False
) -> str | ZipStore:
    """Return a `ZipStore` for the path of a ZIP archive, and any other location unchanged.

    The `ZipStore` opens the archive on first use. The exit stack `opened` closes the `ZipStore`.
    """
    path = Path(location)
    if path.suffix.lower() == ".zip" and (path.is_file() or (creates and not path.exists())):
        return opened.enter_context(ZipStore(path, mode="a" if writes else "r"))
    return location


@contextmanager
def _report(ctx: typer.Context, dry_run: bool) -> Iterator[None]:
    """Context manager that shows log messages or progress on standard error.

    Log messages are shown in verbose mode and in a dry run. In all other cases, progress is shown.
    """
    if not (ctx.obj or dry_run):
        with _progress("zarr.metadata.migrate_v3"):
            yield
        return
    with _handled_by(logging.StreamHandler(sys.stderr), "zarr", logging.INFO):
        yield


@contextmanager
def _handled_by(handler: logging.Handler, name: str, level: int) -> Iterator[None]:
    """Context manager that adds a handler to a logger and sets the level of the logger."""
    source = logging.getLogger(name)
    before = source.level
    source.addHandler(handler)
    source.setLevel(level)
    try:
        yield
    finally:
        source.setLevel(before)
        source.removeHandler(handler)


@contextmanager
def _progress(logger_name: str) -> Iterator[None]:
    """Context manager that shows the latest message of a logger on a terminal.

    The message is removed from the terminal at the end of the ``with`` block. If standard error is
    not a terminal, no message is shown.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status("Reading metadata") as status:

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                status.update(escape(record.getMessage()))

        with _handled_by(Handler(), logger_name, logging.DEBUG):
            yield
