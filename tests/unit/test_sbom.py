"""What an image's files tell of packages, and the document that is made of it."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from stack.parts import sbom
from stack.parts.inventory import Inventory, of_this_python
from stack.parts.inventory.of_image import from_tar
from stack.parts.inventory.packages import found_in, is_record

STATUS = b"""\
Package: nginx-common
Status: install ok installed
Architecture: all
Source: nginx
Version: 1.26.3-3+deb13u1
Description: small
 and fast

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.37-2)
Version: 5.2.37-2+b10
"""
METADATA = "Metadata-Version: 2.4\nName: {}\nVersion: {}\nLicense-Expression: Apache-2.0\n\nText\nName: other\n"
SITE = "opt/venv/lib/python3.13/site-packages"
NPM = "usr/share/node_modules"
FILES = {
    "var/lib/dpkg/status": STATUS,
    "usr/lib/os-release": b'NAME="Debian"\nVERSION_ID="13"\nID=debian\n',
    f"{SITE}/chainlit-2.12.0.dist-info/METADATA": METADATA.format("chainlit", "2.12.0").encode(),
    "usr/lib/python3/dist-packages/Old_Thing-3.egg-info": METADATA.format("Old_Thing", "3").encode(),
    f"{SITE}/chainlit/METADATA": b"Name: not-a-package\nVersion: 1\n",
    f"{NPM}/onnxruntime-web/package.json": b'{"name": "onnxruntime-web", "version": "1.30.0", "license": "MIT"}',
    f"{NPM}/@fontsource-variable/inter/package.json": b'{"name": "@fontsource-variable/inter", "version": "5.3.0"}',
    f"{NPM}/onnxruntime-web/lib/package.json": b"{}",
    "app/package.json": b'{"name": "a-project", "version": "1"}',
}
EXPECTED = {
    ("deb", "bash", "5.2.37-2+b10"),
    ("deb", "nginx-common", "1.26.3-3+deb13u1"),
    ("npm", "@fontsource-variable/inter", "5.3.0"),
    ("npm", "onnxruntime-web", "1.30.0"),
    ("pypi", "chainlit", "2.12.0"),
    ("pypi", "old-thing", "3"),
}
MADE = datetime(2026, 11, 1, tzinfo=UTC)
ID = "ab" * 32


def tar(files: dict[str, bytes], prefix: str = "") -> list[bytes]:
    """An archive in small pieces, as the engine sends it."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        folder = tarfile.TarInfo(f"{prefix}var")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for path, content in files.items():
            member = tarfile.TarInfo(prefix + path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    raw = whole.getvalue()
    return [raw[start : start + 700] for start in range(0, len(raw), 700)]


def inventory(files: dict[str, bytes], prefix: str = "") -> Inventory:
    return found_in(from_tar(tar(files, prefix), is_record))


def names(found: Inventory) -> set[tuple[str, str, str]]:
    return {(package.kind.value, package.name, package.version) for package in found.packages}


@pytest.mark.parametrize("prefix", ["", "./", "/"])
def test_each_package_is_found_once_and_nothing_else(prefix: str) -> None:
    found = inventory(FILES, prefix)
    assert names(found) == EXPECTED
    assert len(found.packages) == len(EXPECTED)
    assert (found.system, found.release) == ("debian", "13")


def test_debian_packages_know_their_source() -> None:
    sources = {package.name: (package.source, package.source_version) for package in inventory(FILES).packages}
    assert sources["nginx-common"] == ("nginx", "1.26.3-3+deb13u1")
    assert sources["bash"] == ("bash", "5.2.37-2")


@pytest.mark.parametrize("path", [path for path in FILES if is_record(path) and path != "usr/lib/os-release"])
def test_what_is_not_in_the_image_is_not_in_the_list(path: str) -> None:
    missing = EXPECTED - names(inventory({name: content for name, content in FILES.items() if name != path}))
    assert 1 <= len(missing) <= 2


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("opt/x.dist-info/METADATA", b"Metadata-Version: 2.4\nName: x\n"),
        ("node_modules/x/package.json", b"{"),
        ("node_modules/x/package.json", b'{"name": "x"}'),
        ("node_modules/x/package.json", b'{"name": "y", "version": "1"}'),
        ("node_modules/x/package.json", b"[]"),
    ],
)
def test_a_damaged_record_is_an_error_and_no_gap(path: str, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"names no package|is of y"):
        inventory({**FILES, path: content})


def document(found: Inventory) -> str:
    return sbom.document("localhost/foundry-stack/gateway", "1", MADE, found, sha256=ID)


def test_the_document_is_valid_cyclonedx_and_complete() -> None:
    text = document(inventory(FILES))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    told: dict[str, Any] = json.loads(text)
    components = {(each["name"], each.get("version")): each for each in told["components"]}
    assert components.keys() == {(name, version) for _, name, version in EXPECTED} | {("debian", "13")}
    urls = {each["name"]: each.get("purl") for each in told["components"]}
    assert urls["chainlit"] == "pkg:pypi/chainlit@2.12.0"
    assert urls["@fontsource-variable/inter"] == "pkg:npm/%40fontsource-variable/inter@5.3.0"
    assert urls["nginx-common"].startswith("pkg:deb/debian/nginx-common@1.26.3-3%2Bdeb13u1?arch=all&distro=debian-13")
    assert components["chainlit", "2.12.0"]["licenses"][0]["license"]["id"] == "Apache-2.0"
    assert told["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": ID}]
    (whole,) = [each for each in told["dependencies"] if each["ref"] == told["metadata"]["component"]["bom-ref"]]
    assert len(whole["dependsOn"]) == len(components)


def test_the_validator_can_say_no() -> None:
    told = json.loads(document(inventory(FILES)))
    del told["components"][0]["name"]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(told)) is not None


def test_the_same_image_gives_the_same_bytes_and_another_one_does_not() -> None:
    found = inventory(FILES)
    assert document(found) == document(inventory(dict(reversed(FILES.items()))))
    assert document(Inventory(found.packages[1:], found.system, found.release)) != document(found)


def test_the_own_environment_is_told_of_as_well() -> None:
    found = {package.name: package for package in of_this_python().packages}
    assert found["foundry-local-sdk"].version == "2.2.1"
    text = sbom.document("foundry-stack scripts", None, MADE, of_this_python())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
