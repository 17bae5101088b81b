"""What helps to find out why something went wrong: versions, and the messages of the package."""

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
    """Choose how urgent messages of the package have to be to be seen.

    They go to standard error, unless the program has handlers for them already.

    Parameters
    ----------
    level : {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"}
        The lowest level that is seen.

    Raises
    ------
    ValueError
        If there is no such level.
    """
    logger = _logger()
    logger.setLevel(level)
    # One of the root logger counts: with another one every message would be seen twice.
    if not logger.hasHandlers():
        set_format(logging.BASIC_FORMAT)


def set_format(log_format: str) -> None:
    """Choose how messages of the package look.

    Parameters
    ----------
    log_format : str
        As for `logging.Formatter`.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    formatter = logging.Formatter(log_format)
    logger = _logger()
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
    for handler in logger.handlers:
        handler.setFormatter(formatter)


def _logger() -> logging.Logger:
    return logging.getLogger("zarr")
