"""One request on its way through the relay: judged, passed on, and its answer passed back as it comes."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from stack.parts.relay import answers, rules
from stack.parts.relay.access_log import CLIENT_LEFT, Entry
from stack.parts.relay.cloud import Cloud
from stack.parts.relay.limits import Rate
from stack.parts.relay.rules import Asked, Door, Refusal
from stack.parts.relay.watched_file import WatchedFile

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
VERSIONS = (aiohttp.HttpVersion10, aiohttp.HttpVersion11)  # the parser takes others, which can't be answered
COMMENT = b":"  # how a piece begins that only keeps the connection open


@dataclass(frozen=True)
class Surroundings:
    """What every passage of one relay shares.

    Args:
        cloud: there is none, unless somebody has set one up.
        body_limit: bytes of a request's body.
        body_seconds: how long a request's body may take to come.
        silence_seconds: how long who is asked may say nothing.
        rate: how often one sender may ask.
        under_way: the requests for an answer of Foundry Local's model that have been passed on and not ended yet.
    """

    doors: frozenset[Door]
    token: WatchedFile[str]
    foundry: WatchedFile[URL]
    cloud: WatchedFile[Cloud]
    client: aiohttp.ClientSession
    body_limit: int
    body_seconds: float
    silence_seconds: float
    rate: Rate
    under_way: set[Passage] = field(default_factory=set)

    @property
    def silent(self) -> list[float]:
        """Of those that have had text, the seconds since the last."""
        return [each.silent_seconds for each in self.under_way if each.silent_seconds is not None]


class BodyError(Exception):
    """The body went over a limit while it was passed on."""


class Passage(ABC):
    """One request and its answer; where it leads is for the classes below this one to say."""

    def __init__(self, around: Surroundings, door: Door, request: web.BaseRequest) -> None:
        self._around = around
        self._door = door
        self._request = request
        self._id = _request_id(request)
        self._entry = Entry(self._id, request.remote or "", request.method, request.raw_path)
        self._bad_body: Refusal | None = None
        self._pieces = 0
        self._text_at: float | None = None

    @property
    def silent_seconds(self) -> float | None:
        """Since the last text passed; None where none has yet. A stream's first piece only says that it begins."""
        return None if self._text_at is None else time.monotonic() - self._text_at

    async def go(self) -> web.StreamResponse:
        """Answer the request and log it, however it ends."""
        try:
            return await self._answer()
        except asyncio.CancelledError:
            self._ended(CLIENT_LEFT, "client-left")
            raise
        except Exception:
            self._ended(500, "unknown")
            raise
        finally:
            self._around.under_way.discard(self)
            self._entry.write()

    @abstractmethod
    async def _ask(self) -> aiohttp.ClientResponse | Refusal:
        """Pass the request on, which the rules let pass; the answer as it begins, or why there is none."""

    @abstractmethod
    def _headers_for_client(self, answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
        """Those of the answer's headers that go back, and who passed them."""

    def _headers_of_refusal(self) -> dict[str, str]:
        """What every refusal says besides."""
        return {}

    def _ended(self, status: int, cause: str) -> None:
        self._entry.status, self._entry.cause = status, cause

    async def _answer(self) -> web.StreamResponse:
        if self._request.version not in VERSIONS:
            return self._refuse(answers.bad_request())
        refusal = self._judge()
        if refusal is not None:
            return self._refuse(refusal)
        asked = await self._ask()
        if isinstance(asked, Refusal):
            return self._refuse(asked)
        try:
            return await self._pass_back(asked)
        finally:
            asked.close()  # after a complete answer a no-op; before its end this is what stops the generation

    def _judge(self) -> Refusal | None:
        got = self._request.headers
        asked = Asked(
            method=self._request.method,
            target=self._request.raw_path,
            hosts=got.getall("Host", []),
            origins=got.getall("Origin", []),
            fetch_sites=got.getall("Sec-Fetch-Site", []),
            tokens=rules.tokens_in(got.getall(rules.TOKEN_HEADER, []), got.getall("Authorization", [])),
        )
        refusal = rules.judge(asked, self._door, self._entry.client, self._around.token.read())
        if refusal is None and not self._around.rate.take(self._entry.client):
            return answers.too_many(self._around.rate.a_second)
        if refusal is None and (self._request.content_length or 0) > self._around.body_limit:
            return answers.too_large(self._around.body_limit)
        return refusal

    def _refuse(self, refusal: Refusal) -> web.Response:
        response = answers.error(refusal, self._id)
        response.headers.update(self._headers_of_refusal())
        self._ended(refusal.status, refusal.code)
        self._entry.sent = response.content_length or 0
        return response

    async def _body(self) -> AsyncIterator[bytes]:
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            await self._request.writer.write(CONTINUE)
            self._request.writer.output_size = 0  # the answer itself has not begun
        taken = 0
        deadline = asyncio.get_running_loop().time() + self._around.body_seconds
        while piece := await self._piece(deadline):
            taken += len(piece)
            if taken > self._around.body_limit:
                self._bad_body = answers.too_large(self._around.body_limit)
                raise BodyError
            yield piece

    async def _piece(self, deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._request.content.readany()
        except TimeoutError:
            self._bad_body = answers.too_slow(self._around.body_seconds)
            raise BodyError from None

    async def _pass_back(self, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        passed = self._headers_for_client(answer)
        if "chunked" in answer.headers.get("Transfer-Encoding", "").lower():
            passed.popall("Content-Length", None)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=passed)
        counted = "Content-Length" in passed or answer.status in (204, 304)
        chunked = not counted and self._request.version >= aiohttp.HttpVersion11
        if chunked:
            response.enable_chunked_encoding()
        self._entry.status = answer.status
        try:
            await response.prepare(self._request)  # sends the headers: that a token will come is news already
            async for piece in answer.content.iter_any():
                await response.write(piece)
                self._entry.sent += len(piece)
                self._note(piece)
        except (aiohttp.ClientError, TimeoutError):
            if self._client_is_gone:
                self._ended(CLIENT_LEFT, "client-left")
            else:
                self._entry.cause = "stream-cut"
                self._break_off(end_shows_it=counted or chunked)
        return response

    def _note(self, piece: bytes) -> None:
        if not piece.startswith(COMMENT):
            self._pieces += 1
            self._text_at = time.monotonic() if self._pieces > 1 else None

    @property
    def _client_is_gone(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing()

    def _break_off(self, *, end_shows_it: bool) -> None:
        """Let the client see that the answer is not whole.

        Args:
            end_shows_it: a closed connection before the promised length or the last chunk says so; where only the
                connection's end ends the answer (HTTP/1.0), it has to be reset.
        """
        transport = self._request.transport
        assert transport is not None  # noqa: S101  (the client is there: asked just before)
        if not end_shows_it:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.close()


def _request_id(request: web.BaseRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if re.fullmatch(rules.SANE_REQUEST_ID, given) else uuid.uuid4().hex
