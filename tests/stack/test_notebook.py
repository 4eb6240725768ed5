"""The tutorial's notebook, run by its own script against the running stack. Its cells prove what they claim."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from stack.commands.notebook import ENVIRONMENT, KERNEL, NOTEBOOK, executed
from stack.settings import ROOT, Settings
from stack.tools.process import run

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

RUN_SECONDS = 1500  # its packages are installed, too


@pytest.fixture(scope="module")
def cells(settings: Settings) -> dict[str, dict[str, Any]]:
    """What the code cells left behind, by their names."""
    executed(settings).unlink(missing_ok=True)
    done = run([sys.executable, str(ROOT / "scripts" / "notebook.py"), "--run", "--yes"], timeout=RUN_SECONDS)
    assert done.code == 0, done.out + done.err
    notebook = json.loads(executed(settings).read_text(encoding="utf-8"))
    return {cell["id"]: cell for cell in notebook["cells"] if cell["cell_type"] == "code"}


def said(cell: dict[str, Any]) -> str:
    """All that it shows in words."""
    texts = [output.get("text") or output["data"].get("text/markdown", "") for output in cell["outputs"]]
    return "\n".join("".join(text) for text in texts)


def test_every_cell_ran_in_its_order_and_none_failed(cells: dict[str, dict[str, Any]]) -> None:
    assert [cell["execution_count"] for cell in cells.values()] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells.values() for output in cell["outputs"]}
    assert kinds <= {"stream", "display_data", "execute_result"}
    original = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert list(cells) == [cell["id"] for cell in original if cell["cell_type"] == "code"]


def test_it_ran_in_the_registered_kernel(cells: dict[str, dict[str, Any]]) -> None:
    assert str(ENVIRONMENT) in said(cells["set-up-cell"])
    spec = json.loads((ENVIRONMENT / "share" / "jupyter" / "kernels" / KERNEL / "kernel.json").read_text("utf-8"))
    assert spec["argv"][0].startswith(str(ENVIRONMENT))


def test_a_container_finds_foundry_by_its_base_url_only(cells: dict[str, dict[str, Any]], settings: Settings) -> None:
    shown = said(cells["exercise-1-sdk-cell"])
    inside = shown[shown.index(f"in {settings.compose_project_name}-chainlit-1:") :]
    assert "the SDK's modules: []" in inside
    assert re.search(r"^127\.0\.0\.1:51211: .*refused", inside, re.MULTILINE)
    assert "host.docker.internal:51211 answers" in inside


def test_the_plots_are_drawn(cells: dict[str, dict[str, Any]]) -> None:
    for name in ("exercise-2-plot", "health-cell"):
        assert any("image/png" in output.get("data", {}) for output in cells[name]["outputs"]), name


def test_the_monitor_and_the_chat_answered(cells: dict[str, dict[str, Any]]) -> None:
    assert re.search(r"/readyz: 200 (ok|degraded); the chat's /ready: 200 ", said(cells["health-cell"]))


def test_the_checklist_ran_the_probe_and_the_audit(cells: dict[str, dict[str, Any]]) -> None:
    shown = said(cells["checklist-audit"])
    assert re.search(r"^probe: (ok \(exit code 0\)|degraded \(exit code 3\))$", shown, re.MULTILINE), shown
    assert re.search(r"^audit: passed \(exit code 0\)$", shown, re.MULTILINE), shown
    assert "answer.open-webui" in said(cells["checklist-cell"])
