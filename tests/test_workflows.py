"""The workflows of .github: valid, pinned, and calling commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.optional import lacks

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

needs_schemas = pytest.mark.skipif(lacks("check_jsonschema"), reason="needs check-jsonschema")


def check(schema: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@needs_schemas
def test_workflows_are_valid() -> None:
    done = check("vendor.github-workflows", *WORKFLOWS)
    assert done.returncode == 0, done.stdout
    done = check("vendor.dependabot", ROOT / ".github" / "dependabot.yml")
    assert done.returncode == 0, done.stdout


@needs_schemas
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("runs-on:", "run-on:"), ("steps:", "step:"), ("  build:", " build"), ("uses:", "use:")],
)
def test_a_wrong_workflow_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    text = (ROOT / ".github" / "workflows" / "docs.yml").read_text()
    assert right in text
    path = tmp_path / "docs.yml"
    path.write_text(text.replace(right, wrong, 1))
    assert check("vendor.github-workflows", path).returncode != 0


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned(path: Path) -> None:
    used = re.findall(r"uses: (\S+)", path.read_text())
    assert used
    assert [
        action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", action)
    ] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_exist(path: Path) -> None:
    environments = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
    default = environments["default"]["scripts"]
    for command in re.findall(r"hatch run ([\w.${} -]+?)(?:[:\s]|$)", path.read_text(), re.M):
        name = command.split(".")[0].strip()
        assert name in environments or name in default, command
    for environment, script in re.findall(r"hatch run (\w+):(\w+)", path.read_text()):
        assert script in environments[environment]["scripts"] | default
