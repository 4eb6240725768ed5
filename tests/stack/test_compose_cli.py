"""Docker Compose itself reads the file as the scripts do, with every knob given and with none."""

import json
import os

import pytest

from stack.settings import PORTS, ROOT, Settings, default_values
from stack.tools.docker_engine import compose
from stack.tools.process import run


def test_the_file_is_valid(settings: Settings) -> None:
    done = compose(["config", "--quiet"], project=ROOT, env=settings.as_environment)
    assert (done.code, done.out + done.err) == (0, "")


def test_without_any_knob_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    for knob in default_values():
        monkeypatch.delenv(knob, raising=False)
    argv = ["docker", "compose", "--env-file", os.devnull, "config", "--format", "json"]
    done = run(argv, cwd=ROOT)
    assert (done.code, done.err) == (0, "")
    read = json.loads(done.out)
    assert read["name"] == default_values()["COMPOSE_PROJECT_NAME"]
    published = {(port["host_ip"], port["published"]) for port in read["services"]["gateway"]["ports"]}
    pages = {name.upper() for name in PORTS} - {"FOUNDRY_PORT"}
    assert published == {("127.0.0.1", default_values()[knob]) for knob in pages}


def test_proxies_of_the_environment_reach_the_build_and_nothing_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    done = compose(["config", "--format", "json"], project=ROOT, env=settings.as_environment)
    assert done.code == 0, done.err
    for service in json.loads(done.out)["services"].values():
        assert service["build"]["args"].pop("HTTPS_PROXY") == "http://proxy.example:3128"
        assert "proxy.example" not in json.dumps(service)
