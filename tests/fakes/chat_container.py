"""The chat's container, ended as by accident."""

from __future__ import annotations

import os

from docker.models.containers import Container


def kill_the_app(container: Container) -> None:
    """End it as the kernel would; the engine starts it again."""
    processes = container.top()["Processes"]
    (app,) = [int(each[1]) for each in processes if "app.py" in each[-1] and "docker-init" not in each[-1]]
    os.kill(app, 9)


def is_healthy(container: Container) -> bool:
    container.reload()
    return str(container.attrs["State"].get("Health", {}).get("Status")) == "healthy"


def is_back(container: Container, started: str) -> bool:
    """It is well again after it had been started at another time."""
    return is_healthy(container) and bool(container.attrs["State"]["StartedAt"] != started)
