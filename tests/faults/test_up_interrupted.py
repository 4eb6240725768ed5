"""`up` interrupted at any moment ends quietly and in order, and the next `up` just works."""

from __future__ import annotations

import random
import signal
import time

import pytest

from faults.own_stack import GREEN, STAGES, OwnStack, quiet_end

SEED = 20_261_122
MOMENTS = 20


@pytest.mark.full
@pytest.mark.timeout(600)
def test_at_every_stage_and_then_it_goes_on_to_the_end(stack: OwnStack) -> None:
    for number, stage in enumerate(STAGES):
        up = stack.start("up", "--yes")
        up.until(f"{stage} ...")
        up.tell(signal.SIGINT, group=number % 2 == 0)  # as a terminal does, or as `kill -INT` does
        ended = up.end()
        quiet_end(ended, 130)
        assert ended.err.endswith("Interrupted.\n")
        assert f"{stage}: stopped" in ended.out
        stack.nothing_half_done()
    said = stack.up().out
    assert tuple(line.removesuffix(" ...") for line in said.splitlines() if line.endswith(" ...")) == STAGES


@pytest.mark.full
def test_a_second_one_does_not_spoil_the_clean_up(stack: OwnStack) -> None:
    up = stack.start("up", "--yes")
    up.until("Foundry Local and its model ...")
    up.until("Model:")
    while not up.ends_within(seconds=0.05):  # somebody impatient
        up.tell(signal.SIGINT, group=True)
    quiet_end(up.end(), 130)
    assert not stack.processes()
    stack.nothing_half_done()


@pytest.mark.full
def test_sigterm_ends_in_order_too(stack: OwnStack) -> None:
    up = stack.start("up", "--yes")
    up.until("Containers ...")
    up.tell(signal.SIGTERM)
    quiet_end(up.end(), 143)
    stack.nothing_half_done()


def test_before_it_is_at_work_it_just_ends(stack: OwnStack) -> None:
    up = stack.start("up", "--yes")
    up.until_inside()
    up.tell(signal.SIGINT, group=True)
    quiet_end(up.end(), 130)
    assert not stack.state.exists()


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stage", STAGES)
def test_twice_at_a_stage_and_the_next_one_ends_green(stack: OwnStack, stage: str) -> None:
    up = stack.start("up", "--yes")
    up.until(f"{stage} ...")
    while not up.ends_within(seconds=0.2):
        up.tell(signal.SIGINT, group=True)
    quiet_end(up.end(), 130)
    stack.nothing_half_done()
    stack.up()


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_at_random_moments(stack: OwnStack) -> None:
    chance = random.Random(SEED)  # noqa: S311  (repeatable on purpose)
    begin = time.monotonic()
    stack.up()
    whole = time.monotonic() - begin
    stack.down()
    for number in range(MOMENTS):
        up = stack.start("up", "--yes")
        up.until_inside()
        if not up.ends_within(chance.uniform(0, whole)):
            up.tell(signal.SIGINT, group=number % 2 == 0)
        ended = up.end()
        if ended.code not in GREEN:
            quiet_end(ended, 130)
            stack.nothing_half_done()
        if number % 5 == 4:
            stack.up()
            stack.down()
