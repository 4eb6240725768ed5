"""The stack in one file, brought up on a machine with nothing on it and no network; and its engine killed there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from fakes.bare_machine import BUNDLE, BareMachine, bare_machine
from fakes.machine_checks import ASK, assert_bare, assert_green, assert_same, keepsakes
from fakes.waiting import wait_until
from stack.parts.containers import BUILT
from stack.settings import ROOT, Settings
from stack.tools.bundle_file import BundleFile
from stack.tools.process import Finished, stream

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

GREEN_SECONDS = 300
# What a program there would ask first: a name, and an address that needs none.
REACH = """
import json, socket
def reaches(*address):
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError as why:
        return False
    return True
print(json.dumps([reaches("deb.debian.org", 80), reaches("pypi.org", 443), reaches("1.1.1.1", 443)]))
"""
DAMAGE = """
import pathlib, sys
source, target = map(pathlib.Path, sys.argv[1:])
content = bytearray(source.read_bytes())
content[-len(content) // 4] ^= 1
target.write_bytes(content)
cut = target.with_name("cut.tar")
cut.write_bytes(source.read_bytes()[: len(content) // 2])
print("true")
"""


@pytest.fixture(scope="module")
def bundle(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by the script, from the images of the tests' own stack."""
    file = tmp_path_factory.mktemp("bundle") / "stack.tar"
    argv = [sys.executable, str(ROOT / "scripts" / "bundle.py"), "--yes", str(file)]
    done = stream(argv, print, env=settings.as_environment)
    assert done.code == 0, done.out
    assert BundleFile(file).manifest["images"]
    assert not list(file.parent.glob(".*"))
    return file


@pytest.fixture(scope="module")
def machine(engine: DockerClient, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareMachine]:
    with bare_machine(engine, tmp_path_factory.mktemp("machine"), bundle) as bare:
        yield bare


@pytest.fixture(scope="module")
def left(machine: BareMachine) -> dict[str, object]:
    """What people left on the machine's stack, which is up."""
    up(machine, "--bundle", BUNDLE)
    return keepsakes(machine, "leave")


def up(machine: BareMachine, *arguments: str) -> Finished:
    done = machine.watch("python3", "scripts/up.py", "--yes", *arguments)
    assert done.code == 0, done.out
    return done


def test_from_one_file_to_an_answer_without_a_network(machine: BareMachine) -> None:
    assert_bare(machine)
    assert machine.python(REACH) == [False, False, False]
    before = machine.look()

    assert machine.python(DAMAGE, BUNDLE, "/root/damaged.tar")
    for name in ("damaged.tar", "cut.tar"):
        refused = machine.run("python3", "scripts/up.py", "--yes", "--bundle", f"/root/{name}")
        assert refused.code == 2, refused.out + refused.err
        assert "damaged" in refused.err or "only the beginning of one" in refused.err
        assert_bare(machine)
        assert machine.look() == before

    first = up(machine, "--bundle", BUNDLE)
    assert "Installed:" in first.out
    tags = machine.run("docker", "images", "--format", "{{.Tag}}").out.split()
    assert tags == ["1"] * len(BUILT)
    assert_green(machine)
    assert "Paris" in machine.python(ASK)
    running = machine.look()

    for arguments in ((), ("--bundle", BUNDLE)):
        again = up(machine, *arguments)
        assert "Installed:" not in again.out
        assert_same(running, machine.look())


def test_down_and_up_again_without_the_file(machine: BareMachine, left: dict[str, object]) -> None:
    assert machine.watch("python3", "scripts/down.py").code == 0
    up(machine)
    assert_green(machine)
    assert keepsakes(machine, "find") == left


def test_the_engine_killed_while_a_chat_streams(machine: BareMachine, left: dict[str, object]) -> None:
    """By SIGKILL, and started again as an init system does; nobody does anything more."""
    program(machine, "fakes.killed_engine")
    wait_until(lambda: machine.run("python3", "scripts/probe.py", "--json").code == 0, GREEN_SECONDS)
    assert_green(machine)
    assert keepsakes(machine, "find") == left
    program(machine, "fakes.databases")


def program(machine: BareMachine, module: str) -> None:
    """Run one of the tests' own in the machine."""
    done = machine.run("env", "PYTHONPATH=scripts:tests", ".venv/bin/python", "-m", module)
    assert done.code == 0, done.out + done.err


def test_a_clone_of_another_version_is_told_so(machine: BareMachine, left: dict[str, object]) -> None:
    changed = "services/chainlit/personas.toml"
    assert machine.has(f"cp {changed} /root/kept && echo >>{changed}")
    try:
        refused = machine.run("python3", "scripts/up.py", "--yes", "--bundle", BUNDLE)
    finally:
        assert machine.has(f"cp /root/kept {changed}")
    assert refused.code == 2
    assert changed in refused.err
    assert json.loads(machine.run("python3", "scripts/probe.py", "--json").out)["status"] in ("ok", "degraded")
    assert keepsakes(machine, "find") == left
