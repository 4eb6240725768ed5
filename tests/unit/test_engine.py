"""What is decided about Docker without touching one: whose engine it is, which plugins count, which pid files lie."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stack.parts import base_image, debian_archive, engine_start, plugins
from stack.parts.engine import ensure_engine
from stack.parts.host_checks import free_ports
from stack.tools.errors import StackError
from stack.tools.progress import silent


def docker_that_says(folder: Path, compose: str, buildx: str) -> None:
    """A `docker` on the PATH with plugins of these versions ("" for none)."""
    program = folder / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1" in compose) said="{compose}";; buildx) said="{buildx}";; esac\n'
        '[ -n "$said" ] && echo "$said" || { echo "not a docker command" >&2; exit 1; }\n'
    )
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("compose", "buildx", "missing"),
    [
        ("2.26.1-4", "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", []),
        ("v2.20.0", "github.com/docker/buildx v0.11.2 9872040", []),
        ("2.19.1", "github.com/docker/buildx v0.11.2 9872040", ["Docker Compose 2.20 or newer"]),
        ("", "github.com/docker/buildx v0.11.2 9872040", ["Docker Compose 2.20 or newer"]),
        ("5.0.0", "", ["Docker Buildx"]),
    ],
)
def test_old_and_missing_plugins_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose: str, buildx: str, missing: list[str]
) -> None:
    docker_that_says(tmp_path, compose, buildx)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert plugins.missing_plugins() == missing


def test_without_the_docker_command_both_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(plugins.missing_plugins()) == 2


def test_a_silent_engine_of_the_users_choice_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(StackError, match=address) as silent_engine:
        ensure_engine(assume_yes=True, progress=silent, say=print)
    assert (silent_engine.value.cause, silent_engine.value.exit_code) == ("engine-elsewhere", 2)


@pytest.mark.skipif(shutil.which("sleep") is None, reason="needs a program to stand for dockerd")
def test_pid_files_of_the_dead_go_and_that_of_a_running_daemon_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash another process may have the pid; dockerd then takes itself for running."""
    dockerd = tmp_path / "dockerd"
    shutil.copy(shutil.which("sleep") or "", dockerd)
    running = subprocess.Popen([dockerd, "60"])
    gone = subprocess.Popen(["true"])
    gone.wait()
    pids = {"alive": running.pid, "dead": gone.pid, "reused": os.getpid()}
    for name, pid in pids.items():
        (tmp_path / name).write_text(f"{pid}")
    monkeypatch.setattr(engine_start, "PID_FILES", {tmp_path / name: "dockerd" for name in pids})
    try:
        if os.geteuid() == 0:
            engine_start._drop_stale_pid_files()
            assert [name for name in pids if (tmp_path / name).exists()] == ["alive"]
    finally:
        running.kill()
        running.wait()


def test_an_image_is_made_from_a_mirror_and_not_from_a_list_of_them(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors.list"
    mirrors.write_text("http://mirror.invalid/debian\tpriority:1\nhttp://other.invalid/debian\n")
    assert debian_archive._resolve_list_of_mirrors(f"mirror+file:{mirrors}/") == "http://mirror.invalid/debian"
    assert debian_archive._resolve_list_of_mirrors("http://mirror.invalid/debian/") == "http://mirror.invalid/debian/"


def test_what_was_installed_to_make_an_image_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The very packages are not installed: the machine that the test runs on may have them, and keeps what it has."""
    installed: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(base_image, "find_program", lambda name: f"/usr/bin/{name}" if installed else None)
    monkeypatch.setattr(base_image.apt, "is_debian_like", lambda: True)
    monkeypatch.setattr(base_image.apt, "install", lambda packages, _: installed.extend(packages))
    found = base_image._ensure_mmdebstrap("trixie", assume_yes=True, progress=silent, say=said.append)
    assert found == "/usr/bin/mmdebstrap"
    assert said == [f"Installed: {', '.join(installed)}."]


def test_security_updates_are_among_an_images_sources() -> None:
    lines = debian_archive.Archive("http://a.invalid/debian", "http://b.invalid/security").sources("trixie")
    assert "deb http://b.invalid/security trixie-security main" in lines
    assert len(debian_archive.Archive("http://a.invalid/debian", None).sources("trixie")) == 2
