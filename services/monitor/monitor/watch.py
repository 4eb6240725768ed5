"""One run: which questions are asked, and which not while users wait for answers of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import httpx

from monitor import clock
from monitor.from_inside import Inside
from monitor.knobs import Knobs
from monitor.metrics import Metrics
from monitor.shared_run import SharedRun
from stack.probes import answer, inside, way
from stack.probes.report import Layer, Outcome, Report, Status, failed, ok
from stack.probes.schedule import Question, ask_all
from stack.probes.surroundings import CHAINLIT, GATEWAY, HOST, OPEN_WEBUI, WEBGPU_STATIC
from stack.probes.upstream import foundry_status, model_state

PATIENCE = 5  # so many intervals long a good answer counts while users wait; then it is asked for all the same
ANSWER_LIMIT = 300.0  # seconds; the questions themselves have shorter ones that say what hangs

ANSWERS: dict[str, Callable[[Inside], Awaitable[Outcome]]] = {
    CHAINLIT: answer.chat_answers,
    OPEN_WEBUI: answer.open_webui_answers,
    WEBGPU_STATIC: answer.demo_answers,
}


class Watch:
    """Looks at the stack, one run at a time."""

    def __init__(self, knobs: Knobs) -> None:
        self.metrics = Metrics(tuple(ANSWERS))
        self.runs = SharedRun(self._run, knobs.interval)
        self._knobs = knobs
        self._http: httpx.AsyncClient | None = None
        self._around: Inside | None = None
        self._good: dict[str, tuple[float, Outcome]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def _run(self) -> Report:
        started_at, started = datetime.now(UTC), time.monotonic()
        if self._around is None:
            self._around = Inside(self._knobs, httpx.AsyncClient(trust_env=False))
        seen = await self._around.crowd.look()
        waiting = seen.others if seen else 0
        if waiting:
            self.metrics.skipped()
        checks = await ask_all(self._questions(self._around, waiting))
        report = Report(checks, started_at, time.monotonic() - started)
        self.metrics.ended(report)
        return report

    def _questions(self, around: Inside, waiting: int) -> list[Question]:
        """From the ground up: what needs no token first, and then an answer through each front end."""
        return [
            Question("network.gateway", Layer.NETWORK, GATEWAY, partial(_gateway_answers, around)),
            *(
                Question(
                    f"network.{service}", Layer.NETWORK, service, partial(_page_is_there, around, service),
                    ("network.gateway",),
                )
                for service in ANSWERS
            ),
            Question("foundry.status", Layer.FOUNDRY, HOST, partial(_status, around), ("network.gateway",)),
            Question(
                "model.loaded", Layer.MODEL, HOST, partial(_model_is_loaded, around, self._knobs), ("foundry.status",)
            ),
            *(
                Question(
                    f"answer.{service}", Layer.ANSWER, service, partial(self._answer, around, service, waiting),
                    (f"network.{service}", "model.loaded"), ANSWER_LIMIT,
                )
                for service in ANSWERS
            ),
        ]  # fmt: skip

    async def _answer(self, around: Inside, service: str, waiting: int) -> Outcome:
        """One front end's answer; where users wait, a good one of not long ago counts."""
        if waiting and (kept := self._kept(service, waiting)):
            return kept
        async with self._one_at_a_time:  # so that they are not slow because of each other
            outcome = await ANSWERS[service](around)
        self._good.pop(service, None)
        if outcome.status is not Status.FAILED:
            self._good[service] = clock.now(), outcome
            self.metrics.answered(service, outcome.speed)
        return outcome

    def _kept(self, service: str, waiting: int) -> Outcome | None:
        if service not in self._good:
            return None
        when, outcome = self._good[service]
        age = clock.now() - when
        if age > PATIENCE * self._knobs.interval:
            return None
        evidence = f"not asked now, while {waiting} others wait for an answer; {age:.0f} s ago: {outcome.evidence}"
        return replace(outcome, evidence=evidence)


async def _gateway_answers(around: Inside) -> Outcome:
    seen = await asyncio.to_thread(inside.look, f"{around.door}/")
    return way.judge(seen, [], **around.names(GATEWAY))


async def _page_is_there(around: Inside, service: str) -> Outcome:
    if service != WEBGPU_STATIC:
        return await answer.page_is_there(around, service)
    try:
        async with around.page(service).client() as http:
            index = await http.get("/")
    except httpx.HTTPError as strange:
        return failed("unknown", f"{around.page(service).url}: {type(strange).__name__}: {strange}")
    if index.status_code == httpx.codes.OK:
        return ok("its page answers")
    return failed("front-end-down", f"its page: {index.status_code}", **around.names(service))


async def _status(around: Inside) -> Outcome:
    return replace(await foundry_status(around.http, around.door), names=around.names(GATEWAY))


async def _model_is_loaded(around: Inside, knobs: Knobs) -> Outcome:
    try:
        return await model_state(around.http, around.door, knobs.model, knobs.device)
    except httpx.HTTPError as strange:
        return await around.why_unanswered(strange, "asked for its models")
