"""The tutorial's notebook as it lies in git: without outputs, for the registered kernel, and true to what is here."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Callable
from inspect import CO_COROUTINE
from typing import Any

import pytest

from stack.commands.notebook import ENVIRONMENT, KERNEL, LOCK, MINE, NOTEBOOK, SHOWN_AS
from stack.settings import ROOT

STRIP = ".venv-notebook/bin/python -m nbconvert --clear-output --inplace services/chainlit/chainlit_app.ipynb"
SHARED = ("openai", "httpx2", "phonenumberslite", "pydantic", "pydantic-settings", "python-stdnum", "tenacity")
"""With the chat app, whose code it runs."""


@pytest.fixture
def notebook() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def is_stripped(notebook: dict[str, Any]) -> bool:
    """Nothing in it that running or looking at it leaves behind."""
    return set(notebook["metadata"]) == {"kernelspec", "language_info"} and all(
        not cell["metadata"] and not cell.get("outputs") and cell.get("execution_count") is None
        for cell in notebook["cells"]
    )


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_it_has_no_outputs(notebook: dict[str, Any]) -> None:
    assert is_stripped(notebook), STRIP


@pytest.mark.parametrize(
    "left_behind",
    [
        lambda cell: cell.update(outputs=[{"output_type": "stream", "name": "stdout", "text": ["secret"]}]),
        lambda cell: cell.update(execution_count=3),
        lambda cell: cell["metadata"].update(execution={"iopub.execute_input": "2026-11-27T12:00:00Z"}),
    ],
    ids=["an output", "a number", "a time"],
)
def test_what_a_run_leaves_is_seen(notebook: dict[str, Any], left_behind: Callable[[dict[str, Any]], None]) -> None:
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert is_stripped(copy.deepcopy(notebook))
    left_behind(cell)
    assert not is_stripped(notebook)


def test_it_asks_for_the_kernel_that_is_registered(notebook: dict[str, Any]) -> None:
    kernel = notebook["metadata"]["kernelspec"]
    assert (kernel["name"], kernel["display_name"]) == (KERNEL, SHOWN_AS)
    told = "".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert f'--name {KERNEL} --display-name "{SHOWN_AS}"' in told
    assert (
        f"{ENVIRONMENT.name}/bin/python -m pip install --require-hashes --no-deps -r {LOCK.relative_to(ROOT)}" in told
    )


def test_each_cell_has_a_name_of_its_own(notebook: dict[str, Any]) -> None:
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]{1,64}", name) for name in names)


def test_each_code_cell_is_python(notebook: dict[str, Any]) -> None:
    cells = {cell["id"]: source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"}
    assert len(cells) > 10
    coroutines = [
        name
        for name, text in cells.items()
        if compile(text, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT).co_flags & CO_COROUTINE
    ]
    assert coroutines


def test_its_links_lead_somewhere(notebook: dict[str, Any]) -> None:
    told = "\n".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    targets = re.findall(r"\]\(([^)#][^)]*)\)", told)
    assert targets
    assert [target for target in targets if not (NOTEBOOK.parent / target.partition("#")[0]).exists()] == []
    headings = {f"#{each.replace(' ', '-')}" for each in re.findall(r"^##+ (.*)$", told, re.MULTILINE)}
    assert set(re.findall(r"\]\((#[^)]*)\)", told)) <= headings


def test_every_part_that_it_promises_is_there(notebook: dict[str, Any]) -> None:
    """Each numbered heading, in this order, with code below it."""
    parts: dict[str, int] = {}
    for cell in notebook["cells"]:
        if heading := re.match(r"## (\d\. .*)", source(cell)):
            parts[heading[1]] = 0
        elif cell["cell_type"] == "code":
            parts[next(reversed(parts))] += 1
    assert [int(name[0]) for name in parts] == list(range(1, 10))
    assert all(parts.values()), parts


def test_git_does_not_see_the_readers_own_copy() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert f"/{MINE.relative_to(ROOT)}" in ignored
    assert f"/{ENVIRONMENT.name}/" in ignored


@pytest.mark.parametrize("package", SHARED)
def test_it_runs_the_chats_code_on_the_chats_versions(package: str) -> None:
    pin = re.compile(rf"^{re.escape(package)}==(\S+)", re.MULTILINE)
    here = pin.search(LOCK.read_text(encoding="utf-8"))
    there = pin.search(LOCK.with_name("requirements.lock").read_text(encoding="utf-8"))
    assert here
    assert there
    assert here[1] == there[1]
