"""What compose.yaml promises, read from the file itself: defaults, hardening and networks, for every service in it."""

import re
from typing import Any

import pytest
import yaml

from stack.settings import ROOT, default_values

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
LASTING = sorted(set(SERVICES) - {"init"})


def test_every_knob_has_the_default_that_the_example_file_states() -> None:
    found = re.findall(r"\$\{([A-Z_]+)(:-([^}]*))?\}", TEXT)
    assert len(found) == TEXT.count("${") - TEXT.count("(${...})")
    stated = default_values()
    for knob, has_default, default in found:
        assert has_default, f"{knob} is required; nothing may be"
        assert stated.get(knob, "not in .env.example") == default, knob


@pytest.mark.parametrize("name", SERVICES)
def test_hardening(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["ulimits"] == {"nofile": 4096}
    assert {"mem_limit", "cpus", "pids_limit", "stop_grace_period", "restart"} <= set(service)
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert service["pull_policy"] == "never"
    assert not {"privileged", "devices", "pid", "ipc", "userns_mode", "env_file", "secrets"} & set(service)


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_watched_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "always"
    assert service["init"] is True
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert "test" not in service["healthcheck"], "stands in the image"
    assert "\nHEALTHCHECK CMD [" in (ROOT / "services" / name / "Dockerfile").read_text(encoding="utf-8")
    assert "cap_add" not in service
    assert service["dns"] == ["127.0.0.1"], "names must not be asked outside"


@pytest.mark.parametrize("name", LASTING)
def test_space_in_memory_is_limited_and_runs_nothing(name: str) -> None:
    for mount in SERVICES[name]["tmpfs"]:
        _, _, options = mount.partition(":")
        assert {"noexec", "nosuid", "nodev"} <= set(options.split(","))
        assert "size=" in options


def test_init_ends_without_a_network() -> None:
    init = SERVICES["init"]
    assert (init["network_mode"], init["restart"], init["cap_add"]) == ("none", "no", ["CHOWN"])


def test_only_the_gateway_has_a_way_out_and_publishes_ports() -> None:
    for name in LASTING:
        networks = set(SERVICES[name]["networks"])
        if name == "gateway":
            assert networks == {"private", "edge"}
        else:
            assert networks == {"private"}
            assert not {"ports", "extra_hosts", "network_mode"} & set(SERVICES[name])


def test_ports_are_published_on_loopback_only() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["gateway"]["ports"])


def test_the_gateway_waits_for_no_front_end() -> None:
    assert set(SERVICES["gateway"]["depends_on"]) == {"init"}


def test_networks() -> None:
    options = {name: network["driver_opts"] for name, network in FILE["networks"].items()}
    assert FILE["networks"]["private"]["internal"] is True
    assert options["private"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}
    assert options["edge"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_each_secret_volume_has_one_reader_who_can_not_write_it() -> None:
    for volume in (name for name in FILE["volumes"] if name.endswith("-secrets")):
        readers = [
            (name, mount.get("read_only"))
            for name in LASTING
            for mount in SERVICES[name].get("volumes", [])
            if mount["source"] == volume
        ]
        assert readers == [(volume.removesuffix("-secrets"), True)]


def test_no_dockerfile_asks_for_what_the_built_in_builder_lacks() -> None:
    for file in (ROOT / "services").glob("*/Dockerfile"):
        text = file.read_text(encoding="utf-8")
        assert "# syntax=" not in text, "makes the builder pull an image"
        assert "<<" not in text, "heredocs: unknown to the builder of engine 20.10"
