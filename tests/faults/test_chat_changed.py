"""The chat was started with settings that do not fit, by another `.env` or a compose file of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fakes.waiting import wait_until
from faults.ground import made_as, overridden, restarts
from faults.links import Links
from faults.named import Probed

pytestmark = pytest.mark.full

ANSWER = "answer.chainlit"
START_SECONDS = 120
LONG = "Be kind and brief, and say it in good words. " * 1000


def is_healthy(links: Links) -> bool:
    return bool(links.container("chainlit").attrs["State"]["Health"]["Status"] == "healthy")


@contextmanager
def started_with(links: Links, **knobs: str) -> Iterator[None]:
    """The chat's container is made by other settings than the stack's."""
    try:
        made_as(links, "chainlit", env=knobs)
        wait_until(lambda: is_healthy(links), START_SECONDS)
        yield
    finally:
        made_as(links, "chainlit")


@pytest.mark.parametrize(
    ("knobs", "cause", "said"),
    [
        ({"MAX_TOKENS": "100000"}, "context-too-long", "100000 are kept free"),
        ({"SYSTEM_PROMPT": LONG}, "context-too-long", "1024 are kept free"),
        ({"TEMPERATURE": "9"}, "bad-setting", "TEMPERATURE"),
        ({"API_KEY": "schlüssel"}, "bad-setting", "API_KEY"),
        ({"MODEL": "gpt-9"}, "model-unknown", "gpt-9"),
    ],
    ids=["MAX_TOKENS", "SYSTEM_PROMPT", "TEMPERATURE", "API_KEY", "MODEL"],
)
async def test_a_setting(probed: Probed, links: Links, knobs: dict[str, str], cause: str, said: str) -> None:
    with started_with(links, **knobs):
        broken = await probed.fails(ANSWER, cause)
        assert said in broken.evidence


async def test_any_key_that_can_be_sent_will_do(probed: Probed, links: Links) -> None:
    """The gateway brings the relay's token itself."""
    with started_with(links, API_KEY="sk-of-another-server"):
        probed.something_happened()
        await probed.is_green()


async def test_no_sign_in_at_all(probed: Probed, links: Links) -> None:
    with overridden(links, "chainlit", 'environment: {CHAINLIT_DATABASE_URL: ""}'):
        wait_until(lambda: is_healthy(links), START_SECONDS)
        broken = await probed.fails(ANSWER, "chainlit-auth-misconfigured")
        assert broken.fix


async def test_a_sign_in_without_its_secrets(probed: Probed, links: Links) -> None:
    with overridden(links, "chainlit", "tmpfs: [/run/secrets]\nvolumes: !override [chainlit-data:/data]"):
        await probed.fails("container.chainlit", "chainlit-auth-misconfigured")


async def test_a_database_that_is_not_there(probed: Probed, links: Links) -> None:
    own = 'environment: {CHAINLIT_DATABASE_URL: "postgresql://chat:hunter2hunter2@nowhere/chat"}'
    with overridden(links, "chainlit", own):
        restarts(links, "chainlit")
        broken = await probed.fails("container.chainlit", "container-restarting")
        assert "database can't be opened" in broken.evidence
        assert "hunter2" not in broken.evidence
