"""The images that all others are built on: pulled where a registry answers, else the same Debian made from packages."""

from __future__ import annotations

import os
import queue
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound

from stack.parts import debian_archive
from stack.parts.state import private_folder
from stack.settings import Settings
from stack.tools import apt, docker_engine
from stack.tools.consent import agree
from stack.tools.errors import StackError
from stack.tools.process import Finished, stream
from stack.tools.progress import Progress
from stack.tools.root import as_root, find_program, is_root, may_become_root

Event = dict[str, Any]  # one line of the engine's news about a pull

KNOBS = {
    "trixie": "base_image",
    "bookworm": "base_image_bookworm",
}  # Debian's release: the setting that names its image
MADE_HERE = "localhost/foundry-stack/base:{suite}"
SAME_DEBIAN = r"(^|/)debian:{suite}(-slim)?$"  # only what stands for this very release can be made here
PATIENCE = 20  # seconds without any news from a registry; one that is there has news many times a second
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def ensure_base_images(
    settings: Settings, *, assume_yes: bool, progress: Progress, say: Callable[[str], None]
) -> dict[str, str]:
    """Make sure that every base image that the builds need is there.

    Returns:
        The settings that name them, with the names to build with.

    Raises:
        StackError: ``base-image-missing``.
    """
    return {
        knob: ensure_base_image(settings, suite, assume_yes=assume_yes, progress=progress, say=say)
        for suite, knob in KNOBS.items()
        if suite != "bookworm" or settings.open_webui_is_built_here
    }


def ensure_base_image(
    settings: Settings,
    suite: str = "trixie",
    *,
    assume_yes: bool,
    progress: Progress,
    say: Callable[[str], None],
) -> str:
    """Make sure the base image is there, and name it for the release's knob (`KNOBS`).

    In this order: the one named in the settings if it is here, one made here earlier, pulled, made here now.

    Args:
        suite: the Debian release, one of `KNOBS`.
        assume_yes: install mmdebstrap, where the image has to be made and it is missing, without asking.

    Raises:
        StackError: ``base-image-missing``; it can be had in neither way, with the reason for each.
    """
    engine = docker_engine.client()
    knob = KNOBS[suite]
    wanted, made_here = str(getattr(settings, knob)), MADE_HERE.format(suite=suite)
    replaceable = re.search(SAME_DEBIAN.format(suite=suite), wanted) is not None
    for image in [wanted, *([made_here] if replaceable else [])]:
        if _is_here(engine, image):
            return image
    if wanted != made_here:
        why_not_pulled = _pull(engine, wanted, progress)
        if why_not_pulled is None:
            return wanted
        if not replaceable:
            raise StackError(
                f"The base image {wanted} can't be pulled: {why_not_pulled}",
                fix=f"Check the network and the name; {knob.upper()}=debian:{suite}-slim is one that can be made here.",
                cause="base-image-missing",
                exit_code=2,
            )
        say(f"{wanted} can't be pulled ({why_not_pulled}); making the same Debian from its packages.")
    mmdebstrap = _ensure_mmdebstrap(suite, assume_yes=assume_yes, progress=progress, say=say)
    _make(settings, engine, suite, mmdebstrap, progress)
    return made_here


def host_ca_bundle() -> Path | None:
    """The CA bundle that this machine's programs are told to use, if they are told: for builds behind such a proxy."""
    named = (Path(os.environ[name]) for name in CA_VARIABLES if os.environ.get(name))
    return next((path.resolve() for path in named if path.is_file()), None)


def _is_here(engine: DockerClient, image: str) -> bool:
    try:
        engine.images.get(image)
    except ImageNotFound:
        return False
    return True


def _pull(engine: DockerClient, image: str, progress: Progress) -> str | None:
    """Pull the image; None when that worked, else the reason in the engine's words.

    A registry that is not there is found out soon, after `PATIENCE` seconds without news, however long a pull takes.
    """
    progress(f"pulling {image}")
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, ":", "latest")
    try:
        return _follow(_with_patience(lambda: engine.api.pull(name, tag=tag, stream=True, decode=True)), progress)
    except APIError as refused:
        return str(refused.explanation or refused)
    except (DockerException, OSError) as broken:
        return str(broken)


def _with_patience(pull: Callable[[], Iterable[Event]]) -> Iterator[Event]:
    """The events of a pull. The SDK would wait for each without limit, so it waits in a thread that can be left.

    Raises:
        TimeoutError: none came for `PATIENCE` seconds; the engine gives up by itself, soon after.
    """
    news: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for event in pull():
                news.put(event)
            news.put(None)
        except Exception as failed:  # handed to the thread that waits
            news.put(failed)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            event = news.get(timeout=PATIENCE)
        except queue.Empty:
            raise TimeoutError(f"no answer in {PATIENCE} s") from None
        if isinstance(event, Exception):
            raise event
        if event is None:
            return
        yield event


def _follow(events: Iterable[Event], progress: Progress) -> str | None:
    layers: dict[str, tuple[int, int]] = {}
    for event in events:
        if "error" in event:
            return str(event["error"])
        detail = event.get("progressDetail") or {}
        if event.get("status") == "Downloading" and detail.get("total"):
            layers[event["id"]] = (detail["current"], detail["total"])
            done, total = (sum(part) for part in zip(*layers.values(), strict=True))
            progress(f"downloading {total / 1e6:.0f} MB", done / total)
        else:
            progress(str(event.get("status", "")))
    return None


def _make(settings: Settings, engine: DockerClient, suite: str, mmdebstrap: str, progress: Progress) -> None:
    folder = settings.state / "base-image.partial"
    _remove(folder)
    private_folder(folder)
    archive = folder / "root.tar"
    mirror = debian_archive.of_this_machine()
    if mirror is None and apt.is_debian() and may_become_root():  # without lists apt does not know its own sources
        apt.refresh(progress)
        mirror = debian_archive.of_this_machine()
    command = [
        *(mmdebstrap, "--variant=minbase", "--include=ca-certificates", "--format=tar", suite, str(archive)),
        *(mirror.sources(suite) if mirror else []),
    ]
    try:
        done = _run_as_allowed(command, _Steps(suite, progress))
        if done.code != 0:
            fix = "Check the network; or connect to a registry, then the image is pulled."
            raise _not_made(suite, _errors(done), fix)
        progress("importing into Docker")
        _import(engine, suite, archive)
    finally:
        _remove(folder)


def _import(engine: DockerClient, suite: str, archive: Path) -> None:
    changes = ['CMD ["bash"]', 'ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"']
    name, _, tag = MADE_HERE.format(suite=suite).rpartition(":")
    try:
        engine.api.import_image(src=str(archive), repository=name, tag=tag, changes=changes)
    except (DockerException, OSError) as failed:
        why = getattr(failed, "explanation", None) or failed
        fix = "Correct what it says (`docker system df` shows the room), then run this again."
        raise _not_made(suite, str(why), fix) from failed


def _not_made(suite: str, why: str, fix: str) -> StackError:
    message = f"The base image (Debian {suite}) could not be made from its packages:\n{why}"
    return StackError(message, fix=fix, cause="base-image-missing", exit_code=2)


def _run_as_allowed(command: list[str], on_line: Callable[[str], None]) -> Finished:
    """As root where possible; else mmdebstrap finds its own way (user namespaces), where the machine allows that."""
    if not is_root() and may_become_root():
        command = as_root(command)
    return stream(command, on_line)


def _ensure_mmdebstrap(suite: str, *, assume_yes: bool, progress: Progress, say: Callable[[str], None]) -> str:
    if found := find_program("mmdebstrap"):
        return found
    if not apt.is_debian_like():
        raise StackError(
            f"No registry answers, and on {apt.name_of_system()} the base image can't be made from Debian's packages.",
            fix=f"Connect to a registry, or bring debian:{suite}-slim here by hand (docker load); then run this again.",
            cause="base-image-missing",
            exit_code=2,
        )
    packages = ["mmdebstrap", "debian-archive-keyring"]
    question = f"The base image has to be made here. Install {' and '.join(packages)} from {apt.name_of_system()}?"
    if not agree(question, assume_yes=assume_yes):
        raise StackError(
            "The base image is needed: no registry answers, and mmdebstrap, which makes it, was not installed.",
            fix="sudo apt-get install mmdebstrap   or connect to a registry; then run this again.",
            cause="base-image-missing",
            exit_code=2,
        )
    apt.install(packages, progress)
    say(f"Installed: {', '.join(packages)}.")
    return find_program("mmdebstrap") or "mmdebstrap"


class _Steps:
    """mmdebstrap's own lines ("I: installing essential packages...") as progress."""

    def __init__(self, suite: str, progress: Progress) -> None:
        self.suite = suite
        self.progress = progress

    def __call__(self, line: str) -> None:
        if step := re.match(r"I: (.+?)\.\.\.", line):
            self.progress(f"Debian {self.suite}: {step[1]}")


def _errors(done: Finished) -> str:
    errors = [line for line in done.out.splitlines() if line.startswith(("E: ", "Err:"))]
    return "\n".join((errors or done.out.splitlines())[-5:])


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
