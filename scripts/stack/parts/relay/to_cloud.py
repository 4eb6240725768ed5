"""A passage to the cloud: one call, to one address, with the key added here and next to nothing said besides."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from stack.parts.relay import cloud_answers, headers, rules
from stack.parts.relay.cloud import Cloud
from stack.parts.relay.passage import Passage
from stack.parts.relay.rules import Refusal

CONNECT_SECONDS = 10.0  # its name looked up, and TLS begun
ERROR_BYTES = 65_536
ERROR_SECONDS = 10.0
ANSWERS = ("application/json", "text/event-stream")


class ToCloud(Passage):
    """One question to the cloud, and its answer."""

    async def _ask(self) -> aiohttp.ClientResponse | Refusal:
        cloud = self._around.cloud.read()
        if cloud is None:
            return cloud_answers.not_configured()
        brought = rules.tokens_in((), self._request.headers.getall("Authorization", []))
        if not rules.token_is_right(cloud.token, brought):
            return cloud_answers.not_allowed()
        asked = await self._ask_at(cloud)
        if isinstance(asked, Refusal):
            return asked
        if asked.status == 200 and asked.content_type in ANSWERS:
            return asked
        try:
            return await self._what_went_wrong(cloud, asked)
        finally:
            asked.close()

    def _headers_for_client(self, answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
        return headers.for_client_of_cloud(answer.headers, self._id)

    async def _ask_at(self, cloud: Cloud) -> aiohttp.ClientResponse | Refusal:
        passed = headers.for_cloud(self._request.headers, self._request.content_length)
        passed.update(cloud.key_headers)
        silence = self._around.silence_seconds
        patience = aiohttp.ClientTimeout(
            total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=silence
        )
        host = cloud.address.host
        try:
            return await self._around.client.post(
                URL(cloud.address.completions, encoded=True),
                headers=passed,
                data=self._body(),
                allow_redirects=False,
                ssl=cloud.trust,
                timeout=patience,
            )
        except aiohttp.ConnectionTimeoutError:
            return cloud_answers.down(host, f"no connection came about in {CONNECT_SECONDS:.0f} s")
        except aiohttp.ServerTimeoutError:
            return cloud_answers.hangs(host, silence)
        except aiohttp.ClientSSLError as untrusted:
            return cloud_answers.not_trusted(host, _in_short(untrusted))
        except aiohttp.ClientConnectorError as away:
            return cloud_answers.down(host, _in_short(away))
        except aiohttp.ClientError:
            return self._bad_body or cloud_answers.down(host, "it ended the connection without an answer")

    async def _what_went_wrong(self, cloud: Cloud, answer: aiohttp.ClientResponse) -> Refusal:
        code, said = await _its_words(answer)
        return cloud_answers.of_status(
            cloud.address.host,
            answer.status,
            code=code,
            said=cloud_answers.quoted(said, cloud.key, cloud.token),
            retry_after=answer.headers.get("Retry-After", ""),
        )


async def _its_words(answer: aiohttp.ClientResponse) -> tuple[str, str]:
    """Code and message of an error, as OpenAI's API and its likes have them; empty where there are none."""
    try:
        text = await _beginning(answer)
        error: Any = json.loads(text)
        error = error.get("error", error) if isinstance(error, dict) else error
        if isinstance(error, dict):
            return str(error.get("code") or ""), str(error.get("message") or "")
        return "", str(error or "")
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return "", ""


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    async with asyncio.timeout(ERROR_SECONDS):
        text = b""
        async for piece in answer.content.iter_any():
            text += piece
            if len(text) > ERROR_BYTES:
                raise ValueError
        return text


def _in_short(error: aiohttp.ClientConnectorError) -> str:
    """Why, in the system's own words; aiohttp's would repeat the address."""
    return str(error.os_error.strerror or error.os_error).strip()
