"""The front ends asked from the host, which can look into the containers where an answer does not come."""

from __future__ import annotations

import httpx
from docker.models.containers import Container

from stack.parts.development import sources_of
from stack.probes import answer, chat, model, open_webui, webgpu, webui_connection
from stack.probes.crowd import Crowd
from stack.probes.foundry import gateway_reaches_foundry
from stack.probes.network import existing
from stack.probes.report import Outcome, failed
from stack.probes.running import MODEL_SERVER_INSIDE, Running
from stack.probes.surroundings import CHAINLIT, GATEWAY, OPEN_WEBUI, WEBGPU_STATIC, Page


class OnHost:
    """The host as `stack.probes.surroundings.Surroundings`."""

    tokens: int | None = None

    def __init__(self, running: Running) -> None:
        self._running = running

    @property
    def http(self) -> httpx.AsyncClient:
        """The probe's own."""
        return self._running.http

    @property
    def door(self) -> str:
        """As people and tools on the host know it."""
        return self._running.door

    @property
    def crowd(self) -> Crowd:
        """Asked at that door."""
        return self._running.crowd

    def page(self, service: str) -> Page:
        """As the browser knows it."""
        running = self._running
        pages = {CHAINLIT: running.page, OPEN_WEBUI: running.open_webui_page, WEBGPU_STATIC: running.webgpu_page}
        return Page(pages[service])

    def names(self, service: str) -> dict[str, str]:
        """Of this project's containers and files."""
        return {
            "container": self._running.name_of(service),
            "gateway": self._running.name_of(GATEWAY),
            "log": str(self._running.foundry_log),
            "port": str(self._running.settings.foundry_port),
        }

    async def model_to_ask(self, http: httpx.AsyncClient, base: str) -> str | Outcome:
        """See `model.model_to_ask`."""
        return await model.model_to_ask(self._running, http, base)

    async def why_unanswered(self, strange: httpx.HTTPError, asked: str) -> Outcome:
        """See `model.why_unanswered`."""
        return await model.why_unanswered(self._running, strange, asked)

    async def way_of_the_pages(self) -> Outcome:
        """By way of the gateway."""
        return await gateway_reaches_foundry(self._running)

    async def demo_is_whole(self, http: httpx.AsyncClient) -> Outcome:
        """All its files: those of its image, or in development mode those of the folder that it runs from."""
        container = await self._running.container(WEBGPU_STATIC)
        sources = sources_of(container.attrs) if container else None
        if sources:
            return await webgpu.page_is_as_its_sources(http, sources)
        return await webgpu.page_is_whole(http)

    async def chat_user(self, http: httpx.AsyncClient) -> chat.User | Outcome:
        """The probe's own account, without the chats of a probe that was ended in its middle."""
        container = await existing(self._running, CHAINLIT)
        if isinstance(container, Outcome):
            return container
        user = await chat.User.signed_in(
            http, chat.PROBE_ACCOUNT, await self._running.secret(container, "probe-password")
        )
        await user.forget_all_chats()
        return user

    async def open_webui_user(self, http: httpx.AsyncClient) -> open_webui.User | Outcome:
        """The probe's own account. Its token is kept from probe to probe: Open WebUI takes few sign-ins in a time."""
        container = await existing(self._running, OPEN_WEBUI)
        if isinstance(container, Outcome):
            return container
        known = self._running.open_webui_token
        user = await open_webui.User.still_signed_in(http, known) if known else None
        if user is None:
            password = await self._running.secret(container, "probe-password")
            user = await open_webui.User.signed_in(http, open_webui.PROBE_ACCOUNT, password)
            self._running.keep_open_webui_token(user.token)
        return user


async def open_webui_answers(running: Running) -> Outcome:
    """Like `answer.open_webui_answers`; and does Open WebUI take the way that the stack gave it?"""
    outcome = await answer.open_webui_answers(OnHost(running))
    if outcome.cause not in ("unknown", "webui-model-missing"):
        return outcome
    container = await existing(running, OPEN_WEBUI)
    return outcome if isinstance(container, Outcome) else await _or_asks_elsewhere(running, container, outcome)


async def _or_asks_elsewhere(running: Running, container: Container, outcome: Outcome) -> Outcome:
    """The way to the model is well: does Open WebUI take it? An administrator can change that on the page."""
    asked = await model.model_to_ask(running, running.http, running.door)
    wrong = webui_connection.what_is_wrong(
        await webui_connection.stored(running, container),
        f"{MODEL_SERVER_INSIDE}/v1",
        asked if isinstance(asked, str) else None,
    )
    if wrong is None:
        return outcome
    return failed(wrong.cause, f"{wrong.said}; {outcome.evidence}", **outcome.names)
