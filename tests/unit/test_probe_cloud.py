"""What the probe makes of the way to the cloud, asked over real sockets; of the cloud itself it asks nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from fakes.certificates import Authority
from fakes.cloud import Cloud
from fakes.listener import listener
from stack.parts import cloud_way, state
from stack.probes import cloud
from stack.probes.report import Outcome, Status
from stack.probes.running import Running
from stack.settings import Settings

TOKEN = "the-chats-own-token"
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


class Stack:
    """A stack with a way to the cloud, as far as the check looks at it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.settings = Settings(state_dir=folder, cloud_url=url, cloud_api_key="sk-1")  # type: ignore[call-arg, arg-type]
        self.environment = {"gateway": ["CLOUD_DOOR=open"], "chainlit": ["CLOUD_URL=http://host.docker.internal"]}
        self.tokens = {"gateway": TOKEN, "chainlit": TOKEN}
        self.laid: dict[str, str] = {"url": url, "key": "sk-1", "token": TOKEN, "ca_bundle": ""}
        self.metrics = ""
        state.private_folder(self.settings.state)

    def lay(self, **changed: str) -> None:
        state.write_json(cloud_way.file(self.settings), {**self.laid, **changed})

    def log(self, *causes: str | None, path: str = "/cloud/v1/chat/completions") -> None:
        lines = [{"time": datetime.now(UTC).isoformat(), "path": path, "cause": cause} for cause in causes]
        (self.settings.state / "relay.log").write_text("".join(json.dumps(line) + "\n" for line in lines))

    async def ask(self) -> Outcome:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, text=self.metrics))
        async with httpx.AsyncClient(transport=transport) as http:
            running = Running(self.settings, http)

            async def container(service: str) -> Any:
                about = {
                    "State": {"Status": "running", "ExitCode": 0, "Error": "", "OOMKilled": False},
                    "Name": service,
                }
                config = {"Env": self.environment[service]}
                return SimpleNamespace(name=service, attrs={**about, "RestartCount": 0, "Config": config})

            async def secret(container: Any, name: str) -> str:
                assert name == "cloud-token"
                return self.tokens[container.name]

            running.container = container  # type: ignore[method-assign]
            running.secret = secret  # type: ignore[method-assign]
            return await cloud.way_is_well(running)


@pytest.fixture
async def there(tmp_path: Path) -> Any:
    async with Cloud() as stand_in:
        stack = Stack(tmp_path, f"http://127.0.0.1:{stand_in.port}/v1")
        stack.lay()
        yield stack
        assert stand_in.questions == [], "the probe asked, which may cost"
        assert stand_in.received == b""


async def test_all_is_well(there: Stack) -> None:
    there.log(None)
    assert (await there.ask()).status is Status.OK


async def test_before_up_has_run_again(there: Stack) -> None:
    cloud_way.close(there.settings)
    assert (await there.ask()).cause == "cloud-not-configured"


@pytest.mark.parametrize("changed", [{"url": "https://other.example/v1"}, {"key": "sk-old"}])
async def test_the_relay_knows_what_was_there_before(there: Stack, changed: dict[str, str]) -> None:
    there.lay(**changed)
    assert (await there.ask()).cause == "cloud-not-configured"


@pytest.mark.parametrize("service", ["gateway", "chainlit"])
async def test_a_container_that_was_started_without_it(there: Stack, service: str) -> None:
    there.environment[service] = []
    outcome = await there.ask()
    assert (outcome.status, outcome.cause) == (Status.DEGRADED, "cloud-not-configured")


@pytest.mark.parametrize("service", ["gateway", "chainlit"])
async def test_a_token_of_another_start(there: Stack, service: str) -> None:
    there.tokens[service] = "another"
    assert (await there.ask()).cause == "cloud-not-allowed"


async def test_a_relay_with_another_token(there: Stack) -> None:
    there.lay(token="another")
    assert (await there.ask()).cause == "cloud-not-allowed"


async def test_one_that_is_named_no_more(tmp_path: Path) -> None:
    stack = Stack(tmp_path, "")
    running = cast(Running, SimpleNamespace(settings=stack.settings))
    assert not cloud.is_set(running)
    stack.lay()
    assert cloud.is_set(running)
    assert (await stack.ask()).cause == "cloud-left-open"


async def test_nobody_is_there(tmp_path: Path) -> None:
    with listener(None) as port:
        pass
    stack = Stack(tmp_path, f"http://127.0.0.1:{port}/v1")
    stack.lay()
    assert (await stack.ask()).cause == "cloud-down"


@pytest.mark.parametrize(("known", "cause"), [(True, None), (False, "cloud-not-trusted")])
async def test_who_is_there_must_prove_to_be_it(tmp_path: Path, known: bool, cause: str | None) -> None:
    authority = Authority(tmp_path)
    async with Cloud(tls=authority.server("localhost")) as stand_in:
        stack = Stack(tmp_path, f"https://localhost:{stand_in.port}/v1")
        stack.lay(ca_bundle=str(authority.file) if known else "")
        assert (await stack.ask()).cause == cause
        assert stand_in.received == b""


@pytest.mark.parametrize("cause", ["cloud-key-wrong", "cloud-busy", "cloud-hangs", "cloud-address-wrong", "cloud-down"])
async def test_what_became_of_the_last_question(there: Stack, cause: str) -> None:
    there.log(None, cause)
    assert (await there.ask()).cause == cause
    there.log(cause, None)
    assert (await there.ask()).cause is None
    there.log(cause, path="/v1/chat/completions")
    assert (await there.ask()).cause is None


def test_what_was_long_ago_or_with_another_key_counts_no_more() -> None:
    line = json.dumps({"time": NOW.isoformat(), "path": "/cloud/v1/chat/completions", "cause": "cloud-key-wrong"})
    lines = ["nonsense", "[]", line, "{"]
    early, minute = NOW - timedelta(days=1), timedelta(minutes=1)
    found = cloud.of_the_log(lines, early, NOW + minute)
    assert found is not None
    assert (found.cause, found.status) == ("cloud-key-wrong", Status.DEGRADED)
    assert cloud.of_the_log(lines, early, NOW + timedelta(hours=1)) is None
    assert cloud.of_the_log(lines, NOW + timedelta(seconds=1), NOW + minute) is None


async def test_the_chat_leaves_it_alone_for_a_while(there: Stack) -> None:
    there.metrics = '# HELP\nfoundry_chat_provider_state{place="cloud",state="open"} 1.0\n'
    assert (await there.ask()).cause == "cloud-rests"
    there.metrics = 'foundry_chat_provider_state{place="cloud",state="open"} 0.0\n'
    assert (await there.ask()).cause is None
