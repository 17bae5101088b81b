"""Reading `packages.toml`: the packages whose suites are run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("packages.toml")


@dataclass(frozen=True)
class Known:
    """Tests that are deselected, or whose outcome is known to differ.

    Parameters
    ----------
    test : str
        For a deselected test, a node id as for `pytest --deselect`. For a known difference, an
        `fnmatch` pattern.
    why : str
        Reason, in one sentence.
    """

    test: str
    why: str


@dataclass(frozen=True)
class Edit:
    """A change that the suite needs in order to run; it is made for both versions of zarr.

    Parameters
    ----------
    file : str
        Path of a copied file of the sdist.
    old, new : str
        Text in the file, and its replacement.
    why : str
        Reason, in one sentence.
    """

    file: str
    old: str
    new: str
    why: str


@dataclass(frozen=True)
class Package:
    """A released package, and how its suite is run.

    Parameters
    ----------
    name, version : str
        Name and version of the package.
    sha256 : str
        Hash of the sdist.
    extras, requirements : tuple of str
        Extras of the package, and further requirements of its suite.
    copy : tuple of str
        Paths in the sdist that form the suite. They are copied to a separate folder. Otherwise the
        package would be imported from its sources instead of the installed files. If the tests of a
        pure Python package are inside the package, the whole package is copied.
    arguments : tuple of str
        Arguments of pytest. An option and its value form one argument, as in ``"-mnot network"``.
    imports : tuple of str
        Modules to import, with all their submodules, if the sdist has no tests.
    seconds : float
        Maximum duration of a run of the suite.
    override : bool
        Whether to install the released zarr even if the requirements of the package exclude it.
    edits : tuple of Edit
        Changes to files of the suite.
    deselect, differs : tuple of Known
        Tests that are deselected, and known differences.
    note : str
        Remark for the table.
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
        """All fields on which a run of the suite depends."""
        return tuple(getattr(self, one.name) for one in fields(self) if one.compare)

    @property
    def requirement(self) -> str:
        """Requirement that installs the package."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}=={self.version}"

    def reason(self, test: str) -> str:
        """Return the reason for the known difference of a test; empty if none is known."""
        return next((known.why for known in self.differs if fnmatchcase(test, known.test)), "")


@dataclass(frozen=True)
class Pins:
    """The contents of `packages.toml`.

    Parameters
    ----------
    released : str
        Requirement for the released zarr.
    requirements : tuple of str
        Requirements for every environment.
    packages : tuple of Package
        Packages, in the order in which their suites run.
    """

    released: str
    requirements: tuple[str, ...]
    packages: tuple[Package, ...]

    def choose(self, names: list[str] | None) -> tuple[Package, ...]:
        """Return the packages with the given names; all packages for None.

        Raises
        ------
        ValueError
            If a name is unknown.
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
    """Read a file in the format of `packages.toml`.

    Raises
    ------
    ValueError
        If a key is unknown, or a package is listed twice.
    """
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    packages = tuple(_package(entry) for entry in read["package"])
    if len({package.name for package in packages}) < len(packages):
        raise ValueError(f"{path.name}: a package is there twice")
    return Pins(read["released"], tuple(read["requirements"]), packages)
