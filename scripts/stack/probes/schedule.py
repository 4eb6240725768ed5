"""Asks all questions side by side; what stands above a failure is skipped, whatever it may have found by then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from stack.probes import causes
from stack.probes.report import Check, Layer, Outcome, Status, failed
from stack.tools.errors import StackError

OnCheck = Callable[[Check], None]


@dataclass(frozen=True)
class Question:
    """One thing to find out.

    Args:
        ask: asks it.
        needs: ids of questions that must have turned out well for this one to make sense.
        after: ids of those that must be known before this one is asked; None: all that it needs. Asked before what it
            needs is known, it is left again when that fails.
        limit: seconds after which the question counts as not answered. Questions have shorter limits of their own that
            say what hangs; this one is the last resort.
    """

    id: str
    layer: Layer
    target: str
    ask: Callable[[], Awaitable[Outcome]]
    needs: tuple[str, ...] = ()
    limit: float = 60.0
    after: tuple[str, ...] | None = None


async def ask_all(questions: Sequence[Question], on_check: OnCheck | None = None) -> list[Check]:
    """Ask, and return the checks in the order of the questions.

    Args:
        questions: a needed question stands before those that need it; one that is not in the list is taken as answered.
        on_check: called with each check as soon as it is known.
    """
    running: dict[str, asyncio.Task[tuple[Check, str | None]]] = {}
    left: list[asyncio.Task[Check]] = []

    async def failure(wanted: Iterable[str]) -> str | None:
        """The first of those, once it is known, that has failed, or what it is skipped for."""
        for each in wanted:
            if each in running and (root := (await running[each])[1]):
                return root
        return None

    async def one(question: Question) -> tuple[Check, str | None]:
        """The check, and the id of the failure that it is, or that it is skipped for."""
        after = question.needs if question.after is None else question.after
        for each in after:
            await running[each] if each in running else None
        if root := await failure(each for each in after if each in question.needs):
            return _skipped(question, root), root
        asking = asyncio.create_task(_asked(question))
        try:
            if root := await failure(question.needs):
                return _skipped(question, root), root
            check = await asking
            return check, question.id if check.status is Status.FAILED else None
        finally:
            if asking.cancel():  # where it is not over: it clears up behind itself meanwhile
                left.append(asking)

    async def told(question: Question) -> tuple[Check, str | None]:
        found = await one(question)
        if on_check:
            on_check(found[0])
        return found

    for question in questions:
        running[question.id] = asyncio.create_task(told(question))
    try:
        return [check for check, _ in await asyncio.gather(*running.values())]
    finally:
        await asyncio.gather(*left, return_exceptions=True)


def _skipped(question: Question, root: str) -> Check:
    return Check(question.id, question.layer, question.target, Status.SKIPPED, 0.0, None, None, f"because of {root}")


async def _asked(question: Question) -> Check:
    started = time.monotonic()
    try:
        outcome = await asyncio.wait_for(question.ask(), question.limit)
    except StackError as error:
        known = error.cause in causes.CATALOGUE
        outcome = Outcome(Status.FAILED, error.cause, error.message, fix=None if known else error.fix)
    except TimeoutError:
        outcome = failed("unknown", f"the question had no answer after {question.limit:.0f} s")
    except Exception as surprise:
        outcome = failed("unknown", f"{type(surprise).__name__}: {surprise}"[:300])
    return Check(
        id=question.id,
        layer=question.layer,
        target=question.target,
        status=outcome.status,
        seconds=time.monotonic() - started,
        cause=outcome.cause,
        fix=outcome.fix or (causes.fix(outcome.cause, **outcome.names) if outcome.cause else None),
        evidence=outcome.evidence,
    )
