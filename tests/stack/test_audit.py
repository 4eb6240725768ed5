"""The scorecard: green on the running stack, and each weakened setting turns its own line red and no other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import DockerClient
from docker.models.containers import Container

from fakes import weaknesses
from fakes.twin import Change, Config, image_on_top, network, twin
from fakes.waiting import wait_until
from fakes.weaknesses import DEMO, GATEWAY, Weak, WeakImage, host, on_network
from stack import audits
from stack.audits.catalogue import ITEMS
from stack.audits.exceptions import EACH, EXCEPTIONS
from stack.audits.scorecard import Scorecard, Status
from stack.parts.containers import BUILT, IMAGES, PROJECT_LABEL
from stack.parts.host_checks import free_ports
from stack.reports.scorecard import page
from stack.settings import ROOT, Settings
from stack.tools.errors import StackError
from stack.tools.process import Finished, run

Find = Callable[[str], Container]
Red = Callable[..., set[str]]
AUDIT = [sys.executable, "scripts/audit.py"]
INHIBIT = {"com.docker.network.bridge.inhibit_ipv4": "true"}
NOT_MASKED = {"com.docker.network.bridge.enable_ip_masquerade": "false"}
# What no setting of a container can break: of these the reason is what there is to say.
SAID_ONCE = {"CIS 4.4", "CIS 4.12"}
# Broken by tests of their own below.
ELSEWHERE = {
    *("CIS 4.5", "CIS 5.8", "CIS 5.9", "CIS 5.14", "CIS 5.20", "CIS 5.23", "CIS 5.24", "CIS 5.25", "CIS 5.28"),
    *("house internal", "house no-host-address", "house not-masqueraded", "house no-ipv6"),
    *("house own-volumes", "house pinned"),
}


@pytest.fixture(scope="module")
def card(settings: Settings) -> Scorecard:
    return audits.run(settings)


@pytest.fixture
def red(settings: Settings, engine: DockerClient) -> Red:
    """The ids of the lines that are red for these containers."""

    def look(*containers: Container, **knobs: object) -> set[str]:
        seen = audits.of_containers(settings.model_copy(update=knobs), engine, containers)
        return {line.id for line in seen.failed}

    return look


def audit(*arguments: str, **env: str) -> Finished:
    return run([*AUDIT, *arguments], env=env, cwd=ROOT, timeout=120)


# --- the stack as it runs ---


def test_nothing_is_red(card: Scorecard) -> None:
    assert [(line.id, line.findings) for line in card.failed] == []
    assert card.exit_code == 0


def test_each_line_looked_at_each_container(card: Scorecard) -> None:
    for line in card.lines:
        if line.status is not Status.MACHINE:
            assert sorted(finding.target for finding in line.findings) == sorted(BUILT), line.id


def test_every_exception_is_needed(card: Scorecard) -> None:
    used = {
        (line.id, finding.target, finding.seen)
        for line in card.lines
        for finding in line.findings
        if finding.status is Status.EXCEPTION
    }
    for each in EXCEPTIONS:
        for service in BUILT if each.services == EACH else each.services:
            assert (each.item, service, each.seen) in used


def test_the_page_in_the_docs_is_what_is_so_now(card: Scorecard) -> None:
    written = (ROOT / "docs" / "scorecard.md").read_text(encoding="utf-8")
    assert written == page(card), "python3 scripts/audit.py --markdown"


def test_what_does_not_run_can_not_be_audited(settings: Settings) -> None:
    with pytest.raises(StackError, match="gateway") as refused:
        audits.run(settings.model_copy(update={"compose_project_name": "foundry-stack-nobody"}))
    assert refused.value.exit_code == 2


@pytest.mark.full
def test_the_command_ends_with_0() -> None:
    done = audit("--json")
    told = json.loads(done.out)
    assert [line for line in told["lines"] if line["status"] == "failed"] == []
    assert (done.code, told["schema"], told["status"]) == (0, 1, "passed")
    assert len(told["lines"]) > len(ITEMS)


@pytest.mark.full
def test_the_command_ends_with_2_where_it_could_not_ask() -> None:
    done = audit(COMPOSE_PROJECT_NAME="foundry-stack-nobody")
    assert done.code == 2, done.out
    assert "gateway" in done.err


# --- one weakness, its line ---


@pytest.mark.parametrize("weak", weaknesses.EVERY_DAY, ids=lambda weak: weak.name)
def test_one_weak_setting(engine: DockerClient, container: Find, red: Red, weak: Weak) -> None:
    with twin(engine, container(weak.service), weak.change) as weakened:
        assert red(weakened) == set(weak.red)


@pytest.mark.full
@pytest.mark.parametrize("weak", weaknesses.ONE_BY_ONE, ids=lambda weak: weak.name)
def test_one_weak_setting_of_all(engine: DockerClient, container: Find, red: Red, weak: Weak) -> None:
    with twin(engine, container(weak.service), weak.change) as weakened:
        assert red(weakened) == set(weak.red)


@pytest.mark.full
@pytest.mark.parametrize("service", [service for service in BUILT if service != "init"])
def test_the_control_a_twin_without_a_weakness(engine: DockerClient, container: Find, red: Red, service: str) -> None:
    with twin(engine, container(service)) as same:
        assert red(same) == set()


@pytest.mark.full
def test_the_control_five_restarts_on_failure_are_no_exception(
    settings: Settings, engine: DockerClient, container: Find
) -> None:
    with twin(engine, container(DEMO), host(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 5})) as same:
        seen = audits.of_containers(settings, engine, [same])
        assert [line.status for line in seen.lines if line.id == "CIS 5.15"] == [Status.PASSED]


def test_each_item_is_weakened_once() -> None:
    weak = {line for each in (*weaknesses.EVERY_DAY, *weaknesses.ONE_BY_ONE, *weaknesses.IMAGES) for line in each.red}
    assert weak | ELSEWHERE | SAID_ONCE == {item.references[0] for item in ITEMS}


@pytest.mark.full
@pytest.mark.parametrize("weak", weaknesses.IMAGES, ids=lambda weak: weak.name)
def test_one_weakness_of_an_image(engine: DockerClient, container: Find, red: Red, weak: WeakImage) -> None:
    original = container(DEMO)
    with (
        image_on_top(engine, weak.dockerfile(original.attrs["Config"]["Image"]), dict(weak.files)) as image,
        twin(engine, original, weaknesses.own(Image=image)) as weakened,
    ):
        assert red(weakened, image_tag=image.rpartition(":")[2]) == set(weak.red)


@pytest.fixture
def renamed(engine: DockerClient, container: Find) -> Iterator[Callable[[str], str]]:
    """Give the demo's image one more name; it is gone afterwards."""
    names = []

    def rename(name: str) -> str:
        assert engine.images.get(container(DEMO).attrs["Image"]).tag(name)
        names.append(name)
        return name

    yield rename
    for name in names:
        engine.images.remove(name)


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "line"), [("elsewhere.invalid/weak:1", "CIS 4.5"), (f"{IMAGES}/weak:latest", "house pinned")]
)
def test_the_name_of_an_image(  # noqa: PLR0917
    engine: DockerClient, container: Find, red: Red, renamed: Callable[[str], str], name: str, line: str
) -> None:
    with twin(engine, container(DEMO), weaknesses.own(Image=renamed(name))) as weakened:
        assert red(weakened, image_tag=name.rpartition(":")[2]) == {line}


@pytest.mark.full
def test_an_image_that_its_name_stands_for_no_more(engine: DockerClient, container: Find, red: Red) -> None:
    original = container(DEMO)
    with image_on_top(engine, f"FROM {original.attrs['Config']['Image']}\nLABEL is=old") as image:
        tag = image.rpartition(":")[2]
        with twin(engine, original, weaknesses.own(Image=image)) as old:
            assert red(old, image_tag=tag) == set()
            newer = engine.images.get(original.attrs["Image"])
            assert newer.tag(image)
            assert red(old, image_tag=tag) == {"CIS 5.28"}


# --- ports ---


def published(address: str, port: int) -> Change:
    return host(PortBindings={"8080/tcp": [{"HostIp": address, "HostPort": str(port)}]})


@pytest.mark.full
def test_the_control_a_page_on_loopback(engine: DockerClient, container: Find, red: Red) -> None:
    (port,) = free_ports(1)
    with twin(engine, container(GATEWAY), published("127.0.0.1", port)) as door:
        assert red(door, monitor_port=port) == set()


@pytest.mark.full
def test_a_port_on_all_addresses(engine: DockerClient, container: Find, red: Red) -> None:
    (port,) = free_ports(1)
    everywhere = published("0.0.0.0", port)  # noqa: S104
    with twin(engine, container(GATEWAY), everywhere) as weakened:
        assert red(weakened, monitor_port=port) == {"CIS 5.14"}


@pytest.mark.full
def test_a_port_of_no_page(engine: DockerClient, container: Find, red: Red) -> None:
    (port,) = free_ports(1)
    with twin(engine, container(GATEWAY), published("127.0.0.1", port)) as weakened:
        assert red(weakened) == {"CIS 5.9"}


@pytest.mark.full
def test_a_privileged_port(engine: DockerClient, container: Find, red: Red) -> None:
    with twin(engine, container(GATEWAY), published("127.0.0.1", 1017)) as weakened:
        assert red(weakened, monitor_port=1017) == {"CIS 5.8"}


# --- networks ---


@pytest.mark.full
@pytest.mark.parametrize(
    ("service", "settings_of_network", "line"),
    [
        (DEMO, {"internal": True, "options": INHIBIT}, None),
        (DEMO, {"internal": True}, "house no-host-address"),
        (DEMO, {"options": NOT_MASKED}, "house internal"),
        (GATEWAY, {"options": NOT_MASKED}, None),
        (GATEWAY, {}, "house not-masqueraded"),
        (DEMO, {"internal": True, "options": INHIBIT, "enable_ipv6": True}, "house no-ipv6"),
    ],
    ids=str,
)
def test_a_network(  # noqa: PLR0917
    engine: DockerClient,
    container: Find,
    red: Red,
    service: str,
    settings_of_network: dict[str, object],
    line: str | None,
) -> None:
    pools = {"ipam": {"Config": [{"Subnet": "fd00:7717::/64"}]}} if "enable_ipv6" in settings_of_network else {}
    with (
        network(engine, driver="bridge", **settings_of_network, **pools) as made,
        twin(engine, container(service), on_network(str(made.name))) as weakened,
    ):
        assert red(weakened) == ({line} if line else set())


# --- what needs more than a setting ---


@pytest.mark.full
def test_a_volume_of_two(engine: DockerClient, container: Find, red: Red) -> None:
    secrets = container(GATEWAY).attrs["HostConfig"]["Mounts"]
    with twin(engine, container(GATEWAY)) as first:
        with twin(engine, container(DEMO)) as second:
            assert red(first, second) == set()
        with twin(engine, container(DEMO), host(Mounts=secrets)) as second:
            assert red(first, second) == {"house own-volumes"}


@pytest.mark.full
def test_two_of_one_service(engine: DockerClient, container: Find, red: Red) -> None:
    with twin(engine, container(DEMO)) as first, twin(engine, container(DEMO)) as second:
        assert red(first, second) == {"CIS 6.2"}


@pytest.mark.full
@pytest.mark.parametrize(
    ("options", "lines"),
    [({"user": "10004"}, set()), ({"user": "root"}, {"CIS 5.24"}), ({"privileged": True}, {"CIS 5.23"})],
    ids=["control", "root", "privileged"],
)
def test_a_command_that_is_about_to_be_run(
    engine: DockerClient, container: Find, red: Red, options: dict[str, Any], lines: set[str]
) -> None:
    with twin(engine, container(DEMO)) as same:
        engine.api.exec_create(same.id, ["sleep", "60"], **options)
        assert red(same) == lines


@pytest.mark.full
@pytest.mark.parametrize(
    ("options", "lines"),
    [({"user": "10004"}, set()), ({"user": "root"}, {"CIS 5.24", "CIS 4.1"})],  # its process is root's, too
    ids=["control", "root"],
)
def test_a_command_from_outside(
    engine: DockerClient, container: Find, red: Red, options: dict[str, Any], lines: set[str]
) -> None:
    with twin(engine, container(DEMO)) as same:
        command = engine.api.exec_create(same.id, ["sleep", "60"], **options)
        engine.api.exec_start(command["Id"], detach=True)
        wait_until(lambda: engine.api.exec_inspect(command["Id"])["Running"])
        assert red(same) == lines


@pytest.mark.full
def test_another_cgroup(engine: DockerClient, container: Find, red: Red) -> None:
    there = "/docker" if engine.info()["CgroupDriver"] == "cgroupfs" else "system.slice"  # so that none has to be made
    with twin(engine, container(DEMO), host(CgroupParent=there)) as weakened:
        assert red(weakened) == {"CIS 5.25"}


@pytest.mark.full
def test_a_shared_mount(engine: DockerClient, container: Find, red: Red) -> None:
    folder = engine.info()["DockerRootDir"] + "/volumes"  # the engine sees to it that this can be shared
    mount: dict[str, Any] = {"Type": "bind", "Source": folder, "Target": "/sources", "ReadOnly": True}
    with twin(engine, container(DEMO), host(Mounts=[mount])) as same:
        assert red(same) == {"CIS 5.6"}
    mount["BindOptions"] = {"Propagation": "rshared"}
    with twin(engine, container(DEMO), host(Mounts=[mount])) as weakened:
        assert red(weakened) == {"CIS 5.6", "CIS 5.20"}


@pytest.mark.full
def test_the_command_ends_with_1_and_names_the_setting(
    settings: Settings, engine: DockerClient, container: Find
) -> None:
    def join(config: Config) -> None:
        config["Labels"][PROJECT_LABEL] = settings.compose_project_name

    with twin(engine, container(DEMO), weaknesses.stray, join, host(SecurityOpt=[])):
        done = audit()
    assert done.code == 1, done.out
    assert "CIS 5.26: Ensure that the container is restricted" in done.out
    assert 'Fix: for stray: `security_opt: ["no-new-privileges:true"]`' in done.out
    assert "CIS 6.2:" in done.out
    assert "CIS 5.13:" not in done.out
