"""CIS section 2, and what of section 5 to 7 is the engine's: how the daemon is configured."""

from __future__ import annotations

from collections.abc import Callable

from stack.audits.ground import Machine
from stack.audits.item import MachineItem
from stack.audits.scorecard import Seen, bad, good, not_here

UNSEEN = not_here("the daemon's options can't be seen from here")
LOOPBACK = {"127.0.0.0/8", "::1/128"}
OUTSIDE = ("awslogs", "fluentd", "gcplogs", "gelf", "splunk", "syslog", "journald")

Look = Callable[[Machine], Seen]


def _option(name: str, judge: Callable[[str], Seen]) -> Look:
    """By one of the daemon's options; the empty text where it is not set."""

    def look(machine: Machine) -> Seen:
        return UNSEEN if machine.options is None else judge(machine.options.get(name, ""))

    return look


def _is_set(name: str) -> Look:
    return _option(name, lambda value: good(value) if value not in ("", "false") else bad("not set"))


def _security(option: str, without: str) -> Look:
    return lambda machine: good(option) if machine.has(option) else bad(without)


def _connectivity(machine: Machine) -> Seen:
    icc = machine.bridge.get("com.docker.network.bridge.enable_icc", "true")
    return good("restricted") if icc == "false" else bad("not restricted; no container of the stack is on it")


def _log_level(machine: Machine) -> Seen:
    if machine.info.get("Debug"):
        return bad("debug")
    level = (machine.options or {}).get("log-level", "info")
    return good(level) if level == "info" else bad(level)


def _registries(machine: Machine) -> Seen:
    configured = machine.info.get("RegistryConfig") or {}
    open_ones = set(configured.get("InsecureRegistryCIDRs") or ()) - LOOPBACK
    open_ones |= {name for name, each in (configured.get("IndexConfigs") or {}).items() if not each.get("Secure", True)}
    return bad(", ".join(sorted(open_ones))) if open_ones else good("none but loopback")


def _driver(*unwanted: str) -> Look:
    def look(machine: Machine) -> Seen:
        driver = str(machine.info.get("Driver"))
        return bad(driver) if driver in unwanted else good(driver)

    return look


def _tls(machine: Machine) -> Seen:
    if machine.options is None:
        return UNSEEN
    hosts = machine.options.get("host", "").split()
    if not any(host.startswith("tcp:") for host in hosts):
        return not_here("no TCP socket")
    verified = machine.options.get("tlsverify") == "true"
    return good("verified") if verified else bad("a TCP socket without it")


def _plugins(machine: Machine) -> Seen:
    plugins = (machine.info.get("Plugins") or {}).get("Authorization") or ()
    return good(", ".join(plugins)) if plugins else bad("none")


def _logs(machine: Machine) -> Seen:
    driver = str(machine.info.get("LoggingDriver"))
    return good(driver) if driver in OUTSIDE else bad(f"{driver}, on this machine")


def _live_restore(machine: Machine) -> Seen:
    return good("on") if machine.info.get("LiveRestoreEnabled") else bad("off")


def _seccomp(machine: Machine) -> Seen:
    profile = next((each for each in machine.info.get("SecurityOptions") or () if "name=seccomp" in each), "")
    return good(profile) if profile and "unconfined" not in profile else bad("none")


def _experimental(machine: Machine) -> Seen:
    return bad("on") if machine.info.get("ExperimentalBuild") else good("off")


def _swarm(machine: Machine) -> Seen:
    state = str((machine.info.get("Swarm") or {}).get("LocalNodeState") or "inactive")
    return good(state) if state == "inactive" else bad(state)


def _version(machine: Machine) -> Seen:
    version = machine.info.get("ServerVersion")
    return not_here(
        f"Docker {version} on Linux {machine.info.get('KernelVersion')}: whether that is the newest, no engine says"
    )


ITEMS = (
    MachineItem(("CIS 1.2.2", "OWASP #0"), "Ensure that the version of Docker is up to date", _version),
    MachineItem(
        ("CIS 2.1", "OWASP #11"),
        "Run the Docker daemon as a non-root user, if possible",
        _security("rootless", "runs as root"),
    ),
    MachineItem(
        ("CIS 2.2", "OWASP #5"),
        "Ensure network traffic is restricted between containers on the default bridge",
        _connectivity,
    ),
    MachineItem(("CIS 2.3", "OWASP #10"), "Ensure the logging level is set to 'info'", _log_level),
    MachineItem(
        ("CIS 2.4",),
        "Ensure Docker is allowed to make changes to iptables",
        _option("iptables", lambda value: bad("not allowed") if value == "false" else good("allowed")),
    ),
    MachineItem(("CIS 2.5",), "Ensure insecure registries are not used", _registries),
    MachineItem(("CIS 2.6",), "Ensure aufs storage driver is not used", _driver("aufs")),
    MachineItem(
        ("CIS 2.7", "OWASP #1"),
        "Ensure TLS authentication for Docker daemon is configured",
        _tls,
    ),
    MachineItem(("CIS 2.8",), "Ensure the default ulimit is configured appropriately", _is_set("default-ulimit")),
    MachineItem(
        ("CIS 2.9", "OWASP #2"),
        "Enable user namespace support",
        _security("userns", "container's users are the host's"),
    ),
    MachineItem(
        ("CIS 2.10",),
        "Ensure the default cgroup usage has been confirmed",
        _option("cgroup-parent", lambda value: bad(value) if value else good("the engine's own")),
    ),
    MachineItem(("CIS 2.11",), "Ensure base device size is not changed until needed", _driver("devicemapper")),
    MachineItem(("CIS 2.12",), "Ensure that authorization for Docker client commands is enabled", _plugins),
    MachineItem(("CIS 2.13",), "Ensure centralized and remote logging is configured", _logs),
    MachineItem(
        ("CIS 2.14", "OWASP #4"),
        "Ensure containers are restricted from acquiring new privileges",
        _is_set("no-new-privileges"),
    ),
    MachineItem(("CIS 2.15",), "Ensure live restore is enabled", _live_restore),
    MachineItem(
        ("CIS 2.16",),
        "Ensure Userland Proxy is Disabled",
        _option("userland-proxy", lambda value: good("off") if value == "false" else bad("on")),
    ),
    MachineItem(
        ("CIS 2.17", "OWASP #6"),
        "Ensure that a daemon-wide custom seccomp profile is applied if appropriate",
        _seccomp,
    ),
    MachineItem(("CIS 2.18",), "Ensure that experimental features are not implemented in production", _experimental),
    MachineItem(("CIS 5.1",), "Ensure swarm mode is not Enabled, if not needed", _swarm),
)
