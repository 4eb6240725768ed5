"""CLOUD_URL, as people copy it from a provider's page: where completions are asked, and how the key goes there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

COMPLETIONS = "/chat/completions"
AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
DEPLOYMENT = re.compile(r"/openai/deployments/[A-Za-z0-9._-]+")
VERSION = "api-version"
PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True)
class CloudAddress:
    """Where completions are asked.

    Args:
        completions: the whole address.
        key_header: which header the key goes in.
        key_prefix: what stands before it there.
    """

    completions: str
    key_header: str
    key_prefix: str

    @property
    def host(self) -> str:
        """The one host that is ever talked to."""
        return urlsplit(self.completions).hostname or ""

    @property
    def port(self) -> int:
        """And its port."""
        parts = urlsplit(self.completions)
        return parts.port or (443 if self.encrypted else 80)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken there; if not, it is this machine."""
        return self.completions.startswith("https:")

    @classmethod
    def parse(cls, url: str, *, model: str = "", version: str = "") -> CloudAddress:
        """Read an OpenAI-compatible address (`https://api.openai.com/v1`), or Azure OpenAI's.

        `chat.routing.providers` reads it the same way outside of the stack.

        Of Azure there are the resource (`https://NAME.openai.azure.com`), its v1 address (`.../openai/v1`), and the
        deployment's with its version (`.../openai/deployments/NAME/chat/completions?api-version=...`).

        Args:
            model: the deployment, where a version is given and the address is the resource's.
            version: of Azure's interface; empty: that of the address, or else v1, which needs none.

        Raises:
            ValueError: it can't be used; the text says why, without the address, which might hold a password.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        _check(parts.scheme, host, other=parts.username or parts.password or parts.fragment)
        parts.port  # noqa: B018  (raises for what is no port)
        path = parts.path.rstrip("/").removesuffix(COMPLETIONS)
        if not PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise ValueError("its path has characters that no provider's has")
        azure = host.endswith(AZURE_HOSTS)
        if azure and not path:
            path = f"/openai/deployments/{model}" if version else "/openai/v1"
        path = path or "/v1"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        deployment = DEPLOYMENT.fullmatch(path) is not None
        if path.startswith("/openai/deployments") and not deployment:
            raise ValueError("Azure's deployments address needs the deployment's name, here or as CLOUD_MODEL")
        if deployment:
            query.setdefault(VERSION, version)
        if deployment and not query.get(VERSION):
            raise ValueError(
                f"Azure's deployments address ends in ?{VERSION}=..., or CLOUD_API_VERSION says the version"
            )
        if set(query) - {VERSION} or not re.fullmatch(r"[A-Za-z0-9.-]*", query.get(VERSION, "")):
            raise ValueError(f"nothing but {VERSION} may stand behind the question mark")
        asked = f"?{VERSION}={query[VERSION]}" if query.get(VERSION) else ""
        completions = f"{parts.scheme}://{parts.netloc.lower()}{path}{COMPLETIONS}{asked}"
        return cls(completions, "api-key", "") if azure or deployment else cls(completions, "Authorization", "Bearer ")


def _check(scheme: str, host: str, *, other: str | None) -> None:
    if scheme not in ("https", "http") or not host or not host.isascii():
        raise ValueError("must be an address such as https://api.openai.com/v1")
    if other:
        raise ValueError("must hold neither a user nor a #; the key goes into CLOUD_API_KEY")
    if scheme == "http" and not _is_this_machine(host):
        raise ValueError("must begin with https://; http:// is for a server on this machine only (127.0.0.1)")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, `localhost` included, leads where somebody's resolver says
