"""The way to the cloud: opened where CLOUD_URL is set, and closed where it is not."""

from __future__ import annotations

from pathlib import Path

from docker import DockerClient

from stack.parts import containers, made_secrets
from stack.parts.base_image import host_ca_bundle
from stack.parts.relay.lifecycle import CLOUD_FILE
from stack.parts.state import read_json, write_json
from stack.settings import Settings

TOKEN = ("gateway", "cloud-token")
"""Made by `init`; the chat has the same, and nobody else."""


def file(settings: Settings) -> Path:
    """Address, key and token for the relay: mode 0600, in the project's state folder, and only there."""
    return settings.state / CLOUD_FILE


def lay(settings: Settings, client: DockerClient) -> None:
    """Tell the relay, which looks at each request, of the cloud that is set; where none is, that there is none.

    Raises:
        StackError: ``container-failed``.
    """
    cloud = settings.cloud
    if cloud is None:
        close(settings)
        return
    written = {
        "url": cloud.completions,
        "key": settings.cloud_api_key.get_secret_value(),
        "token": made_secrets.read(containers.run_once(settings, client, "init"), *TOKEN),
        "ca_bundle": str(host_ca_bundle() or ""),
    }
    if read_json(file(settings)) != written:
        write_json(file(settings), written)


def close_to_others(settings: Settings) -> None:
    """Where another cloud is set than before, or none, it is closed.

    The chat that still runs knows of the old one, and asked its users whether that may be sent what they say.
    """
    asked = settings.cloud.completions if settings.cloud else None
    if (read_json(file(settings)) or {}).get("url") != asked:
        close(settings)


def close(settings: Settings) -> None:
    """From now on the relay knows of no cloud, and its key is gone from here."""
    file(settings).unlink(missing_ok=True)
