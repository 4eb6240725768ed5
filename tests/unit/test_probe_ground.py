"""What the probe makes of the engine's records, the kernel's counts and nginx's words, in forms that are rare here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stack.probes import nginx_said, out_of_memory
from stack.probes.as_configured import not_too_open
from stack.probes.containers import judge
from stack.probes.report import Status
from stack.probes.room import why_not_stored

NAME = "6035b5ad46b1"


def published(*addresses: str) -> dict[str, Any]:
    bindings = [{"HostIp": address, "HostPort": "8080"} for address in addresses]
    return {"NetworkSettings": {"Ports": {"8080/tcp": bindings or None, "51211/tcp": None}}}


@pytest.mark.parametrize("addresses", [(), ("127.0.0.1",), ("127.0.0.1", "::1"), ("127.0.0.53",)])
def test_loopback_is_for_this_machine_only(addresses: tuple[str, ...]) -> None:
    assert not_too_open(published(*addresses)).status is Status.OK


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.168.1.7", "fd00::7"])  # noqa: S104  (read, not used)
def test_any_other_address_is_for_others_too(address: str) -> None:
    assert not_too_open(published("127.0.0.1", address)).cause == "port-on-all-interfaces"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A /proc and a /sys/fs/cgroup of one's own."""
    (tmp_path / "proc" / "77").mkdir(parents=True)
    return tmp_path


def kills(machine: Path, pid: int = 77) -> int | None:
    return out_of_memory.kills({"Id": NAME, "State": {"Pid": pid}}, machine / "proc", machine / "cgroup")


def test_the_kernels_count_with_cgroups_of_version_1(machine: Path) -> None:
    (machine / "proc/77/cgroup").write_text(f"5:devices:/docker/{NAME}\n4:memory:/docker/{NAME}\n0::/docker/{NAME}\n")
    folder = machine / "cgroup/memory/docker" / NAME
    folder.mkdir(parents=True)
    (folder / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert kills(machine) == 3


def test_the_kernels_count_with_cgroups_of_version_2(machine: Path) -> None:
    (machine / "proc/77/cgroup").write_text(f"0::/system.slice/docker-{NAME}.scope\n")
    folder = machine / "cgroup/system.slice" / f"docker-{NAME}.scope"
    folder.mkdir(parents=True)
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n")
    assert kills(machine) == 1


def test_a_process_of_another_kernel_with_the_same_number_counts_for_nothing(machine: Path) -> None:
    (machine / "proc/77/cgroup").write_text("0::/user.slice/session-1.scope\n")
    assert kills(machine) is None
    assert kills(machine, pid=78) is None


@pytest.mark.parametrize(
    ("health", "restarts", "status"),
    [("healthy", 1, Status.DEGRADED), ("starting", 1, Status.FAILED)],
)
def test_out_of_memory_and_started_again_by_the_engine(health: str, restarts: int, status: Status) -> None:
    state = {"Status": "running", "ExitCode": 0, "Error": "", "OOMKilled": True, "Health": {"Status": health}}
    outcome = judge({"Name": "/stack-chainlit-1", "RestartCount": restarts, "State": state})
    assert (outcome.cause, outcome.status) == ("container-oom-killed", status)


REJECTED = [
    'nginx: [emerg] unknown directive "no_such" in /etc/nginx/conf.d/log.conf:7',
    '2026/11/22 21:30:00 [emerg] 1#1: invalid port in upstream "host.docker.internal:99999" in /tmp/facts/relay.conf:1',
    'nginx: [emerg] unexpected end of file, expecting "}" in /etc/nginx/nginx.conf:58',
    'nginx: [emerg] open() "/etc/nginx/nginx.conf" failed (2: No such file or directory)',
]
NOT_REJECTED = [
    "2026/11/22 21:30:00 [emerg] 1#1: bind() to 0.0.0.0:8080 failed (98: Address in use)",
    'nginx: [emerg] mkdir() "/tmp/body" failed (28: No space left on device)',
    'nginx: [emerg] host not found in upstream "host.docker.internal:51211" in /tmp/facts/relay.conf:1',
    "2026/11/22 21:30:00 [error] 7#7: *3 connect() failed (111: Connection refused) while connecting to upstream",
]


@pytest.mark.parametrize("line", REJECTED)
def test_nginx_does_not_take_its_configuration(line: str) -> None:
    why = nginx_said.rejected(f"before\n{line}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n")
    assert why
    assert why in line


@pytest.mark.parametrize("line", NOT_REJECTED)
def test_nginx_complains_of_something_else(line: str) -> None:
    assert nginx_said.rejected(f"before\n{line}\nafter\n") is None


def test_nginx_does_not_find_the_host() -> None:
    assert nginx_said.name_not_found("\n".join(NOT_REJECTED)) == "host.docker.internal"
    assert nginx_said.name_not_found("\n".join(REJECTED)) is None


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("sqlite3.OperationalError: database or disk is full", "volume-full"),
        ("OSError: [Errno 28] No space left on device: '/data/uploads'", "volume-full"),
        ("sqlalchemy.exc.OperationalError: attempt to write a readonly database", "volume-read-only"),
        ("The chats' database can't be opened: unable to open database file.", "volume-read-only"),
        ("OSError: [Errno 30] Read-only file system: '/data/cache'", "volume-read-only"),
        ("PermissionError: [Errno 13] Permission denied: '/data/cache'", "volume-read-only"),
        ("PermissionError: [Errno 13] Permission denied: '/run/secrets/secret-key'", None),
        ("ModuleNotFoundError: No module named 'open_webui'", None),
    ],
)
def test_why_a_page_did_not_start(said: str, cause: str | None) -> None:
    assert why_not_stored(said) == cause
