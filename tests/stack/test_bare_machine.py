"""The README's first command on a machine with nothing on it, from no Docker to an answer; and back by `down`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from docker import DockerClient

from fakes.bare_machine import BareMachine, bare_machine
from fakes.waiting import wait_until

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


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_from_nothing_to_an_answer_and_back(engine: DockerClient, tmp_path: Path) -> None:
    with bare_machine(engine, tmp_path) as machine:
        assert_bare(machine)
        before = machine.look()

        first = machine.watch("python3", "scripts/up.py", "--yes")
        assert first.code == 0
        assert_green(machine)
        assert "Paris" in machine.python(ASK)
        running = machine.look()

        again = machine.watch("python3", "scripts/up.py", "--yes")
        assert again.code == 0
        assert "Installed:" not in again.out
        assert_same(running, machine.look())
        assert_green(machine)

        down = machine.watch("python3", "scripts/down.py")
        assert down.code == 0
        wait_until(lambda: new_programs(before, machine.look()) == STAYS)
        after = machine.look()
        assert (after["containers"], after["networks"]) == ([], ["bridge", "host", "none"])
        assert after["volumes"] == ["foundry-stack_gateway-secrets"]
        assert (after["listening"], after["temporary"]) == (before["listening"], before["temporary"])


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
    assert "answer.chainlit" in [check["id"] for check in report["checks"] if check["status"] == "ok"]


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
