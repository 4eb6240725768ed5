"""New secrets in place of the present ones: made by `init`, taken up by who uses them when that is started again.

Whatever interrupts it, each secret is there whole, the old one or the new one, and nothing is lost: who has not been
started again goes on with the old one, and the next rotation, or `up`, starts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from docker import DockerClient

from stack.parts import cloud_way, containers, made_secrets, relay_token
from stack.settings import Settings
from stack.tools.errors import StackError

READERS = (
    "gateway",
    "chainlit",
    "open-webui",
)  # who reads its secrets only at its start; the monitor does each time it needs one


@dataclass(frozen=True)
class Secret:
    """One that can be rotated.

    Args:
        name: as people call it.
        file: volume and name, as `init` knows it.
        user: the service that must be started again.
        meaning: what it is for.
        other_user: one more that must be.
    """

    name: str
    file: str
    user: str
    meaning: str
    other_user: str | None = None


TOKEN = Secret("token", "gateway/token", "gateway", "what the gateway, and your own containers, bring to the relay")
CLOUD_TOKEN = Secret(
    "cloud-token", "gateway/cloud-token", "gateway", "what the chat brings to ask a cloud, where one is set", "chainlit"
)
CHAT_KEY = Secret("chat-secret-key", "chainlit/secret-key", "chainlit", "of the chat's sessions; all must sign in")
CHAT_PASSWORD = Secret("chat-password", "chainlit/admin-password", "chainlit", "of admin@localhost in the chat")
CHAT_PROBE_PASSWORD = Secret(
    "chat-probe-password", "chainlit/probe-password", "chainlit", "of the probe's account in the chat"
)
CHAT_MONITOR_PASSWORD = Secret(
    "chat-monitor-password", "chainlit/monitor-password", "chainlit", "of the monitor's account in the chat"
)
SECRET_KEY = Secret("secret-key", "open-webui/secret-key", "open-webui", "of Open WebUI's sessions; all must sign in")
ADMIN_PASSWORD = Secret(
    "admin-password", "open-webui/admin-password", "open-webui", "of admin@localhost, unless another one was chosen"
)
PROBE_PASSWORD = Secret("probe-password", "open-webui/probe-password", "open-webui", "of the probe's account")
MONITOR_PASSWORD = Secret("monitor-password", "open-webui/monitor-password", "open-webui", "of the monitor's account")
OF_THE_CHAT = (CHAT_KEY, CHAT_PASSWORD, CHAT_PROBE_PASSWORD, CHAT_MONITOR_PASSWORD)
ALL = (TOKEN, CLOUD_TOKEN, *OF_THE_CHAT, SECRET_KEY, ADMIN_PASSWORD, PROBE_PASSWORD, MONITOR_PASSWORD)


def named(name: str) -> Secret:
    """The secret of that name."""
    return next(secret for secret in ALL if secret.name == name)


def users_of(secrets: Sequence[Secret], others: Sequence[str] = ()) -> list[str]:
    """The services that must be started again, each once; the others, too."""
    users = {*others, *(user for secret in secrets for user in (secret.user, secret.other_user))}
    return [service for service in READERS if service in users]


def check_runs(settings: Settings, client: DockerClient, secrets: Sequence[Secret]) -> None:
    """Refuse while somebody who must take up a new secret does not run; nothing has been changed then.

    Raises:
        StackError: ``container-missing``; exit code 2.
    """
    for service in users_of(secrets):
        if not any(each.status == "running" for each in containers.of_project(settings, client, service)):
            raise StackError(
                f"{service} does not run, so nothing was changed.",
                fix="python3 scripts/up.py   starts it; then run this again.",
                cause="container-missing",
                exit_code=2,
            )


def make_anew(settings: Settings, secrets: Sequence[Secret]) -> None:
    """Have `init` make them; nobody uses them yet.

    Raises:
        StackError: ``container-failed``.
    """
    containers.run_beside(settings, "init", ["rotate", *(secret.file for secret in secrets)])


def hand_out(settings: Settings, client: DockerClient, services: Sequence[str]) -> None:
    """Start the services again, give the relay the gateway's new token, and wait until all are well.

    Raises:
        StackError: ``container-failed`` or ``containers-failed``.
    """
    containers.restart(settings, services)
    relay_token.fetch(settings, client)
    cloud_way.lay(settings, client)
    containers.wait(settings, services)
    if ADMIN_PASSWORD.user in services:
        containers.run_beside(settings, "init", ["forget"])


def take_up(settings: Settings, client: DockerClient) -> None:
    """Start those again that a rotation which was interrupted has left behind; it does not wait for them.

    Raises:
        StackError: ``container-failed`` or ``containers-failed``.
    """
    if late := behind(settings, client):
        containers.restart(settings, late)


def behind(settings: Settings, client: DockerClient) -> list[str]:
    """The services that run, and are older than a secret of theirs.

    Raises:
        StackError: ``container-failed``.
    """
    init = next(iter(containers.of_project(settings, client, "init")), None)
    if init is None:
        init = containers.run_once(settings, client, "init")
    running = {
        service: found[0]
        for service in READERS
        if (found := containers.of_project(settings, client, service)) and found[0].status == "running"
    }
    return [
        service
        for service, container in running.items()
        if made_secrets.made_at(init, service) > _seconds(container.attrs["State"]["StartedAt"])
    ]


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
