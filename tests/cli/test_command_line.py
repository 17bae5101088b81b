"""The program ``zarr``: its commands, what they print, and how they end."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zarr
from zarr.storage import ZipStore

pytest.importorskip("typer")

from typer.testing import CliRunner

from zarr._cli.cli import app

if TYPE_CHECKING:
    from tests.servers.s3 import S3Server
    from typer.testing import Result

ROOT = Path(__file__).parents[2]
V2_KEYS = [".zattrs", ".zgroup", "h/.zattrs", "h/.zgroup", "h/y/.zarray", "h/y/.zattrs"]
V3_KEYS = ["h/y/zarr.json", "h/zarr.json", "zarr.json"]
CHUNKS = ["h/y/0"]


def hierarchy(store: Any) -> None:
    root = zarr.create_group(store, zarr_format=2, attributes={"r": 1})
    root.create_group("h").create_array("y", data=np.arange(4))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A format 2 hierarchy."""
    hierarchy(tmp_path / "stored")
    return tmp_path / "stored"


def keys(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def check_values(store: Any) -> None:
    group: Any = zarr.open_group(store, mode="r", zarr_format=3)
    assert group.attrs.asdict() == {"r": 1}
    np.testing.assert_array_equal(group["h/y"][:], np.arange(4))


# --- as a process -----------------------------------------------------------------------


def run(
    *arguments: str | Path, before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program, which installing makes a script of, and wait for its end."""
    launch = f"{before}\nimport sys; from zarr._cli import main; sys.argv[0] = 'zarr'; main()"
    return subprocess.run(
        [sys.executable, "-c", launch, *map(str, arguments)],
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", "COLUMNS": "120"}
        | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_migrating_and_removing(stored: Path) -> None:
    done = run("migrate", "v3", stored)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert keys(stored) == sorted(V2_KEYS + CHUNKS + V3_KEYS)
    done = run("--verbose", "remove-metadata", "v2", stored)
    assert (done.returncode, done.stdout) == (0, "")
    assert sorted(done.stderr.splitlines()) == sorted(
        f"Deleting metadata at file://{stored}/{key}" for key in V2_KEYS
    )
    assert keys(stored) == sorted(CHUNKS + V3_KEYS)
    check_values(stored)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix feature")
def test_progress_is_shown_on_a_terminal(stored: Path) -> None:
    import pty  # does not exist on Windows

    ours, theirs = pty.openpty()
    launch = "import sys; from zarr._cli import main; sys.argv[0] = 'zarr'; main()"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "TERM": "xterm", "COLUMNS": "200"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", launch, "migrate", "v3", str(stored)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=300,
            check=False,
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(ours, 1 << 16):
                shown += part
    finally:
        os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"metadata" in shown
    assert shown.endswith(b"\x1b[2K")  # the line is erased at the end
    assert keys(stored) == sorted(V2_KEYS + CHUNKS + V3_KEYS)


def test_a_failure_is_told_without_a_traceback(stored: Path) -> None:
    (stored / "h/y/.zarray").write_text(
        (stored / "h/y/.zarray")
        .read_text()
        .replace('"filters": null', '"filters": [{"id": "zlib"}]')
    )
    before = keys(stored)
    done = run("migrate", "v3", stored)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "TypeError: Filter <class 'zarr.codecs.numcodecs._codecs.Zlib'> is not an ArrayArrayCodec",
        f"while migrating the metadata at file://{stored}/h/y",
    ]
    assert keys(stored) == before


def test_wrong_usage_ends_in_status_2() -> None:
    done = run("migrate", "v2", "somewhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: zarr migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_packages_it_needs() -> None:
    # The library itself does without them.
    done = run(
        "--help", before="import sys; sys.modules.update(typer=None, rich=None); import zarr"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "The command zarr needs the packages typer and rich. "
        'Install them with: pip install "zarr[cli]"\n'
    )


def test_the_script_that_installing_makes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["zarr"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert {each.partition(">=")[0] for each in project["optional-dependencies"]["cli"]} == {
        "typer",
        "rich",
    }


def test_object_stores(s3_server: S3Server, s3_bucket: str) -> None:
    pytest.importorskip("s3fs")
    url = f"s3://{s3_bucket}/deep/stored"
    options = s3_server.storage_options
    hierarchy(zarr.storage.FsspecStore.from_url(url, storage_options=options))
    done = run(
        "migrate",
        "v3",
        url,
        "--remove-v2-metadata",
        AWS_ENDPOINT_URL=s3_server.url,
        AWS_ACCESS_KEY_ID=options["key"],
        AWS_SECRET_ACCESS_KEY=options["secret"],
        AWS_DEFAULT_REGION=options["client_kwargs"]["region_name"],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr
    group: Any = zarr.open_group(url, mode="r", storage_options=options)
    assert (group.metadata.zarr_format, sorted(group), sorted(group["h"])) == (3, ["h"], ["y"])
    np.testing.assert_array_equal(group["h/y"][:], np.arange(4))


# --- in this process --------------------------------------------------------------------


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "120"})


def succeed(*arguments: str | Path) -> list[str]:
    """Return the lines that a successful call prints to standard error."""
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    return result.stderr.splitlines()


def fail(*arguments: str | Path) -> BaseException:
    result = call(*arguments)
    assert result.exit_code == 1
    assert result.exception is not None
    return result.exception


def test_help_names_commands_and_options() -> None:
    text = call("--help").stdout
    assert all(word in text for word in ("--verbose", "migrate", "remove-metadata"))
    text = call("migrate", "--help").stdout
    options = ("--dry-run", "--overwrite", "--force", "--remove-v2-metadata")
    assert all(option in text for option in options)
    text = call("remove-metadata", "--help").stdout
    assert all(option in text for option in ("--dry-run", "--force"))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("unknown",),
        ("--version",),
        ("migrate", "v3"),
        ("migrate", "v2", "x"),
        ("migrate", "v3", "x", "y", "z"),
        ("remove-metadata", "v4", "x"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


def test_quiet_unless_verbose(stored: Path) -> None:
    assert succeed("migrate", "v3", stored) == []
    lines = succeed("--verbose", "remove-metadata", "v3", stored)
    assert lines == [f"Deleting metadata at file://{stored}/{key}" for key in reversed(V3_KEYS)]
    lines = succeed("--verbose", "migrate", "v3", stored)
    assert lines == [f"Saving metadata to file://{stored}/{key}" for key in V3_KEYS]


def test_logging_is_as_before_afterwards(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = logging.getLogger("zarr")
    monkeypatch.setattr(package, "level", logging.ERROR)
    before = package.level, list(package.handlers)
    succeed("--verbose", "migrate", "v3", stored)
    fail("--verbose", "migrate", "v3", stored)
    assert (package.level, package.handlers) == before


def test_dry_runs(stored: Path, tmp_path: Path) -> None:
    before = keys(tmp_path)
    saving = [f"Saving metadata to file://{stored}/{key}" for key in V3_KEYS]
    first, *rest = succeed("migrate", "v3", stored, "--dry-run")
    assert first.startswith("Dry run enabled - no new files will be created or changed.")
    assert rest == saving
    _, *rest = succeed("migrate", "v3", stored, "--dry-run", "--remove-v2-metadata")
    assert rest[: len(saving)] == saving
    assert sorted(rest[len(saving) :]) == [
        f"Deleting metadata at file://{stored}/{key}" for key in V2_KEYS
    ]
    _, *rest = succeed("migrate", "v3", stored, tmp_path / "out", "--dry-run")
    assert rest == [f"Saving metadata to {tmp_path}/out/{key}" for key in V3_KEYS]
    _, *rest = succeed("migrate", "v3", stored, tmp_path / "out.zip", "--dry-run")
    assert len(rest) == 3
    first, *rest = succeed("remove-metadata", "v2", stored, "--force", "--dry-run")
    assert first.startswith("Dry run enabled - no files will be deleted or changed.")
    assert len(rest) == len(V2_KEYS)
    assert keys(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["stored"]


def test_output_elsewhere(stored: Path, tmp_path: Path) -> None:
    succeed("migrate", "v3", stored, tmp_path / "out")
    assert keys(stored) == sorted(V2_KEYS + CHUNKS)
    assert keys(tmp_path / "out") == V3_KEYS
    assert isinstance(fail("migrate", "v3", stored, tmp_path / "out"), FileExistsError)


def test_overwriting_in_place(stored: Path) -> None:
    succeed("migrate", "v3", stored)
    with pytest.warns(UserWarning, match="Both zarr.json"):
        assert isinstance(fail("migrate", "v3", stored), TypeError)
    zarr.open_group(stored, zarr_format=3).attrs["r"] = 2
    before = {key: (stored / key).read_bytes() for key in keys(stored)}
    _, *planned = succeed("migrate", "v3", stored, "--overwrite", "--dry-run")
    assert {key: (stored / key).read_bytes() for key in keys(stored)} == before
    assert succeed("--verbose", "migrate", "v3", stored, "--overwrite") == planned
    assert planned == [
        *(f"Deleting metadata at file://{stored}/{key}" for key in reversed(V3_KEYS)),
        *(f"Saving metadata to file://{stored}/{key}" for key in V3_KEYS),
    ]
    check_values(stored)


def test_overwriting_deletes_nothing_before_all_is_known_to_work(stored: Path) -> None:
    succeed("migrate", "v3", stored)
    array = stored / "h/y/.zarray"
    text = array.read_text()
    array.write_text(text.replace('"filters": null', '"filters": [{"id": "crc32"}]'))
    before = keys(stored)
    assert isinstance(fail("migrate", "v3", stored, "--overwrite", "--force"), TypeError)
    assert keys(stored) == before
    array.write_text(text)

    # A node of format 3 alone would be lost.
    zarr.create_array(stored, name="h/later", shape=(1,), dtype="i1", zarr_format=3)
    before = keys(stored)
    with pytest.warns(UserWarning, match="not a component of a Zarr format 2 hierarchy"):
        error = fail("migrate", "v3", stored, "--overwrite")
    assert str(error).startswith(
        f"Cannot remove v3 metadata at file://{stored}/h/later/zarr.json - no v2 metadata exists."
    )
    assert keys(stored) == before
    with pytest.warns(UserWarning, match="not a component of a Zarr format 2 hierarchy"):
        succeed("migrate", "v3", stored, "--overwrite", "--force")
    assert keys(stored) == sorted({*before} - {"h/later/zarr.json"})


def test_overwriting_elsewhere(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    succeed("migrate", "v3", stored, out)
    assert isinstance(fail("migrate", "v3", stored, out, "--overwrite"), ValueError)
    succeed("migrate", "v3", stored, out, "--overwrite", "--force")
    assert keys(out) == V3_KEYS
    (out / "h/y/0").write_bytes(b"chunk")
    error = fail("migrate", "v3", stored, out, "--overwrite", "--force")
    assert isinstance(error, FileExistsError)
    assert keys(out) == sorted([*V3_KEYS, "h/y/0"])


def test_removing_format_2_after_migrating(stored: Path) -> None:
    succeed("migrate", "v3", stored, "--remove-v2-metadata")
    assert keys(stored) == sorted(CHUNKS + V3_KEYS)
    check_values(stored)
    error = fail("remove-metadata", "v3", stored)
    assert str(error).startswith(f"Cannot remove v3 metadata at file://{stored}/zarr.json - no v2 ")
    succeed("remove-metadata", "v3", stored, "--force")
    assert keys(stored) == CHUNKS


def test_archives(tmp_path: Path) -> None:
    path = tmp_path / "stored.zip"
    with ZipStore(path, mode="w") as store:
        hierarchy(store)
    data = path.read_bytes()
    succeed("migrate", "v3", path, "--dry-run")
    error = fail("migrate", "v3", path, "--remove-v2-metadata")
    assert str(error) == "Store must support deletes to remove metadata"
    assert path.read_bytes() == data
    succeed("migrate", "v3", path, tmp_path / "out.zip")
    assert path.read_bytes() == data
    with ZipStore(tmp_path / "out.zip", mode="r") as store:
        assert zarr.open_group(store, mode="r").attrs.asdict() == {"r": 1}
    assert isinstance(fail("migrate", "v3", path, tmp_path / "out.zip"), FileExistsError)
    succeed("migrate", "v3", path)
    with ZipStore(path, mode="r") as store:
        check_values(store)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    for command in ("migrate", "remove-metadata"):
        assert isinstance(fail(command, "v3", tmp_path / "none.zip"), FileNotFoundError)
    assert not list(tmp_path.iterdir())
