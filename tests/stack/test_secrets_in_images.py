"""No layer of an image holds a secret, nor what the build was given: also not one that a later layer hides."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterator
from uuid import uuid4

import pytest
from docker import DockerClient

from fakes.image_layers import found_in_layers
from fakes.made_secrets import FILES
from fakes.spare_stack import NO_LABELS
from stack.parts import base_image, containers, made_secrets
from stack.parts.inventory.of_image import read_files
from stack.settings import ROOT, Settings

pytestmark = pytest.mark.full
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+(.*?)-----END CERTIFICATE-----", re.DOTALL)
BUILD_KNOBS = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture(scope="module")
def hidden(settings: Settings, engine: DockerClient) -> dict[bytes, str]:
    """Everything that must not be in an image, and what it is."""
    init = containers.run_once(settings, engine, "init")
    told = {made_secrets.read(init, *file.split("/")).encode(): file for file in FILES}
    assert len(told) == len(FILES) - 1  # two know the same one
    for knob in (*BUILD_KNOBS, *PROXIES):
        if value := os.environ.get(knob):
            told[value.encode()] = knob
    bundle = settings.build_ca_bundle if settings.build_ca_bundle.is_absolute() else ROOT / settings.build_ca_bundle
    files = [path for path in (bundle, base_image.host_ca_bundle()) if path and path.stat().st_size]
    debians = read_files(engine, containers.image_of(settings, "init"), lambda path: path.startswith("usr/share/ca-"))
    public = {line for content in debians.values() for line in lines_of(content)}
    extra = {line for path in files for line in lines_of(path.read_bytes()) if line not in public}
    return {**told, **dict.fromkeys(sorted(extra)[:50], "a certificate of this machine's own")}


def lines_of(bundle: bytes) -> list[bytes]:
    """A line of each certificate that no other one has."""
    return [body.split()[-2] for body in PEM.findall(bundle) if len(body.split()) > 2]


@pytest.mark.parametrize("service", containers.BUILT)
def test_no_layer_holds_one(settings: Settings, engine: DockerClient, hidden: dict[bytes, str], service: str) -> None:
    there = b'org.opencontainers.image.title":"foundry-stack ' + service.encode()  # the control: this is found
    found = found_in_layers(engine, containers.image_of(settings, service), [there, *hidden])
    assert there in found
    assert not [hidden[each] for each in found - {there}]


@pytest.fixture
def leaky(settings: Settings, engine: DockerClient) -> Iterator[tuple[str, bytes]]:
    """An image with a secret in a layer, and nothing left of it to see in the one above."""
    canary, repository = uuid4().hex.encode(), f"localhost/leaky-{uuid4().hex[:8]}"
    base = containers.image_of(settings, "init")
    for content in (canary, b"nothing"):
        container = engine.containers.create(base, labels=NO_LABELS)
        container.put_archive("/etc", _archive("canary", content))
        base = str(container.commit(repository, content.hex()[:12]).id)
        container.remove()
    yield base, canary
    for image in engine.images.list(repository):
        engine.images.remove(str(image.id), force=True)


def test_one_that_a_later_layer_hides_is_found(engine: DockerClient, leaky: tuple[str, bytes]) -> None:
    image, canary = leaky
    assert read_files(engine, image, lambda path: path == "etc/canary") == {"etc/canary": b"nothing"}
    assert found_in_layers(engine, image, [canary, b"not there at all"]) == {canary}


def _archive(name: str, content: bytes) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()
