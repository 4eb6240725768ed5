"""What `foundry.json` says: which Foundry Local the stack uses. The relay reads the address from the same file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stack.parts.state import is_alive, read_json, write_json

FILE = "foundry.json"


@dataclass(frozen=True)
class Record:
    """The Foundry Local in use.

    Attributes:
        url: without ``/v1``.
        owned: whether the stack started it; only then it may be stopped.
        pid, started: the process; of an adopted one only where it could be seen.
        model: id of the model chosen, with its ``alias`` and ``device``.
        catalog: public or embedded; None for an adopted one.
        code: `own_code.version()` of what serves.
    """

    url: str
    owned: bool
    pid: int | None
    started: float | None
    model: str | None
    catalog: str | None
    alias: str | None = None
    device: str | None = None
    code: str | None = None

    @property
    def lives(self) -> bool:
        """Whether it is a process of ours that still runs."""
        return self.owned and self.pid is not None and self.started is not None and is_alive(self.pid, self.started)


def read(state: Path) -> Record | None:
    """What was written last; None where there is nothing readable."""
    written = read_json(state / FILE)
    if written is None or not isinstance(written.get("url"), str):
        return None
    values: dict[str, Any] = {field.name: written.get(field.name) for field in fields(Record)}
    return Record(**values)


def write(state: Path, record: Record) -> None:
    """Replace the file in one step."""
    write_json(state / FILE, asdict(record))


def forget(state: Path, pid: int | None = None) -> None:
    """Remove the file; with ``pid`` only if it still is about that process."""
    present = read(state)
    if pid is None or (present is not None and present.pid == pid):
        (state / FILE).unlink(missing_ok=True)
