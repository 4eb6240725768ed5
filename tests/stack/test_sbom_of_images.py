"""`scripts/sbom.py` on the real images: each document is valid and names what is known to be in there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from docker import DockerClient
from docker.models.containers import Container

from fakes.advisories import Advisories, served
from stack.parts import containers, inventory
from stack.parts.inventory import Kind
from stack.parts.inventory.of_image import read_files
from stack.parts.inventory.packages import found_in, is_record
from stack.settings import ROOT, Settings
from stack.tools.process import run


def locked(lock: str, name: str) -> str:
    """The version that a lock file pins."""
    found = re.search(rf"^{name}==(\S+)", (ROOT / "services" / lock).read_text(encoding="utf-8"), re.MULTILINE)
    assert found, name
    return found[1]


def locked_by_npm(service: str, name: str) -> str:
    lock = json.loads((ROOT / "services" / service / "package-lock.json").read_text(encoding="utf-8"))
    return str(lock["packages"][f"node_modules/{name}"]["version"])


EXPECTED = {
    "init": [],
    "gateway": [],
    "chainlit": [
        ("pypi", "chainlit", locked("chainlit/requirements.lock", "chainlit")),
        ("pypi", "openai", locked("chainlit/requirements.lock", "openai")),
        ("npm", "katex", locked_by_npm("chainlit", "katex")),
    ],
    "open-webui": [("pypi", "open-webui", locked("open-webui/requirements.lock", "open-webui"))],
    "webgpu-static": [("npm", "onnxruntime-web", locked_by_npm("webgpu-static", "onnxruntime-web"))],
    "monitor": [("pypi", "aiohttp", locked("monitor/requirements.lock", "aiohttp"))],
}
WITH_NGINX = ("gateway", "webgpu-static")


def all_locked(service: str) -> set[tuple[str, str]]:
    text = (ROOT / "services" / service / "requirements.lock").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+)==(\S+)", text.replace("_", "-").lower(), re.MULTILINE))


@pytest.mark.full
def test_each_document_is_valid_and_names_what_is_known(
    settings: Settings, engine: DockerClient, tmp_path: Path
) -> None:
    done = run([sys.executable, "scripts/sbom.py", "--into", str(tmp_path)], cwd=ROOT, env=settings.as_environment)
    assert done.code == 0, done.out + done.err
    assert {file.name for file in tmp_path.iterdir()} == {f"{name}.cdx.json" for name in (*containers.BUILT, "scripts")}
    for service, wanted in EXPECTED.items():
        text = (tmp_path / f"{service}.cdx.json").read_text(encoding="utf-8")
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        told = json.loads(text)
        urls = [each.get("purl", "") for each in told["components"]]
        for kind, name, version in wanted:
            assert f"pkg:{kind}/{name}@{version}" in urls
        assert any(url.startswith("pkg:deb/debian/dpkg@") for url in urls)
        image = engine.images.get(containers.image_of(settings, service))
        assert told["metadata"]["component"]["hashes"][0]["content"] == str(image.id).removeprefix("sha256:")
    scripts = json.loads((tmp_path / "scripts.cdx.json").read_text(encoding="utf-8"))
    assert "foundry-local-sdk" in [each["name"] for each in scripts["components"]]


@pytest.mark.full
@pytest.mark.parametrize("service", ["chainlit", "open-webui", "monitor"])
def test_all_that_is_locked_is_in_the_image_and_nothing_else_of_python(
    settings: Settings, engine: DockerClient, service: str
) -> None:
    found = inventory.of_image(engine, containers.image_of(settings, service))
    there = {(package.name, package.version) for package in found.packages if package.kind is Kind.PYTHON}
    wanted = {(name.replace(".", "-"), version) for name, version in all_locked(service)}
    assert {name for name, _ in there} <= {name for name, _ in wanted}
    assert len(there) > 0.8 * len(wanted)  # some are for other systems
    assert there <= wanted


@pytest.mark.parametrize("service", WITH_NGINX)
def test_the_image_s_nginx_is_the_one_that_is_told_of_and_gone_when_its_record_is(
    settings: Settings, engine: DockerClient, container: Callable[[str], Container], service: str
) -> None:
    image = containers.image_of(settings, service)
    before = {each.id for each in engine.containers.list(all=True, filters={"ancestor": image})}
    records = read_files(engine, image, is_record)
    assert {each.id for each in engine.containers.list(all=True, filters={"ancestor": image})} <= before
    (nginx,) = [each for each in found_in(records).packages if each.name == "nginx"]
    said = container(service).exec_run(["nginx", "-v"])
    assert nginx.version.partition("-")[0] in said.output.decode()
    status = records["var/lib/dpkg/status"]
    without = re.sub(rb"(?ms)^Package: nginx\n.*?\n\n", b"", status)
    assert without != status
    left = {each.name for each in found_in({**records, "var/lib/dpkg/status": without}).packages}
    assert {each.name for each in found_in(records).packages} - left == {"nginx"}


@pytest.mark.full
def test_the_command_asks_about_what_is_in_the_images(settings: Settings) -> None:
    version = locked("chainlit/requirements.lock", "openai")
    with served(Advisories(("openai", version))) as source:
        argv = [sys.executable, "scripts/vulnerabilities.py", "--osv", source.url]
        done = run(argv, cwd=ROOT, env=settings.as_environment, timeout=240)
    assert done.code == 1, done.out + done.err
    (told,) = [line for line in done.out.splitlines() if line.startswith("vulnerable")]
    assert f"openai {version}" in told
    assert "chainlit" in told
    assert {"Debian:12", "Debian:13", "PyPI", "npm"} == {ecosystem for ecosystem, _, _ in source.asked}
