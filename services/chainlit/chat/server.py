"""Which server is asked: BASE_URL; else Foundry Local's door on this machine; else where Foundry's SDK says it is."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from httpx2 import AsyncHTTPTransport, Limits
from openai import APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

from chat.dialect import Dialect
from chat.problems import PROBE, UP, Problem
from chat.settings import Settings

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 300.0  # a long prompt on a slow machine: 3,000 tokens take 20 s on two cores
ASK_AROUND_SECONDS = 2.0
# A server that thinks is silent for long, and so is one whose network was pulled; but the former's machine answers for
# it. Not asked, an answer that nobody sends any more would hold its place in the line for SILENCE_SECONDS.
SILENT_SECONDS, AGAIN_SECONDS, ASKED_TIMES = 10, 5, 3
LIMITS = Limits(max_connections=1000, max_keepalive_connections=100)  # openai's own
LOOK_SECONDS = 15.0  # without a network, Foundry looks for its catalog for up to 5 s first


NO_SUCH_CALL = (404, 405, 501)


@dataclass(frozen=True)
class Server:
    """An OpenAI-compatible server.

    Attributes:
        root: its address without `/v1`.
        only_chats: it is asked for chat completions and nothing else, and once: somebody else can be asked.
        dialect: how it wants to be asked.
    """

    root: str
    client: AsyncOpenAI
    only_chats: bool = False
    dialect: Dialect = field(default_factory=Dialect, compare=False)


async def find(settings: Settings) -> Server:
    """The server to ask. Cheap enough to be called for each message, so nothing has to be restarted when things change.

    Raises:
        Problem: ``bad-setting`` for a BASE_URL that is no address; ``foundry-not-found``.
    """
    if settings.base_url:
        return at(root_of(settings.base_url), settings.api_key)
    door = f"http://127.0.0.1:{settings.foundry_port}"
    if await _listens("127.0.0.1", settings.foundry_port):
        return at(door, settings.api_key)
    found, said = await asyncio.to_thread(ask_sdk)
    if found:
        return at(root_of(found), settings.api_key)
    raise Problem(
        "foundry-not-found",
        f"No Foundry Local found: `BASE_URL` is not set, nothing listens at `{door}`, and {said}.",
        f"Start one with {UP}, or set `BASE_URL` to where yours is; then just send your message again. "
        f"{PROBE} shows what is missing.",
    )


async def is_foundry(server: Server) -> bool:
    """Whether it answers what only Foundry Local is asked: which of its models are loaded.

    Raises:
        OpenAIError: it can't be told, just now.
    """
    try:
        answer = await server.client.with_options(timeout=LOOK_SECONDS).get(
            f"{server.root}/models/loaded", cast_to=object
        )
    except APIStatusError as error:
        if error.status_code in NO_SUCH_CALL:
            return False
        raise
    return isinstance(answer, list)


def root_of(base_url: str) -> str:
    """The address without `/v1` and without a slash at its end, as people write it in many ways.

    Raises:
        Problem: ``bad-setting``.
    """
    address = base_url.strip()
    if "://" not in address:
        address = f"http://{address}"
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:  # a port that is no number
        good = False
    if not good:
        raise Problem(
            "bad-setting",
            f"`BASE_URL` is not the address of a server: `{base_url}`.",
            "Write it like `http://127.0.0.1:51211` or `http://127.0.0.1:51211/v1`.",
        )
    return address.rstrip("/").removesuffix("/v1").rstrip("/")


def ask_sdk() -> tuple[str | None, str]:
    """Where Foundry's SDK knows a running server, or why it knows none (the end of a sentence).

    Only the SDK's older module, `foundry_local` (up to 0.5), looks for running servers: through the `foundry` command.
    `foundry_local_sdk` (2.x) runs Foundry Local inside its own process and knows of no other, so it can't help here.
    Blocks for as long as the command takes.
    """
    if importlib.util.find_spec("foundry_local") is None:
        if importlib.util.find_spec("foundry_local_sdk") is None:
            return None, "Foundry's SDK is not installed here"
        return None, "this version of Foundry's SDK does not look for running servers"
    try:
        manager: Any = importlib.import_module("foundry_local").FoundryLocalManager(bootstrap=False)  # only look
        return str(manager.service_uri), ""
    except Exception as unknown:  # whatever the SDK raises, it found none
        return None, f"Foundry's SDK knows of none ({str(unknown).rstrip('.!') or type(unknown).__name__})"


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(ASK_AROUND_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # a TimeoutError is one, too
        return False
    writer.close()
    return True


def _keep_alive() -> list[tuple[int, int, int]]:
    """Have the system notice, within half a minute, that there is nobody at the other end any more."""
    wanted = {
        "TCP_KEEPIDLE": SILENT_SECONDS,
        "TCP_KEEPINTVL": AGAIN_SECONDS,
        "TCP_KEEPCNT": ASKED_TIMES,
        # The same for what was sent and is not taken: a question on a connection that was idle when its network went.
        "TCP_USER_TIMEOUT": 1000 * (SILENT_SECONDS + ASKED_TIMES * AGAIN_SECONDS),
    }
    known = [(getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, name, value) for name, value in known)]


@lru_cache(maxsize=8)
def at(root: str, api_key: str) -> Server:
    """The server with this address: one client, so one pool of connections, per process and server."""
    # No retries: the user sees at once what is wrong, and nothing is asked twice behind his back.
    http = connections(far=root.startswith("https://"))
    return Server(root, AsyncOpenAI(base_url=f"{root}/v1", api_key=api_key, http_client=http, max_retries=0))


def connections(*, far: bool) -> DefaultAsyncHttpxClient:
    """A pool of them.

    Args:
        far: to a server that is neither on this machine nor in this network.
    """
    return DefaultAsyncHttpxClient(
        follow_redirects=False,  # they would take the whole question to a host that nobody has named
        trust_env=far,  # a proxy is never the way to a model on this machine or in this network
        transport=None if far else AsyncHTTPTransport(limits=LIMITS, socket_options=_keep_alive(), trust_env=False),
        timeout=Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
    )
