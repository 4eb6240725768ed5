"""Many honest users at once, all from one address as the gateway sees it, are served: none of them meets a limit."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from itertools import cycle, islice

import httpx
import pytest

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
async def test_twenty_open_the_pages_and_chat_while_the_probe_asks(settings: Settings) -> None:
    probe = asyncio.create_task(
        asyncio.to_thread(
            run, [sys.executable, "scripts/probe.py", "--json"], cwd=ROOT, env=settings.as_environment, timeout=500
        )
    )
    chats = [chat.converse(f"http://127.0.0.1:{settings.chainlit_port}", chat.QUESTION, enough=1) for _ in range(USERS)]
    ports = (settings.chainlit_port, settings.open_webui_port)
    pages = [opens_the_page(port) for port in ports for _ in range(USERS)]
    *loaded, answered = await asyncio.gather(*pages, asyncio.gather(*chats))
    assert {status for statuses in loaded for status in statuses} == {200}
    assert sum(len(statuses) for statuses in loaded) == len(ports) * USERS * REQUESTS_A_PAGE
    assert [each.error or each.lost for each in answered if not each.text] == []
    done = await probe
    checks = {each["id"]: each["cause"] for each in json.loads(done.out)["checks"] if each["status"] == "failed"}
    assert (done.code in (0, 3), checks) == (True, {}), done.out
