"""Debugging helpers: versions and log messages of the package."""

from __future__ import annotations

import logging
import sys
from typing import Final, Literal

from zarr._version import __version__

_REQUIRED: Final = (
    "packaging",
    "numpy",
    "numcodecs",
    "typing_extensions",
    "donfig",
    "google-crc32c",
    "zstandard",
)
_OPTIONAL: Final = (
    "botocore",
    "cupy-cuda12x",
    "fsspec",
    "s3fs",
    "gcsfs",
    "universal-pathlib",
    "obstore",
)


def print_debug_info() -> None:
    """Print the versions of the platform, Python, zarr and its dependencies, for bug reports."""
    import platform

    required, optional = _versions(_REQUIRED), _versions(_OPTIONAL)
    lines = [
        f"platform: {platform.platform()}",
        f"python: {platform.python_version()}",
        f"zarr: {__version__}",
        "",
        "**Required dependencies:**",
        *(f"{name}: {found}" for name, found in required.items()),
        "",
        "**Optional dependencies:**",
        *(f"{name}: {found}" for name, found in optional.items() if found is not None),
        "",
        "**Not Installed:**",
        *(name for name, found in optional.items() if found is None),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _versions(names: tuple[str, ...]) -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def set_log_level(
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"],
) -> None:
    """Set the minimum level at which log messages of the package are shown.

    Messages are written to standard error, unless the program has configured a log handler.

    Parameters
    ----------
    level : {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"}
        Minimum level of the messages that are shown.

    Raises
    ------
    ValueError
        If `level` is not a known log level.
    """
    logger = _logger()
    logger.setLevel(level)
    # `hasHandlers` also finds a handler of the root logger. If the root logger has a handler, a
    # second handler would show every message twice.
    if not logger.hasHandlers():
        set_format(logging.BASIC_FORMAT)


def set_format(log_format: str) -> None:
    """Set the format of log messages of the package.

    Parameters
    ----------
    log_format : str
        Format string, as for `logging.Formatter`.

    Raises
    ------
    ValueError
        If the format string is not valid.
    """
    formatter = logging.Formatter(log_format)
    logger = _logger()
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
    for handler in logger.handlers:
        handler.setFormatter(formatter)


def _logger() -> logging.Logger:
    return logging.getLogger("zarr")
