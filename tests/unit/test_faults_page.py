"""The page about faults says what the catalogue says."""

from __future__ import annotations

from stack.probes.causes import CATALOGUE
from stack.reports.faults_page import page
from stack.settings import ROOT


def test_the_page_is_the_catalogues() -> None:
    written = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert written == page(), "python3 -m stack.reports.faults_page > docs/faults.md"
    assert written.count("\n## ") == len(CATALOGUE)
