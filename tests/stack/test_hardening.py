"""How the running containers are locked down, seen from the kernel and the engine and not from the compose file."""

import json
import re
import socket
from collections.abc import Callable

import pytest
import testinfra
from docker import DockerClient
from docker.models.containers import Container
from testinfra.host import Host

from fakes.greeter import host_addresses
from fakes.spare_stack import Spare
from fakes.waiting import wait_until
from stack.parts.containers import IMAGES, of_project
from stack.settings import PORTS, Settings

LASTING = ["gateway", "chainlit", "open-webui", "webgpu-static", "monitor"]
USERS = {"gateway": 10002, "chainlit": 10001, "open-webui": 10003, "webgpu-static": 10004, "monitor": 10005}
DATA = {"chainlit": "/data", "open-webui": "/data"}  # the one place on disk that a service may write to
SECRETS = [
    ("gateway", "token"),
    ("chainlit", "secret-key"),
    ("chainlit", "admin-password"),
    ("chainlit", "probe-password"),
    ("chainlit", "monitor-password"),
    ("open-webui", "secret-key"),
    ("open-webui", "admin-password"),
    ("open-webui", "probe-password"),
    ("open-webui", "monitor-password"),
]
SHARED = [
    ("monitor", "chainlit-password"),  # as each page's monitor-password
    ("monitor", "open-webui-password"),
    ("gateway", "cloud-token"),  # as the chat's
    ("chainlit", "cloud-token"),
]
Find = Callable[[str], Container]
Inside = Callable[[str], Host]


@pytest.fixture(scope="module")
def inside(container: Find) -> Inside:
    """Commands and files in the container of that service."""
    return lambda service: testinfra.get_host(f"docker://{container(service).name}")


@pytest.fixture(scope="module")
def secret(inside: Inside) -> Callable[[str, str], str]:
    """The secret as its service reads it."""
    return lambda service, name: str(inside(service).file(f"/run/secrets/{name}").content_string)


@pytest.mark.parametrize("service", LASTING)
def test_every_process_is_harmless(inside: Inside, service: str) -> None:
    found = _processes(inside(service))
    processes = found.count("Name:\t")
    assert processes >= 2  # docker-init and what it runs; the cat besides
    uid = str(USERS[service])
    assert re.findall(r"Uid:\s+(.*)", found) == ["\t".join([uid] * 4)] * processes
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.findall(rf"{capabilities}:\s+(\S+)", found) == ["0" * 16] * processes
    assert re.findall(r"NoNewPrivs:\s+(\d)", found) == ["1"] * processes
    assert re.findall(r"Seccomp:\s+(\d)", found) == ["2"] * processes


@pytest.mark.parametrize("service", LASTING)
def test_the_root_is_read_only_and_space_in_memory_runs_nothing(inside: Inside, service: str) -> None:
    host = inside(service)
    mounts = [line.split() for line in host.check_output("cat /proc/mounts").splitlines()]
    options = {where: flags.split(",") for _, where, _, flags, *_ in mounts}
    assert "ro" in options["/"]
    assert {"rw", "noexec", "nosuid", "nodev"} <= set(options["/tmp"])
    assert host.run("touch /probe").rc != 0
    assert host.run("cp /bin/true /tmp/probe && chmod +x /tmp/probe && /tmp/probe").rc == 126
    places = " -o ".join(f"-path {place}" for place in ("/proc", "/dev", "/tmp", DATA.get(service, "/tmp")))
    assert host.run(rf"find / \( {places} \) -prune -o ! -type l -writable -print").stdout == ""


@pytest.mark.parametrize("service", LASTING)
def test_limits_hold(container: Find, settings: Settings, service: str) -> None:
    config = container(service).attrs["HostConfig"]
    knob = service.removesuffix("-static").replace("-", "_")
    size, cpus = getattr(settings, f"{knob}_memory"), getattr(settings, f"{knob}_cpus")
    assert config["Memory"] == int(size[:-1]) * 1024 ** {"m": 2, "g": 3}[size[-1].lower()]
    assert config["NanoCpus"] == cpus * 1_000_000_000
    assert 0 < config["PidsLimit"] <= 256
    assert config["LogConfig"]["Config"].keys() == {"max-size", "max-file"}
    assert config["RestartPolicy"]["Name"] == "always"
    assert not config["Privileged"]


@pytest.mark.parametrize(
    "service", [each if each == "chainlit" else pytest.param(each, marks=pytest.mark.full) for each in LASTING]
)
def test_processes_are_limited_by_the_kernel(container: Find, inside: Inside, service: str) -> None:
    forks = "i=0; while [ $i -lt 300 ]; do sleep 5 & i=$((i+1)); done; wait"
    done = inside(service).run(f"sh -c '{forks}'")
    assert done.rc != 0
    assert "ork" in done.stderr  # "Cannot fork", "fork: retry"
    container(service).reload()
    assert container(service).attrs["State"]["Running"]
    wait_until(lambda: "sleep 5" not in str(container(service).top()))  # what could start is in the next test's way


def test_only_loopback_is_published(settings: Settings, engine: DockerClient) -> None:
    published = [
        (binding["HostIp"], int(binding["HostPort"]))
        for container in of_project(settings, engine)
        for bindings in container.attrs["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    ]
    assert sorted(published) == sorted(("127.0.0.1", port) for port in _page_ports(settings))


def test_no_page_is_on_any_other_address(settings: Settings) -> None:
    for port in _page_ports(settings):
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        for address in host_addresses():
            with pytest.raises(OSError), socket.create_connection((address, port), timeout=2):
                pass


# --- secrets ---


@pytest.mark.parametrize(("service", "name"), SECRETS + SHARED)
def test_a_secret_is_strong_and_for_its_service_only(
    inside: Inside, secret: Callable[[str, str], str], service: str, name: str
) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret(service, name))
    path = f"/run/secrets/{name}"
    file = inside(service).file(path)
    assert (file.uid, file.mode, file.size) == (USERS[service], 0o400, 43)
    entitled = {of for of, its in SHARED if its == name} | {service}
    others = {other: inside(other).run(f"cat {path}").stdout for other in LASTING if other not in entitled}
    assert [other for other, content in others.items() if content == secret(service, name)] == []
    assert inside(service).run(f"sh -c 'echo x > {path}'").rc != 0


def test_secrets_differ(secret: Callable[[str, str], str]) -> None:
    assert len({secret(service, name) for service, name in SECRETS}) == len(SECRETS)


@pytest.mark.parametrize("page", ["chainlit", "open-webui"])
def test_the_monitor_and_a_page_know_the_same_password(secret: Callable[[str, str], str], page: str) -> None:
    assert secret("monitor", f"{page}-password") == secret(page, "monitor-password")


def test_the_gateway_and_the_chat_know_the_same_token_for_a_cloud_and_nobody_else_does(
    inside: Inside, secret: Callable[[str, str], str]
) -> None:
    token = secret("gateway", "cloud-token")
    assert (len(token), secret("chainlit", "cloud-token")) == (43, token)
    assert token != secret("gateway", "token")
    assert [other for other in LASTING if inside(other).file("/run/secrets/cloud-token").exists] == [
        "gateway",
        "chainlit",
    ]


@pytest.mark.parametrize("which", SECRETS + SHARED, ids="/".join)
def test_a_secret_can_not_be_seen_from_outside(
    settings: Settings, engine: DockerClient, inside: Inside, secret: Callable[[str, str], str], which: tuple[str, str]
) -> None:
    hidden = secret(*which)
    for container in of_project(settings, engine):
        assert hidden not in json.dumps(container.attrs), container.name
        assert hidden.encode() not in container.logs(), container.name
        assert container.image is not None
        assert hidden not in json.dumps(container.image.history()), container.name
    shown = inside(which[0]).check_output("cat /proc/1/environ /proc/[0-9]*/environ /proc/[0-9]*/cmdline")
    assert "PATH=" in shown
    assert hidden not in shown


def test_each_stack_has_a_token_of_its_own_that_init_never_changes(
    spare: Spare, secret: Callable[[str, str], str]
) -> None:
    before = spare.token()
    assert before != secret("gateway", "token")
    again = spare.compose("up", "--no-build", "--no-deps", "--exit-code-from", "init", "init")
    assert again.code == 0, again.out + again.err
    assert spare.token() == before


def test_no_image_holds_what_the_build_was_given(settings: Settings, engine: DockerClient) -> None:
    for service in ("init", *LASTING):
        image = engine.images.get(f"{IMAGES}/{service}:{settings.image_tag}")
        history = json.dumps(image.history()).lower()
        assert "proxy=" not in history
        assert "index_url=http" not in history
        assert not [entry for entry in image.attrs["Config"]["Env"] if "PROXY" in entry.upper() or "PIP" in entry]


def _processes(host: Host) -> str:
    """What /proc says of each; asked again while runc is only entering the container, as for each health check."""
    seen: list[str] = []

    def nobody_is_entering() -> bool:
        seen[:] = [host.check_output("cat /proc/[0-9]*/status")]
        return "runc:[" not in seen[0]

    wait_until(nobody_is_entering)
    return seen[0]


def _page_ports(settings: Settings) -> list[int]:
    return [getattr(settings, name) for name in PORTS if name != "foundry_port"]
