"""Two at once: one does the work, the other says so and changes nothing; a killed one is in nobody's way."""

from __future__ import annotations

import signal

import pytest

from faults.own_stack import GREEN, OwnStack


@pytest.mark.full
@pytest.mark.timeout(300)
def test_one_up_wins_and_neither_a_second_nor_a_down_disturbs_it(stack: OwnStack) -> None:
    winner = stack.start("up", "--yes")
    winner.until("Images ...")
    for script in ("up", "down"):
        other = stack.run(script)
        assert other.code == 2, other.all
        assert f"at work (pid {winner.process.pid})" in other.err
    ended = winner.end()
    assert ended.code in GREEN, ended.all
    probe = stack.run("probe")
    assert probe.code in GREEN, probe.all


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", ["Images", "Secrets", "Foundry Local and its model", "Relay", "Containers"])
def test_after_kill_9_the_next_up_works(stack: OwnStack, stage: str) -> None:
    killed = stack.start("up", "--yes")
    killed.until(f"{stage} ...")
    killed.tell(signal.SIGKILL)
    assert killed.end().code == -signal.SIGKILL
    stack.up()
    stack.down()
    assert not stack.containers()
    assert not stack.networks()
    assert not stack.processes()
