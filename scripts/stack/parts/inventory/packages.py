"""Which packages the files of a system tell of: each package manager's own records, and nothing guessed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from debian.deb822 import Packages
from packaging.metadata import RawMetadata, parse_email
from packaging.utils import canonicalize_name

DPKG_STATUS = "var/lib/dpkg/status"
OS_RELEASE = "usr/lib/os-release"
_PYTHON = re.compile(r"(?:^|/)[^/]+\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?)$")
_NPM = re.compile(r"(?:^|/)node_modules/(?:@[^/]+/)?[^/@]+/package\.json$")


class Kind(StrEnum):
    """Who a package came from; the value is the type of its package URL."""

    DEBIAN = "deb"
    PYTHON = "pypi"
    NPM = "npm"


@dataclass(frozen=True, order=True)
class Package:
    """One package that is there.

    Args:
        licence: as the package states it; empty where it does not (Debian's stand in files of their own).
        architecture: of a Debian package.
        source, source_version: of a Debian package; it is under these that Debian tells of vulnerabilities.
    """

    kind: Kind
    name: str
    version: str
    licence: str = ""
    architecture: str = ""
    source: str = ""
    source_version: str = ""


@dataclass(frozen=True)
class Inventory:
    """Everything that was found.

    Args:
        system, release: such as ``debian`` and ``13``; empty where nothing says so.
    """

    packages: tuple[Package, ...]
    system: str = ""
    release: str = ""

    def count(self, kind: Kind) -> int:
        """How many of that kind."""
        return sum(package.kind is kind for package in self.packages)


def is_record(path: str) -> bool:
    """Whether the file at the path (without a leading slash) tells of a package or of the system."""
    return path in (DPKG_STATUS, OS_RELEASE) or bool(_PYTHON.search(path) or _NPM.search(path))


def found_in(records: Mapping[str, bytes]) -> Inventory:
    """Read the records.

    Raises:
        ValueError: a record is damaged, or two contradict each other; a list with holes is worse than none.
    """
    found: set[Package] = set()
    for path, content in records.items():
        if path == DPKG_STATUS:
            found.update(_debian(content))
        elif _PYTHON.search(path):
            found.add(python_package(parse_email(content)[0], path))
        elif _NPM.search(path):
            found.add(_npm(content, path))
    system = _os_release(records.get(OS_RELEASE, b"").decode())
    return Inventory(tuple(sorted(found)), system.get("ID", ""), system.get("VERSION_ID", ""))


def python_package(metadata: RawMetadata, where: str) -> Package:
    """What a Python distribution says of itself.

    Raises:
        ValueError: it has no name or no version.
    """
    name, version = metadata.get("name"), metadata.get("version")
    if not name or not version:
        raise ValueError(f"{where} names no package")
    licence = metadata.get("license_expression") or metadata.get("license") or ""
    if "\n" in licence.strip():  # some put its whole text there
        licence = ""
    return Package(Kind.PYTHON, canonicalize_name(name), version, licence.strip())


def _debian(status: bytes) -> Iterator[Package]:
    for paragraph in Packages.iter_paragraphs(io.BytesIO(status), use_apt_pkg=False):
        if paragraph.get("Status", "").split()[-1:] != ["installed"]:  # removed, but its settings are still there
            continue
        yield Package(
            Kind.DEBIAN,
            paragraph["Package"],
            paragraph["Version"],
            architecture=paragraph["Architecture"],
            source=paragraph.source or "",
            source_version=str(paragraph.source_version or ""),
        )


def _npm(content: bytes, path: str) -> Package:
    try:
        record = json.loads(content)
        name, version = str(record["name"]), str(record["version"])
    except (ValueError, KeyError, TypeError) as damaged:
        raise ValueError(f"{path} names no package") from damaged
    folder = PurePosixPath(path).parent
    expected = "/".join(folder.parts[-2:]) if name.startswith("@") else folder.name
    if name != expected:
        raise ValueError(f"{path} is of {name}")
    licence = record.get("license")
    return Package(Kind.NPM, name, version, licence if isinstance(licence, str) else "")


def _os_release(text: str) -> dict[str, str]:
    return {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in text.splitlines()) if value}
