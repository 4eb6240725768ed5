"""Open WebUI as the stack runs it: who gets in, what one message costs, which settings win on an existing volume."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from docker import DockerClient
from docker.models.containers import Container

from fakes.open_webui import Person, administrator, completions, extras, second_person
from fakes.spare_stack import NO_LABELS
from fakes.waiting import wait_until
from stack.parts import accounts
from stack.settings import ROOT, Settings
from stack.tools.docker_engine import compose
from stack.tools.process import run

Find = Callable[[str], Container]
LONG = "Write a long story about a sailor and the sea."


@pytest.fixture(scope="module")
def page(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.open_webui_port}"


@pytest.fixture(scope="module")
def admin(settings: Settings) -> Person:
    return administrator(settings)


@pytest.fixture(scope="module")
def somebody(admin: Person) -> Iterator[Person]:
    with second_person(admin) as person:
        yield person


# --- who gets in ---


def test_the_first_password_opens_and_another_does_not(admin: Person) -> None:
    assert admin.call("GET", "/api/v1/auths/")["role"] == "admin"
    body = {"email": admin.email, "password": "admin"}
    assert httpx.post(f"{admin.page}/api/v1/auths/signin", json=body).status_code == 400


def test_sign_up_is_closed(page: str) -> None:
    assert httpx.get(f"{page}/api/config").json()["features"]["enable_signup"] is False
    body = {"name": "Somebody", "email": "somebody@localhost", "password": "a-long-password"}
    assert httpx.post(f"{page}/api/v1/auths/signup", json=body).status_code == 403


@pytest.mark.parametrize("path", ["/api/models", "/api/v1/chats/", "/api/v1/users/", "/openai/config", "/docs"])
def test_nothing_is_told_without_signing_in(page: str, path: str) -> None:
    answer = httpx.get(f"{page}{path}")
    assert answer.status_code in (401, 403) or answer.headers["content-type"].startswith("text/html")
    assert "swagger" not in answer.text.lower()


def test_a_page_elsewhere_is_refused(page: str) -> None:
    answer = httpx.get(f"{page}/api/config", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "origin-not-allowed"


def test_a_name_that_is_not_ours_is_refused(page: str) -> None:
    assert httpx.get(f"{page}/api/config", headers={"Host": "evil.example"}).status_code == 421


def test_the_page_may_ask_no_other_origin(page: str) -> None:
    policy = httpx.get(page).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'self'"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert {source for source in sources if ":" in source} == {"data:", "blob:", page.replace("http", "ws")}


@pytest.mark.full
def test_a_forgotten_password_is_replaced_and_others_stay(
    settings: Settings, engine: DockerClient, admin: Person, somebody: Person
) -> None:
    new = accounts.reset(settings, engine, accounts.OPEN_WEBUI, somebody.email)
    body = {"email": somebody.email, "password": somebody.password}
    assert httpx.post(f"{admin.page}/api/v1/auths/signin", json=body).status_code == 400
    somebody.password = new
    assert somebody.call("GET", "/api/v1/auths/")["email"] == somebody.email
    assert admin.call("GET", "/api/v1/auths/")["role"] == "admin"
    assert httpx.get(f"{admin.page}/static/favicon.png").headers["content-type"] == "image/png"


@pytest.mark.full
def test_a_reset_first_password_is_the_one_that_is_shown(
    settings: Settings, engine: DockerClient, admin: Person, container: Find
) -> None:
    new = accounts.reset(settings, engine, accounts.OPEN_WEBUI, admin.email)
    assert new != admin.password
    assert accounts.first_password(settings, engine, accounts.OPEN_WEBUI) == new
    code, seen = container("open-webui").exec_run(["stat", "-c", "%u %g %a", "/run/secrets/admin-password"])
    assert (code, seen.decode().strip()) == (0, "10003 10003 400")
    admin.password = new
    assert admin.call("GET", "/api/v1/auths/")["role"] == "admin"


# --- what a message costs ---


def test_one_message_is_one_completion(settings: Settings, somebody: Person) -> None:
    before = completions(settings)
    seen = somebody.ask("What is the capital of France?", keep=True)
    assert "Paris" in seen.text
    assert seen.ended
    (chat,) = somebody.call("GET", "/api/v1/chats/")
    assert chat["title"] == "What is the capital of France?"  # so no model was asked for one
    wait_until(
        lambda: not somebody.call("GET", f"/api/tasks/chat/{chat['id']}")["task_ids"]
    )  # nothing goes on behind it
    wait_until(lambda: completions(settings) > before)
    assert completions(settings) == before + 1


def test_the_interface_for_programs_answers_too(settings: Settings, somebody: Person) -> None:
    before = completions(settings)
    question = {"role": "user", "content": "What is the capital of France?"}
    body = {"model": somebody.models()[0], "messages": [question], "stream": False}
    answer = somebody.call("POST", "/api/chat/completions", body)
    assert "Paris" in answer["choices"][0]["message"]["content"]
    wait_until(lambda: completions(settings) > before)
    assert completions(settings) == before + 1


def test_the_same_question_has_the_same_answer(somebody: Person) -> None:
    """No temperature is sent, and the model's own default is the most probable answer."""
    question = "Tell me about the sea in one sentence."
    first, second = (somebody.ask(question).text[:24] for _ in range(2))  # stopped after a few tokens
    assert first == second
    assert len(first) == 24


def test_stop_stops_the_model(settings: Settings, somebody: Person) -> None:
    seen = somebody.ask(LONG)
    assert seen.stopped
    assert seen.ended
    log = settings.state / "relay.log"
    wait_until(lambda: json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["cause"] == "client-left")


def test_nobody_reads_the_chats_of_another(admin: Person, somebody: Person) -> None:
    somebody.ask("What is the capital of France?", keep=True)
    chat = somebody.call("GET", "/api/v1/chats/")[0]["id"]
    assert somebody.status("GET", f"/api/v1/chats/{chat}") == 200
    assert admin.status("GET", f"/api/v1/chats/{chat}") in (401, 403, 404)
    owner = somebody.call("GET", "/api/v1/auths/")["id"]
    assert admin.status("GET", f"/api/v1/chats/list/user/{owner}") in (401, 403, 404)


@pytest.fixture
def squat(engine: DockerClient, settings: Settings) -> Iterator[Callable[[str], None]]:
    """Take an address of the private network that is free, and with it every free one below."""
    squatters: list[Container] = []
    own: dict[str, Any] = {"entrypoint": ["sleep", "infinity"], "labels": NO_LABELS, "network": private(settings)}

    def take(wanted: str) -> None:
        image = f"localhost/foundry-stack/chainlit:{settings.image_tag}"
        while wanted not in [address(each, settings) for each in squatters]:
            assert len(squatters) < 10
            squatters.append(engine.containers.run(image, init=True, detach=True, **own))

    yield take
    for each in squatters:
        each.remove(force=True)


@pytest.mark.full
def test_the_gateway_may_come_back_with_another_address(
    settings: Settings, container: Find, somebody: Person, squat: Callable[[str], None]
) -> None:
    assert "Paris" in somebody.ask("What is the capital of France?").text
    gateway = container("gateway")
    before = address(gateway, settings)
    gateway.stop()
    try:
        squat(before)
    finally:
        gateway.start()
    wait_until(lambda: container("gateway").attrs["State"]["Health"]["Status"] == "healthy", seconds=60)
    assert address(gateway, settings) != before
    assert "Paris" in somebody.ask("What is the capital of France?").text


def address(container: Container, settings: Settings) -> str:
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"][private(settings)]["IPAddress"])


def private(settings: Settings) -> str:
    return f"{settings.compose_project_name}_private"


# --- settings ---


@pytest.fixture
def restarted(settings: Settings) -> Iterator[Callable[..., None]]:
    """Start Open WebUI again on its volume with other knobs; at the end with its own."""

    def restart(**knobs: str) -> None:
        argv = ["up", "--detach", "--wait", "--wait-timeout", "180", "--no-build", "--no-deps", "open-webui"]
        done = compose(argv, project=ROOT, env={**settings.as_environment, **knobs})
        assert done.code == 0, done.out + done.err

    yield restart
    restart()


@pytest.fixture
def preferences(admin: Person) -> Iterator[None]:
    """What an administrator set on the page, put back afterwards."""
    models = admin.call("GET", "/api/v1/configs/models")
    capabilities = {"capabilities": {"vision": False, "builtin_tools": True}}
    changed = {"DEFAULT_MODEL_METADATA": capabilities, "DEFAULT_MODEL_PARAMS": {"temperature": 0.5}}
    banner = {"id": "1", "type": "info", "content": "Kept", "dismissible": True, "timestamp": 1}
    admin.call("POST", "/api/v1/configs/models", {**models, **changed})
    admin.call("POST", "/api/v1/configs/banners", {"banners": [banner]})
    yield
    admin.call("POST", "/api/v1/configs/models", models)
    admin.call("POST", "/api/v1/configs/banners", {"banners": []})


@pytest.mark.full
@pytest.mark.usefixtures("preferences")
def test_what_the_stack_depends_on_wins_and_preferences_survive(
    settings: Settings, admin: Person, restarted: Callable[..., None]
) -> None:
    other = {"OPENAI_API_BASE_URLS": ["http://elsewhere/v1"], "OPENAI_API_KEYS": ["old"], "OPENAI_API_CONFIGS": {}}
    admin.call("POST", "/openai/config/update", {"ENABLE_OPENAI_API": False, **other})

    restarted(API_KEY="changed", OPEN_WEBUI_EXTRAS="true")
    openai = admin.call("GET", "/openai/config")
    assert openai["OPENAI_API_KEYS"] == ["changed"]
    assert openai["OPENAI_API_BASE_URLS"] == ["http://host.docker.internal:51211/v1"]
    assert openai["ENABLE_OPENAI_API"] is True
    assert extras(admin) == {True}
    kept = admin.call("GET", "/api/v1/configs/models")
    assert kept["DEFAULT_MODEL_METADATA"]["capabilities"]["vision"] is False
    assert kept["DEFAULT_MODEL_PARAMS"] == {"temperature": 0.5}
    assert [each["content"] for each in admin.call("GET", "/api/v1/configs/banners")] == ["Kept"]
    before = completions(settings)
    admin.ask("What is the capital of France?")
    wait_until(lambda: completions(settings) > before + 1)

    restarted()
    assert extras(admin) == {False}
    assert admin.call("GET", "/openai/config")["OPENAI_API_KEYS"] == [""]


def test_a_setting_that_can_not_be_used_is_named(settings: Settings) -> None:
    image = f"localhost/foundry-stack/open-webui:{settings.image_tag}"
    done = run(["docker", "run", "--rm", "--network", "none", "--env", "OPEN_WEBUI_EXTRAS=maybe", image])
    assert done.code != 0
    assert re.search("OPEN_WEBUI_EXTRAS must be true or false", done.err)
