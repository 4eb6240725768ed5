"""The token between gateway and relay: made by the `init` service in a volume, copied to the host for the relay."""

from __future__ import annotations

from pathlib import Path

from docker import DockerClient

from stack.parts import containers, made_secrets
from stack.parts.relay.rules import HOST_IN_CONTAINERS
from stack.parts.state import write_text
from stack.settings import Settings


def token_file(settings: Settings) -> Path:
    """Where the relay reads its token: mode 0600, in the project's state folder."""
    return settings.state / "relay-token"


def base_url(settings: Settings) -> str:
    """What a container that is not the stack's asks, with the token as its API key."""
    return f"http://{HOST_IN_CONTAINERS}:{settings.foundry_port}/v1"


def fetch(settings: Settings, client: DockerClient) -> Path:
    """Make the secrets where they are missing (idempotent) and copy the gateway's token for the relay.

    Returns:
        The file it was written to.
    """
    init = containers.run_once(settings, client, "init")
    file = token_file(settings)
    write_text(file, made_secrets.read(init, "gateway", "token") + "\n")
    return file


def forget(settings: Settings) -> None:
    """Remove the copy; without the volume that it came from it is of no use."""
    token_file(settings).unlink(missing_ok=True)
