"""The packages whose suites run: `packages.toml`, read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("packages.toml")


@dataclass(frozen=True)
class Known:
    """Tests that are left out, or whose outcome is known to differ.

    Parameters
    ----------
    test : str
        Node id as in `pytest --deselect` where a test is left out, a pattern of `fnmatch` where it
        differs.
    why : str
        The reason, one sentence.
    """

    test: str
    why: str


@dataclass(frozen=True)
class Edit:
    """What is changed in a suite, for both, so that it runs.

    Parameters
    ----------
    file : str
        A file of the sdist, one of those that are copied.
    old, new : str
        The text that is there, and the one that takes its place.
    why : str
        The reason, one sentence.
    """

    file: str
    old: str
    new: str
    why: str


@dataclass(frozen=True)
class Package:
    """A released package and how its suite is run.

    Parameters
    ----------
    name, version : str
        What is fetched.
    sha256 : str
        Of the sdist.
    extras, requirements : tuple of str
        Extras of the package, and what the suite needs besides.
    copy : tuple of str
        Paths in the sdist that the suite consists of. They are copied, because beside its sources
        a package would be imported from those and not as it is installed; that of a package in
        pure Python whose tests are inside of it has to be.
    arguments : tuple of str
        Of pytest. An option and its value are one of them, as in ``"-mnot network"``.
    imports : tuple of str
        Modules to import, with all that is below them, where the sdist has no tests.
    seconds : float
        That a run of the suite may take.
    override : bool
        Whether the package gets this zarr although its requirements exclude it.
    edits : tuple of Edit
        What is changed in the suite.
    deselect, differs : tuple of Known
        What is left out, and what is known to differ.
    note : str
        A remark for the table.
    """

    name: str
    version: str
    sha256: str
    extras: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    copy: tuple[str, ...] = ("tests",)
    arguments: tuple[str, ...] = ("tests",)
    imports: tuple[str, ...] = ()
    seconds: float = 3600.0
    override: bool = False
    edits: tuple[Edit, ...] = ()
    deselect: tuple[Known, ...] = ()
    differs: tuple[Known, ...] = field(default=(), compare=False)
    note: str = field(default="", compare=False)

    @property
    def runs(self) -> tuple[object, ...]:
        """All that a run of the suite depends on."""
        return tuple(getattr(self, one.name) for one in fields(self) if one.compare)

    @property
    def requirement(self) -> str:
        """What installs it."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}=={self.version}"

    def reason(self, test: str) -> str:
        """Return why a test is known to differ, empty if it is not."""
        return next((known.why for known in self.differs if fnmatchcase(test, known.test)), "")


@dataclass(frozen=True)
class Pins:
    """What `packages.toml` says.

    Parameters
    ----------
    released : str
        The requirement for the released zarr.
    requirements : tuple of str
        What every environment has.
    packages : tuple of Package
        In the order in which they run.
    """

    released: str
    requirements: tuple[str, ...]
    packages: tuple[Package, ...]

    def choose(self, names: list[str] | None) -> tuple[Package, ...]:
        """Return the packages of some names, all of them for None.

        Raises
        ------
        ValueError
            If there is none of a name.
        """
        if names is None:
            return self.packages
        if unknown := set(names) - {package.name for package in self.packages}:
            raise ValueError(f"packages.toml has no {', '.join(sorted(unknown))}")
        return tuple(package for package in self.packages if package.name in names)


def _package(entry: dict[str, Any]) -> Package:
    known = {one.name for one in fields(Package)}
    if unknown := set(entry) - known:
        raise ValueError(f"{entry.get('name')}: no such keys: {', '.join(sorted(unknown))}")
    made: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    for key in ("deselect", "differs"):
        made[key] = tuple(Known(**one) for one in entry.get(key, ()))
    made["edits"] = tuple(Edit(**one) for one in entry.get("edits", ()))
    return Package(**made)


def load(path: Path = PINS) -> Pins:
    """Return what a file pins.

    Raises
    ------
    ValueError
        If a key is not known, or a name is there twice.
    """
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    packages = tuple(_package(entry) for entry in read["package"])
    if len({package.name for package in packages}) < len(packages):
        raise ValueError(f"{path.name}: a package is there twice")
    return Pins(read["released"], tuple(read["requirements"]), packages)
