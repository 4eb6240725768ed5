"""Questions run side by side, one that builds on a failure is skipped for it, and nothing escapes without a name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from stack.probes.report import Check, Layer, Outcome, Report, Status, degraded, failed, ok
from stack.probes.schedule import Question, ask_all
from stack.tools.errors import StackError


def question(name: str, ask: Callable[[], Awaitable[Outcome]], *needs: str, limit: float = 10) -> Question:
    return Question(name, Layer.NETWORK, "host", ask, needs, limit)


def says(outcome: Outcome) -> Callable[[], Awaitable[Outcome]]:
    async def ask() -> Outcome:
        return outcome

    return ask


async def never() -> Outcome:
    raise AssertionError("what stands above a failure must not be asked")


async def test_what_stands_above_a_failure_names_the_root_and_not_its_neighbour() -> None:
    checks = await ask_all(
        [
            question("a", says(failed("relay-down", "gone"))),
            question("b", never, "a"),
            question("c", never, "b"),
            question("d", says(ok("fine"))),
            question("e", never, "d", "c"),
        ]
    )
    assert [check.status for check in checks] == ["failed", "skipped", "skipped", "ok", "skipped"]
    assert {check.evidence for check in checks if check.status is Status.SKIPPED} == {"because of a"}
    assert all(check.cause is None and check.fix is None for check in checks if check.status is Status.SKIPPED)


async def test_a_degraded_need_is_no_reason_to_skip() -> None:
    checks = await ask_all(
        [question("a", says(degraded("slow-first-token", "slow"))), question("b", says(ok("fine")), "a")]
    )
    assert [check.status for check in checks] == ["degraded", "ok"]


async def test_a_need_that_is_not_asked_counts_as_answered() -> None:
    (check,) = await ask_all([question("b", says(ok("fine")), "not-in-the-list")])
    assert check.status is Status.OK


async def test_questions_run_side_by_side() -> None:
    both = asyncio.Barrier(2)

    async def meet() -> Outcome:
        await both.wait()
        return ok("met")

    checks = await ask_all([question("a", meet, limit=5), question("b", meet, limit=5)])
    assert [check.status for check in checks] == ["ok", "ok"]


async def test_no_answer_in_time_is_unknown_with_evidence() -> None:
    async def wait_for_ever() -> Outcome:
        await asyncio.Event().wait()
        return ok("never")

    (check,) = await ask_all([question("a", wait_for_ever, limit=0.05)])
    assert (check.status, check.cause) == (Status.FAILED, "unknown")
    assert "no answer" in check.evidence


async def test_a_surprise_is_unknown_with_evidence() -> None:
    async def fall_over() -> Outcome:
        raise KeyError("odd")

    (check,) = await ask_all([question("a", fall_over)])
    assert (check.status, check.cause) == (Status.FAILED, "unknown")
    assert "odd" in check.evidence


async def test_an_error_of_the_parts_keeps_its_cause() -> None:
    async def no_engine() -> Outcome:
        raise StackError("The Docker Engine does not answer.", fix="-", cause="engine-unreachable", exit_code=2)

    (check,) = await ask_all([question("a", no_engine)])
    assert check.cause == "engine-unreachable"
    assert check.fix == "python3 scripts/up.py"
    assert Report([check]).exit_code == 2


async def test_each_check_is_told_as_soon_as_it_is_known() -> None:
    told: list[str] = []
    go_on = asyncio.Event()

    def hear(check: Check) -> None:
        told.append(check.id)
        go_on.set()

    async def later() -> Outcome:
        await go_on.wait()
        return ok("later")

    await ask_all([question("slow", later), question("fast", says(ok("fast")))], hear)
    assert told == ["fast", "slow"]


async def test_a_question_that_is_asked_early_is_left_when_what_it_needs_fails() -> None:
    asked, cleared_up = asyncio.Event(), asyncio.Event()

    async def early() -> Outcome:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleared_up.set()
        return ok("never")

    async def slow() -> Outcome:
        await asked.wait()
        return failed("relay-down", "gone")

    one = Question("early", Layer.NETWORK, "host", early, ("slow",), 10, after=())
    checks = await ask_all([question("slow", slow), one, question("above", never, "early")])
    assert [check.status for check in checks] == ["failed", "skipped", "skipped"]
    assert checks[1].evidence == checks[2].evidence == "because of slow"
    assert cleared_up.is_set()


async def test_a_question_that_is_asked_early_counts_when_what_it_needs_is_well() -> None:
    early_ended = asyncio.Event()

    async def early() -> Outcome:
        early_ended.set()
        return failed("stream-cut", "cut")

    async def slow() -> Outcome:
        await early_ended.wait()
        return ok("well")

    one = Question("early", Layer.NETWORK, "host", early, ("slow",), 10, after=())
    checks = await ask_all([question("slow", slow), one])
    assert [check.cause for check in checks] == [None, "stream-cut"]


async def test_what_a_question_waits_for_need_not_be_well() -> None:
    order: list[str] = []

    async def first() -> Outcome:
        await asyncio.sleep(0)
        order.append("first")
        return failed("relay-down", "gone")

    async def then() -> Outcome:
        order.append("then")
        return ok("well")

    one = Question("then", Layer.NETWORK, "host", then, (), 10, after=("first",))
    checks = await ask_all([question("first", first), one])
    assert order == ["first", "then"]
    assert checks[1].status is Status.OK


async def test_whoever_is_interrupted_leaves_nothing_running() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def early() -> Outcome:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ok("never")

    async def for_ever() -> Outcome:
        await asyncio.Event().wait()
        return ok("never")

    one = Question("early", Layer.NETWORK, "host", early, ("slow",), 10, after=())
    work = asyncio.create_task(ask_all([question("slow", for_ever), one]))
    await begun.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert ended.is_set()
