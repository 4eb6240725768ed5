"""The running stack gets a way to a cloud, as `up` opens it; what is then wrong with that has a name of its own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from fakes.chat_people import first_user
from fakes.cloud import Habit
from fakes.cloud_chats import ASKS_FOR_MUCH, FORMS, SEND
from fakes.cloud_container import InContainer, cloud_in_a_container
from faults.named import asked, seen
from stack.parts import cloud_way, containers, state
from stack.probes import Layer, Status
from stack.settings import Settings
from stack.tools.docker_engine import client
from stack.tools.process import run
from stack.tools.progress import silent

pytestmark = pytest.mark.full

ASK = """
import urllib.request, urllib.error
from pathlib import Path
headers = {"Authorization": "Bearer " + Path("/run/secrets/cloud-token").read_text()}
asked = urllib.request.Request("http://host.docker.internal:51211/cloud/v1/chat/completions", b"{}", headers)
try:
    urllib.request.urlopen(asked).read()
except urllib.error.HTTPError as refused:
    print(refused.code)
"""


@dataclass(frozen=True)
class Cloudy:
    """The stack, and what its way leads to."""

    settings: Settings
    without: Settings
    witness: InContainer

    def ask(self, habit: Habit) -> None:
        """A question of the chat's container, answered so."""
        self.witness.behave(habit)
        (chat,) = containers.of_project(self.settings, client(), "chainlit")
        done = run(["docker", "exec", chat.name, "/opt/venv/bin/python", "-c", ASK], timeout=60)
        assert done.code == 0, done.err

    @contextlib.contextmanager
    def laid(self, **changed: str) -> Iterator[None]:
        """The relay knows something else."""
        file = cloud_way.file(self.settings)
        before = json.loads(file.read_text(encoding="utf-8"))
        state.write_json(file, {**before, **changed})
        try:
            yield
        finally:
            state.write_json(file, before)


@pytest.fixture(scope="module")
def cloudy(settings: Settings) -> Iterator[Cloudy]:
    engine = client()
    with cloud_in_a_container(settings, engine) as witness:
        set_up = {
            "cloud_url": witness.url,
            "cloud_model": "big",
            "routing": "complexity",
            "cloud_api_key": SecretStr("sk-of-the-test"),
        }
        mine = settings.model_copy(update=set_up)
        try:
            cloud_way.lay(mine, engine)
            containers.start(mine, silent)
            yield Cloudy(mine, settings, witness)
        finally:
            cloud_way.close(settings)
            containers.start(settings, silent)


async def cause_of(settings: Settings) -> str | None:
    report = await asked(settings, Layer.NETWORK)
    (found,) = [check for check in report.checks if check.id == "network.cloud"]
    assert found.status in (Status.OK, Status.DEGRADED), seen(report)
    return found.cause


async def test_it_is_green_and_cost_nothing(cloudy: Cloudy) -> None:
    assert await cause_of(cloudy.settings) is None
    assert cloudy.witness.heard().received == b""


BROKEN: dict[str, Callable[[Cloudy], AbstractContextManager[None]]] = {
    "cloud-not-configured": lambda cloudy: cloudy.laid(key="sk-of-yesterday"),
    "cloud-not-allowed": lambda cloudy: cloudy.laid(token="of another start"),
}


@pytest.mark.parametrize("cause", BROKEN)
async def test_what_does_not_fit_together(cloudy: Cloudy, cause: str) -> None:
    with BROKEN[cause](cloudy):
        assert await cause_of(cloudy.settings) == cause
    assert await cause_of(cloudy.settings) is None


async def test_it_is_open_though_env_names_none(cloudy: Cloudy) -> None:
    assert await cause_of(cloudy.without) == "cloud-left-open"


@pytest.mark.parametrize(
    ("habit", "cause"),
    [
        ("401", "cloud-key-wrong"),
        ("404", "cloud-address-wrong"),
        ("400", "cloud-refused"),
        ("429", "cloud-busy"),
        ("500", "cloud-down"),
    ],
)
async def test_what_became_of_the_last_question(cloudy: Cloudy, habit: Habit, cause: str) -> None:
    cloudy.ask(habit)
    assert await cause_of(cloudy.settings) == cause
    cloudy.ask("answers")
    assert await cause_of(cloudy.settings) is None


async def test_with_the_real_model_what_is_private_stays_and_what_is_not_leaves(cloudy: Cloudy) -> None:
    person = first_user(cloudy.settings)
    cloudy.witness.behave("answers")
    before = cloudy.witness.heard()
    for form in FORMS:
        async with person.opens_the_page() as page:
            page.presses = SEND
            await page.begin(f"{ASKS_FOR_MUCH} {form.format('mark')}")
            await page.first_text()
            await page.stop()
            await page.end()
    assert cloudy.witness.heard() == before
    async with person.opens_the_page() as page:
        page.presses = SEND
        assert (await page.ask(ASKS_FOR_MUCH)).text == "The cloud says hello."
    assert cloudy.witness.heard().questions == before.questions + 1


async def test_nobody_is_there(cloudy: Cloudy) -> None:
    container = client().containers.get(cloudy.witness.name)
    container.stop(timeout=1)
    try:
        assert await cause_of(cloudy.settings) == "cloud-down"
    finally:
        container.start()
