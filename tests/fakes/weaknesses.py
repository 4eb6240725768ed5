"""Each way to weaken a container by one setting, with the lines of the scorecard that are to turn red, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fakes.twin import Change, Config
from stack.parts.containers import SERVICE_LABEL
from stack.settings import ROOT

DEMO, GATEWAY, CHAT = "webgpu-static", "gateway", "chainlit"
LISTEN = "import socket, time; held = socket.create_server(('', 9999)); time.sleep(1000)"


@dataclass(frozen=True)
class Weak:
    """One weakness of a container as the engine is told to run it.

    Args:
        red: the lines, by their ids.
        service: whose twin it is.
    """

    name: str
    red: Sequence[str]
    change: Change
    service: str = DEMO


def host(**settings: Any) -> Change:
    """Other settings of the engine for it."""
    return lambda config: config["HostConfig"].update(settings)


def own(**settings: Any) -> Change:
    """Another user, program, health check and the like."""
    return lambda config: config.update(settings)


def also(**settings: Sequence[Any]) -> Change:
    """More of a list among the engine's settings."""

    def change(config: Config) -> None:
        for name, more in settings.items():
            config["HostConfig"][name] = [*(config["HostConfig"].get(name) or ()), *more]

    return change


def labelled(**settings: str) -> Change:
    """Other labels; a dot is written as two underscores."""
    return lambda config: config["Labels"].update({name.replace("__", "."): text for name, text in settings.items()})


def both(*changes: Change) -> Change:
    """One after the other."""

    def change(config: Config) -> None:
        for each in changes:
            each(config)

    return change


def in_environment(entry: str) -> Change:
    """One more variable."""
    return lambda config: config["Env"].append(entry)


def on_network(name: str) -> Change:
    """On that network and no other."""
    endpoints: dict[str, object] = {} if name in ("host", "bridge", "none") else {name: {}}
    return both(host(NetworkMode=name), own(NetworkingConfig={"EndpointsConfig": endpoints}))


def stray(config: Config) -> None:
    """Not among the stack's services; and so without the exception for how those are restarted."""
    config["Labels"][SERVICE_LABEL] = "stray"
    config["HostConfig"]["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}


def writable_mounts(config: Config) -> None:
    """What it only reads could be written."""
    for mount in config["HostConfig"]["Mounts"]:
        mount["ReadOnly"] = False


def tmpfs(options: str) -> Change:
    """Other space in memory."""
    return host(Tmpfs={"/tmp": options})


PRIVILEGED = ("CIS 5.4", "CIS 5.5", "CIS 5.22")  # such a container has all capabilities, and no filter
PAGE = str(ROOT / "services" / "webgpu-static" / "page")

EVERY_DAY = (
    Weak("root", ["CIS 4.1"], own(User="0:0")),
    Weak("new privileges", ["CIS 5.26"], host(SecurityOpt=[])),
    Weak("writable root", ["CIS 5.13"], host(ReadonlyRootfs=False)),
)
ONE_BY_ONE = (
    Weak("a secret in the environment", ["CIS 4.10"], in_environment("APP_TOKEN=abc")),
    Weak("an address with a password", ["CIS 4.10"], in_environment("INDEX=https://me:abc@index.invalid/")),
    Weak("no AppArmor", ["CIS 5.2"], also(SecurityOpt=["apparmor=unconfined"])),
    Weak("no SELinux", ["CIS 5.3"], also(SecurityOpt=["label=disable"])),
    Weak("a capability", ["CIS 5.4"], host(CapAdd=["NET_RAW"])),
    Weak("the usual capabilities", ["CIS 5.4"], host(CapDrop=[])),
    Weak("privileged", PRIVILEGED, host(Privileged=True)),
    Weak("a folder of the host", ["CIS 5.6"], host(Binds=["/etc:/host:ro"])),
    Weak("its own sources, to be written", ["CIS 5.6"], host(Binds=[f"{PAGE}:/sources:rw"])),
    Weak("sshd", ["CIS 5.7"], own(Entrypoint=["sh", "-c", "printf sshd > /proc/self/comm; sleep infinity & wait"])),
    Weak("listens", ["CIS 5.9"], own(Entrypoint=["/opt/venv/bin/python", "-c", LISTEN]), CHAT),
    Weak("the host's network", ["CIS 5.10"], on_network("host")),
    Weak("no limit of memory", ["CIS 5.11"], host(Memory=0, MemorySwap=0)),
    Weak("not ended without memory", ["CIS 5.11"], host(OomKillDisable=True)),
    Weak("no limit of CPU", ["CIS 5.12"], host(NanoCpus=0)),
    Weak(
        "restarted unless stopped", ["CIS 5.15"], host(RestartPolicy={"Name": "unless-stopped", "MaximumRetryCount": 0})
    ),
    Weak("six restarts", ["CIS 5.15"], host(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 6})),
    Weak("the host's processes", ["CIS 5.16"], host(PidMode="host")),
    Weak("the host's IPC", ["CIS 5.17"], host(IpcMode="host")),
    Weak("IPC for others", ["CIS 5.17"], host(IpcMode="shareable")),
    Weak(
        "a device",
        ["CIS 5.18"],
        host(Devices=[{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/nought", "CgroupPermissions": "r"}]),
    ),
    Weak("no limit of files", ["CIS 5.19"], host(Ulimits=None)),
    Weak("the host's name", ["CIS 5.21"], both(host(UTSMode="host"), own(Hostname=""))),
    Weak("no seccomp", ["CIS 5.22"], also(SecurityOpt=["seccomp=unconfined"])),
    Weak("no health check", ["CIS 5.27"], own(Healthcheck={"Test": ["NONE"]})),
    Weak("no limit of processes", ["CIS 5.29"], host(PidsLimit=0)),
    Weak("docker0", ["CIS 5.30"], on_network("bridge")),
    Weak("the host's users", ["CIS 5.31"], host(UsernsMode="host")),
    Weak("the engine's socket", ["CIS 5.32"], host(Binds=["/var/run/docker.sock:/var/run/docker.sock:ro"])),
    Weak("stray", ["CIS 6.2"], stray),
    Weak("of a swarm", ["CIS 7.1 to 7.9"], labelled(com__docker__swarm__service__id="abc")),
    Weak("a volume to be written", ["OWASP #8"], writable_mounts, GATEWAY),
    Weak("no init process", ["house init"], host(Init=False)),
    Weak("logs without end", ["house log-rotation"], host(LogConfig={"Type": "json-file", "Config": {}})),
    Weak("/proc unmasked", ["house masked-paths"], host(MaskedPaths=[])),
    Weak("/proc/sys writable", ["house masked-paths"], host(ReadonlyPaths=[])),
    Weak("names asked outside", ["house names"], host(Dns=[])),
    Weak("programs run from memory", ["house tmpfs"], tmpfs("size=16m,exec,nosuid,nodev")),
    Weak("memory without a limit", ["house tmpfs"], tmpfs("noexec,nosuid,nodev")),
)


@dataclass(frozen=True)
class WeakImage:
    """One weakness of an image.

    Args:
        steps: of a Dockerfile, after the image of the demo; with ``{image}`` in them, all of it.
        files: that they use.
    """

    name: str
    red: Sequence[str]
    steps: str
    files: tuple[tuple[str, str], ...] = ()

    def dockerfile(self, image: str) -> str:
        """The whole of it."""
        return self.steps.format(image=image) if "{image}" in self.steps else f"FROM {image}\n{self.steps}\n"


AS_ROOT = "USER 0\n{}\nUSER 10004:10004".format
IMAGES = (
    WeakImage("root", ["CIS 4.1"], "USER 0"),
    WeakImage(
        "another base",
        ["CIS 4.2"],
        "FROM {image} AS whole\nFROM scratch\nCOPY --from=whole / /\nUSER 10004:10004\nEXPOSE 8000\n"
        'HEALTHCHECK CMD ["/usr/local/bin/healthcheck"]\n',
    ),
    WeakImage("a tool", ["CIS 4.3"], AS_ROOT("RUN ln -s /bin/true /usr/local/bin/curl")),
    WeakImage("no health check", ["CIS 4.6"], "HEALTHCHECK NONE"),
    WeakImage("an update alone", ["CIS 4.7"], "RUN : apt-get update"),
    WeakImage("setuid", ["CIS 4.8"], AS_ROOT("RUN chmod u+s /usr/bin/id")),
    WeakImage("setgid", ["CIS 4.8"], AS_ROOT("RUN chmod g+s /usr/bin/id")),
    WeakImage("ADD", ["CIS 4.9"], "ADD added /added", (("added", "x"),)),
    WeakImage("a secret in it", ["CIS 4.10"], "ENV APP_PASSWORD=abc"),
    WeakImage("a secret in a step", ["CIS 4.10"], "RUN APP_KEY=abc true"),
    WeakImage("unsigned packages", ["CIS 4.11"], "RUN : apt-get install --allow-unauthenticated x"),
    WeakImage(
        "a source that is trusted unsigned",
        ["CIS 4.11"],
        "COPY more.list /etc/apt/sources.list.d/",
        (("more.list", "deb [trusted=yes] http://packages.invalid/debian trixie main\n"),),
    ),
)
