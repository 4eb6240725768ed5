"""Many honest users at once, all from one address as the gateway sees it, are served: none of them meets a limit."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import replace
from itertools import cycle, islice

import httpx
import pytest

from fakes.chat_people import first_user
from stack.probes import chat
from stack.settings import ROOT, Settings
from stack.tools.process import run

USERS = 20
REQUESTS_A_PAGE = 150  # what Open WebUI's page takes to load, and Chainlit's less
CONNECTIONS = 6  # of a browser to one host


async def opens_the_page(port: int) -> list[int]:
    """A page and what it needs, as fast as a browser asks for it."""
    limits = httpx.Limits(max_connections=CONNECTIONS)
    headers = {"Origin": f"http://localhost:{port}"}
    async with httpx.AsyncClient(
        base_url=f"http://localhost:{port}", limits=limits, headers=headers, timeout=120, trust_env=False
    ) as http:
        page = await http.get("/")
        assert page.status_code == 200, page.text
        needed = re.findall(r'(?:src|href)="(/[^"?#]+\.[a-z]+)"', page.text)
        assert needed
        answers = await asyncio.gather(*(http.get(path) for path in islice(cycle(needed), REQUESTS_A_PAGE)))
        return [answer.status_code for answer in answers]


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("port", ["chainlit_port", "open_webui_port", "webgpu_port"])
async def test_twenty_open_a_page_at_once(settings: Settings, port: str) -> None:
    loaded = await asyncio.gather(*(opens_the_page(getattr(settings, port)) for _ in range(USERS)))
    assert {status for statuses in loaded for status in statuses} == {200}
    assert sum(len(statuses) for statuses in loaded) == USERS * REQUESTS_A_PAGE


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_twenty_chat_while_the_probe_asks(settings: Settings) -> None:
    argv = [sys.executable, "scripts/probe.py", "--json"]
    probe = asyncio.to_thread(run, argv, cwd=ROOT, env=settings.as_environment, timeout=500)
    who = first_user(settings)

    async def signs_in_and_asks() -> chat.Conversation:
        async with replace(who).on_the_page() as user:
            return await chat.converse(user, chat.QUESTION, enough=1)

    done, *answered = await asyncio.gather(probe, *(signs_in_and_asks() for _ in range(USERS)))
    assert [each.error or each.lost or "no text" for each in answered if not each.text] == []
    failed = {each["id"]: each["cause"] for each in json.loads(done.out)["checks"] if each["status"] == "failed"}
    assert (done.code in (0, 3), failed) == (True, {}), done.out
