"""What `up` can't do it says before it changes anything: who is in the way, which line is wrong, what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes.catalog import Offered, running_cloud
from faults.own_clone import Clone, make_clone, nobody, open_folder
from faults.own_stack import Ended, OwnStack, User, json_of
from stack.tools.process import run

DEAD_CATALOG = "http://127.0.0.1:9/asset-gallery/v1.0/models"  # the discard port: refused at once

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user, or mount")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, for clones and state."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def clone(folder: Path) -> Clone:
    """A clone of the test's own, owned by whoever runs the tests."""
    return make_clone(folder / "clone", User(os.geteuid(), os.getegid()))


def refused(ended: Ended, *said: str, code: int = 2) -> None:
    """Assert that it ended with this exit code, said all this and a fix, and showed no traceback."""
    assert ended.code == code, ended.all
    assert "Traceback" not in ended.all
    assert "\nFix: " in ended.err
    for words in said:
        assert words in ended.err


def untouched(stack: OwnStack) -> None:
    """Assert that nothing of the stack is there."""
    assert not stack.containers()
    assert not stack.networks()
    assert not stack.volumes()
    assert not stack.processes()


@pytest.mark.parametrize("knob", ["CHAINLIT_PORT", "FOUNDRY_PORT"])
def test_a_port_that_is_taken_by_whom(stack: OwnStack, knob: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        ended = stack.run("up", "--yes", **{knob: str(port)})
    refused(ended, f"Port {port} ({knob}) is taken by `{psutil.Process().name()}` (pid {os.getpid()}", f"{knob}=")
    untouched(stack)


def test_a_daemon_that_does_not_answer(stack: OwnStack, tmp_path: Path) -> None:
    dead = f"unix://{tmp_path}/dead.sock"
    refused(stack.run("up", "--yes", DOCKER_HOST=dead), dead, "does not answer")
    assert not stack.processes()


@only_root
def test_no_right_to_use_docker(stack: OwnStack, folder: Path) -> None:
    user = nobody(may_use_docker=False)
    clone = make_clone(folder / "clone", user)
    stack.clone, stack.python, stack.user = clone.folder, clone.python, user
    own = {"STATE_DIR": str(clone.folder / ".state"), "HOME": str(clone.folder)}
    refused(stack.run("up", "--yes", **own), "no right to use Docker", "docker")
    untouched(stack)
    refused(stack.run("down", **own), "no right to use Docker")


@only_root
def test_the_state_of_another_user(stack: OwnStack, folder: Path) -> None:
    user = nobody(may_use_docker=True)
    clone = make_clone(folder / "clone", user)
    of_root = clone.folder / ".state" / stack.project
    of_root.mkdir(parents=True, mode=0o700)
    stack.clone, stack.python, stack.user = clone.folder, clone.python, user
    for script in ("up", "down"):
        refused(stack.run(script, STATE_DIR=str(of_root.parent), HOME=str(clone.folder)), "belongs to another user")
    untouched(stack)


@only_root
def test_a_small_disk(stack: OwnStack, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    assert run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small)]).code == 0
    try:
        ended = stack.run("up", "--yes", STATE_DIR=str(small))
        refused(ended, "Too little room on the disk", "STATE_DIR")
    finally:
        assert run(["umount", str(small)]).code == 0
    untouched(stack)


@pytest.mark.full
def test_a_model_that_there_is_not_has_nearest_names(stack: OwnStack, tmp_path: Path) -> None:
    offered = [Offered("phi-4-mini", "Phi-4-mini-instruct-generic-cpu", "5"), Offered("qwen2.5-0.5b", "qwen-cpu", "4")]
    with running_cloud(offered, tmp_path) as cloud:
        ended = stack.run("up", "--yes", MODEL="phi4-mimi", CATALOG_URL=cloud.catalog_url)
    refused(ended, "no model called 'phi4-mimi'", "phi-4-mini", "MODEL=phi-4-mini", code=1)
    nothing_runs(stack)


@pytest.mark.full
def test_a_model_that_can_not_be_reached(stack: OwnStack) -> None:
    ended = stack.run("up", "--yes", MODEL="phi-4-mini", CATALOG_URL=DEAD_CATALOG)
    refused(ended, "catalog does not answer", "MODEL=phi-4-mini", "smollm2", code=1)
    nothing_runs(stack)


def nothing_runs(stack: OwnStack) -> None:
    """The secrets are made by then; nothing that was not running before runs."""
    assert {name: each.status for name, each in stack.containers().items()} == {"init": "exited"}
    assert not stack.processes()


def test_a_malformed_env_file_is_told_with_its_line(stack: OwnStack, clone: Clone) -> None:
    stack.clone, stack.python = clone.folder, clone.python
    (clone.folder / ".env").write_bytes(b"\xef\xbb\xbf# mine\r\nMODEL=auto\r\nCHAINLIT PORT 8080\r\n")
    for script in ("up", "down", "probe"):
        refused(stack.run(script), ".env, line 3")
    (clone.folder / ".env").write_text("\nDEVICE=tpu\n")
    del stack.knobs["DEVICE"]
    refused(stack.run("up"), ".env, line 2: DEVICE")
    untouched(stack)


def test_byte_order_mark_and_crlf_are_read_alike_by_compose_and_the_scripts(stack: OwnStack, clone: Clone) -> None:
    stack.clone, stack.python = clone.folder, clone.python
    stack.knobs.clear()
    port = stack.settings.chainlit_port
    lines = [f"COMPOSE_PROJECT_NAME={stack.project}", f"CHAINLIT_PORT={port}", "SYSTEM_PROMPT=Be brief."]
    (clone.folder / ".env").write_bytes("\ufeff".encode() + "\r\n".join([*lines, ""]).encode())
    config = json_of(stack.start_program("docker", "compose", "config", "--format", "json").end())
    assert config["name"] == stack.project
    assert config["services"]["gateway"]["ports"][0]["published"] == str(port)
    assert config["services"]["chainlit"]["environment"]["SYSTEM_PROMPT"] == "Be brief."
    code = "from stack.settings import load; print(load().model_dump_json())"
    read = json_of(stack.start_program(clone.venv_python, "-c", code, PYTHONPATH=f"{clone.folder}/scripts").end())
    assert (read["compose_project_name"], read["chainlit_port"], read["system_prompt"]) == (
        stack.project,
        port,
        "Be brief.",
    )
