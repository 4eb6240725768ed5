"""The front ends' accounts: the first password that was made for each, and a new one in place of a forgotten one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from docker import DockerClient

from stack.parts import containers, made_secrets
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.process import run

PASSWORD_BYTES = 18
RESET_SECONDS = 120.0  # the program inside loads much of Open WebUI, on a busy machine


@dataclass(frozen=True)
class Account:
    """An account that a front end is born with.

    Args:
        service: the front end.
        user: what to type as e-mail or name.
        secret: name of the secret that holds its first password.
        port: of the page.
    """

    service: str
    user: str
    secret: str
    port: Callable[[Settings], int]

    def page(self, settings: Settings) -> str:
        """Where to sign in."""
        return f"http://localhost:{self.port(settings)}"

    def volume(self, settings: Settings) -> str:
        """The volume that holds its first password."""
        return f"{settings.compose_project_name}_{self.service}-secrets"


OPEN_WEBUI = Account("open-webui", "admin@localhost", "admin-password", lambda settings: settings.open_webui_port)
ALL = (OPEN_WEBUI,)


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
        user: the e-mail of any account on that page.

    Returns:
        The new password.

    Raises:
        StackError: ``container-missing`` (it does not run), ``account-unknown`` or ``reset-failed``.
    """
    container = next(iter(containers.of_project(settings, client, account.service)), None)
    if container is None or container.status != "running":
        raise StackError(
            f"{account.service} does not run, and only it can change its passwords.",
            fix="python3 scripts/up.py   starts it; then run this again.",
            cause="container-missing",
            exit_code=2,
        )
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    argv = ["docker", "exec", "--interactive", str(container.name), "python3", "/stack/reset_password.py", user]
    done = run(argv, stdin=f"{password}\n", timeout=RESET_SECONDS)
    if done.code == 3:
        raise StackError(
            f"{account.service} has no account {user}.",
            fix=f"The first account is {account.user}; it sees all others under Admin Panel, Users.",
            cause="account-unknown",
        )
    if done.code != 0:
        raise StackError(
            f"The password could not be changed:\n{(done.out + done.err).strip()[-600:]}",
            fix=f"docker logs --tail 30 {container.name}   may say more; then run this again.",
            cause="reset-failed",
        )
    if user == account.user:  # what is shown as its password is then this one
        made_secrets.replace(containers.run_once(settings, client, "init"), account.service, account.secret, password)
    return password
