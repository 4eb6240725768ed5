"""`audit`: hold the running containers against the lists on hardening, and show the scorecard."""

from __future__ import annotations

import argparse
import json

from stack import audits
from stack.reports import scorecard
from stack.reports.console import make_console
from stack.reports.errors import guarded
from stack.settings import ROOT, load

PAGE = ROOT / "docs" / "scorecard.md"


def main() -> int:
    """Run the command; returns the exit code: 0 nothing is red, 1 something is, 2 could not ask."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(prog="audit.py", description="Ask the running containers how they are hardened.")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print one JSON object")
    shown.add_argument("--markdown", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    card = audits.run(load())
    if arguments.json:
        print(json.dumps(card.to_json(), indent=2))
        return card.exit_code
    if arguments.markdown:
        PAGE.write_text(scorecard.page(card), encoding="utf-8")
    scorecard.show(card, make_console())
    return card.exit_code
