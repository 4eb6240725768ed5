"""The one cloud that CLOUD_URL names: its address and key, and the token of the one container that may ask it."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from functools import cached_property

from stack.tools.cloud_address import CloudAddress


@dataclass(frozen=True)
class Cloud:
    """What the relay must know; in a file of mode 0600, and in no container.

    Args:
        url: as CLOUD_URL has it.
        key: the cloud's own; empty where it wants none.
        token: the stack's own, which the chat brings.
        ca_bundle: the certificates that this machine's programs are told to trust; empty: those of the system.
    """

    url: str
    key: str
    token: str
    ca_bundle: str = ""

    @cached_property
    def address(self) -> CloudAddress:
        """Where completions are asked."""
        return CloudAddress.parse(self.url)

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Whose certificates it may show, for the very name that is asked."""
        return ssl.create_default_context(cafile=self.ca_bundle or None)

    @property
    def key_headers(self) -> dict[str, str]:
        """How the key goes there."""
        return {self.address.key_header: f"{self.address.key_prefix}{self.key}"} if self.key else {}


def parse(text: str) -> Cloud | None:
    """The cloud out of the text of its file; None where it holds none that may be asked.

    Raises:
        ValueError: it holds none.
        OSError: its certificates can't be read.
    """
    try:
        cloud = Cloud(**json.loads(text))
    except TypeError:
        return None
    return cloud if cloud.address and cloud.trust and cloud.token else None
