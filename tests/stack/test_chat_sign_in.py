"""The chat lets in who has an account, as that one, and for as long as that holds."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.cookies import SimpleCookie

import httpx
import pytest
import socketio
from docker.models.containers import Container

from fakes.chat_people import Person, address, another_user, finish, first_user
from stack.parts import accounts, containers, made_secrets
from stack.probes import chat
from stack.settings import ROOT, Settings
from stack.tools.docker_engine import client
from stack.tools.process import Finished, run

FAILURES = 5  # as services/chainlit/chat/accounts.py says


@pytest.fixture
def anna(settings: Settings) -> Iterator[Person]:
    with another_user(settings) as person:
        yield person


@contextmanager
def page(settings: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address(settings), trust_env=False, timeout=60) as http:
        yield http


def sign_in(settings: Settings, name: str, password: str) -> httpx.Response:
    with page(settings) as http:
        return http.post("/login", data={"username": name, "password": password})


def users(settings: Settings, *arguments: str) -> Finished:
    return run([sys.executable, "scripts/users.py", *arguments], cwd=ROOT, env=settings.as_environment)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/user", None),
        ("GET", "/project/settings?language=en-US", None),
        ("POST", "/project/threads", {"pagination": {"first": 9}, "filter": {}}),
        ("GET", "/project/thread/x", None),
        ("DELETE", "/project/thread", {"threadId": "x"}),
        ("PUT", "/feedback", {"feedback": {"forId": "x", "value": 1}, "sessionId": "x"}),
        ("GET", "/export", None),
        ("GET", "/export/all.json", None),
        ("GET", "/export/x.md", None),
    ],
)
def test_nothing_is_told_without_signing_in(settings: Settings, method: str, path: str, body: object) -> None:
    with page(settings) as http:
        for token in (None, "nonsense", "e30.e30.e30"):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert http.request(method, path, json=body, headers=headers).status_code == 401


def test_no_socket_is_opened_without_signing_in(settings: Settings) -> None:
    async def opened() -> None:
        async with chat.socket() as page:
            auth = {
                "sessionId": str(uuid.uuid4()),
                "clientType": "webapp",
                "userEnv": "{}",
                "chatProfile": "",
                "threadId": "",
            }
            await page.connect(address(settings), auth=auth, transports=["websocket"], socketio_path="/ws/socket.io")

    with pytest.raises(socketio.exceptions.ConnectionError):
        finish(opened())


def test_the_generated_password_lets_the_first_user_in_and_no_other_does(settings: Settings) -> None:
    first = first_user(settings)
    assert first.call("GET", "/user").json()["identifier"] == accounts.CHAT.user
    for wrong in ("", "admin", first.password[:-1], f"{first.password} "):
        assert sign_in(settings, first.name, wrong).status_code in (401, 422)
    assert sign_in(settings, first.name, first.password).status_code == 200  # which makes the mistakes good


def test_the_cookie_is_for_the_pages_own_requests(settings: Settings) -> None:
    first = first_user(settings)
    (cookie,) = SimpleCookie(sign_in(settings, first.name, first.password).headers["set-cookie"]).values()
    assert cookie.key == f"chat-{settings.chainlit_port}"
    assert cookie["httponly"]
    assert (cookie["samesite"].lower(), cookie["path"], cookie["domain"]) == ("strict", "/", "")


def test_users_are_added_listed_and_removed_by_a_command(settings: Settings) -> None:
    done = users(settings, "add", "Berta.B")
    try:
        assert done.code == 0, done.err
        where, name, password = done.out.split()
        assert (where, name) == (address(settings), "Berta.B")
        berta = Person(where, "berta.b", password)
        assert berta.call("GET", "/user").json()["identifier"] == "berta.b"
        assert {accounts.CHAT.user, "berta.b"} <= set(users(settings, "list").out.split())
        assert "probe@localhost" not in users(settings).out
        again = users(settings, "add", "berta.b")
        assert (again.code, "already" in again.err) == (1, True)
        unsure = users(settings, "remove", "berta.b")
        assert (unsure.code, "yes" in unsure.err) == (2, True)
        assert berta.call("GET", "/user").status_code == 200
    finally:
        gone = users(settings, "remove", "berta.b", "--yes")
    assert gone.code == 0, gone.err
    assert berta.call("GET", "/user").status_code == 401
    assert users(settings, "remove", "berta.b", "--yes").code == 1


@pytest.mark.parametrize("name", ["", "an na", "-x", "<b>"])
def test_what_can_not_be_a_name_is_refused(settings: Settings, name: str) -> None:
    done = users(settings, "add", "--", name)
    assert (done.code, "can't be a name" in done.err) == (2, True)


@pytest.mark.full
def test_the_stacks_own_accounts_are_not_to_be_removed(settings: Settings) -> None:
    for name in ("admin@localhost", "probe@localhost", "monitor@localhost"):
        assert users(settings, "remove", name, "--yes").code == 1
    assert first_user(settings).call("GET", "/user").status_code == 200


def test_a_session_ends_with_its_password(settings: Settings, anna: Person) -> None:
    assert anna.call("GET", "/user").status_code == 200
    new = accounts.reset(settings, client(), accounts.CHAT, anna.name)
    assert anna.call("GET", "/user").status_code == 401
    assert sign_in(settings, anna.name, anna.password).status_code == 401
    again = replace(anna, password=new, cookie="")
    assert again.call("GET", "/user").status_code == 200
    assert anna.opened("x") != "Thread not found."  # nor does a socket take the old session


@pytest.mark.parametrize("end", ["reset", "removed"])
async def test_an_open_page_ends_with_its_account(settings: Settings, anna: Person, end: str) -> None:
    password = anna.password
    async with anna.opens_the_page() as page:
        await page.ask("What is the capital of France?")
        if end == "reset":
            password = accounts.reset(settings, client(), accounts.CHAT, anna.name)
        else:
            accounts.remove(settings, client(), anna.name)
        await page.begin("And of Germany?")
        with pytest.raises(AssertionError, match="disconnect"):
            await page.end(seconds=30)
        assert "no longer signed in" in page.heard("toast")[-1]["message"]
        chat_id = await page.chat_id()
    if end == "reset":
        async with replace(anna, password=password, cookie="").on_the_page() as user:
            steps = (await user.call("GET", f"/project/thread/{chat_id}")).json()["steps"]
        assert [each["output"] for each in steps if each["type"] == "user_message"] == [
            "What is the capital of France?"
        ]


async def test_an_open_page_is_told_nothing_more_after_its_account(settings: Settings, anna: Person) -> None:
    async with anna.opens_the_page() as page:
        accounts.remove(settings, client(), anna.name)
        await page.greets_again()
        async with asyncio.timeout(30):
            while page.lost is None:
                await asyncio.sleep(0.02)
        assert "no longer signed in" in page.heard("toast")[-1]["message"]


@pytest.mark.parametrize("name", ["/data", "../../data", ".", "", "x"])
async def test_no_folder_is_named_by_a_page(settings: Settings, anna: Person, name: str) -> None:
    """Chainlit deletes the folder of that name with the session."""
    async with anna.on_the_page() as user, chat.socket() as page:
        auth = {"sessionId": name, "clientType": "webapp", "userEnv": "{}", "chatProfile": "", "threadId": ""}
        with pytest.raises(socketio.exceptions.ConnectionError):
            await page.connect(
                address(settings),
                auth=auth,
                headers={"Cookie": user.cookie},
                transports=["websocket"],
                socketio_path="/ws/socket.io",
            )
        await page.connect(
            address(settings),
            auth={**auth, "sessionId": str(uuid.uuid4())},
            headers={"Cookie": user.cookie},
            transports=["websocket"],
            socketio_path="/ws/socket.io",
        )


def test_the_first_users_password_is_reset_and_shown(settings: Settings) -> None:
    before = first_user(settings)
    assert before.call("GET", "/user").status_code == 200
    try:
        argv = [sys.executable, "scripts/passwords.py", "reset", "chainlit"]
        done = run(argv, cwd=ROOT, env=settings.as_environment)
        assert done.code == 0, done.err
        after = first_user(settings)
        assert after.password == done.out.split()[-1] != before.password
        assert before.call("GET", "/user").status_code == 401
        assert after.call("GET", "/user").status_code == 200
    finally:  # what `init` makes is longer
        made_secrets.replace(
            containers.run_once(settings, client(), "init"), "chainlit", "admin-password", before.password
        )
    assert before.call("GET", "/user").status_code == 200


def test_who_guesses_must_wait(settings: Settings, anna: Person) -> None:
    for _ in range(FAILURES):
        assert sign_in(settings, anna.name, "a guess").status_code == 401
    refused = sign_in(settings, anna.name, anna.password)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert first_user(settings).call("GET", "/user").status_code == 200


def test_no_password_is_in_the_log(settings: Settings, container: Callable[[str], Container], anna: Person) -> None:
    anna.call("GET", "/user")
    sign_in(settings, f"name-{anna.password}", "a-wrong-password-that-was-typed")
    log = container("chainlit").logs().decode()
    assert "wrong name or password" in log
    assert anna.password not in log
    assert "a-wrong-password-that-was-typed" not in log
