"""Who may ask Foundry Local for what: the relay's rules, as data and pure functions.

Foundry Local has no login, no Host check, and obeys `POST /shutdown`; what is not on the list here does not reach it.
Nothing is decoded or normalised before it is judged: a request target is on the list as it stands, or it is refused.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

HOST_IN_CONTAINERS = "host.docker.internal"
PORT_IN_CONTAINERS = 51211  # what the front ends know; FOUNDRY_PORT moves the relay, not this
TOKEN_HEADER = "X-Relay-Token"  # noqa: S105  (a header's name)

CLOUD = "/cloud/v1/chat/completions"  # the one call that leads to the cloud, where there is one
MODEL_ID = r"[A-Za-z0-9](?:[A-Za-z0-9._:-]|%3[Aa]){0,199}"  # clients write the colon of `name:version` either way
RESPONSE_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}"
ALLOWED = {
    "GET": re.compile(rf"/v1/models|/v1/models/{MODEL_ID}|/models/loaded|/status"),
    "POST": re.compile(rf"/v1/chat/completions|/v1/responses|/v1/embeddings|{CLOUD}"),
    "DELETE": re.compile(rf"/v1/responses/{RESPONSE_ID}"),
}
NOTHING = re.compile(r"(?!)")

EXEMPT_FROM_TOKEN = ("127.0.0.1", "::1")
OF_NO_OTHER_PAGE = frozenset({"same-origin", "none"})  # what a browser sends where no foreign page is behind a request
BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True)
class Door:
    """An address the relay listens on."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Door:
        """Read `127.0.0.1:51211` or `[::1]:51211`.

        Raises:
            ValueError: not such an address, or one that stands for every address of the machine.
        """
        host, separator, port = text.rpartition(":")
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if not separator or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r} has no port")
        if address.is_unspecified or (address.version == 6) != host.startswith("["):
            raise ValueError(f"{text!r} is not one address of this machine")
        return cls(str(address), int(port))

    def __str__(self) -> str:
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def host_headers(self) -> frozenset[str]:
        """Every Host a client that means this door may send; another one is a page that rebinds a name to us."""
        names = {"localhost", "127.0.0.1", "[::1]", HOST_IN_CONTAINERS, self._bracketed}
        return frozenset({f"{name}:{self.port}" for name in names} | {f"{HOST_IN_CONTAINERS}:{PORT_IN_CONTAINERS}"})

    def needs_token(self, peer: str) -> bool:
        """Whether a request from ``peer`` (an IP address) must carry the token.

        Both ends count: with `route_localnet` a packet for 127.0.0.1 can come from a container's network.
        """
        return self.host not in EXEMPT_FROM_TOKEN or not ipaddress.ip_address(peer).is_loopback


@dataclass(frozen=True)
class Refusal:
    """Why a request goes no further: HTTP status, stable code, and what is wrong and what to do in the user's words.

    Args:
        retry_after: seconds, where whoever was asked has said so.
    """

    status: int
    code: str
    message: str
    retry_after: str | None = None


@dataclass(frozen=True)
class Asked:
    """The parts of a request that the rules look at; the target as it stood in the request line."""

    method: str
    target: str
    hosts: Sequence[str]
    origins: Sequence[str]
    tokens: Sequence[str]
    fetch_sites: Sequence[str] = ()


def judge(asked: Asked, door: Door, peer: str, token: str | None) -> Refusal | None:
    """Say why the request is refused, or None when it may pass. ``token`` None: there is none, so none is right."""
    if door.needs_token(peer) and not token_is_right(token, asked.tokens):
        return Refusal(
            401,
            "relay-token-wrong",
            f"The address {door} of the relay is for containers, which must bring the stack's token; this request "
            "brought none or a wrong one. A container of your own brings it as its API key: "
            "`python3 scripts/passwords.py show`. On the host ask 127.0.0.1, which wants none. If the stack's gateway "
            "itself is refused: `python3 scripts/up.py` gives both the same token.",
        )
    if not host_is_ours(door, asked.hosts):
        return Refusal(
            421,
            "host-not-allowed",
            f"This relay does not answer for the name in the Host header. Ask http://127.0.0.1:{door.port} on the "
            f"host or http://{HOST_IN_CONTAINERS}:{PORT_IN_CONTAINERS} in the stack's containers.",
        )
    if not no_foreign_page_asks(door, asked.origins, asked.fetch_sites):
        return Refusal(
            403,
            "origin-not-allowed",
            "A web page asked for Foundry Local, and no page may, whatever machine it is on. If it is yours, let its "
            "own server ask.",
        )
    if not is_allowed(asked.method, asked.target):
        return Refusal(
            403,
            "not-allowed",
            "The relay passes inference only: GET /v1/models, /v1/models/{id}, /models/loaded, /status; "
            "POST /v1/chat/completions, /v1/responses, /v1/embeddings; DELETE /v1/responses/{id}; no query string. "
            "To start, stop or look at Foundry Local use `python3 scripts/foundry.py`.",
        )
    return None


def is_allowed(method: str, target: str) -> bool:
    """Whether method and request target are on the list, exactly as they stand."""
    return ALLOWED.get(method, NOTHING).fullmatch(target) is not None


def upstream_path(target: str) -> str:
    """What to ask Foundry Local for: the allowed target with `%3A` written as `:`, the only form it knows (2.2.1)."""
    return target.replace("%3A", ":").replace("%3a", ":")


def host_is_ours(door: Door, hosts: Sequence[str]) -> bool:
    """Whether there is exactly one Host header and it names this door."""
    return len(hosts) == 1 and hosts[0].lower() in door.host_headers


def no_foreign_page_asks(door: Door, origins: Sequence[str], fetch_sites: Sequence[str]) -> bool:
    """Whether no web page is behind the request, as far as a browser says: by Origin, or without one by Sec-Fetch-Site.

    Another port of this machine is another origin, too: whatever serves it may show what strangers wrote.
    """
    ours = {f"http://{host}" for host in door.host_headers}
    return all(origin.lower() in ours for origin in origins) and OF_NO_OTHER_PAGE.issuperset(fetch_sites)


def tokens_in(own_headers: Sequence[str], authorizations: Sequence[str]) -> Sequence[str]:
    """The tokens a request brought: in the header made for it, or as the API key, where OpenAI clients put it."""
    return own_headers or [match[1] for value in authorizations if (match := BEARER.fullmatch(value))]


def token_is_right(expected: str | None, given: Sequence[str]) -> bool:
    """Compare in constant time; no token of our own, or not exactly one given, is never right."""
    if not expected or len(given) != 1:
        return False
    return hmac.compare_digest(expected.encode(), given[0].encode(errors="surrogateescape"))
