"""What programs ask the app: /ready and /metrics. (/health is Chainlit's own: the process answers.)"""

from __future__ import annotations

import asyncio

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat import model, server, settings
from chat.metrics import Metrics
from chat.problems import Problem, silent

NOT_KEPT = {"Cache-Control": "no-store"}
READY_SECONDS = 10.0  # Foundry without a network looks for its catalog for up to 5 s


def routes(metrics: Metrics) -> list[Route]:
    """Both, for GET and HEAD."""

    async def count(_: Request) -> Response:
        return Response(metrics.text(), headers={**NOT_KEPT, "Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return [Route("/ready", ready), Route("/metrics", count)]


async def ready(_: Request) -> Response:
    """200 where a question would reach a loaded chat model now, else 503 with the cause."""
    try:
        return _json({"status": "ready", "model": await _who_would_answer()})
    except Problem as problem:
        said: dict[str, object] = {
            "status": "not-ready",
            "cause": problem.cause,
            "message": problem.what,
            "fix": problem.fix,
        }
        return _json(said, status=503)


async def _who_would_answer() -> str:
    knobs = settings.load()
    where = await server.find(knobs)
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await model.which(where, knobs.model)
    except TimeoutError as late:
        raise silent(where.root) from late


def not_here(path: str) -> Route:
    """Nothing is there, and the page does not answer in its place."""

    async def refuse(_: Request) -> Response:
        error = {"message": f"There is no {path} here.", "type": "stack_error", "code": "not-found"}
        return _json({"error": error}, status=404)

    return Route(path, refuse)


def _json(body: dict[str, object], status: int = 200) -> Response:
    return JSONResponse(body, status, headers=NOT_KEPT)
