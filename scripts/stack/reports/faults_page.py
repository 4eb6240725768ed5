"""`docs/faults.md`, written from the catalogue of causes: `python3 -m stack.reports.faults_page > docs/faults.md`."""

from __future__ import annotations

from stack.probes.causes import CATALOGUE, Cause, fix

HEAD = """\
# What can be wrong, and what mends it

`python3 scripts/probe.py` names one of these. Words in capitals stand for what it fills in, such as a container's name.
This page is written from `scripts/stack/probes/causes.py` by `scripts/stack/reports/faults_page.py`; change it there.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([HEAD, *(_section(cause) for cause in CATALOGUE.values())])


def _section(cause: Cause) -> str:
    return f"## {cause.id}\n\n{cause.seen}\n\nTold by: {cause.told}\n\n```\n{fix(cause.id)}\n```\n"


if __name__ == "__main__":
    print(page(), end="")
