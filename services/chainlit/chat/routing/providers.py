"""The cloud, as it is set: any OpenAI-compatible endpoint, or Azure OpenAI by either of its addresses.

* ``CLOUD_URL=https://api.example.com/v1``: with a bearer key; so is Azure's ``https://NAME.openai.azure.com/openai/v1``.
* ``CLOUD_URL=https://NAME.openai.azure.com`` with CLOUD_API_VERSION: the deployments address and an ``api-key`` header;
  CLOUD_MODEL is the deployment. The whole address may be pasted, too, as Azure's portal shows it
  (``.../openai/deployments/NAME/chat/completions?api-version=...``).
* In the stack ``http://host.docker.internal:51211/cloud/v1``, with the stack's own token; the relay adds the key.

Nothing but ``POST .../chat/completions`` is ever asked.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from openai import AsyncAzureOpenAI, AsyncOpenAI

from chat.problems import UP, Problem
from chat.server import Server, connections
from chat.settings import Settings

WAY_OUT = "host.docker.internal"
"""The stack's own, where the app runs in it."""

AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")
VERSION = "api-version"

DEPLOYMENT = re.compile(r"(?P<before>.*?)/openai/deployments/(?P<name>[^/]+)(?:/chat/completions)?")
ENDINGS = ("/chat/completions", "/")


@dataclass(frozen=True)
class Provider:
    """Who is asked in the cloud.

    Attributes:
        server: as for the model on this machine.
        model: of Azure OpenAI the deployment.
        host: whom the user is told of, and the audit log holds.
    """

    server: Server
    model: str
    host: str


@dataclass(frozen=True)
class Address:
    """CLOUD_URL, understood.

    Attributes:
        base: what ``/chat/completions`` is put behind; of Azure's deployments what stands before ``/openai``.
        deployment: its name, where the address has it.
        api_version: None: an OpenAI-compatible endpoint.
    """

    base: str
    host: str
    deployment: str | None = None
    api_version: str | None = None


def cloud(settings: Settings) -> Provider | None:
    """None where no CLOUD_URL is set.

    Raises:
        Problem: ``bad-setting``.
    """
    if settings.cloud_url is None:
        return None
    in_stack = settings.cloud_token_file.exists()
    address = understood(settings.cloud_url, settings.cloud_api_version, in_stack=in_stack)
    if not (model := settings.cloud_model or address.deployment):
        raise _bad(
            "CLOUD_MODEL", "`CLOUD_MODEL` is needed with `CLOUD_URL`", "Name the cloud's model, or its deployment"
        )
    host = settings.cloud_shown_as or address.host
    return Provider(_server(address, model, _key(settings)), model, urlsplit(host).hostname or host)


def understood(url: str, api_version: str | None = None, *, in_stack: bool = False) -> Address:
    """What is meant by an address; the same as the relay on the host, `stack.tools.cloud_address`, makes of it.

    Args:
        in_stack: the app runs there, where the way out is plain http on the machine's own private network.

    Raises:
        Problem: ``bad-setting``: nothing, or it would carry what is said over a network in the clear. It does not
            repeat the address, which might hold a password.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        good = parts.scheme in ("http", "https") and host.isascii() and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    no_path = not good or not PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/"))
    if no_path or not host or "@" in parts.netloc or parts.fragment or set(query) - {VERSION}:
        raise _bad("CLOUD_URL", "`CLOUD_URL` is not the address of a server", "Write it like `https://host/v1`")
    if parts.scheme == "http" and not (_is_this_machine(host) or (in_stack and host == WAY_OUT)):
        raise _bad("CLOUD_URL", "`CLOUD_URL` begins with http://, which anybody on the way can read", "Use https://")
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path
    version = query.get(VERSION) or api_version
    if found := DEPLOYMENT.fullmatch(path.rstrip("/")):
        if not version:
            raise _bad("CLOUD_API_VERSION", "This `CLOUD_URL` needs an API version", "Set it, such as `2024-10-21`")
        return Address(root + found["before"], host, found["name"], version)
    if version and path.strip("/") in ("", "openai"):
        return Address(root, host, None, version)
    for ending in ENDINGS:
        path = path.removesuffix(ending)
    return Address(root + (path or ("/openai/v1" if host.endswith(AZURE_HOSTS) else "/v1")), host)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, `localhost` included, leads where somebody's resolver says


def _key(settings: Settings) -> str:
    if settings.cloud_api_key:
        return settings.cloud_api_key
    try:
        return settings.cloud_token_file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return "not-needed"
    except (OSError, ValueError) as unreadable:
        raise _bad("CLOUD_TOKEN_FILE", f"The token for the cloud can't be read ({unreadable})", "") from unreadable


@lru_cache(maxsize=8)
def _server(address: Address, model: str, key: str) -> Server:
    http = connections(far=address.base.startswith("https://"))
    client: AsyncOpenAI
    if address.api_version:
        client = AsyncAzureOpenAI(
            azure_endpoint=address.base,
            azure_deployment=model,
            api_version=address.api_version,
            api_key=key,
            http_client=http,
            max_retries=0,
        )
    else:
        client = AsyncOpenAI(base_url=address.base, api_key=key, http_client=http, max_retries=0)
    return Server(address.base.removesuffix("/v1"), client, only_chats=True)


def _bad(name: str, what: str, fix: str) -> Problem:
    correct = f"{fix}: correct" if fix else "Correct"
    return Problem("bad-setting", f"{what}.", f"{correct} `{name}` in `.env`, and start the stack again: {UP}.")
