"""New secrets in one command: the old ones are refused, the new ones work, and nothing else is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest
from docker import DockerClient
from docker.models.containers import Container

from fakes.keepsakes import CHAT
from fakes.made_secrets import FILES, PAIRS, Init, init_alone
from fakes.open_webui import Person, administrator
from fakes.waiting import wait_until
from stack.parts import accounts, containers, made_secrets, relay_token, rotation
from stack.settings import ROOT, Settings
from stack.tools.process import Finished, run

Find = Callable[[str], Container]
ROTATE = [sys.executable, "scripts/passwords.py", "rotate"]
GREEN = (0, 3)  # 3: it answers, but slowly, which is the machine's fault here


# --- what `init` does, on volumes of its own ---


def who_knows(file: str) -> set[str]:
    """Every file that holds the same secret."""
    return next(({one, other} for one, other in PAIRS.items() if file in (one, other)), {file})


def assert_pairs_are_pairs(values: Mapping[str, str]) -> None:
    for one, other in PAIRS.items():
        assert values[one] == values[other]


@pytest.fixture(scope="module")
def init(engine: DockerClient, settings: Settings) -> Iterator[Init]:
    with init_alone(engine, containers.image_of(settings, "init")) as alone:
        assert alone.run() == (0, "")
        yield alone


def test_without_being_told_to_nothing_is_rotated(init: Init) -> None:
    before = init.values()
    assert init.run() == (0, "")
    assert init.values() == before
    assert len(set(before.values())) == len(FILES) - len(PAIRS)  # of a pair both know the same


def test_told_to_it_rotates_all(init: Init) -> None:
    before = init.values()
    assert init.run("rotate", *(secret.file for secret in rotation.ALL)) == (0, "")
    after = init.values()
    assert not set(before.values()) & set(after.values())
    assert {len(value) for value in after.values()} == {43}
    assert_pairs_are_pairs(after)


@pytest.mark.full
@pytest.mark.parametrize("secret", rotation.ALL, ids=lambda secret: secret.name)
def test_exactly_what_is_named_is_rotated(init: Init, secret: rotation.Secret) -> None:
    before = init.values()
    assert init.run("rotate", secret.file) == (0, "")
    after = init.values()
    assert {file for file in FILES if after[file] != before[file]} == who_knows(secret.file)
    assert len(after[secret.file]) == 43
    assert_pairs_are_pairs(after)


def test_the_administrators_replaced_passwords_are_kept_until_they_are_forgotten(init: Init) -> None:
    init.run("forget")
    for _ in range(2):
        assert init.run("rotate", "open-webui/admin-password") == (0, "")
    owners = "stat -c '%u %a' /secrets/open-webui/admin-password*"
    assert init.run(instead=owners) == (0, "10003 400\n" * 3)
    assert init.run("forget") == (0, "")
    assert init.run(instead=owners) == (0, "10003 400\n")


@pytest.mark.full
@pytest.mark.parametrize("gone", FILES)
def test_interrupted_after_one_was_taken_away_the_next_start_makes_it(init: Init, gone: str) -> None:
    before = init.values()
    assert init.run(instead=f"rm /secrets/{gone}") == (0, "")
    assert init.run() == (0, "")
    after = init.values()
    assert {file for file in FILES if after[file] != before[file]} == who_knows(gone)
    assert_pairs_are_pairs(after)


# --- the command, on the running stack ---


class Seen:
    """What is known of the stack's secrets, and whether they work."""

    def __init__(self, settings: Settings, engine: DockerClient, bridge: str) -> None:
        self._page = f"http://localhost:{settings.open_webui_port}"
        self._door = f"http://{bridge}:{settings.foundry_port}"
        init = containers.run_once(settings, engine, "init")
        self.values = {file: made_secrets.read(init, *file.split("/")) for file in FILES}
        self.session = ""
        self._chat = f"http://localhost:{settings.chainlit_port}"
        self._in_the_chat = httpx.Client(base_url=self._chat, timeout=60, trust_env=False)

    def signs_in(self, who: str, file: str) -> bool:
        """Whether the page takes the account's password."""
        body = {"email": f"{who}@localhost", "password": self.values[file]}
        answer = httpx.post(f"{self._page}/api/v1/auths/signin", json=body, timeout=60)
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200 and who == "admin":
            self.session = str(answer.json()["token"])
        return answer.status_code == 200

    def signs_in_to_the_chat(self, who: str, file: str) -> bool:
        """Whether the chat takes the account's password; the first user's session is kept."""
        form = {"username": f"{who}@localhost", "password": self.values[file]}
        asking = self._in_the_chat if who == "admin" else httpx.Client(base_url=self._chat, timeout=60, trust_env=False)
        answer = asking.post("/login", data=form)
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    def status_of_session_in_the_chat(self) -> int:
        """Of asking who is signed in, with the first user's session."""
        return self._in_the_chat.get("/user").status_code

    def status_of_session(self) -> int:
        """Of asking who is signed in, with the administrator's session."""
        headers = {"Authorization": f"Bearer {self.session}"}
        return httpx.get(f"{self._page}/api/v1/auths/", headers=headers, timeout=60).status_code

    def status_at_the_relay(self) -> int:
        """Of asking for the models where a token is needed."""
        headers = {"X-Relay-Token": self.values["gateway/token"]}
        return httpx.get(f"{self._door}/v1/models", headers=headers, timeout=60).status_code

    def everything_works(self) -> None:
        assert self.status_at_the_relay() == 200
        assert self.signs_in("admin", "open-webui/admin-password")
        assert self.status_of_session() == 200
        assert self.signs_in("probe", "open-webui/probe-password")
        assert self.signs_in("monitor", "monitor/open-webui-password")
        assert self.signs_in_to_the_chat("admin", "chainlit/admin-password")
        assert self.status_of_session_in_the_chat() == 200
        assert self.signs_in_to_the_chat("probe", "chainlit/probe-password")
        assert self.signs_in_to_the_chat("monitor", "monitor/chainlit-password")

    def everything_is_refused(self) -> None:
        assert self.status_at_the_relay() == 401
        assert self.status_of_session() == 401
        assert not self.signs_in("admin", "open-webui/admin-password")
        assert not self.signs_in("probe", "open-webui/probe-password")
        assert not self.signs_in("monitor", "monitor/open-webui-password")
        assert self.status_of_session_in_the_chat() == 401
        assert not self.signs_in_to_the_chat("admin", "chainlit/admin-password")
        assert not self.signs_in_to_the_chat("probe", "chainlit/probe-password")
        assert not self.signs_in_to_the_chat("monitor", "monitor/chainlit-password")


@pytest.fixture
def look(settings: Settings, engine: DockerClient, bridge: str) -> Callable[[], Seen]:
    return lambda: Seen(settings, engine, bridge)


def added(settings: Settings) -> Person:
    """A user whom the administrator adds."""
    admin = administrator(settings)
    person = Person(admin.page, f"{uuid4().hex[:8]}@localhost", uuid4().hex)
    form = {"name": "Second", "email": person.email, "password": person.password, "role": "user"}
    admin.call("POST", "/api/v1/auths/add", form)
    return person


def removed(settings: Settings, person: Person) -> None:
    """Gone again; the administrator's session of before is worth nothing any more."""
    admin = administrator(settings)
    users = admin.call("GET", "/api/v1/users/all")["users"]
    (mine,) = [user["id"] for user in users if user["email"] == person.email]
    admin.call("DELETE", f"/api/v1/users/{mine}")


def rotate(settings: Settings, *names: str) -> Finished:
    return run([*ROTATE, *names], cwd=ROOT, env=settings.as_environment, timeout=240)


@pytest.mark.full
def test_all_are_rotated_and_chats_and_users_stay(
    settings: Settings, look: Callable[[], Seen], container: Find
) -> None:
    before = look()
    before.everything_works()
    somebody = added(settings)
    try:
        chat = somebody.call("POST", "/api/v1/chats/new", {"chat": CHAT})["id"]
        written = somebody.call("GET", f"/api/v1/chats/{chat}")
        users = administrator(settings).call("GET", "/api/v1/users/all")["users"]
        done = rotate(settings)
        assert done.code in GREEN, done.out + done.err
        assert "a real answer" in done.out.lower()

        after = look()
        assert not set(before.values.values()) & set(after.values.values())
        before.everything_is_refused()
        after.everything_works()
        for old in before.values.values():
            assert old not in done.out + done.err
        for new in after.values.values():
            assert new not in done.out + done.err

        somebody = Person(somebody.page, somebody.email, somebody.password)
        assert somebody.call("GET", f"/api/v1/chats/{chat}") == written
        now = administrator(settings).call("GET", "/api/v1/users/all")["users"]
        assert [user["id"] for user in now] == [user["id"] for user in users]
    finally:
        removed(settings, somebody)
    assert "old-" not in container("open-webui").exec_run(["ls", "/run/secrets"]).output.decode()
    file = relay_token.token_file(settings)
    assert file.stat().st_mode & 0o777 == 0o600
    readyz = f"http://127.0.0.1:{settings.monitor_port}/readyz"
    wait_until(lambda: httpx.get(readyz, timeout=120).status_code == 200, seconds=240)


@pytest.mark.full
def test_one_is_rotated_and_the_others_stay(settings: Settings, look: Callable[[], Seen], container: Find) -> None:
    before, started = look(), container("open-webui").attrs["State"]["StartedAt"]
    done = rotate(settings, "token")
    assert done.code in GREEN, done.out + done.err
    after = look()
    assert {file for file in FILES if after.values[file] != before.values[file]} == {"gateway/token"}
    assert before.status_at_the_relay() == 401
    assert after.status_at_the_relay() == 200
    assert container("open-webui").attrs["State"]["StartedAt"] == started


@pytest.mark.full
def test_an_administrator_who_chose_another_password_keeps_it(
    settings: Settings, engine: DockerClient, look: Callable[[], Seen]
) -> None:
    admin = administrator(settings)
    mine = "chosen-on-the-page-1"
    form = {"password": admin.password, "new_password": mine}
    admin.call("POST", "/api/v1/auths/update/password", form)
    try:
        done = rotate(settings, "admin-password")
        assert done.code in GREEN, done.out + done.err
        assert "keeps it" in done.out
        assert Person(admin.page, admin.email, mine).call("GET", "/api/v1/auths/")["role"] == "admin"
        assert not look().signs_in("admin", "open-webui/admin-password")
    finally:
        accounts.reset(settings, engine, accounts.OPEN_WEBUI, admin.email)
    assert look().signs_in("admin", "open-webui/admin-password")


@pytest.mark.full
@pytest.mark.parametrize("when", ["New: ", "Restarting "])
@pytest.mark.parametrize("then", ["rotate", "up"])
def test_killed_midway_it_is_made_well_by_running_it_again_or_by_up(
    settings: Settings, look: Callable[[], Seen], when: str, then: str
) -> None:
    before = look()
    assert before.signs_in("admin", "open-webui/admin-password")
    killed_after(settings, when)
    again = ROTATE if then == "rotate" else [sys.executable, "scripts/up.py", "--yes"]
    done = run(again, cwd=ROOT, env=settings.as_environment, timeout=280)
    assert done.code in GREEN, done.out + done.err
    before.everything_is_refused()
    look().everything_works()


@pytest.mark.full
def test_nothing_is_rotated_while_it_could_not_be_taken_up(
    settings: Settings, look: Callable[[], Seen], container: Find
) -> None:
    before = look()
    container("gateway").stop()
    try:
        done = rotate(settings)
    finally:
        container("gateway").start()
    assert done.code == 2
    assert "gateway does not run, so nothing was changed." in done.err
    assert look().values == before.values
    wait_until(lambda: container("gateway").attrs["State"]["Health"]["Status"] == "healthy", seconds=60)


def killed_after(settings: Settings, line: str) -> None:
    """Run the command and kill it, children and all, once the stage that begins so is done or, for the last, begun."""
    environment = {**os.environ, **settings.as_environment}
    argv = ROTATE
    process = subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        assert any(said.startswith(line) and ("done" in said) == (line == "New: ") for said in process.stdout)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
