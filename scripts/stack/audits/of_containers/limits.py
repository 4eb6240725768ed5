"""How much of the machine a container may take."""

from __future__ import annotations

from stack.audits.ground import Ground
from stack.audits.item import Item
from stack.audits.scorecard import Seen, bad, good
from stack.audits.subject import Subject

MIB = 1024**2
MOST_RESTARTS = 5
ROTATE = {"json-file": ("max-size", "max-file"), "local": ()}  # what each driver has to be told


def _memory(subject: Subject, _: Ground) -> Seen:
    if not subject.host["Memory"]:
        return bad("no limit")
    if subject.host.get("OomKillDisable"):
        return bad("not ended when it is over its limit")
    return good(f"{subject.host['Memory'] // MIB} MiB")


def _cpu(subject: Subject, _: Ground) -> Seen:
    cpus = subject.host["NanoCpus"] / 1e9
    if not cpus and subject.host.get("CpuQuota", 0) > 0:
        cpus = subject.host["CpuQuota"] / (subject.host.get("CpuPeriod") or 100_000)
    return good(f"{cpus:g} CPU") if cpus else bad("no limit")


def _processes(subject: Subject, _: Ground) -> Seen:
    most = subject.host.get("PidsLimit") or 0
    return good(f"{most}") if most > 0 else bad("no limit")


def _files(subject: Subject, _: Ground) -> Seen:
    limit = next((each["Hard"] for each in subject.host.get("Ulimits") or () if each["Name"] == "nofile"), None)
    if limit is None or limit < 0:
        return bad("as many open files as the engine lets it have")
    if subject.inside and subject.inside.open_files != limit:
        return bad(f"{limit} open files, and the kernel says {subject.inside.open_files}")
    return good(f"{limit} open files")


def _restarts(subject: Subject, _: Ground) -> Seen:
    policy = subject.host["RestartPolicy"]
    most = policy["MaximumRetryCount"]
    if policy["Name"] in ("", "no"):
        return good("never")
    if policy["Name"] == "on-failure" and 0 < most <= MOST_RESTARTS:
        return good(f"{most} times on failure")
    return bad(policy["Name"])


def _cgroup(subject: Subject, _: Ground) -> Seen:
    parent = subject.host["CgroupParent"]
    return bad(f"below {parent}") if parent else good("the engine's")


def _logs(subject: Subject, _: Ground) -> Seen:
    driver, options = subject.host["LogConfig"]["Type"], subject.host["LogConfig"]["Config"] or {}
    if driver not in ROTATE or any(option not in options for option in ROTATE[driver]):
        return bad(f"{driver} without a limit")
    told = [options[option] for option in ROTATE[driver]]
    return good(f"{driver}, {' files of '.join(reversed(told))}" if told else driver)


ITEMS = (
    Item(
        ("CIS 5.11", "OWASP #7", "house"),
        "Ensure that the memory usage for containers is limited",
        _memory,
        "`mem_limit`, and no `oom_kill_disable`",
    ),
    Item(
        ("CIS 5.12", "OWASP #7", "house"),
        "Ensure that CPU priority is set appropriately on containers",
        _cpu,
        "`cpus`",
    ),
    Item(
        ("CIS 5.29", "OWASP #7", "house"),
        "Ensure that the PIDs cgroup limit is used",
        _processes,
        "`pids_limit`",
    ),
    Item(
        ("CIS 5.19", "OWASP #7"),
        "Ensure that the default ulimit is overwritten at runtime if needed",
        _files,
        "`ulimits: {nofile: 4096}`",
    ),
    Item(
        ("CIS 5.15", "OWASP #7"),
        "Ensure that the 'on-failure' container restart policy is set to '5'",
        _restarts,
        "`restart: always`",
    ),
    Item(
        ("CIS 5.25",),
        "Ensure that cgroup usage is confirmed",
        _cgroup,
        "no `cgroup_parent`",
    ),
    Item(
        ("house log-rotation",),
        "Logs do not fill the disk",
        _logs,
        '`logging: {driver: json-file, options: {max-size: 5m, max-file: "3"}}`',
    ),
)
