"""Run the test suite of a package with a given version of zarr."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from suites.junit import Outcome, read
from suites.pins import Package

INSIDE = Path(__file__).with_name("inside")
IMPORTS = "import_modules.py"
TEST_SECONDS = 300  # limit for one test; a test that takes longer is stopped and fails
GRACE_SECONDS = 120.0  # limit for writing the report after an interrupt, and for exiting afterwards
# Exit codes of pytest after which its report is complete.
WHOLE = (0, 1)
NOTHING_LISTENS = "http://127.0.0.1:9"


class Stop(Exception):
    """Raised to end a run early; the message gives the reason."""


@dataclass
class Ran:
    """The results of a run.

    Parameters
    ----------
    outcomes : dict
        Outcome of each test, by node id.
    fault : str
        Reason why the run is incomplete; empty if it is complete.
    seconds : float
        Duration of the run.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    fault: str = ""
    seconds: float = 0.0


def command(
    package: Package, python: Path | str, report: Path, tests: Sequence[str] | None = None
) -> list[str]:
    """Return the command that runs a suite, or some of its tests, and writes a report."""
    if tests is None:
        tests = [IMPORTS] if package.imports else package.arguments
    else:
        # Options are kept. Paths are dropped, because pytest would run all tests below these paths.
        chosen = [one for one in package.arguments if one.startswith("-")]
        tests = [*chosen, *tests]
    # Ignore the configuration in the sdist: it may require plugins, and the sdist has no tests.
    ours = ("-c", os.devnull, "--rootdir=.") if package.imports else ()
    return [
        *(str(python), "-m", "pytest", *ours, *tests),
        *(f"--deselect={known.test}" for known in package.deselect),
        *("-p", "no:cacheprovider", "-p", "suites_offline"),
        *("-o", "addopts=", "-o", "junit_family=xunit2", f"--junit-xml={report}"),
        "--continue-on-collection-errors",
        *("-q", "--tb=short", "--show-capture=no", f"--timeout={TEST_SECONDS}"),
    ]


def environment(package: Package, python: Path | str, home: Path) -> dict[str, str]:
    """Return environment variables for a suite, without user settings and network access."""
    kept = ("LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH")
    path = [str(Path(python).parent), os.environ.get("PATH", os.defpath)]
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(INSIDE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home),
        "MPLBACKEND": "Agg",
        "SUITES_IMPORT": " ".join(package.imports),
        # The plugin cannot block the sockets of clients that are not written in Python. These
        # variables name a proxy that does not exist, so that the requests of such clients fail.
        **dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOTHING_LISTENS
        ),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a run so that it writes its report; then kill it and all its processes."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_suite(
    package: Package,
    python: Path | str,
    place: Path,
    report: Path,
    *,
    tests: Sequence[str] | None = None,
    visit: Callable[[float], None] = lambda _: None,
) -> Ran:
    """Run a suite.

    Parameters
    ----------
    package : Package
        Package with the suite.
    python : Path or str
        Interpreter of the environment.
    place : Path
        Folder of the tests, which is also their working directory.
    report : Path
        Path of the report of pytest. The output of pytest is written to a ``.log`` file in the
        same folder.
    tests : sequence of str or None
        Node ids; None for the whole suite.
    visit : callable
        Called every second with the elapsed seconds; may raise `Stop`.

    Returns
    -------
    Ran
        Results of the tests; incomplete if `fault` is not empty.
    """
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    if package.imports:
        shutil.copyfile(INSIDE / IMPORTS, place / IMPORTS)
    home = place.with_name(f"{place.name}-home")
    shutil.rmtree(home, ignore_errors=True)
    (home / "cache").mkdir(parents=True)
    began = time.monotonic()
    reported: float | None = None  # time at which the report appeared; pytest writes it last
    hangs = False
    fault = ""
    with report.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command(package, python, report, tests),
            cwd=place,
            env=environment(package, python, home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                passed = time.monotonic() - began
                if reported is None and report.exists():
                    reported = passed
                hangs = reported is not None and passed - reported > GRACE_SECONDS
                if hangs:  # a thread of the tests keeps the process from ending
                    break
                if passed > package.seconds:
                    raise Stop(f"stopped after {package.seconds:.0f} s")
                visit(passed)
                try:
                    process.wait(1.0)
                except subprocess.TimeoutExpired:
                    pass
        except Stop as stop:
            fault = str(stop)
        finally:
            _stop(process)
    shutil.rmtree(home, ignore_errors=True)
    outcomes = read(report)
    is_whole = process.returncode in WHOLE or hangs
    if not fault and (outcomes is None or not is_whole):
        fault = _ending(process.returncode, bool(outcomes))
    return Ran(outcomes or {}, fault, time.monotonic() - began)


def _ending(code: int, some: bool) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    told = {2: "collecting failed" if some else "stopped", 3: "pytest failed", 5: "no tests"}
    return told.get(code, f"pytest ended with {code}")
