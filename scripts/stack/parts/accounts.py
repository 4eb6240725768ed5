"""The front ends' accounts: the first passwords, new ones for those that were forgotten, and more users of the chat."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from docker import DockerClient
from docker.models.containers import Container

from stack.parts import containers, made_secrets
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.process import Finished, run

PASSWORD_BYTES = 18
INSIDE_SECONDS = 120.0  # the program inside loads much of Open WebUI, on a busy machine
UNKNOWN, TAKEN, NO_NAME = 3, 4, 5  # exit codes of the programs inside


@dataclass(frozen=True)
class Account:
    """An account that a front end is born with.

    Args:
        service: the front end.
        user: what to type as e-mail or name.
        secret: name of the secret that holds its first password.
        port: of the page.
        program: run inside the container, with a name as argument and a password on its standard input, changes a
            password.
        secret_counts: whether the page takes what the secret holds at the moment, and not what it held at first.
        others: where the first account's user finds the others.
    """

    service: str
    user: str
    secret: str
    port: Callable[[Settings], int]
    program: Sequence[str]
    secret_counts: bool
    others: str

    def page(self, settings: Settings) -> str:
        """Where to sign in."""
        return f"http://localhost:{self.port(settings)}"

    def volume(self, settings: Settings) -> str:
        """The volume that holds its first password."""
        return f"{settings.compose_project_name}_{self.service}-secrets"


USERS_OF_THE_CHAT = ("/opt/venv/bin/python", "/app/manage_users.py")
CHAT = Account(
    "chainlit",
    "admin@localhost",
    "admin-password",
    lambda settings: settings.chainlit_port,
    (*USERS_OF_THE_CHAT, "password"),
    secret_counts=True,
    others="python3 scripts/users.py list   names all.",
)
OPEN_WEBUI = Account(
    "open-webui",
    "admin@localhost",
    "admin-password",
    lambda settings: settings.open_webui_port,
    ("python3", "/stack/reset_password.py"),
    secret_counts=False,
    others="The first account is admin@localhost; it sees all others under Admin Panel, Users.",
)
ALL = (CHAT, OPEN_WEBUI)


def first_password(settings: Settings, client: DockerClient, account: Account) -> str:
    """The password that was made for the account, at first or by a reset; the page may know another one by now.

    Raises:
        StackError: ``container-failed``, where not even the one-shot service that makes it can run.
    """
    init = containers.run_once(settings, client, "init")
    return made_secrets.read(init, account.service, account.secret)


def reset(settings: Settings, client: DockerClient, account: Account, user: str) -> str:
    """Give an account of the running front end a new password, which also signs it out everywhere.

    Args:
        user: what to sign in as, of any account on that page.

    Returns:
        The new password.

    Raises:
        StackError: ``container-missing`` (it does not run), ``account-unknown`` or ``reset-failed``.
    """
    container = _running(settings, client, account)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    if not (account.secret_counts and user == account.user):
        done = _inside(container, [*account.program, user], password)
        if done.code == UNKNOWN:
            raise _unknown(account, user)
        _check(done, container, "The password could not be changed")
    if user == account.user:  # what is shown as its password is then this one
        made_secrets.replace(containers.run_once(settings, client, "init"), account.service, account.secret, password)
    return password


def add(settings: Settings, client: DockerClient, user: str) -> str:
    """Make another account in the running chat.

    Returns:
        Its password.

    Raises:
        StackError: ``container-missing``, ``account-exists``, ``bad-name`` or ``reset-failed``.
    """
    container = _running(settings, client, CHAT)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    done = _inside(container, [*USERS_OF_THE_CHAT, "add", user], password)
    if done.code == TAKEN:
        fix = f"python3 scripts/passwords.py reset chainlit --user {user}   gives it a new password."
        raise StackError(f"There is {user} already.", fix=fix, cause="account-exists")
    if done.code == NO_NAME:
        fix = "Up to 64 letters a to z, digits and . _ @ + - are a name, such as anna or anna@localhost."
        raise StackError(f"{user!r} can't be a name.", fix=fix, cause="bad-name", exit_code=2)
    _check(done, container, "The account could not be made")
    return password


def names(settings: Settings, client: DockerClient) -> list[str]:
    """All who can sign in to the running chat, the stack's own accounts aside.

    Raises:
        StackError: ``container-missing`` or ``reset-failed``.
    """
    container = _running(settings, client, CHAT)
    done = _inside(container, [*USERS_OF_THE_CHAT, "list"])
    _check(done, container, "The accounts could not be listed")
    return done.out.split()


def remove(settings: Settings, client: DockerClient, user: str) -> None:
    """Remove an account of the running chat, and its chats with it.

    Raises:
        StackError: ``container-missing``, ``account-unknown`` or ``reset-failed``.
    """
    container = _running(settings, client, CHAT)
    done = _inside(container, [*USERS_OF_THE_CHAT, "remove", user])
    if done.code == UNKNOWN:
        raise _unknown(CHAT, user)
    _check(done, container, "The account could not be removed")


def _running(settings: Settings, client: DockerClient, account: Account) -> Container:
    container = next(iter(containers.of_project(settings, client, account.service)), None)
    if container is None or container.status != "running":
        raise StackError(
            f"{account.service} does not run, and only it can change its accounts.",
            fix="python3 scripts/up.py   starts it; then run this again.",
            cause="container-missing",
            exit_code=2,
        )
    return container


def _inside(container: Container, argv: Sequence[str], line: str = "") -> Finished:
    command = ["docker", "exec", "--interactive", str(container.name), *argv]
    return run(command, stdin=f"{line}\n", timeout=INSIDE_SECONDS)


def _unknown(account: Account, user: str) -> StackError:
    said = f"{account.service} has no account {user}"
    said += " that can be changed." if account.secret_counts and user == account.user else "."
    return StackError(said, fix=account.others, cause="account-unknown")


def _check(done: Finished, container: Container, failed: str) -> None:
    if done.code != 0:
        raise StackError(
            f"{failed}:\n{(done.out + done.err).strip()[-600:]}",
            fix=f"docker logs --tail 30 {container.name}   may say more; then run this again.",
            cause="reset-failed",
        )
