"""Dockerfiles, compose files and scripts are clean for those who know them; exceptions stand there with a reason."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from stack.settings import ROOT
from stack.tools.process import run

TOOLS = Path(sys.executable).parent
DOCKERFILES = sorted((ROOT / "services").glob("*/Dockerfile"))


def test_there_are_dockerfiles() -> None:
    assert len(DOCKERFILES) >= 3


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_dockerfile(file: Path) -> None:
    done = run([str(TOOLS / "hadolint"), "--failure-threshold", "style", str(file)])
    assert done.code == 0, done.out + done.err


def test_compose_file() -> None:
    assert compose_lint(ROOT) == (0, "")


DEVELOPMENT = (ROOT / "compose.dev.yaml").read_text(encoding="utf-8")


def test_compose_file_for_development(tmp_path: Path) -> None:
    """Together with the one that it is laid on, as Compose reads the two."""
    assert compose_lint(with_overlay(tmp_path, DEVELOPMENT)) == (0, "")


def test_compose_file_with_a_cloud(tmp_path: Path) -> None:
    cloud = (ROOT / "compose.cloud.yaml").read_text(encoding="utf-8")
    assert compose_lint(with_overlay(tmp_path, cloud)) == (0, "")


@pytest.mark.parametrize("weaker", ["privileged: true", "user: root", "pid: host", "network_mode: host"])
def test_a_weaker_overlay_is_found(tmp_path: Path, weaker: str) -> None:
    broken = DEVELOPMENT.replace("  monitor:\n", f"  monitor:\n    {weaker}\n")
    assert broken != DEVELOPMENT
    code, said = compose_lint(with_overlay(tmp_path, broken))
    assert code == 1, said


SHELL = [
    file
    for file in sorted([*(ROOT / "services").rglob("*.sh"), ROOT / ".ci" / "run"])
    if "node_modules" not in file.parts
]


def test_there_are_shell_scripts() -> None:
    assert len(SHELL) >= 9


@pytest.mark.parametrize("file", SHELL, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_shell_script(file: Path) -> None:
    done = run([str(TOOLS / "shellcheck"), "--severity=style", str(file)])
    assert done.code == 0, done.out


def test_a_careless_shell_script_is_found(tmp_path: Path) -> None:
    file = tmp_path / "careless.sh"
    file.write_text("#!/bin/sh\nrm -rf $1/*\n")
    assert "SC2086" in run([str(TOOLS / "shellcheck"), "--severity=style", str(file)]).out


def test_python_is_clean_for_bandit_but_for_what_stands_there_with_a_reason() -> None:
    assert bandit(ROOT / "scripts", ROOT / "services") == []


@pytest.mark.parametrize(
    "careless",
    [
        "import pickle\npickle.loads(b'')\n",
        "import subprocess\nsubprocess.run('ls', shell=True)\n",
        "import tempfile\ntempfile.mktemp()\n",
        "import tarfile\ntarfile.open('x').extractall('/')\n",
        "password = 'secret-word'  # noqa: S106  (the reason is another rule's)\n",
    ],
)
def test_careless_python_is_found(tmp_path: Path, careless: str) -> None:
    (tmp_path / "careless.py").write_text(careless)
    assert bandit(tmp_path)


def compose_lint(folder: Path) -> tuple[int, str]:
    """Its exit code, and what it said if that is not 0."""
    argv = [str(TOOLS / "compose-lint"), "check", "--fail-on", "low", "--strict-config", "--no-env", "compose.yaml"]
    done = run(argv, cwd=folder)
    return done.code, done.out + done.err if done.code else ""


def with_overlay(folder: Path, overlay: str) -> Path:
    """A folder with the compose file, and the overlay under the name that is always read on top."""
    for name in ("compose.yaml", ".compose-lint.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / "compose.override.yaml").write_text(overlay, encoding="utf-8")
    return folder


def bandit(*folders: Path) -> list[str]:
    """What it finds, but for lines that ruff, whose rules have the same numbers, was told about with a reason."""
    argv = [sys.executable, "-m", "bandit", "--quiet", "--recursive", "--format", "json", "--configfile"]
    done = run([*argv, str(ROOT / "pyproject.toml"), *map(str, folders)])
    found = json.loads(done.out)
    assert found["errors"] == []
    assert found["metrics"]["_totals"]["loc"] > 0
    return [
        f"{each['filename']}:{each['line_number']}: {each['test_id']} {each['issue_text']}"
        for each in found["results"]
        if not _has_a_reason(each)
    ]


def _has_a_reason(found: dict[str, object]) -> bool:
    lines = Path(str(found["filename"])).read_text(encoding="utf-8").splitlines()
    numbers = found["line_range"]
    assert isinstance(numbers, list)
    rule = str(found["test_id"]).replace("B", "S")
    return any(re.search(rf"# noqa: [A-Z0-9, ]*\b{rule}\b", lines[number - 1]) for number in numbers)


def test_programs_are_started_in_one_place_only() -> None:
    importing = re.compile(r"^\s*(?:(?:import|from) subprocess|.*\bos\.(?:system|popen|spawn\w+)\()", re.MULTILINE)
    files = [file for top in ("scripts", "services") for file in (ROOT / top).rglob("*.py")]
    found = [file for file in files if importing.search(file.read_text(encoding="utf-8"))]
    assert found == [ROOT / "scripts" / "stack" / "tools" / "process.py"]
