"""What a backup holds: the stack's volumes, each as its user left it. (`.env` is the one thing besides.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stack.settings import Settings


@dataclass(frozen=True)
class Program:
    """Who writes into a volume while the stack runs.

    Args:
        service: in whose image, and as whose user, the volume is read.
        python: in that image.
        package: the Python package whose version says which form the data has.
        tables: the folder of that image with our own migrations of its database; empty where there are none.
        uploads: folders of the volume in which a file is a user's, and is copied as it is even if it is a database.
    """

    service: str
    python: str
    package: str
    tables: str = ""
    uploads: tuple[str, ...] = ()


CHAT = Program("chainlit", "/opt/venv/bin/python", "chainlit", tables="/app/chat/store/migrations/versions")
OPEN_WEBUI = Program("open-webui", "python3", "open-webui", uploads=("uploads",))
PROGRAMS = (CHAT, OPEN_WEBUI)

VOLUMES: Mapping[str, Program | None] = {
    "gateway-secrets": None,
    "chainlit-secrets": None,
    "open-webui-secrets": None,
    "monitor-secrets": None,
    "chainlit-data": CHAT,
    "open-webui-data": OPEN_WEBUI,
}
"""By their names in compose.yaml. Those of nobody are read as they are: only `init` writes there, and nothing half."""


DOCKERS_DISK = "move Docker's data to a larger disk (`data-root` in /etc/docker/daemon.json)"
"""What helps where the volumes have no room."""


def full_name(settings: Settings, volume: str) -> str:
    """The volume's name as the engine knows it."""
    return f"{settings.compose_project_name}_{volume}"


def left_out(settings: Settings) -> tuple[str, ...]:
    """What the stack's users would miss in a backup, in words for people."""
    if settings.chainlit_database_url.startswith("sqlite:"):
        return ()
    return ("the chat's users and chats: they lie in PostgreSQL (CHAINLIT_DATABASE_URL), which pg_dump backs up",)
