"""What runs in a container, and that somebody looks after it."""

from __future__ import annotations

from stack.audits.ground import Ground
from stack.audits.item import Item
from stack.audits.scorecard import Seen, bad, good, not_here
from stack.audits.subject import Subject
from stack.parts.containers import BUILT

SWARM = "com.docker.swarm."
REAPERS = ("docker-init", "tini", "catatonit")


def _no_sshd(subject: Subject, _: Ground) -> Seen:
    if subject.inside is None:
        return not_here("does not run")
    found = [process.name for process in subject.inside.processes if process.name in ("sshd", "dropbear")]
    return bad(f"{found[0]} runs") if found else good("none")


def _watched(subject: Subject, _: Ground) -> Seen:
    test = (subject.config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    return bad("no health check") if test[0] == "NONE" else good("asked by a command")


def _reaped(subject: Subject, _: Ground) -> Seen:
    if not subject.host.get("Init"):
        return bad("no init process")
    processes = subject.inside.processes if subject.inside else ()
    first = next((each.name for each in processes if each.pid == 1), REAPERS[0])
    return good("an init process") if first in REAPERS else bad(f"process 1 is {first}")


def _known(subject: Subject, ground: Ground) -> Seen:
    if subject.service not in BUILT:
        return bad(f"{subject.service or 'it'} is no service of the stack's")
    if sum(other.service == subject.service for other in ground.subjects) > 1:
        return bad(f"{subject.service} runs more than once")
    return good("one for the service")


def _no_swarm(subject: Subject, _: Ground) -> Seen:
    of_swarm = [label for label in subject.config["Labels"] or () if label.startswith(SWARM)]
    return bad("a swarm's") if of_swarm else not_here("not a swarm's")


ITEMS = (
    Item(
        ("CIS 5.7",),
        "Ensure sshd is not run within containers",
        _no_sshd,
        "its Dockerfile: without a server for SSH; `docker compose exec SERVICE sh` is the way in",
    ),
    Item(
        ("CIS 5.27", "house"),
        "Ensure that container health is checked at runtime",
        _watched,
        "no `healthcheck: {disable: true}`",
    ),
    Item(
        ("house init",),
        "An init process reaps what a container's children leave",
        _reaped,
        "`init: true`",
    ),
    Item(
        ("CIS 6.2",),
        "Ensure that container sprawl is avoided",
        _known,
        "`docker compose up --detach --remove-orphans` removes what is no service of compose.yaml",
    ),
    Item(
        ("CIS 7.1 to 7.9",),
        "Docker Swarm Configuration",
        _no_swarm,
        "the stack is for `docker compose up`, on one machine",
    ),
)
