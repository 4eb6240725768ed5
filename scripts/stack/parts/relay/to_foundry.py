"""A passage to Foundry Local: everything that the rules let pass but the cloud's one call."""

from __future__ import annotations

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from stack.parts.relay import answers, headers, rules
from stack.parts.relay.foundry import CONNECT_SECONDS, patience
from stack.parts.relay.passage import Passage
from stack.parts.relay.rules import Door, Refusal
from stack.tools import under_way

STATUS = "/status"
STATUS_SECONDS = 5.0  # Foundry Local answers it at once, unless it hangs, or has its hands full


class ToFoundry(Passage):
    """One request to Foundry Local, and its answer."""

    async def _ask(self) -> aiohttp.ClientResponse | Refusal:
        foundry = self._around.foundry.read()
        if foundry is None:
            return answers.not_running(None)
        if self._is_own(foundry):
            return answers.own_address(str(foundry))
        if self._request.method == "POST":
            self._around.under_way.add(self)
        return await self._ask_at(foundry)

    def _headers_for_client(self, answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
        passed = headers.for_client(answer.headers, self._id)
        passed.update(self._headers_of_refusal())
        return passed

    def _headers_of_refusal(self) -> dict[str, str]:
        """To whoever asks for the status, how many are being answered."""
        if not self._asks_for_status:
            return {}
        return under_way.told(len(self._around.under_way), self._around.silent)

    def _is_own(self, foundry: URL) -> bool:
        host = "127.0.0.1" if foundry.host == "localhost" else str(foundry.host)
        return Door(host, foundry.port or 80) in self._around.doors

    async def _ask_at(self, foundry: URL) -> aiohttp.ClientResponse | Refusal:
        request = self._request
        passed = headers.for_foundry(request.headers, self._id, self._around.token.read())
        body = None
        if request.method == "POST":
            if request.content_length is not None:
                passed["Content-Length"] = str(request.content_length)
            body = self._body()
        where = str(foundry)
        try:
            return await self._around.client.request(
                request.method,
                URL(where + rules.upstream_path(request.raw_path), encoded=True),
                headers=passed,
                data=body,
                allow_redirects=False,
                timeout=patience(self._patience),
            )
        except aiohttp.ConnectionTimeoutError:
            return answers.hangs(where, CONNECT_SECONDS)
        except aiohttp.ServerTimeoutError:
            return self._no_answer(where)
        except aiohttp.ClientConnectorError:
            return answers.not_running(where)
        except aiohttp.ClientError:
            return self._bad_body or answers.went_away(where)

    def _no_answer(self, where: str) -> Refusal:
        """It hangs, unless others have got text lately; not at the beginning only: it may have begun to hang then."""
        served = sum(silent < self._patience / 2 for silent in self._around.silent)
        return answers.busy(where, self._patience, served) if served else answers.hangs(where, self._patience)

    @property
    def _patience(self) -> float:
        seconds = self._around.silence_seconds
        return min(STATUS_SECONDS, seconds) if self._asks_for_status else seconds

    @property
    def _asks_for_status(self) -> bool:
        return self._request.raw_path == STATUS
