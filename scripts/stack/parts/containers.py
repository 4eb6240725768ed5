"""The stack's containers: built, started and removed by Docker Compose; found again by Compose's own labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container

from stack.settings import ROOT, Settings
from stack.tools.docker_engine import compose
from stack.tools.errors import StackError
from stack.tools.process import Finished
from stack.tools.progress import Progress

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
# Compose gives it to the containers that it makes, and another value to those of `docker compose run`. The two above
# stand in the images too, so whatever is run by hand from one carries them.
OF_A_SERVICE = "com.docker.compose.oneoff=False"
IMAGES = "localhost/foundry-stack"
CLOUD_OVERLAY = "compose.cloud.yaml"
USERS_OWN = ("compose.override.yaml", "compose.override.yml")  # what Compose reads besides where it is told no files
BUILT = ("init", "gateway", "chainlit", "open-webui", "webgpu-static", "monitor")  # the services, each from its image

_BUILD_STEP = re.compile(r"#\d+ \[(?P<service>[\w-]+)(?: [\w-]+)? +(?P<step>\d+)/(?P<steps>\d+)\] (?P<what>.+)")
_PORT_TAKEN = re.compile(
    r"(?:Bind for|listen tcp4?) (?P<address>[\d.]+:(?P<port>\d+)).*(?:already allocated|already in use)"
)


def build(settings: Settings, progress: Progress, anew: str | None = None, only: Sequence[str] = ()) -> None:
    """Build the images that are not up to date (seconds when nothing changed).

    Args:
        anew: a service whose image is built without anything that the builder has kept, as that may be damaged.
        only: these services; none named: all.

    Raises:
        StackError: ``image-build-failed`` with the end of the builder's output.
    """

    def on_line(line: str) -> None:
        if step := _BUILD_STEP.match(line):
            progress(f"{step['service']}: step {step['step']} of {step['steps']}: {step['what'][:60]}")

    for arguments in (*([["build", "--no-cache", anew]] if anew else ()), ["build", *only]):
        done = compose(arguments, project=ROOT, env=settings.as_environment, on_line=on_line)
        if done.code != 0:
            raise StackError(
                f"An image could not be built. The builder's last words:\n{_tail(done)}",
                fix="Where the network is behind a TLS-inspecting proxy, set BUILD_CA_BUNDLE in .env; then run `up` "
                "again: what was built is kept.",
                cause="image-build-failed",
            )


def has_volume(settings: Settings, client: DockerClient, volume: str) -> bool:
    """Whether the project has that volume, by its name in compose.yaml."""
    name = f"{settings.compose_project_name}_{volume}"
    return any(each.name == name for each in client.volumes.list(filters={"name": name}))


def size_of_volumes(settings: Settings, client: DockerClient) -> int:
    """Bytes in the project's volumes; 0 where the engine does not say."""
    try:
        volumes = client.df()["Volumes"] or ()
    except (DockerException, OSError):  # OSError: of the library below the SDK, where adding up takes too long
        return 0
    prefix = f"{settings.compose_project_name}_"
    return sum(max(each["UsageData"]["Size"], 0) for each in volumes if each["Name"].startswith(prefix))


def run_once(settings: Settings, client: DockerClient, service: str, timeout: float = 60) -> Container:
    """Run a one-shot service to its end and return its (ended) container.

    Args:
        timeout: seconds it may take.

    Raises:
        StackError: ``container-failed`` when it can't start or ends with another code than 0.
    """
    arguments = ["up", "--detach", "--no-deps", "--no-build", service]
    started = compose(arguments, project=ROOT, env=settings.as_environment, on_line=lambda _: None)
    found = of_project(settings, client, service)
    if started.code == 0 and found:
        ended = found[0].wait(timeout=timeout)
        if ended["StatusCode"] == 0:
            return found[0]
        output = found[0].logs(tail=15).decode(errors="replace")
    else:
        output = _tail(started)
    raise StackError(
        f"The one-shot service `{service}` failed:\n{output}",
        fix=f"docker compose logs {service}   shows all of it; then run `python3 scripts/up.py` again.",
        cause="container-failed",
    )


def run_beside(settings: Settings, service: str, arguments: Sequence[str]) -> None:
    """Run a one-shot service with arguments, in a container of its own that is gone afterwards.

    Raises:
        StackError: ``container-failed``.
    """
    argv = ["run", "--rm", "--no-deps", "--no-TTY", service, *arguments]
    done = compose(argv, project=ROOT, env=settings.as_environment, on_line=lambda _: None)
    if done.code != 0:
        raise StackError(
            f"`{service} {' '.join(arguments)}` failed:\n{_tail(done)}",
            fix="python3 scripts/up.py   makes the stack well; then run this again.",
            cause="container-failed",
        )


def restart(settings: Settings, services: Sequence[str]) -> None:
    """Restart these services' containers as they are; `wait` waits for them.

    Raises:
        StackError: ``containers-failed`` with the end of Compose's output.
    """
    _compose_or_fail(settings, ["restart", *services])


def wait(settings: Settings, services: Sequence[str]) -> None:
    """Wait until these services' containers are healthy.

    Raises:
        StackError: ``containers-failed`` with the end of Compose's output.
    """
    options = ["--detach", "--wait", "--wait-timeout", "180", "--no-build", "--no-deps", "--no-recreate"]
    _compose_or_fail(settings, ["up", *options, *services])


def start(settings: Settings, progress: Progress, *, overlay: str | None = None) -> None:
    """Bring all services up and wait until each is healthy; what already runs as configured stays untouched.

    Args:
        overlay: a compose file in the repository's folder that is read on top of compose.yaml, and of the cloud's.

    Raises:
        StackError: ``port-taken``, or ``containers-failed`` with the end of Compose's output.
    """

    def on_line(line: str) -> None:
        progress(line.strip())

    arguments = [
        *_files(settings, overlay),
        "up",
        "--detach",
        "--wait",
        "--wait-timeout",
        "180",
        "--no-build",
        "--remove-orphans",
    ]
    done = compose(arguments, project=ROOT, env=settings.as_environment, on_line=on_line)
    if done.code == 0:
        return
    if taken := _PORT_TAKEN.search(done.out):
        raise StackError(
            f"Another program already uses {taken['address']}.",
            fix=f"End that program (`ss -ltnp 'sport = :{taken['port']}'` names it) or choose another port in .env.",
            cause="port-taken",
        )
    raise _not_all_up(done)


def _files(settings: Settings, overlay: str | None) -> list[str]:
    """Without an overlay Compose chooses them itself, and so reads a compose.override.yaml of the user's, too."""
    overlays = [*([CLOUD_OVERLAY] if settings.cloud else ()), *([overlay] if overlay else ())]
    if not overlays:
        return []
    users_own = () if overlay else [name for name in USERS_OWN if (ROOT / name).exists()]
    return [argument for name in ("compose.yaml", *overlays, *users_own) for argument in ("--file", name)]


def _compose_or_fail(settings: Settings, arguments: Sequence[str]) -> None:
    done = compose(arguments, project=ROOT, env=settings.as_environment, on_line=lambda _: None)
    if done.code != 0:
        raise _not_all_up(done)


def _not_all_up(done: Finished) -> StackError:
    return StackError(
        f"The containers did not all come up:\n{_tail(done)}",
        fix="python3 scripts/probe.py   says which one and why; `docker compose logs SERVICE` shows its log.",
        cause="containers-failed",
    )


def still_starting(settings: Settings, client: DockerClient, services: Sequence[str]) -> list[str]:
    """Those of the services whose container runs since it was started, and is not healthy."""
    found = {service: of_project(settings, client, service) for service in services}
    return [service for service, made in found.items() if any(_is_starting(each.attrs) for each in made)]


def _is_starting(attrs: Mapping[str, Any]) -> bool:
    state = attrs["State"]
    health = (state.get("Health") or {}).get("Status")
    return state["Status"] == "running" and attrs["RestartCount"] == 0 and health in ("starting", "unhealthy")


def last_words(settings: Settings, lines: int = 200) -> str:
    """The end of each container's log, for a file."""
    arguments = ["logs", "--no-color", "--timestamps", "--tail", str(lines)]
    return compose(arguments, project=ROOT, env=settings.as_environment).out


def stop(settings: Settings) -> None:
    """Stop all of the project's containers and remove them, so that no reboot starts them; `start` makes them anew.

    Raises:
        StackError: ``containers-stay`` with the end of Compose's output.
    """
    done = compose(["rm", "--stop", "--force"], project=ROOT, env=settings.as_environment, on_line=lambda _: None)
    if done.code != 0:
        raise _not_all_gone(done)


def remove(settings: Settings, progress: Progress, *, volumes: bool) -> None:
    """Stop and remove the project's containers and networks, and its data volumes when ``volumes`` is true.

    Raises:
        StackError: ``containers-stay`` with the end of Compose's output.
    """

    def on_line(line: str) -> None:
        progress(line.strip())

    arguments = ["down", "--remove-orphans", *(["--volumes"] if volumes else [])]
    done = compose(arguments, project=ROOT, env=settings.as_environment, on_line=on_line)
    if done.code != 0:
        raise _not_all_gone(done)


def _not_all_gone(done: Finished) -> StackError:
    return StackError(
        f"Not everything could be stopped or removed:\n{_tail(done)}",
        fix="Run `python3 scripts/down.py` again; if it repeats, restart the Docker Engine first.",
        cause="containers-stay",
    )


def image_of(settings: Settings, service: str) -> str:
    """The name of the service's image."""
    return f"{IMAGES}/{service}:{settings.image_tag}"


def image_in_use(settings: Settings, client: DockerClient, service: str) -> str | None:
    """The id of the image that the service's container is made from, be it stopped; else of the one with its name.

    None where neither is here.
    """
    made_from = (str(each.attrs["Image"]) for each in of_project(settings, client, service))
    for name in (*made_from, image_of(settings, service)):
        with suppress(ImageNotFound):
            return str(client.images.get(name).id)
    return None


def images(settings: Settings, client: DockerClient) -> list[str]:
    """The names of the images that were built under the project's tag."""
    found = client.images.list(filters={"reference": f"{IMAGES}/*:{settings.image_tag}"})
    return [name for image in found for name in image.tags if name.endswith(f":{settings.image_tag}")]


def missing_images(settings: Settings, client: DockerClient) -> list[str]:
    """The services whose image is not there under the project's tag."""
    present = images(settings, client)
    return [service for service in BUILT if image_of(settings, service) not in present]


def remove_images(settings: Settings, client: DockerClient) -> None:
    """Remove the images that were built under the project's tag."""
    for name in images(settings, client):
        client.images.remove(name, force=True)  # takes the name away even where a container still holds the image


def of_project(settings: Settings, client: DockerClient, service: str | None = None) -> Sequence[Container]:
    """The containers of the project's services, or of one, ended ones included; not what somebody runs beside them."""
    labels = [f"{PROJECT_LABEL}={settings.compose_project_name}", OF_A_SERVICE]
    if service:
        labels.append(f"{SERVICE_LABEL}={service}")
    return client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)


def published_ports(settings: Settings, client: DockerClient) -> set[int]:
    """The host ports that the project's running containers hold already."""
    return {
        int(binding["HostPort"])
        for container in of_project(settings, client)
        for bindings in (container.ports or {}).values()
        for binding in bindings or []
    }


def _tail(done: Finished, lines: int = 15) -> str:
    return "\n".join((done.out + done.err).strip().splitlines()[-lines:])
