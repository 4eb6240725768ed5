"""The way back from an upgrade: the images and the backup from before, kept until the new ones have proved themselves.

The new images are built under a name of their own, so nothing changes until all of them are there. Then they take the
old ones' names (`cross`), and a record says so until the upgrade is over (`forget`) or undone (`take`): whatever
interrupts it, the next run knows where to go back to.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound

from stack.parts import containers, keeping, versions
from stack.parts.state import read_json, write_json
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.progress import Progress

FILE, LOST = "upgrade.json", "upgrade-lost.json"
NEW, BEFORE = "upgrade-new", "upgrade-before"  # what is added to IMAGE_TAG


@dataclass(frozen=True)
class WayBack:
    """What the record says.

    Args:
        backup: all data, as it was when the old versions were stopped.
        images: the id of each service's image from before; without those whose image was not here any more.
    """

    backup: Path
    images: Mapping[str, str]


def refuse_in_the_middle(settings: Settings) -> None:
    """Do nothing unless an upgrade was interrupted, when the data may be of one version and the images of another.

    Raises:
        StackError: ``upgrade-interrupted``; exit code 2.
    """
    if pending(settings):
        raise StackError(
            "An upgrade was interrupted in the middle.",
            fix="python3 scripts/upgrade.py   goes back to what was before, and then tries again.",
            cause="upgrade-interrupted",
            exit_code=2,
        )


def pending(settings: Settings) -> WayBack | None:
    """The way back from an upgrade that is not over."""
    record = read_json(settings.state / FILE)
    return WayBack(Path(record["backup"]), record["images"]) if record else None


def new(settings: Settings) -> Settings:
    """The same stack, with the images' names while they are new."""
    return settings.model_copy(update={"image_tag": f"{settings.image_tag}-{NEW}"})


def differ(settings: Settings, client: DockerClient) -> list[str]:
    """The services whose new image is another one than the one in use."""
    return [
        service
        for service in containers.BUILT
        if client.images.get(containers.image_of(new(settings), service)).id
        != containers.image_in_use(settings, client, service)
    ]


def fill_gaps(settings: Settings, client: DockerClient) -> None:
    """Give the new image of a service that keeps no data its name where there is none to start it from."""
    for service in containers.BUILT:
        if service not in versions.KEEPERS and not containers.image_in_use(settings, client, service):
            _name(
                client,
                containers.image_of(new(settings), service),
                f"{containers.IMAGES}/{service}",
                settings.image_tag,
            )


def can_start(settings: Settings, client: DockerClient) -> bool:
    """Whether every service has an image to start from, none of which is new to data."""
    return set(_before(settings, client)) == set(containers.BUILT)


def readers(settings: Settings, client: DockerClient) -> Settings:
    """The same stack, with names for the images that read its data: those in use, and new ones where there is none."""
    for service in containers.BUILT:
        image = containers.image_in_use(settings, client, service) or containers.image_of(new(settings), service)
        _name(client, image, f"{containers.IMAGES}/{service}", f"{settings.image_tag}-{BEFORE}")
    return settings.model_copy(update={"image_tag": f"{settings.image_tag}-{BEFORE}"})


def cross(settings: Settings, client: DockerClient, backup: Path) -> None:
    """Write down the way back, then give the new images the names that the stack starts from."""
    images = _before(settings, client)
    for service, image in images.items():
        _name(client, image, f"{containers.IMAGES}/{service}", f"{settings.image_tag}-{BEFORE}")
    write_json(settings.state / FILE, {"backup": str(backup), "images": images})
    for service in containers.BUILT:
        _name(
            client,
            containers.image_of(new(settings), service),
            f"{containers.IMAGES}/{service}",
            settings.image_tag,
        )


def keep_names(settings: Settings, client: DockerClient) -> None:
    """Give the images in use their names again, where somebody has built others (`docker compose build`, say)."""
    for service in containers.BUILT:
        if image := containers.image_in_use(settings, client, service):
            _name(client, image, f"{containers.IMAGES}/{service}", settings.image_tag)


def take(settings: Settings, client: DockerClient, way: WayBack, progress: Progress) -> None:
    """Go back: the old images under their names, the data as it was. The containers are gone then; `start` makes them.

    Can be done again when it was interrupted.

    Raises:
        StackError: ``way-back-lost``, the backup or an image from before is gone: nothing is changed, and the record is
            set aside, so that other commands work; or what `keeping.restore` raises.
    """
    _refuse_if_lost(settings, client, way)
    containers.remove(settings, progress, volumes=False)  # so that nothing is of the new images any more
    for service, image in way.images.items():
        _name(client, image, f"{containers.IMAGES}/{service}", settings.image_tag)
    _drop_names(settings, client, NEW)  # their room may be what is missing
    keeping.restore(settings, client, way.backup, progress, replace=True)
    for service in set(containers.BUILT) - set(way.images):  # else what is new would start with the data from before
        with suppress(ImageNotFound):
            client.images.remove(containers.image_of(settings, service))
    forget_record(settings)


def forget(settings: Settings, client: DockerClient) -> None:
    """The upgrade is over, whichever way: the record goes, and the images that nobody uses any more."""
    forget_record(settings)
    for suffix in (NEW, BEFORE):
        _drop_names(settings, client, suffix)


def forget_record(settings: Settings) -> None:
    """There is no way back to go any more, or nothing to go back to."""
    (settings.state / FILE).unlink(missing_ok=True)


def _before(settings: Settings, client: DockerClient) -> dict[str, str]:
    """The id of each service's image in use; for data only one that has written them."""
    return {
        service: image
        for service in containers.BUILT
        if (image := containers.image_in_use(settings, client, service))
        and (service not in versions.KEEPERS or versions.starts_as_it_was(settings, client, service))
    }


def _refuse_if_lost(settings: Settings, client: DockerClient, way: WayBack) -> None:
    fix = "python3 scripts/upgrade.py   goes on to the versions of this clone."
    lost = [f"the image of {service}" for service, image in way.images.items() if not _is_here(client, image)]
    if way.backup.is_file():
        fix += f" If it is to have the data from before, then first: python3 scripts/restore.py {way.backup} --replace"
    else:
        lost.append(str(way.backup))
    if not lost:
        return
    (settings.state / FILE).replace(settings.state / LOST)
    raise StackError(
        f"There is no way back from the upgrade any more: {', '.join(lost)} is gone. Nothing was changed.",
        fix=fix,
        cause="way-back-lost",
    )


def _is_here(client: DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _drop_names(settings: Settings, client: DockerClient, suffix: str) -> None:
    other = settings.model_copy(update={"image_tag": f"{settings.image_tag}-{suffix}"})
    for name in containers.images(other, client):
        with suppress(DockerException):  # not by force: an image that is in use under another name stays
            client.images.remove(name)


def _name(client: DockerClient, image: str, repository: str, tag: str) -> None:
    client.images.get(image).tag(repository, tag)
