"""What the stack keeps on the host is for its user only."""

from __future__ import annotations

import stat
import sys

from docker import DockerClient

from fakes.made_secrets import FILES
from stack.parts import containers, made_secrets
from stack.settings import ROOT, Settings
from stack.tools.docker_engine import client
from stack.tools.process import run


def test_only_the_user_can_read_what_is_kept(settings: Settings) -> None:
    assert stat.S_IMODE(settings.state.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in settings.state.iterdir() if file.is_file()}
    assert {"relay-token", "relay.log", "foundry.log", "relay.json"} <= modes.keys()
    assert set(modes.values()) == {0o600}, modes


def test_of_the_secrets_only_the_relays_is_on_the_host(settings: Settings) -> None:
    init = containers.run_once(settings, client(), "init")
    secrets = {file: made_secrets.read(init, *file.split("/")).encode() for file in FILES}
    kept = [path for path in settings.state.rglob("*") if path.is_file() and path.stat().st_size < 50_000_000]
    holders = {(file, path.name) for path in kept for file in secrets if secrets[file] in path.read_bytes()}
    assert holders == {("gateway/token", "relay-token")}


def test_to_show_passwords_makes_none(settings: Settings, engine: DockerClient) -> None:
    elsewhere = settings.model_copy(update={"compose_project_name": "never-started"})
    done = run([sys.executable, "scripts/passwords.py", "show"], cwd=ROOT, env=elsewhere.as_environment)
    assert done.code == 2, done.out + done.err
    assert "no passwords" in done.err
    assert not engine.volumes.list(filters={"name": "never-started"})
