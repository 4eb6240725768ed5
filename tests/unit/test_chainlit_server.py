"""Where the chat app looks for its model server."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from chat import settings
from chat.problems import Problem
from chat.server import ask_sdk, connections, find, root_of
from chat.settings import Settings
from fakes.model_server import ModelServer


@pytest.mark.parametrize(
    "written",
    [
        "http://127.0.0.1:51211",
        "http://127.0.0.1:51211/",
        "http://127.0.0.1:51211/v1",
        "http://127.0.0.1:51211/v1/",
        " 127.0.0.1:51211 ",
    ],
)
def test_base_url_in_all_spellings(written: str) -> None:
    assert root_of(written) == "http://127.0.0.1:51211"


def test_base_url_keeps_its_path() -> None:
    assert root_of("https://example.test/api/v1") == "https://example.test/api"


@pytest.mark.parametrize("written", ["ftp://host", "http://", "http://host:port/v1", "http://host?x=1"])
def test_base_url_that_is_none(written: str) -> None:
    with pytest.raises(Problem) as problem:
        root_of(written)
    assert problem.value.cause == "bad-setting"
    assert written in problem.value.what


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_finds_foundry_at_its_door_without_being_told() -> None:
    async with ModelServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        assert (await find(Settings(foundry_port=port))).root == server.url


async def test_what_the_user_says_comes_first(closed_port: int) -> None:
    async with ModelServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        told = f"http://127.0.0.1:{closed_port}/v1"
        assert (await find(Settings(base_url=told, foundry_port=port))).root == f"http://127.0.0.1:{closed_port}"


async def test_one_client_for_all_messages() -> None:
    async with ModelServer() as server:
        first, second = [await find(Settings(base_url=f"{server.url}{end}")) for end in ("", "/v1")]
    assert first.client is second.client


async def test_asks_the_sdk_last(closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foundry_local.py").write_text(
        "class FoundryLocalManager:\n"
        "    def __init__(self, bootstrap):\n"
        "        assert not bootstrap\n"
        "        self.service_uri = 'http://127.0.0.1:5273'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "foundry_local", raising=False)
    assert (await find(Settings(foundry_port=closed_port))).root == "http://127.0.0.1:5273"
    del sys.modules["foundry_local"]


async def test_says_where_it_looked_and_what_to_do(closed_port: int) -> None:
    assert ask_sdk()[0] is None, "this test needs an environment without the old SDK"
    with pytest.raises(Problem) as problem:
        await find(Settings(foundry_port=closed_port))
    assert problem.value.cause == "foundry-not-found"
    assert f"http://127.0.0.1:{closed_port}" in problem.value.what
    assert "python3 scripts/up.py" in problem.value.fix
    assert "BASE_URL" in problem.value.fix


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_TOKENS", "many")
    settings.load.cache_clear()
    with pytest.raises(Problem) as problem:
        settings.load()
    assert "MAX_TOKENS" in problem.value.what
    monkeypatch.setenv("MAX_TOKENS", "")
    assert settings.load().max_tokens == 1024, "empty means not set"
    settings.load.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux shows which timers a connection has")
async def test_the_system_asks_whether_the_server_is_still_there() -> None:
    """A network that is pulled says nothing; the answer would be waited for as long as one that takes its time."""
    async with ModelServer() as server:
        found = await find(Settings(base_url=server.url))
        await found.client.models.list()
        port = int(server.url.rsplit(":", 1)[1])
        assert timers_of_connections_to(port) == {KEEP_ALIVE}


KEEP_ALIVE = "02"  # as proc(5) has it under `tr`


def timers_of_connections_to(port: int) -> set[str]:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return {timer.partition(":")[0] for _, _, other, _, _, timer, *_ in lines if other == f"0100007F:{port:04X}"}


@pytest.mark.parametrize("far", [False, True])
async def test_nobody_is_led_elsewhere_with_what_was_said(far: bool) -> None:
    async with ModelServer() as elsewhere:

        async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            where = f"{elsewhere.url}/v1/chat/completions"
            writer.write(f"HTTP/1.1 307 There\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(lead, "127.0.0.1", 0)
        async with server, connections(far=far) as http:
            port = server.sockets[0].getsockname()[1]
            answer = await http.post(f"http://127.0.0.1:{port}/v1/chat/completions", content="a secret")
        assert answer.status_code == 307
        assert elsewhere.requests == []
