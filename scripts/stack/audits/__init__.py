"""The audit: each item of the lists on hardening, asked of the containers as they run and not of the compose file."""

from __future__ import annotations

from collections.abc import Sequence

from docker import DockerClient
from docker.models.containers import Container

from stack.audits import ground as grounds
from stack.audits.catalogue import ITEMS, MACHINE_ITEMS
from stack.audits.exceptions import LASTING, excuse
from stack.audits.ground import Ground, Machine
from stack.audits.item import Item, MachineItem
from stack.audits.scorecard import Finding, Line, Scorecard, Seen, Status
from stack.audits.subject import Subject, gather
from stack.parts.containers import SERVICE_LABEL, of_project
from stack.settings import ROOT, Settings
from stack.tools.docker_engine import client
from stack.tools.errors import StackError

MACHINE = "machine"
OWNERS = "Its owner decides on it; the stack neither needs nor changes it."


def run(settings: Settings) -> Scorecard:
    """Audit the running stack.

    Raises:
        StackError: exit code 2; no engine, or what is to be audited does not run.
    """
    engine = client()
    containers = of_project(settings, engine)
    up = {each.labels.get(SERVICE_LABEL) for each in containers if each.status == "running"}
    if missing := [service for service in LASTING if service not in up]:
        raise StackError(
            f"Only what runs can be audited, and this does not: {', '.join(missing)}.",
            fix="python3 scripts/up.py",
            cause="audit-could-not-look",
            exit_code=2,
        )
    return of_containers(settings, engine, containers)


def of_containers(settings: Settings, engine: DockerClient, containers: Sequence[Container]) -> Scorecard:
    """Audit these containers, each as its label names its service."""
    subjects = sorted(gather(engine, containers, settings.image_tag), key=lambda subject: subject.service)
    return score(grounds.look(settings, engine, subjects, ROOT / "services"))


def score(ground: Ground) -> Scorecard:
    """Judge what was gathered."""
    return Scorecard([*(_line(item, ground) for item in ITEMS), *(_machines(item, ground) for item in MACHINE_ITEMS)])


def _line(item: Item, ground: Ground) -> Line:
    findings = [_finding(item, subject, item.look(subject, ground)) for subject in ground.subjects]
    return Line(item.references, item.title, findings, item.fix, item.depends_on)


def _finding(item: Item, subject: Subject, seen: Seen) -> Finding:
    if seen.good is None:
        return Finding(subject.service, Status.NOT_APPLICABLE, seen.what)
    if seen.good:
        return Finding(subject.service, Status.PASSED, seen.what)
    excused = excuse(item.references[0], subject.service, seen)
    if excused:
        return Finding(subject.service, Status.EXCEPTION, seen.what, excused.reason)
    return Finding(subject.service, Status.FAILED, seen.what)


def _machines(item: MachineItem, ground: Ground) -> Line:
    return Line(item.references, item.title, [machine_finding(item, ground.machine)])


def machine_finding(item: MachineItem, machine: Machine) -> Finding:
    """What is so on the machine, never red: met, not met, or not to be seen."""
    seen = item.look(machine)
    met = {True: "met: ", False: "not met: ", None: ""}[seen.good]
    return Finding(MACHINE, Status.MACHINE, f"{met}{seen.what}", item.reason or OWNERS)
