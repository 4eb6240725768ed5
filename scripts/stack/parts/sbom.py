"""An inventory as a CycloneDX document: the same image gives the same bytes."""

from __future__ import annotations

import uuid
from datetime import datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from stack.parts.inventory import Inventory, Kind, Package

INDENT = 1
_LICENCES = LicenseFactory()


def document(subject: str, version: str | None, made: datetime, inventory: Inventory, sha256: str | None = None) -> str:
    """The document as JSON.

    Args:
        subject, version: what it is about, such as an image's name and tag.
        made: when that was made.
        sha256: of the image, its id; None: it is no image.
    """
    root = Component(
        name=subject,
        version=version,
        type=ComponentType.CONTAINER if sha256 else ComponentType.APPLICATION,
        bom_ref=subject,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else None,
    )
    parts = [_component(package, inventory) for package in inventory.packages]
    if inventory.system:
        parts.append(
            Component(
                name=inventory.system,
                version=inventory.release or None,
                type=ComponentType.OPERATING_SYSTEM,
                bom_ref="operating-system",
            )
        )
    names = "\n".join([subject, version or "", sha256 or "", *(str(part.bom_ref) for part in parts)])
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, names),
        metadata=BomMetaData(component=root, timestamp=made),
        components=parts,
    )
    bom.register_dependency(root, parts)
    return JsonV1Dot6(bom).output_as_string(indent=INDENT) + "\n"


def package_url(package: Package, inventory: Inventory) -> PackageURL:
    """The package's name in the form that every tool for such documents knows."""
    if package.kind is Kind.DEBIAN:
        system = inventory.system or "debian"
        upstream = f"{package.source}@{package.source_version}"
        qualifiers = {"arch": package.architecture, "distro": f"{system}-{inventory.release}"}
        if package.source and upstream != f"{package.name}@{package.version}":
            qualifiers["upstream"] = upstream
        return PackageURL("deb", system, package.name, package.version, qualifiers)
    if package.kind is Kind.NPM:
        scope, _, name = package.name.rpartition("/")
        return PackageURL("npm", scope or None, name, package.version)
    return PackageURL("pypi", None, package.name, package.version)


def _component(package: Package, inventory: Inventory) -> Component:
    url = package_url(package, inventory)
    licences = []
    if package.licence:
        licences = [
            _LICENCES.make_from_string(package.licence, license_acknowledgement=LicenseAcknowledgement.DECLARED)
        ]
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=url,
        licenses=licences,
    )
