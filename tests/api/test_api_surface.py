"""Names and signatures of the package, and what importing it loads."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import zarr
import zarr.api.asynchronous as za
import zarr.api.synchronous as zs
import zarr.experimental
from zarr._version import __version__
from zarr.core.group import AsyncGroup, Group

ROOT = Path(__file__).parents[2]


def _run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    ).stdout.strip()


def test_importing_loads_no_remote_or_command_line_packages() -> None:
    heavy = ("fsspec", "s3fs", "obstore", "aiohttp", "typer", "rich", "botocore", "cupy", "pytest")
    code = f"import sys, zarr; print([name for name in {heavy!r} if name in sys.modules])"
    assert _run(code) == "[]"


def test_a_process_that_used_the_package_ends() -> None:
    code = "import zarr; print(zarr.create_array({}, shape=(2,), dtype='i4')[:].tolist())"
    assert _run(code) == "[0, 0]"


@pytest.mark.parametrize("module", [zarr, za, zs, zarr.experimental])
def test_all_names_are_there(module: Any) -> None:
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_functions_of_the_package_are_the_synchronous_ones() -> None:
    assert set(za.__all__) == set(zs.__all__)
    assert set(zs.__all__) <= set(zarr.__all__)
    for name in zs.__all__:
        assert getattr(zarr, name) is getattr(zs, name)


def _names_and_defaults(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "self"}


@pytest.mark.parametrize("name", [*zs.__all__, "create_group"])
def test_synchronous_twins(name: str) -> None:
    twin, function = getattr(zs, name), getattr(za, name)
    assert _names_and_defaults(twin) == _names_and_defaults(function)
    assert not inspect.iscoroutinefunction(twin)
    assert twin.__name__ == name
    assert twin.__doc__
    if name != "create_hierarchy":
        assert inspect.iscoroutinefunction(function)
        assert twin.__module__ == "zarr.api.synchronous"


@pytest.mark.parametrize("name", ["open", "open_array", "group", "create_group", "load"])
def test_the_store_by_position(name: str) -> None:
    kinds = [
        inspect.signature(getattr(module, name)).parameters["store"].kind for module in (zs, za)
    ]
    assert kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY]


SAME = sorted(
    name
    for name in vars(AsyncGroup)
    if not name.startswith("_")
    and callable(getattr(AsyncGroup, name))
    and name in vars(Group)
    and name not in ("from_store", "open", "require_array", "require_group", "create_group")
)


@pytest.mark.parametrize("name", SAME)
def test_methods_of_groups(name: str) -> None:
    method, original = getattr(Group, name), getattr(AsyncGroup, name)
    ours, theirs = _names_and_defaults(method), _names_and_defaults(original)
    if name == "get":
        theirs["path"] = theirs.pop("key")
    assert ours.keys() == theirs.keys()
    assert all(ours[each] == theirs[each] for each in ours)
    assert method.__doc__
    assert method.__qualname__ == f"Group.{name}"
    assert not inspect.iscoroutinefunction(method)
    assert not inspect.isasyncgenfunction(method)


def test_version() -> None:
    assert zarr.__version__ == __version__
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


def test_debug_info(capsys: pytest.CaptureFixture[str]) -> None:
    zarr.print_debug_info()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["platform", "python", "zarr"]
    assert [line for line in lines if line.startswith("**")] == [
        "**Required dependencies:**",
        "**Optional dependencies:**",
        "**Not Installed:**",
    ]
    required = lines[lines.index("**Required dependencies:**") + 1 :][:6]
    assert all(": " in line and not line.endswith("None") for line in required)


# In a process of its own: pytest listens to messages.
MESSAGES = """
import logging, sys, zarr
logger = logging.getLogger("zarr")
warn = lambda text: logger.warning(text)
"""


def _messages(code: str) -> list[str]:
    """Return the lines that reach standard error."""
    done = subprocess.run(
        [sys.executable, "-c", MESSAGES + code], capture_output=True, text=True, check=True
    )
    return done.stderr.splitlines()


def test_format_of_messages() -> None:
    code = "zarr.set_format('%(levelname)s|%(message)s'); zarr.set_format('%(name)s|%(message)s')"
    assert _messages(f"{code}; warn('hello')") == ["zarr|hello"]


def test_level_of_messages() -> None:
    code = "zarr.set_log_level('ERROR'); zarr.set_log_level('DEBUG'); logger.debug('seen'); "
    assert _messages(f"{code} zarr.set_log_level('ERROR'); warn('lost')") == ["DEBUG:zarr:seen"]
    assert _messages(f"zarr.set_format('%(message)s'); {code}") == ["seen"]
    with pytest.raises(ValueError, match="Unknown level"):
        zarr.set_log_level("LOUD")  # type: ignore[arg-type]


def test_messages_are_seen_once_in_a_program_with_handlers() -> None:
    own = "logging.basicConfig(format='own %(message)s')"
    assert _messages(f"{own}; zarr.set_log_level('INFO'); logger.info('seen')") == ["own seen"]


def test_fill_value_is_a_property_of_the_synchronous_array_only() -> None:
    array = zarr.create_array({}, shape=(2,), dtype="i4", fill_value=7)
    assert array.fill_value == array.metadata.fill_value == 7
    assert "fill_value" not in dir(zarr.AsyncArray)
