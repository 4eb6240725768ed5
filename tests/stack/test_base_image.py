"""The base image comes from a registry where one answers, and from Debian's packages where none does."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound

from stack.parts import base_image, debian_archive
from stack.parts.base_image import ensure_base_image
from stack.parts.host_checks import free_ports
from stack.parts.plugins import NEWER_DEBIAN
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.progress import silent

NAME = "debian:trixie-slim"
REGISTRY = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def registry_program() -> Iterator[str]:
    """Debian's docker-registry: the installed one, or just the program out of its package, which runs no service."""
    if installed := shutil.which("docker-registry"):
        yield installed
        return
    with debian_archive.temporary_folder() as work:
        (package,) = debian_archive.download(["docker-registry"], NEWER_DEBIAN, work, silent)
        subprocess.run(["dpkg-deb", "--extract", package, work / "unpacked"], check=True)
        yield str(work / "unpacked" / "usr" / "bin" / "docker-registry")


@pytest.fixture
def registry(tmp_path: Path, engine: DockerClient, settings: Settings, registry_program: str) -> Iterator[str]:
    """A registry on loopback that holds this stack's own base image as debian:trixie-slim."""
    (port,) = free_ports(1)
    config = tmp_path / "registry.yml"
    config.write_text(REGISTRY.format(folder=tmp_path / "images", port=port))
    server = subprocess.Popen([registry_program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    image = f"127.0.0.1:{port}/{NAME}"
    try:
        _wait_for_listener(port)
        source = ensure_base_image(settings, assume_yes=True, progress=silent, say=print)
        engine.images.get(source).tag(image)
        pushed = engine.images.push(image)
        assert '"error"' not in pushed, pushed
        engine.images.remove(image)
        yield image
    finally:
        server.terminate()
        server.wait()
        _forget(engine, image)


@pytest.fixture
def made_name(engine: DockerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The image that is made here gets another name, so that the real one is neither used nor lost."""
    name = "localhost/foundry-stack/base-of-test:{suite}"
    monkeypatch.setattr(base_image, "MADE_HERE", name)
    yield name.format(suite="trixie")
    for suite in base_image.KNOBS:
        _forget(engine, name.format(suite=suite))


def wanting(settings: Settings, image: str) -> Settings:
    return settings.model_copy(update={"base_image": image})


@pytest.mark.full
def test_pulled_where_a_registry_answers(
    settings: Settings, engine: DockerClient, registry: str, made_name: str
) -> None:
    news: list[str] = []
    got = ensure_base_image(wanting(settings, registry), assume_yes=False, progress=silent, say=news.append)
    assert (got, news) == (registry, [])
    assert engine.images.get(registry)
    with pytest.raises(ImageNotFound):
        engine.images.get(made_name)


@pytest.mark.full
def test_an_image_that_is_here_needs_no_registry(settings: Settings, registry: str, made_name: str) -> None:
    wanted = wanting(settings, registry)
    ensure_base_image(wanted, assume_yes=False, progress=silent, say=print)
    steps: list[str] = []
    assert (
        ensure_base_image(wanted, assume_yes=False, progress=lambda text, _=None: steps.append(text), say=print)
        == registry
    )
    assert steps == []


@pytest.mark.full
def test_made_from_packages_where_no_registry_answers(settings: Settings, engine: DockerClient, made_name: str) -> None:
    news: list[str] = []
    unreachable = wanting(settings, f"127.0.0.1:{free_ports(1)[0]}/{NAME}")
    assert ensure_base_image(unreachable, assume_yes=True, progress=silent, say=news.append) == made_name
    assert "can't be pulled" in news[0]
    assert not (settings.state / "base-image.partial").exists()
    sources = engine.containers.run(
        made_name, ["cat", "/etc/debian_version", "/etc/apt/sources.list"], remove=True
    ).decode()
    assert sources.startswith("13.")
    assert "trixie-security" in sources
    assert ensure_base_image(unreachable, assume_yes=False, progress=silent, say=news.append) == made_name
    assert len(news) == 1  # the second time nothing is pulled and nothing is made


@pytest.mark.full
@pytest.mark.usefixtures("made_name")
def test_the_older_debian_is_made_too(settings: Settings, engine: DockerClient) -> None:
    image = f"127.0.0.1:{free_ports(1)[0]}/debian:bookworm-slim"
    older = settings.model_copy(update={"base_image_bookworm": image})
    made = ensure_base_image(older, "bookworm", assume_yes=True, progress=silent, say=print)
    assert made.endswith("base-of-test:bookworm")
    files = ["cat", "/etc/debian_version", "/etc/apt/sources.list"]
    sources = engine.containers.run(made, files, remove=True).decode()
    assert sources.startswith("12.")
    assert "bookworm-security" in sources


def test_a_release_does_not_stand_for_another(settings: Settings) -> None:
    image = f"127.0.0.1:{free_ports(1)[0]}/debian:trixie-slim"
    wrong = settings.model_copy(update={"base_image_bookworm": image})
    with pytest.raises(StackError, match="can't be pulled") as refused:
        ensure_base_image(wrong, "bookworm", assume_yes=True, progress=silent, say=print)
    assert "BASE_IMAGE_BOOKWORM" in refused.value.fix


def test_an_unreachable_image_of_the_users_own_is_not_swapped(settings: Settings, made_name: str) -> None:
    own = wanting(settings, f"127.0.0.1:{free_ports(1)[0]}/my/python:3.13")
    with pytest.raises(StackError, match="my/python") as missing:
        ensure_base_image(own, assume_yes=True, progress=silent, say=print)
    assert missing.value.cause == "base-image-missing"


def test_a_registry_that_hangs_is_given_up_soon(engine: DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_image, "PATIENCE", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent_registry:
        image = f"127.0.0.1:{silent_registry.getsockname()[1]}/{NAME}"
        begin = time.monotonic()
        assert base_image._pull(engine, image, silent) == "no answer in 3 s"
        assert time.monotonic() - begin < 10


def _wait_for_listener(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError("the registry does not listen")


def _forget(engine: DockerClient, image: str) -> None:
    with suppress(ImageNotFound):
        engine.images.remove(image, force=True)
