"""A second Foundry Local that writes down each call that reaches it, put behind the running relay for a while."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fakes.waiting import wait_until
from stack.parts.foundry import record
from stack.parts.foundry.native import command, environment
from stack.parts.state import process_started, stop_process, write_text
from stack.settings import Settings
from stack.tools.process import spawn_daemon

HARMLESS = frozenset({"OpenAIModelList", "OpenAIModelGet", "OpenAIChatCompletions", "ModelListLoaded", "ServiceStatus"})
_CALL = re.compile(r"\[Telemetry\] Action .*?Action=(\w+) .*?Direct=true")


@dataclass
class Witness:
    """What Foundry Local says of the calls that it got."""

    url: str
    model: str
    _log: Path

    def calls(self) -> list[str]:
        """In its own words (`OpenAIChatCompletions`), and `Shutdown` where it was told to end."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        _, _, served = text.partition("Web service listening")
        found = []
        for line in served.splitlines():
            if match := _CALL.search(line):
                found.append(match[1])
            elif "Shutdown requested" in line:
                found.append("Shutdown")
        return [call for call in found if call != "CoreServiceStart"]


@contextlib.contextmanager
def witnessing(settings: Settings, folder: Path) -> Iterator[Witness]:
    """Start it, have the stack's relay ask it instead of the stack's own, and take both back at the end."""
    own = settings.model_copy(update={"state_dir": folder, "compose_project_name": "witness"})
    argv = command("serve", "--state", str(own.state), "--models", str(settings.models))
    present = record.read(settings.state)
    assert present is not None
    assert present.model
    argv += ["--model", present.model, "--catalog", "embedded", "--log-level", "debug"]
    log = folder / "witness.log"
    pid = spawn_daemon(argv, log, env=environment(own, may_go_out=False))
    started = process_started(pid)
    try:
        wait_until(lambda: record.read(own.state) is not None, 60)
        other = record.read(own.state)
        assert other is not None
        with behind_the_relay(settings, other.url):
            yield Witness(other.url, present.model, log)
    finally:
        stop_process(pid, started, 10)


@contextlib.contextmanager
def behind_the_relay(settings: Settings, url: str) -> Iterator[None]:
    """Have the stack's relay ask that address for a while."""
    way = settings.state / record.FILE
    before = way.read_text(encoding="utf-8")
    write_text(way, json.dumps({**json.loads(before), "url": url}))
    try:
        yield
    finally:
        write_text(way, before)
