"""What must be true of a bare machine before `up`, and of the same machine with the stack on it."""

from __future__ import annotations

import json
from pathlib import Path

from fakes.bare_machine import BareMachine

PAGES = {
    8080: "<title>Foundry Local Chat</title>",
    3000: "<title>Open WebUI</title>",
    5173: "<title>Digits, recognised in your browser</title>",
}
STAYS = {"dockerd", "containerd"}  # what `up` says that it leaves running
ASK = """
import json, urllib.request
api = "http://127.0.0.1:51211/v1"
(model,) = json.load(urllib.request.urlopen(f"{api}/models", timeout=60))["data"]
body = {"model": model["id"], "messages": [{"role": "user", "content": "What is the capital of France?"}]}
request = urllib.request.Request(
    f"{api}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
)
print(json.dumps(json.load(urllib.request.urlopen(request, timeout=60))["choices"][0]["message"]["content"]))
"""
READ = """
import json, sys, urllib.request
print(json.dumps([urllib.request.urlopen(url, timeout=60).read().decode() for url in sys.argv[1:]]))
"""


def assert_bare(machine: BareMachine) -> None:
    """Nothing of what `up` has to bring is there."""
    assert machine.has("ls scripts/up.py README.md")
    for there in ("command -v docker", "command -v dockerd", "python3 -c 'import ensurepip'", "ls .venv", "ls .state"):
        assert not machine.has(there), there
    assert not machine.has("find / -xdev -name 'libatomic.so*' | grep .")


def assert_green(machine: BareMachine) -> None:
    done = machine.run("python3", "scripts/probe.py", "--json")
    report = json.loads(done.out)
    assert (done.code, report["status"]) == (0, "ok"), report
    answers = [check["target"] for check in report["checks"] if check["layer"] == "answer" and check["status"] == "ok"]
    assert sorted(answers) == ["chainlit", "open-webui", "webgpu-static"]
    bodies = machine.python(READ, *(f"http://127.0.0.1:{port}/" for port in PAGES))
    for body, title in zip(bodies, PAGES.values(), strict=True):
        assert title in body


def keepsakes(machine: BareMachine, action: str) -> dict[str, object]:
    """What people left in Open WebUI, and the secrets; see `fakes.keepsakes`."""
    done = machine.run("env", "PYTHONPATH=scripts:tests", ".venv/bin/python", "-m", "fakes.keepsakes", action)
    assert done.code == 0, done.err
    found: dict[str, object] = json.loads(done.out)
    return found


def assert_same(running: dict[str, object], later: dict[str, object]) -> None:
    """The same containers, images, networks, volumes, ports, packages, and the same daemons still."""
    for what in running.keys() - {"processes"}:
        assert later[what] == running[what], what
    assert daemons(later) == daemons(running)
    assert len(daemons(running)) == 4


def daemons(seen: dict[str, object]) -> list[str]:
    """Pid, start and command of the engine's two processes, the relay and Foundry Local."""
    ours = ("stack.parts.relay.server", "stack.parts.foundry.serve")
    return [each for each in processes(seen) if program(each) in STAYS or any(module in each for module in ours)]


def new_programs(before: dict[str, object], after: dict[str, object]) -> set[str]:
    return {program(each) for each in processes(after) if each not in processes(before)}


def processes(seen: dict[str, object]) -> list[str]:
    found = seen["processes"]
    assert isinstance(found, list)
    return found


def program(process: str) -> str:
    """The name of the program in a line of pid, start and command."""
    return Path(process.split(" ")[2]).name
