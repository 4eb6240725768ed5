"""The inventories of everything that the stack runs: its images, and what the scripts run on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from docker import DockerClient

from stack.parts import containers
from stack.parts.inventory.of_image import of_image
from stack.parts.inventory.of_this_python import of_this_python
from stack.parts.inventory.packages import Inventory
from stack.settings import Settings

SCRIPTS = "scripts"  # stands beside the services for what runs on the host


def of_stack(
    settings: Settings, engine: DockerClient, stage: Callable[[str], AbstractContextManager[object]]
) -> dict[str, Inventory]:
    """What each service's image is made of, by the service's name, and under `SCRIPTS` what the scripts run on.

    Args:
        stage: entered with a title while each image is read.

    Raises:
        StackError: ``image-missing``.
    """
    found = {}
    for service in containers.BUILT:
        with stage(f"Reading the image of {service}"):
            found[service] = of_image(engine, containers.image_of(settings, service))
    return {**found, SCRIPTS: of_this_python()}
