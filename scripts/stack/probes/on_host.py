"""The probe as it runs on the host: every layer, each question above those that it builds on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import httpx

from stack.parts.development import sources_of
from stack.probes import answer, causes, cloud, containers, engine, foundry, model, network, room
from stack.probes.door import door_is_ours
from stack.probes.from_host import OnHost, open_webui_answers
from stack.probes.report import Layer, Outcome, Report
from stack.probes.running import Running
from stack.probes.schedule import OnCheck, Question, ask_all
from stack.probes.surroundings import CHAINLIT, GATEWAY, HOST, INIT, MONITOR, OPEN_WEBUI, WEBGPU_STATIC
from stack.settings import Settings
from stack.tools.errors import StackError

FRONT_ENDS: dict[str, Callable[[Running], Awaitable[Outcome]]] = {
    CHAINLIT: lambda running: answer.chat_answers(OnHost(running)),
    OPEN_WEBUI: open_webui_answers,
    WEBGPU_STATIC: lambda running: answer.demo_answers(OnHost(running)),
}


AT_ONCE: tuple[str, ...] = ()


async def probe(
    settings: Settings, only: Layer | None = None, on_check: OnCheck | None = None, *, answers: bool = True
) -> Report:
    """Ask the running stack everything, or only the questions of one layer, or none that costs a token."""
    started_at, started = datetime.now(UTC), time.monotonic()
    async with httpx.AsyncClient(trust_env=False) as http:  # no proxy stands between us and this machine
        running = Running(settings, http)
        asked = [
            each for each in questions(running) if only in (None, each.layer) and (answers or not costs_a_token(each))
        ]
        checks = await ask_all(asked, on_check)
        if any(check.fix for check in checks) and await in_development(running):
            checks = [replace(check, fix=check.fix and causes.fix_in_development(check.fix)) for check in checks]
    return Report(checks, started_at, time.monotonic() - started)


async def in_development(running: Running) -> bool:
    """Whether any container runs from the sources."""
    try:
        found = [await running.container(service) for service in (CHAINLIT, WEBGPU_STATIC)]
    except StackError:  # no engine
        return False
    return any(container and sources_of(container.attrs) for container in found)


def costs_a_token(question: Question) -> bool:
    """Whether the model is asked something."""
    return question.layer is Layer.ANSWER or question.id == "model.answers"


def questions(running: Running) -> list[Question]:
    """All questions, from the ground up. What a question needs stands before it.

    They are asked as early as it makes sense (``after``), and not only once all that they need is known: on a stack
    that is well a probe then takes as long as its longest question.
    """

    def ask(  # noqa: PLR0913
        layer: Layer,
        name: str,
        target: str,
        question: Callable[[], Awaitable[Outcome]],
        *needs: str,
        limit: float = 60,
        after: tuple[str, ...] | None = None,
    ) -> Question:
        return Question(f"{layer}.{name}", layer, target, question, needs, limit, after)

    def through(service: str, question: Callable[[Running], Awaitable[Outcome]]) -> Awaitable[Outcome]:
        return running.first_answer.through(service, partial(question, running))

    engine_is_there, gateway_runs = ("engine.docker",), ("container.gateway",)

    return [
        ask(Layer.ENGINE, "docker", HOST, partial(engine.engine_answers, running)),
        ask(Layer.ENGINE, "compose", HOST, partial(engine.compose_is_new_enough, running)),
        ask(Layer.ENGINE, "disk", HOST, partial(room.disks_have_room, running), "engine.docker"),
        ask(Layer.CONTAINER, INIT, GATEWAY, partial(containers.init_ended_well, running), "engine.docker"),
        *(
            ask(
                Layer.CONTAINER,
                service,
                service,
                partial(containers.service_runs, running, service),
                "container.init",
                after=engine_is_there,
            )
            for service in (GATEWAY, *FRONT_ENDS, MONITOR)
        ),
        ask(Layer.NETWORK, GATEWAY, GATEWAY, partial(network.gateway_listens, running), "container.gateway"),
        *(
            ask(
                Layer.NETWORK,
                service,
                service,
                partial(network.front_end_is_connected, running, service),
                "network.gateway",
                f"container.{service}",
                after=(*gateway_runs, f"container.{service}"),
            )
            for service in FRONT_ENDS
        ),
        ask(Layer.FOUNDRY, "relay", HOST, partial(door_is_ours, running)),
        *(
            [
                ask(
                    Layer.NETWORK,
                    "cloud",
                    GATEWAY,
                    partial(cloud.way_is_well, running),
                    "container.gateway",
                    f"container.{CHAINLIT}",
                    "foundry.relay",
                )
            ]
            if cloud.is_set(running)
            else ()
        ),
        ask(Layer.FOUNDRY, "status", HOST, partial(foundry.foundry_answers, running), "foundry.relay", after=AT_ONCE),
        ask(
            Layer.FOUNDRY,
            "from-gateway",
            GATEWAY,
            partial(foundry.gateway_reaches_foundry, running),
            "network.gateway",
            "foundry.status",
            after=gateway_runs,
        ),
        ask(Layer.MODEL, "loaded", HOST, partial(model.model_is_loaded, running), "foundry.status", after=AT_ONCE),
        ask(
            Layer.MODEL,
            "answers",
            HOST,
            partial(model.model_answers, running),
            "model.loaded",
            limit=180,
            after=("model.loaded", *gateway_runs, *(f"container.{service}" for service in FRONT_ENDS)),
        ),
        *(
            ask(
                Layer.ANSWER,
                service,
                service,
                partial(through, service, question),
                f"network.{service}",
                "foundry.from-gateway",
                "model.answers",
                limit=300,
                after=(*gateway_runs, f"container.{service}"),
            )
            for service, question in FRONT_ENDS.items()
        ),
    ]
