"""`docs/egress.md`: what was measured between the stack's containers, the host and the outside, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HEAD = """\
# What each container can reach

Measured on the running stack by `tests/stack/test_egress.py`, which compares this page with what it measures; a change
shows as a failed test, with the page as it would have to be. Docker Engine ENGINE on Linux.

An attempt is made in the very network of the container and given two seconds. *timeout* and *unreachable* mean that
nothing arrived and nothing came back: sealed. *refused* means that the packet arrived and nobody listened, *answers*
that somebody did. *one-way* means that the packet was seen to arrive, and no answer can find its sender. The control is
the same attempt from where it has to succeed: so what is sealed is sealed, and not merely away. "Plain" is a container
on Docker's default network, as `docker run` makes one. The outside is a host in a network namespace of the test's own;
no real address is ever asked.

"""
FOOT = """\
## With a way to a cloud

None of the tables above changes with `CLOUD_URL`: no network is opened, and the relay on the host, not a container,
talks to that host. What changes is one call, `POST /cloud/v1/chat/completions`. Measured by
`tests/stack/test_cloud.py`, `tests/stack/test_cloud_closed.py` and `tests/unit/test_relay_cloud.py`, at a stand-in that
keeps every byte it gets:

| who asks | without `CLOUD_URL` | with it |
| --- | --- | --- |
| the chat, with its own token | HTTP 404, nothing arrives | arrives at `CLOUD_URL`'s host, and nowhere else |
| the chat's container, the cloud's own address | timeout | timeout |
| any other container of the stack | HTTP 404 | HTTP 403, nothing arrives |
| a container that is not the stack's, with the API key | HTTP 404 | HTTP 403, nothing arrives |
| a program of this machine, at 127.0.0.1 | HTTP 404 | HTTP 403, nothing arrives |
| a page of another origin | HTTP 403 | HTTP 403, nothing arrives |

`init` has no network at all (`network_mode: none`), and ends before the others start.

While all of this was tried, and every way around that `tests/stack/test_break_out.py` knows, a Foundry Local that names
each call in its log stood behind the relay. It got none of the forbidden ones.
"""
NOTHING = "-"


@dataclass(frozen=True)
class Row:
    """One target, and how the attempts of each column ended."""

    target: str
    control: str
    ends: Mapping[str, str]


@dataclass
class Table:
    """A part of the page."""

    title: str
    columns: Sequence[str]
    rows: list[Row] = field(default_factory=list)
    notes: str = ""
    controlled: bool = True

    def text(self) -> str:
        """In Markdown."""
        head = ["target", *(["control"] if self.controlled else []), *self.columns]
        lines = [head, ["---"] * len(head)]
        for row in self.rows:
            control = [row.control] if self.controlled else []
            lines.append([row.target, *control, *(row.ends.get(column, NOTHING) for column in self.columns)])
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n{table}\n{f'{chr(10)}{self.notes}{chr(10)}' if self.notes else ''}"


def page(tables: Sequence[Table], engine: str) -> str:
    """The whole page, as measured with that version of the engine."""
    return HEAD.replace("ENGINE", engine) + "\n".join(table.text() for table in tables) + "\n" + FOOT
