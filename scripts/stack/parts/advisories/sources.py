"""The sources of advisories, each by its own public interface. They are told names and versions, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import httpx

from stack.parts.inventory import Kind, Package

OSV = "https://api.osv.dev"
NPM = "https://registry.npmjs.org"
PYPI = "https://pypi.org"

BATCH = 1000  # what OSV takes at once
PAGES = 20
AT_ONCE = 8

Known = dict[Package, tuple[str, ...]]  # the vulnerable ones, with what they are known by


class NoDataError(Exception):
    """What the source says about packages of that kind can't be relied on; the text says why."""


class AwayError(NoDataError):
    """The source can't be reached, for whatever kind."""


class Source(Protocol):
    """Somebody who keeps advisories."""

    @property
    def name(self) -> str:
        """How people know it."""

    @property
    def kinds(self) -> Sequence[Kind]:
        """What it knows about."""

    def known(self, http: httpx.Client, packages: Sequence[Package], release: str) -> Known:
        """The packages, all of one kind, that it knows to be vulnerable.

        Args:
            release: of Debian, where they are its packages.

        Raises:
            NoDataError: it is not known for every one of them.
        """


class Osv:
    """osv.dev, which gathers them all: https://google.github.io/osv.dev/post-v1-querybatch/"""

    name = "OSV"
    kinds = (Kind.DEBIAN, Kind.PYTHON, Kind.NPM)

    def __init__(self, address: str = OSV) -> None:
        self._address = address.rstrip("/")

    def known(self, http: httpx.Client, packages: Sequence[Package], release: str) -> Known:
        """See `Source`."""
        found: dict[Package, list[str]] = defaultdict(list)
        waiting = [(package, _osv_query(package, release)) for package in packages]
        for _ in range(PAGES):
            if not waiting:
                return {package: tuple(sorted(set(ids))) for package, ids in found.items()}
            now, waiting = waiting[:BATCH], waiting[BATCH:]
            answer = _json(http, "POST", f"{self._address}/v1/querybatch", {"queries": [query for _, query in now]})
            results = answer.get("results") if isinstance(answer, dict) else None
            if not isinstance(results, list) or len(results) != len(now):
                raise NoDataError("answers with something else than one result for each package")
            for (package, query), result in zip(now, results, strict=True):
                if ids := _ids(_of(result).get("vulns", [])):
                    found[package] += ids
                if token := _of(result).get("next_page_token"):
                    waiting.append((package, {**query, "page_token": token}))
        raise NoDataError("has always more to say")


class Npm:
    """What `npm audit` asks."""

    name = "npm"
    kinds = (Kind.NPM,)

    def __init__(self, address: str = NPM) -> None:
        self._address = address.rstrip("/")

    def known(self, http: httpx.Client, packages: Sequence[Package], release: str) -> Known:
        """See `Source`. Of several versions of a package all count: which one it is about, the answer leaves open."""
        versions: dict[str, list[str]] = defaultdict(list)
        for package in packages:
            versions[package.name].append(package.version)
        answer = _of(_json(http, "POST", f"{self._address}/-/npm/v1/security/advisories/bulk", versions))
        if not answer.keys() <= versions.keys():
            raise NoDataError("answers about packages that it was not asked about")
        ids = {name: tuple(sorted(set(_ids(told, "url", "id")))) for name, told in answer.items()}
        return {package: ids[package.name] for package in packages if ids.get(package.name)}


class Pypi:
    """What `pip-audit` asks: the Python index itself, package by package."""

    name = "PyPI"
    kinds = (Kind.PYTHON,)

    def __init__(self, address: str = PYPI) -> None:
        self._address = address.rstrip("/")

    def known(self, http: httpx.Client, packages: Sequence[Package], release: str) -> Known:
        """See `Source`."""

        def look(package: Package) -> tuple[str, ...]:
            answer = _of(_json(http, "GET", f"{self._address}/pypi/{package.name}/{package.version}/json"))
            if "vulnerabilities" not in answer:
                raise NoDataError(f"says nothing about vulnerabilities of {package.name}")
            told = answer["vulnerabilities"]
            if not isinstance(told, list):
                raise NoDataError("answers with something else than a list")
            return tuple(sorted(_ids([each for each in told if not _of(each).get("withdrawn")])))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return {package: ids for package, ids in zip(packages, pool.map(look, packages), strict=True) if ids}


def _osv_query(package: Package, release: str) -> dict[str, Any]:
    if package.kind is Kind.DEBIAN:
        name, version = package.source or package.name, package.source_version or package.version
        return {"package": {"name": name, "ecosystem": f"Debian:{release}"}, "version": version}
    ecosystem = {Kind.PYTHON: "PyPI", Kind.NPM: "npm"}[package.kind]
    return {"package": {"name": package.name, "ecosystem": ecosystem}, "version": package.version}


def _json(http: httpx.Client, method: str, url: str, body: Any = None) -> Any:
    try:
        answer = http.request(method, url, json=body)
        if answer.status_code != httpx.codes.OK:
            raise NoDataError(f"answers with status {answer.status_code}")
        return answer.json()
    except httpx.HTTPError as away:
        raise AwayError(f"can't be reached ({type(away).__name__})") from away
    except ValueError as garbage:
        raise NoDataError("answers with something else than JSON") from garbage


def _of(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise NoDataError("answers with something else than an object")
    return value


def _ids(told: Any, *keys: str) -> list[str]:
    """What the advisories are known by: the end of an address, or a number."""
    if not isinstance(told, Iterable) or isinstance(told, str | dict):
        raise NoDataError("answers with something else than a list")
    found = [next((str(_of(each)[key]) for key in keys or ("id",) if _of(each).get(key)), "") for each in told]
    if not all(found):
        raise NoDataError("names an advisory without saying which")
    return [each.rstrip("/").rpartition("/")[2] for each in found]
