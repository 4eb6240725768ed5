"""What is not as an item has it, on purpose: each with its reason, and only while what is seen is what stands here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stack.audits.scorecard import Seen
from stack.parts.containers import BUILT
from stack.probes.surroundings import CHAINLIT, INIT, OPEN_WEBUI

EACH = "*"
LASTING = tuple(service for service in BUILT if service != INIT)


@dataclass(frozen=True)
class Excused:
    """One exception.

    Args:
        item: its id.
        services: whose containers may be so; `EACH`: any.
        seen: what may be seen of them, word for word. Anything else is red.
    """

    item: str
    services: Sequence[str]
    seen: str
    reason: str


EXCEPTIONS = (
    Excused(
        "CIS 4.1",
        (INIT,),
        "user 0:0",
        "It hands each secret to the user of its service, which needs root. It has no network and no capability but "
        "CHOWN, and ends within a second.",
    ),
    Excused(
        "CIS 5.4",
        (INIT,),
        "all dropped but CHOWN",
        "It hands each secret to the user of its service.",
    ),
    Excused(
        "OWASP #8",
        (INIT,),
        "writes /secrets/chainlit, /secrets/gateway, /secrets/monitor, /secrets/open-webui",
        "It makes the secrets. Those who use them mount them read-only.",
    ),
    Excused(
        "OWASP #8",
        (CHAINLIT, OPEN_WEBUI),
        "writes /data",
        "Chats and users are stored there.",
    ),
    Excused(
        "CIS 4.6",
        (INIT,),
        "none",
        "It ends within a second; the others wait for its exit code.",
    ),
    Excused(
        "CIS 5.27",
        (INIT,),
        "no health check",
        "It ends within a second; the others wait for its exit code.",
    ),
    Excused(
        "house init",
        (INIT,),
        "no init process",
        "It ends within a second, and its children with it.",
    ),
    Excused(
        "CIS 5.15",
        LASTING,
        "always",
        "A page that has failed five times is to come back all the same when its cause is gone, and after a reboot. "
        "The engine waits longer from one restart to the next, up to a minute; the probe names a container that keeps "
        "restarting.",
    ),
    Excused(
        "CIS 4.5",
        EACH,
        "built on this machine",
        "Content trust checks signatures of what is pulled. These images are built here and never pulled "
        "(`pull_policy: never`).",
    ),
    Excused(
        "CIS 4.4",
        EACH,
        "not to be seen on a container",
        "Scanning needs data on vulnerabilities from outside, and the audit asks nobody. `python3 scripts/up.py "
        "--rebuild SERVICE` brings in Debian's security updates.",
    ),
    Excused(
        "CIS 4.12",
        EACH,
        "not to be seen on a container",
        "What a build fetches is checked while it builds, and a finished container does not show it: apt checks "
        "Debian's signatures, pip and npm the hashes in the lock files.",
    ),
)


def excuse(item: str, service: str, seen: Seen) -> Excused | None:
    """The exception that covers what was seen, if one does."""
    if seen.good is not False:
        return None
    ours = (each for each in EXCEPTIONS if each.services == EACH or service in each.services)
    return next((each for each in ours if (each.item, each.seen) == (item, seen.what)), None)
