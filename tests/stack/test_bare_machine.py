"""The README's first command on a machine with nothing on it, from no Docker to answers on three pages; and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker import DockerClient

from fakes.bare_machine import BareMachine, bare_machine
from fakes.machine_checks import ASK, STAYS, assert_bare, assert_green, assert_same, keepsakes, new_programs
from fakes.waiting import wait_until
from stack.tools.process import Finished

VOLUMES = [
    f"foundry-stack_{name}"
    for name in (
        "chainlit-data",
        "chainlit-secrets",
        "gateway-secrets",
        "monitor-secrets",
        "open-webui-data",
        "open-webui-secrets",
    )
]


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_from_nothing_to_an_answer_and_back(engine: DockerClient, tmp_path: Path) -> None:
    with bare_machine(engine, tmp_path) as machine:
        assert_bare(machine)
        before = machine.look()

        up(machine)
        assert_green(machine)
        assert "Paris" in machine.python(ASK)
        running = machine.look()

        again = up(machine)
        assert "Installed:" not in again.out
        assert_same(running, machine.look())
        assert_green(machine)

        left = keepsakes(machine, "leave")
        down = machine.watch("python3", "scripts/down.py")
        assert down.code == 0
        wait_until(lambda: new_programs(before, machine.look()) == STAYS)
        after = machine.look()
        assert (after["containers"], after["networks"]) == ([], ["bridge", "host", "none"])
        assert after["volumes"] == VOLUMES
        assert (after["listening"], after["temporary"]) == (before["listening"], before["temporary"])

        up(machine)
        assert_green(machine)
        assert keepsakes(machine, "find") == left


def up(machine: BareMachine) -> Finished:
    done = machine.watch("python3", "scripts/up.py", "--yes")
    assert done.code == 0
    return done
