"""The relay and the gateway do not have the same token, whichever of the two has lost it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from faults.links import Links, changed
from faults.named import Probed

pytestmark = pytest.mark.full

TOKEN_CONF = "/tmp/facts/token.conf"


def file_has(text: str) -> Callable[[Links], AbstractContextManager[None]]:
    return lambda links: changed(links.settings.state / "relay-token", text)


@contextmanager
def file_is_gone(links: Links) -> Iterator[None]:
    file = links.settings.state / "relay-token"
    with changed(file, file.read_text(encoding="utf-8")):
        file.unlink()
        yield


@contextmanager
def file_can_not_be_understood(links: Links) -> Iterator[None]:
    file = links.settings.state / "relay-token"
    with changed(file, file.read_text(encoding="utf-8")):
        file.write_bytes(b"\xff\xfe\xfa")
        yield


@contextmanager
def the_gateway_brings(links: Links, name: str) -> Iterator[None]:
    """The gateway's nginx sends something else than it was started with."""
    gateway = links.container("gateway")

    def sh(script: str) -> None:
        done = gateway.exec_run(["sh", "-c", script])
        assert done.exit_code == 0, done.output

    sh(f"umask 077; cp {TOKEN_CONF} /tmp/kept; echo 'proxy_set_header {name};' > {TOKEN_CONF}")
    try:
        links.read_configuration_anew("gateway")
        yield
    finally:
        sh(f"mv /tmp/kept {TOKEN_CONF}")
        links.read_configuration_anew("gateway")


BREAKS: dict[str, Callable[[Links], AbstractContextManager[None]]] = {
    "another one in the relay's file": file_has("another-token-than-the-gateway-has-0123456789\n"),
    "nothing in the relay's file": file_has(""),
    "a blank line in the relay's file": file_has("\n"),
    "no file of the relay's": file_is_gone,
    "noise in the relay's file": file_can_not_be_understood,
    "another one in the gateway": lambda links: the_gateway_brings(links, 'X-Relay-Token "another"'),
    "none in the gateway": lambda links: the_gateway_brings(links, 'X-Something-Else "x"'),
}


@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS)
async def test_the_token(
    probed: Probed, links: Links, break_it: Callable[[Links], AbstractContextManager[None]]
) -> None:
    with break_it(links):
        await probed.fails("foundry.from-gateway", "relay-token-wrong")
        await probed.every_answer_fails("relay-token-wrong")
