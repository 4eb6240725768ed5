"""Asks one source after the other until one knows; none that knows is told as such and never as good news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from stack.parts.advisories.sources import AwayError, NoDataError, Source
from stack.parts.inventory import Inventory, Kind, Package

SECONDS = httpx.Timeout(15, connect=3)

# Long known to be vulnerable. A source that does not know of these has no data, however politely it answers.
KNOWN_BAD = {
    Kind.DEBIAN: Package(Kind.DEBIAN, "openssl", "1.1.1d-0+deb10u1"),
    Kind.PYTHON: Package(Kind.PYTHON, "jinja2", "2.10"),
    Kind.NPM: Package(Kind.NPM, "minimist", "0.0.8"),
}


@dataclass(frozen=True, order=True)
class Finding:
    """A package that is known to be vulnerable, and by which names."""

    package: Package
    ids: tuple[str, ...]


@dataclass
class Answer:
    """What all sources together know.

    Attributes:
        asked: by kind, how many packages a source answered for, and which one that was.
        unknown: by kind, why nobody could say anything.
    """

    findings: list[Finding] = field(default_factory=list)
    asked: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    unknown: dict[Kind, str] = field(default_factory=dict)


def ask(sources: Sequence[Source], inventories: Sequence[Inventory]) -> Answer:
    """Ask about every package of the inventories, each version once."""
    answer = Answer()
    away: dict[str, str] = {}
    with httpx.Client(timeout=SECONDS) as http:
        for kind in Kind:
            by_release = _by_release(inventories, kind)
            if not by_release:
                continue
            why: list[str] = []
            for source in (each for each in sources if kind in each.kinds):
                try:
                    if source.name in away:  # it is not waited for again
                        raise AwayError(away[source.name])
                    answer.findings += _ask_one(source, http, kind, by_release)
                except NoDataError as reason:
                    why.append(f"{source.name} {reason}")
                    if isinstance(reason, AwayError):
                        away[source.name] = str(reason)
                    continue
                answer.asked[kind] = sum(map(len, by_release.values())), source.name
                break
            else:
                answer.unknown[kind] = "; ".join(why) or "no source is asked"
    answer.findings.sort()
    return answer


def _ask_one(
    source: Source, http: httpx.Client, kind: Kind, by_release: Mapping[str, Sequence[Package]]
) -> list[Finding]:
    findings = []
    for release, packages in by_release.items():
        bad = KNOWN_BAD[kind]
        if not source.known(http, [bad], release):
            raise NoDataError(f"does not know that {bad.name} {bad.version} is vulnerable, so it has no data")
        findings += [Finding(package, ids) for package, ids in source.known(http, packages, release).items()]
    return findings


def _by_release(inventories: Sequence[Inventory], kind: Kind) -> dict[str, list[Package]]:
    """The packages by the release of Debian that they are of; for other packages that does not matter."""
    found: dict[str, set[Package]] = {}
    for inventory in inventories:
        mine = {package for package in inventory.packages if package.kind is kind}
        if mine:
            found.setdefault(inventory.release if kind is Kind.DEBIAN else "", set()).update(mine)
    return {release: sorted(packages) for release, packages in found.items()}
