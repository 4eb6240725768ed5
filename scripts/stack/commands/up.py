"""`up`: from a bare machine to pages that answer, one stage after the other; a second run changes nothing."""

from __future__ import annotations

import argparse
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient

from stack import probes
from stack.parts import (
    accounts,
    bundle,
    cloud_way,
    containers,
    development,
    foundry,
    host_checks,
    keeping,
    relay_token,
    rotation,
    versions,
    way_back,
)
from stack.parts.base_image import ensure_base_images, host_ca_bundle
from stack.parts.engine import ensure_engine
from stack.parts.foundry import Found
from stack.parts.relay import lifecycle as relay
from stack.parts.single_run import alone
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.reports.table import show as show_report
from stack.settings import Settings, default_values, load
from stack.tools import offline
from stack.tools.bundle_file import BundleFile
from stack.tools.docker_engine import client
from stack.tools.errors import StackError

WELL = (0, 3)  # 3: it answers, but not as it should
DEVELOPMENT = """\
Development mode. Save a file in services/chainlit, and the chat loads again by itself (one that stays silent has an
error, which `docker compose logs chainlit` shows). Save one in services/webgpu-static/page, and load the page again.
Back to production: python3 scripts/up.py"""


def main() -> int:
    """Run the command; returns the exit code: 0 every page answers, 1 something is broken, 2 could not even try."""
    return guarded(_run)


@dataclass(frozen=True)
class Ground:
    """What a stack is brought up on; ``doors`` is where the relay will listen."""

    settings: Settings
    engine: DockerClient
    doors: Sequence[str]


def bring_up(  # noqa: PLR0913  (options, each with a default)
    settings: Settings,
    stages: Stages,
    *,
    assume_yes: bool,
    overlay: str | None = None,
    rebuild: str | None = None,
    may_upgrade: bool = False,
    carried: BundleFile | None = None,
) -> probes.Report:
    """Make everything run and prove it with a generated token through every front end.

    Args:
        assume_yes: answer the questions about installing things with yes.
        overlay: a compose file on top of compose.yaml.
        rebuild: a service whose image is built without anything that the builder has kept.
        may_upgrade: build the images also where that brings another version to data that is there.
        carried: a bundle that has been checked, which images, model and whatever is installed are taken from.

    Returns:
        The probe's report on the running stack.

    Raises:
        StackError: whatever a stage can't do, with what is wrong and the next step.
    """
    with alone(settings):
        way_back.refuse_in_the_middle(settings)
        ground = prepare(settings, stages, assume_yes=assume_yes, carried=carried)
        waiting = [] if may_upgrade else versions.changes_for_data(settings, ground.engine)
        missing = containers.missing_images(settings, ground.engine)
        parts = {each.pin.part for each in waiting}
        others = {part for part in parts if not versions.starts_as_it_was(settings, ground.engine, part)}
        if waiting and (overlay or rebuild or carried or others or parts & set(missing)):
            raise _needs_an_upgrade(waiting, carried)
        if not waiting or missing:
            only = missing if waiting else ()
            make_images(
                settings, ground.engine, stages, assume_yes=assume_yes, rebuild=rebuild, only=only, carried=carried
            )
        if waiting:
            way_back.keep_names(settings, ground.engine)
            stages.say(
                f"This clone has {_told(waiting)}: `python3 scripts/upgrade.py` brings that. What is here starts."
            )
        start_host(ground, stages)
        report = start_pages(ground, stages, overlay=overlay)
        if report.exit_code in WELL:
            versions.note(settings, ground.engine)
        return report


def prepare(settings: Settings, stages: Stages, *, assume_yes: bool, carried: BundleFile | None = None) -> Ground:
    """An engine, and a machine with room and free ports."""
    with offline.system_packages(carried) if carried else nullcontext():
        with stages.stage("Docker Engine") as progress:
            ensure_engine(assume_yes=assume_yes, progress=progress, say=stages.say)
        engine = client()
        with stages.stage("Room and free ports"):
            users_own = foundry.find(settings)
            doors = _relay_addresses(settings, engine, users_own)
            _check_host(settings, engine, doors)
        # Told here, and not after minutes of building.
        if users_own is None and foundry.system_library_is_missing():
            with stages.stage("System library for Foundry Local") as progress:
                foundry.install_system_library(assume_yes=assume_yes, progress=progress, say=stages.say)
    return Ground(settings, engine, doors)


def make_images(  # noqa: PLR0913  (options, each with a default)
    settings: Settings,
    engine: DockerClient,
    stages: Stages,
    *,
    assume_yes: bool,
    rebuild: str | None = None,
    only: Sequence[str] = (),
    carried: BundleFile | None = None,
) -> None:
    """Have the images that are not up to date; those that came in a bundle are, while the sources are the same.

    Args:
        rebuild: a service whose image is built without anything that the builder has kept.
        only: of these services; none named: of all.
        carried: a bundle that has been checked, which they are taken from.

    Raises:
        StackError: why a base image can't be had, or an image can't be built or loaded.
    """
    if carried:
        with stages.stage("Images and models from the bundle") as progress:
            bundle.bring(settings, engine, carried, progress)
        return
    if rebuild is None and bundle.images_came_in_a_bundle(settings, engine, stages.say):
        return
    try:
        with stages.stage("Base images") as progress:
            bases = ensure_base_images(settings, assume_yes=assume_yes, progress=progress, say=stages.say)
    except StackError as unreachable:
        if rebuild or not bundle.can_do_without_building(settings, engine):
            raise
        stages.say(f"{unreachable.message}\nNothing can be built here: the images that are here start, as they are.")
        return
    settings = _with_build_inputs(settings, bases)
    with stages.stage("Images") as progress:
        containers.build(settings, progress, anew=rebuild, only=only)


def start_host(ground: Ground, stages: Stages) -> None:
    """Secrets, and what runs on the host: Foundry Local with its model, and the relay."""
    with stages.stage("Secrets"):
        if keeping.finish(ground.settings, ground.engine):
            stages.say("A restore that was interrupted is ended.")
        token_file = relay_token.fetch(ground.settings, ground.engine)
        cloud_way.close_to_others(ground.settings)
        rotation.take_up(ground.settings, ground.engine)
    with stages.stage("Foundry Local and its model") as progress:
        foundry.ensure(ground.settings, progress, stages.say)
    with stages.stage("Relay"):
        relay.start(ground.settings, ground.doors, token_file)


def start_pages(ground: Ground, stages: Stages, *, overlay: str | None = None) -> probes.Report:
    """The containers, and a probe of all."""
    with stages.stage("Containers") as progress:
        containers.start(ground.settings, progress, overlay=overlay)
        cloud_way.lay(ground.settings, ground.engine)  # the chat knows now whom it is asking
    with stages.stage("A real answer through every front end"):
        return probes.run(ground.settings)


def _told(waiting: Sequence[versions.Change]) -> str:
    return ", ".join(f"{each.pin.name} {each.pin.version} ({each.before or 'none'} now)" for each in waiting)


def _needs_an_upgrade(waiting: Sequence[versions.Change], carried: BundleFile | None) -> StackError:
    command = "python3 scripts/upgrade.py" + (f" --bundle {carried.path}" if carried else "")
    return StackError(
        f"That would bring {_told(waiting)} to the data that are here.",
        fix=f"{command}   does that with a backup, and goes back by itself where it does not work.",
        cause="upgrade-needed",
        exit_code=2,
    )


def _run() -> int:
    parser = argparse.ArgumentParser(prog="up.py", description="Start the stack; installs what is missing.")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    parser.add_argument("--dev", action="store_true", help="run from the sources: save a file and see it")
    images = parser.add_mutually_exclusive_group()
    images.add_argument(
        "--bundle", type=Path, metavar="FILE", help="take all that is needed from a file that bundle.py wrote"
    )
    images.add_argument(
        "--rebuild",
        metavar="SERVICE",
        choices=containers.BUILT,
        help=f"build its image anew, from nothing: {', '.join(containers.BUILT)}",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser at the end")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    settings = load()
    stages = Stages()
    if arguments.dev:
        development.check_sources_are_readable()
    carried = checked_bundle(arguments.bundle, stages) if arguments.bundle else None
    report = bring_up(
        settings,
        stages,
        assume_yes=arguments.yes,
        overlay=development.OVERLAY if arguments.dev else None,
        rebuild=arguments.rebuild,
        carried=carried,
    )
    stages.summary()
    show_report(report)
    page = f"http://localhost:{settings.chainlit_port}"
    if report.exit_code != 1:
        stages.say(f"\n{_with_a_sign_in('Chat', accounts.CHAT, settings)}")
        stages.say(f"{_with_a_sign_in('Open WebUI', accounts.OPEN_WEBUI, settings)}")
        stages.say("The first passwords: python3 scripts/passwords.py show")
        stages.say(f"WebGPU demo: http://localhost:{settings.webgpu_port}")
        stages.say(f"Monitor: http://localhost:{settings.monitor_port}/readyz")
        stages.say(f"For your own tools: http://127.0.0.1:{settings.foundry_port}/v1")
        if settings.cloud:
            stages.say(f"Cloud: the chat may ask {settings.cloud.host}, as ROUTING and each chat's settings say")
        if arguments.dev:
            stages.say(f"\n{DEVELOPMENT}")
        if arguments.open:
            webbrowser.open(page)
    return report.exit_code


def checked_bundle(path: Path, stages: Stages) -> BundleFile:
    """The bundle, read to its end, for this machine and of these sources."""
    with stages.stage("Bundle") as progress:
        carried = BundleFile(path.absolute())
        carried.refuse_another_platform()
        bundle.refuse_other_sources(carried)
        carried.check(progress)
    return carried


def _with_a_sign_in(name: str, account: accounts.Account, settings: Settings) -> str:
    return f"{name}: {account.page(settings)}   sign in as {account.user}"


def _relay_addresses(settings: Settings, engine: DockerClient, adopted: Found | None) -> Sequence[str]:
    """Where the relay listens: where the containers know the host, and on loopback unless the user's own is there."""
    port = settings.foundry_port
    taken_by_the_users = adopted is not None and adopted.port == port
    loopback = [] if taken_by_the_users else [f"{host_checks.LOOPBACK}:{port}"]
    return [*loopback, *(f"{address}:{port}" for address in host_checks.bridge_addresses(engine))]


def _check_host(settings: Settings, engine: DockerClient, doors: Sequence[str]) -> None:
    relay_now, foundry_now = relay.status(settings), foundry.status(settings)
    ours = {present.pid for present in (relay_now, foundry_now) if present and present.pid}
    host_checks.check_disk(settings, engine, first_time=not containers.images(settings, engine))
    host_checks.check_cpus(settings, engine)
    if not ours:
        host_checks.check_memory()
    host_checks.check_ports(
        settings,
        engine,
        foundry_addresses=[door.rpartition(":")[0] for door in doors],
        our_pids=ours,
        our_ports=containers.published_ports(settings, engine),
    )


def _with_build_inputs(settings: Settings, base_images: Mapping[str, str]) -> Settings:
    """The settings with what was found out for image builds; a CA bundle that the user named stays."""
    inputs: dict[str, object] = {**base_images}
    bundle = host_ca_bundle()
    if bundle and settings.build_ca_bundle == Path(default_values()["BUILD_CA_BUNDLE"]):
        inputs["build_ca_bundle"] = bundle
    return settings.model_copy(update=inputs)
