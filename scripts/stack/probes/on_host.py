"""The probe as it runs on the host: every layer, each question above those that it builds on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import httpx

from stack.probes import answer, containers, engine, foundry, model, network
from stack.probes.from_host import OnHost, open_webui_answers
from stack.probes.report import Layer, Outcome, Report
from stack.probes.running import Running
from stack.probes.schedule import OnCheck, Question, ask_all
from stack.probes.surroundings import CHAINLIT, GATEWAY, HOST, INIT, MONITOR, OPEN_WEBUI, WEBGPU_STATIC
from stack.settings import Settings

FRONT_ENDS: dict[str, Callable[[Running], Awaitable[Outcome]]] = {
    CHAINLIT: lambda running: answer.chat_answers(OnHost(running)),
    OPEN_WEBUI: open_webui_answers,
    WEBGPU_STATIC: lambda running: answer.demo_answers(OnHost(running)),
}


async def probe(settings: Settings, only: Layer | None = None, on_check: OnCheck | None = None) -> Report:
    """Ask the running stack everything, or only the questions of one layer."""
    started_at, started = datetime.now(UTC), time.monotonic()
    async with httpx.AsyncClient(trust_env=False) as http:  # no proxy stands between us and this machine
        asked = [each for each in questions(Running(settings, http)) if only in (None, each.layer)]
        checks = await ask_all(asked, on_check)
    return Report(checks, started_at, time.monotonic() - started)


def questions(running: Running) -> list[Question]:
    """All questions, from the ground up. What a question needs stands before it."""

    def ask(
        layer: Layer, name: str, target: str, question: Callable[[], Awaitable[Outcome]], *needs: str, limit: float = 60
    ) -> Question:
        return Question(f"{layer}.{name}", layer, target, question, needs, limit)

    return [
        ask(Layer.ENGINE, "docker", HOST, partial(engine.engine_answers, running)),
        ask(Layer.ENGINE, "compose", HOST, partial(engine.compose_is_new_enough, running)),
        ask(Layer.CONTAINER, INIT, GATEWAY, partial(containers.init_ended_well, running), "engine.docker"),
        *(
            ask(Layer.CONTAINER, service, service, partial(containers.service_runs, running, service), "container.init")
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
            )
            for service in FRONT_ENDS
        ),
        ask(Layer.FOUNDRY, "relay", HOST, partial(foundry.door_is_ours, running)),
        ask(Layer.FOUNDRY, "status", HOST, partial(foundry.foundry_answers, running), "foundry.relay"),
        ask(
            Layer.FOUNDRY,
            "from-gateway",
            GATEWAY,
            partial(foundry.gateway_reaches_foundry, running),
            "network.gateway",
            "foundry.status",
        ),
        ask(Layer.MODEL, "loaded", HOST, partial(model.model_is_loaded, running), "foundry.status"),
        ask(Layer.MODEL, "answers", HOST, partial(model.model_answers, running), "model.loaded", limit=180),
        *(
            ask(
                Layer.ANSWER,
                service,
                service,
                partial(question, running),
                f"network.{service}",
                "foundry.from-gateway",
                "model.answers",
                limit=300,
            )
            for service, question in FRONT_ENDS.items()
        ),
    ]
