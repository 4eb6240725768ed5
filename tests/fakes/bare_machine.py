"""A machine with nothing on it: a minimal Debian 12 with Python, in a container that can run an engine of its own.

The container gets no more rights than an engine needs for that; its containers, images and volumes are in a volume of
its own. It reaches packages as this machine does, but none of the packages that lie on this machine's disk; or it has
no network at all, and a bundle.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from docker import DockerClient
from docker.models.containers import Container

from fakes.node_packages import node
from stack.parts import debian_archive
from stack.parts.base_image import CA_VARIABLES, host_ca_bundle
from stack.settings import ROOT
from stack.tools.process import Finished, run, stream
from stack.tools.root import HANDED_ON, as_root, find_program, may_become_root

SUITE = "bookworm"
CLONE = "/root/foundry-stack"
BUNDLE = "/media/bundle.tar"
CA = "/opt/host-ca.pem"  # not where Debian keeps its own, which is rewritten when ca-certificates is installed
RIGHTS = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"]  # beyond those that any container has
UNCONFINED = ["seccomp", "systempaths", "apparmor"]
WRITABLE_CGROUPS = 'for each in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$each" || exit 1; done'

# Standard library only: it runs on the bare machine.
LOOK = """
import json, os, pathlib, shutil, subprocess
docker = shutil.which("docker")
def ask(*command):
    done = subprocess.run(["docker", *command], capture_output=True, text=True, check=True) if docker else None
    return sorted(done.stdout.split()) if done else []
def listening():
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == "0A":
                yield int(local.rpartition(":")[2], 16)
def processes():
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            argv = pathlib.Path("/proc", pid, "cmdline").read_text().split("\\0")
            started = pathlib.Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            continue
        if int(pid) != os.getpid():
            yield f"{pid} {started} " + " ".join(argv).strip()
print(json.dumps({
    "containers": ask("ps", "--all", "--quiet", "--no-trunc"),
    "images": ask("images", "--all", "--quiet", "--no-trunc"),
    "networks": ask("network", "ls", "--format", "{{.Name}}"),
    "volumes": ask("volume", "ls", "--format", "{{.Name}}"),
    "listening": sorted(set(listening())),
    "processes": sorted(processes()),
    "packages": pathlib.Path("/var/lib/dpkg/status").read_text().count("\\nStatus: install ok installed"),
    "temporary": sorted(name for name in os.listdir("/tmp") if not name.startswith("runc-process")),  # a health check's
}))
"""


@dataclass(frozen=True)
class BareMachine:
    """The machine, with a clone of this repository in `CLONE`: its last commit, or what its bundle has."""

    container: Container

    def run(self, *argv: str, stdin: str | None = None) -> Finished:
        """Run a command in the clone, as root."""
        return run([*self._exec("--interactive"), *argv], stdin=stdin)

    def watch(self, *argv: str) -> Finished:
        """The same for a long one: what it says is printed as it comes."""
        return stream([*self._exec(), *argv], lambda line: print(line, flush=True))

    def python(self, program: str, *arguments: str) -> Any:
        """Run a program with the machine's own Python; what it printed, read as JSON."""
        done = self.run("python3", "-", *arguments, stdin=program)
        assert done.code == 0, done.err
        return json.loads(done.out)

    def look(self) -> dict[str, Any]:
        """What is there now: containers, images, networks, volumes, ports, processes, packages, files in /tmp."""
        found: dict[str, Any] = self.python(LOOK)
        return found

    def has(self, command: str) -> bool:
        """Whether a shell command succeeds."""
        return self.run("sh", "-c", command).code == 0

    def _exec(self, *options: str) -> list[str]:
        return ["docker", "exec", *options, "--workdir", CLONE, str(self.container.name)]


@contextlib.contextmanager
def bare_machine(engine: DockerClient, folder: Path, bundle: Path | None = None) -> Iterator[BareMachine]:
    """A machine made for this test, and everything of it gone afterwards: container, volume, image.

    Args:
        folder: an empty folder for what is put on it.
        bundle: all that it gets, as `BUNDLE`; it is on no network then.
    """
    _skip_where_it_can_not_be_made(engine)
    name = f"foundry-stack-bare-machine-{uuid4().hex[:6]}"
    image = None
    try:
        image = _make_image(engine, folder / "root.tar", name)
        ways_in = ["--network=none", f"--volume={bundle}:{BUNDLE}:ro"] if bundle else _ways_out()
        started = run(["docker", "run", "--name", name, *_options(), *ways_in, image, "sleep", "infinity"])
        assert started.code == 0, started.err
        container = engine.containers.get(name)
        machine = BareMachine(container)
        if bundle:
            unpacked = run(["docker", "exec", name, "tar", "-xf", BUNDLE, "-C", "/root", Path(CLONE).name])
            assert unpacked.code == 0, unpacked.err
        else:
            container.put_archive("/root", _last_commit(folder / "clone.tar"))
        assert machine.has(WRITABLE_CGROUPS)
        yield machine
    finally:
        run(["docker", "rm", "--force", "--volumes", name])
        if image:
            engine.images.remove(image, force=True)


def _skip_where_it_can_not_be_made(engine: DockerClient) -> None:
    if find_program("mmdebstrap") is None or debian_archive.of_this_machine() is None:
        pytest.skip("a minimal Debian is made by Debian's mmdebstrap, which is not installed here")
    if engine.info()["CgroupVersion"] != "1":
        pytest.skip("an engine in a container was tried with cgroup v1 only")
    if run(["git", "-C", str(ROOT), "rev-parse", "HEAD"]).code != 0:
        pytest.skip("this is no clone whose last commit could be taken")


def _make_image(engine: DockerClient, archive: Path, name: str) -> str:
    mirror = debian_archive.of_this_machine()
    assert mirror
    command = ["mmdebstrap", "--variant=minbase", "--include=python3", "--format=tar", SUITE, str(archive)]
    command += mirror.sources(SUITE)
    done = stream(as_root(command) if may_become_root() else command, print)
    assert done.code == 0
    image = f"localhost/{name}"
    engine.api.import_image(src=str(archive), repository=image, tag="1")
    archive.unlink()
    return f"{image}:1"


def _last_commit(archive: Path) -> bytes:
    """As somebody with a strict umask has it: no image may need more of its sources' modes."""
    git = ["git", "-C", str(ROOT), "-c", "tar.umask=0077"]
    done = run([*git, "archive", "--prefix", f"{Path(CLONE).name}/", "--output", str(archive), "HEAD"])
    assert done.code == 0, done.err
    return archive.read_bytes()


def _options() -> list[str]:
    options = ["--detach", "--init", "--hostname=bare", "--cgroupns=private", "--volume=/var/lib/docker"]
    options += [f"--cap-add={right}" for right in RIGHTS]
    return [*options, *(f"--security-opt={confinement}=unconfined" for confinement in UNCONFINED)]


def _ways_out() -> list[str]:
    """How programs there reach package registries: by this machine's proxy, certificates and package index."""
    handed_on = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    ca_bundle = host_ca_bundle()
    certificates = dict.fromkeys((*CA_VARIABLES, "PIP_CERT"), CA) if ca_bundle else {}
    variables = {**handed_on, **_pip_settings(), **_npm_settings(), **certificates}
    options = [f"--env={name}={value}" for name, value in variables.items()]
    return [*options, f"--volume={ca_bundle}:{CA}:ro"] if ca_bundle else options


def _pip_settings() -> dict[str, str]:
    """Pip's settings as variables, without those that name files: they are not there."""
    listed = run([sys.executable, "-m", "pip", "config", "list"]).out
    settings = re.findall(r"^[\w:-]+\.([\w-]+)='(.*)'$", listed, re.MULTILINE)
    return {
        f"PIP_{key.upper().replace('-', '_')}": value
        for key, value in settings
        if not re.search(r"(^|\s)(/|file:)", value)
    }


def _npm_settings() -> dict[str, str]:
    """Where npm finds packages: the one setting of npm's that the image's build takes."""
    registry = node("npm", "config", "get", "registry").out.strip()
    return {"NPM_CONFIG_REGISTRY": registry} if registry.startswith("http") else {}
