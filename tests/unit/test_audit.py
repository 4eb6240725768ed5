"""The audit's own logic, without an engine: what it reads, what it excuses, and what it makes of that."""

from __future__ import annotations

import dataclasses
import io
import re
from typing import Any, ClassVar, cast

import pytest
from docker.models.containers import Container
from rich.console import Console

from stack import audits
from stack.audits import inside, machine_finding
from stack.audits.catalogue import ITEMS, MACHINE_ITEMS
from stack.audits.exceptions import EXCEPTIONS, excuse
from stack.audits.ground import File, Machine, parse_options
from stack.audits.scorecard import Finding, Line, Scorecard, Status, bad, good
from stack.reports.scorecard import page, show

# Of the sections of CIS Docker Benchmark 1.6.0 that apply to an engine without Docker Enterprise: how many items.
NUMBERS = {"1.1": 18, "1.2": 2, "2": 18, "3": 24, "4": 12, "5": 32, "6": 2, "7": 9}
RULES = [*map(str, range(14)), "5a"]
ALL = [*(item.references for item in ITEMS), *(item.references for item in MACHINE_ITEMS)]

ANSWER = """\
--8<--askers
/usr/bin/cat
/usr/bin/find
/usr/bin/grep
/usr/bin/readlink
--8<--processes
Name:\tdocker-init
Pid:\t1
Uid:\t10004\t10004\t10004\t10004
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Name:\tnginx
Pid:\t7
Uid:\t10004\t0\t10004\t10004
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000400
CapAmb:\t0000000000000000
NoNewPrivs:\t0
Seccomp:\t0
--8<--namespaces
net net:[4026532001]
pid pid:[4026532002]
--8<--mounts
357 322 0:55 / / rw,relatime master:4 - overlay overlay rw
358 357 0:94 / / ro,relatime master:4 - overlay overlay rw
379 357 0:94 / /tmp rw,nosuid,nodev,noexec,relatime shared:7 - tmpfs tmpfs rw,size=65536k
--8<--limits
Limit                     Soft Limit           Hard Limit           Units
Max open files            1024                 4096                 files
--8<--sockets
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10004
   1: 0100007F:1FF5 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10004
   2: 060015AC:D176 040015AC:1F90 06 00000000:00000000 03:00001732 00000000     0
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:270F 00000000000000000000000000000000:0000 0A
   1: 00000000000000000000000001000000:2710 00000000000000000000000000000000:0000 0A
--8<--ipv6
00000000000000000000000000000001 01 80 10 80       lo
fd007717000000000000000000000002 2a 40 00 80     eth0
--8<--confinement
docker-default (enforce)
--8<--tools
/usr/bin/curl
--8<--setuid
/usr/bin/su
/usr/bin/mount
--8<--unsigned
"""


def test_what_a_container_answers_is_read_as_it_is() -> None:
    seen = inside.parse(ANSWER)
    first, second = seen.processes
    assert (first.pid, set(first.users), first.capabilities, first.no_new_privileges) == (1, {10004}, 0, True)
    assert (second.name, set(second.users), second.capabilities) == ("nginx", {0, 10004}, 0x400)
    assert (second.no_new_privileges, second.seccomp) == (False, False)
    assert seen.namespaces == {"net": "net:[4026532001]", "pid": "pid:[4026532002]"}
    assert "ro" in seen.mounts["/"]  # the upper one of two
    assert {"tmpfs", "noexec", "shared"} <= seen.mounts["/tmp"]
    assert seen.open_files == 4096
    assert seen.listening == {8000, 9999}
    assert seen.ipv6
    assert seen.confinement == "docker-default (enforce)"
    assert (seen.tools, seen.setuid, seen.unsigned) == (["/usr/bin/curl"], ["/usr/bin/mount", "/usr/bin/su"], [])


@pytest.mark.parametrize(
    "answer",
    [
        "",
        'exec failed: "sh": executable file not found',
        ANSWER.partition("--8<--limits")[0],
        ANSWER.replace("/usr/bin/find\n", ""),  # then no file would be found, and none be red
    ],
    ids=["nothing", "no shell", "half of it", "no find"],
)
def test_an_answer_that_is_none_is_no_clean_bill(answer: str) -> None:
    with pytest.raises(ValueError, match="did not answer as expected"):
        inside.parse(answer)


class Answers:
    """A container that answers so, one time after the other."""

    attrs: ClassVar[dict[str, Any]] = {"HostConfig": {"PidMode": ""}}

    def __init__(self, *answers: str) -> None:
        self.left = list(answers)

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        assert command[0] == "sh"
        return 0, self.left.pop(0).encode()


ENTERING = ANSWER.replace("Name:\tnginx", "Name:\trunc:[2:INIT]")


def test_who_is_just_entering_is_not_what_runs_there() -> None:
    seen = inside.look(cast("Container", Answers(ENTERING, ENTERING, ANSWER)))
    assert [process.name for process in seen.processes] == ["docker-init", "nginx"]


def test_who_only_calls_itself_so_is_judged() -> None:
    seen = inside.look(cast("Container", Answers(*[ENTERING] * 5)))
    assert [process.name for process in seen.processes] == ["docker-init", "runc:[2:INIT]"]


# --- the catalogue ---


def cited() -> list[str]:
    return [reference for references in ALL for reference in references]


def test_every_item_of_the_benchmark_has_its_line() -> None:
    found = set()
    for reference in cited():
        if numbers := re.findall(r"\d[\d.]*", reference) if reference.startswith("CIS") else []:
            section, _, first = numbers[0].rpartition(".")
            last = numbers[-1].rpartition(".")[2]
            found |= {f"{section}.{number}" for number in range(int(first), int(last) + 1)}
    assert found == {f"{section}.{number + 1}" for section, count in NUMBERS.items() for number in range(count)}


def test_every_rule_of_the_cheat_sheet_is_cited() -> None:
    assert {reference.removeprefix("OWASP #") for reference in cited() if "OWASP" in reference} == set(RULES)


def test_no_two_lines_have_one_id() -> None:
    ids = [references[0] for references in ALL]
    assert len(ids) == len(set(ids))


def test_every_fix_says_what_to_set() -> None:
    assert [item.references[0] for item in ITEMS if not item.fix] == []


# --- exceptions ---


def test_an_exception_covers_what_stands_in_it_and_nothing_else() -> None:
    as_it_is = bad("all dropped but CHOWN")
    assert excuse("CIS 5.4", "init", as_it_is)
    assert excuse("CIS 5.4", "gateway", as_it_is) is None
    assert excuse("CIS 5.5", "init", as_it_is) is None
    assert excuse("CIS 5.4", "init", bad("all dropped but CHOWN, NET_ADMIN")) is None
    assert excuse("CIS 5.4", "init", good("all dropped but CHOWN")) is None


def test_every_exception_is_of_an_item_and_has_a_reason() -> None:
    ids = {item.references[0] for item in ITEMS}
    assert [each for each in EXCEPTIONS if each.item not in ids or len(each.reason) < 20] == []


# --- the scorecard ---


def line(*statuses: Status, depends_on: str = "") -> Line:
    findings = [Finding(f"service-{number}", status, "seen") for number, status in enumerate(statuses)]
    return Line(("CIS 5.4", "OWASP #3"), "Some [title]", findings, "`cap_drop: [ALL]`", depends_on)


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        ([Status.PASSED, Status.FAILED, Status.EXCEPTION], Status.FAILED),
        ([Status.PASSED, Status.EXCEPTION], Status.EXCEPTION),
        ([Status.NOT_APPLICABLE, Status.PASSED], Status.PASSED),
        ([Status.NOT_APPLICABLE], Status.NOT_APPLICABLE),
        ([], Status.FAILED),
    ],
)
def test_a_line_is_as_its_worst_container(statuses: list[Status], whole: Status) -> None:
    assert line(*statuses).status is whole


def test_only_red_lines_end_it_with_1() -> None:
    fine = [line(Status.PASSED), line(Status.EXCEPTION), line(Status.MACHINE), line(Status.NOT_APPLICABLE)]
    assert Scorecard(fine).exit_code == 0
    assert Scorecard([*fine, line(Status.PASSED, Status.FAILED)]).exit_code == 1
    assert Scorecard([]).exit_code == 1


def test_the_table_names_what_mends_a_red_line() -> None:
    paper = io.StringIO()
    show(Scorecard([line(Status.PASSED, Status.FAILED, Status.FAILED)]), Console(file=paper, width=300))
    said = paper.getvalue()
    assert "service-1, service-2: seen\n  Fix: for service-1, service-2: `cap_drop: [ALL]`; then: python3" in said
    assert "1 red" in said
    assert "Nothing is red" not in said


def test_the_page_is_the_same_where_the_machine_differs_but_not_where_it_is_red() -> None:
    there, not_there, red = (
        page(Scorecard([line(status, depends_on="AppArmor")]))
        for status in (Status.PASSED, Status.NOT_APPLICABLE, Status.FAILED)
    )
    assert there == not_there
    assert "| failed |" in red
    assert "| failed |" not in there


# --- the machine ---


def test_options_of_the_daemon_from_both_places() -> None:
    command = ["/usr/sbin/dockerd", "-H", "fd://", "--host=tcp://127.0.0.1:2376", "--tlsverify", "--icc=false"]
    file = {"live-restore": True, "default-ulimits": {"nofile": {}}, "log-level": "info", "hosts": ["unix://x"]}
    assert parse_options(command, file) == {
        "host": "unix://x fd:// tcp://127.0.0.1:2376",
        "tlsverify": "true",
        "icc": "false",
        "live-restore": "true",
        "default-ulimit": "nofile",
        "log-level": "info",
    }


TLS = {"tlscacert": "/ca", "tlscert": "/cert", "tlskey": "/key"}
STRICT = Machine(
    info={
        "Driver": "overlay2",
        "LiveRestoreEnabled": True,
        "LoggingDriver": "journald",
        "Plugins": {"Authorization": ["guard"]},
        "SecurityOptions": ["name=seccomp,profile=default", "name=rootless", "name=userns"],
    },
    options={
        **TLS,
        **{"host": "tcp://127.0.0.1:2376", "tlsverify": "true", "default-ulimit": "nofile"},
        **{"no-new-privileges": "true", "userland-proxy": "false"},
    },
    bridge={"com.docker.network.bridge.enable_icc": "false"},
    namespaces={},
    file=lambda path: File("root", "docker" if path.endswith("docker.sock") else "root", 0o400),
)
LAX = Machine(
    info={
        "Driver": "aufs",
        "Debug": True,
        "LoggingDriver": "json-file",
        "ExperimentalBuild": True,
        "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8", "10.0.0.0/8"]},
        "SecurityOptions": [],
        "Swarm": {"LocalNodeState": "active"},
    },
    options={**TLS, "host": "tcp://0.0.0.0:2375", "iptables": "false", "cgroup-parent": "/mine"},
    bridge={},
    namespaces={},
    file=lambda _: File("me", "me", 0o777),
)
# What of them differs by something else than those two, or that nobody but the owner can judge.
OTHERWISE = {"CIS 1.1.1", "CIS 1.1.2", "CIS 1.1.3 to 1.1.18", "CIS 1.2.1", "CIS 1.2.2", "CIS 3.7", "CIS 3.8", "CIS 6.1"}


@pytest.mark.parametrize(
    "item", [item for item in MACHINE_ITEMS if item.references[0] not in OTHERWISE], ids=lambda item: item.references[0]
)
def test_each_of_the_machines_items_can_be_met_and_missed(item: Any) -> None:
    lax = dataclasses.replace(LAX, info={**LAX.info, "Driver": "devicemapper"}) if "2.11" in item.references[0] else LAX
    met, missed = machine_finding(item, STRICT), machine_finding(item, lax)
    assert met.seen.startswith("met: ")
    assert missed.seen.startswith("not met: ")
    assert (met.status, missed.status) == (Status.MACHINE, Status.MACHINE)
    assert met.reason == audits.OWNERS
