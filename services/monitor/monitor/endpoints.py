"""What the monitor answers over HTTP: /healthz, /readyz and /metrics, by GET or HEAD; everything else is an error."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from monitor.watch import Watch
from stack.probes.report import Status

SCOPE = (
    "Asked from inside the containers' private network, through the gateway's published pages: the way to Foundry "
    "Local, its model, and an answer through each front end. What the monitor has no access to, the engine, the "
    "containers' states, the host's own ports and processes, `python3 scripts/probe.py` on the host sees."
)
PATHS = ("/healthz", "/readyz", "/metrics")

log = logging.getLogger("monitor")


def make_app(watch: Watch) -> web.Application:
    """The monitor's endpoints."""

    async def answer(request: web.Request) -> web.Response:
        if request.path not in PATHS:
            return _error(404, "not-found", f"There is no {request.path}. There are: {', '.join(PATHS)}.")
        if request.method not in ("GET", "HEAD"):
            return _error(405, "not-allowed", "Only GET and HEAD.", Allow="GET, HEAD")
        match request.path:
            case "/healthz":
                return _json({"status": "ok"})
            case "/metrics":
                watch.runs.begin_if_due()  # for the next time: who scrapes does not wait for an answer of a model
                return web.Response(body=watch.metrics.text(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
        return await _ready(watch)

    async def live(_: web.Application) -> AsyncIterator[None]:
        yield
        await watch.runs.stop()

    app = web.Application(middlewares=[_never_kept])
    app.router.add_route("*", "/{path:.*}", answer)
    app.cleanup_ctx.append(live)
    return app


async def _ready(watch: Watch) -> web.Response:
    try:
        report = await watch.runs.result()
    except Exception:
        log.exception("A run failed")
        return _error(500, "unknown", "The monitor failed. Its log says more: docker compose logs monitor")
    found = report.to_json()
    return _json(
        {
            "schema": found["schema"],
            "status": found["status"],
            "scope": SCOPE,
            "checked_at": found["started_at"],
            "age_seconds": round(watch.runs.age, 3),
            "checks": found["checks"],
        },
        status=503 if report.status is Status.FAILED else 200,
    )


@web.middleware
async def _never_kept(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    response.headers["Cache-Control"] = "no-store"
    return response


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def _error(status: int, code: str, message: str, **headers: str) -> web.Response:
    body = {"error": {"message": message, "type": "stack_error", "code": code}}
    return web.json_response(body, status=status, headers=headers)
