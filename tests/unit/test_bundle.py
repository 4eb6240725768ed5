"""What goes into a bundle and what is made of it, without an engine: sources, images' note, models, packages."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlparse

import pytest
import requests
from docker import DockerClient
from docker.errors import ImageNotFound

from fakes.bare_clone import Clone, make_clone
from fakes.bundles import make_bundle
from fakes.engine_of_images import EngineOfImages
from stack import bootstrap
from stack.commands import bundle as commands
from stack.commands import up
from stack.parts import containers
from stack.parts.bundle import (
    clone,
    debian,
    images,
    images_came_in_a_bundle,
    models,
    record,
    refuse_other_sources,
    writing,
)
from stack.parts.model.files import sha256
from stack.reports.stages import Stages
from stack.settings import ROOT, Settings, load
from stack.tools import apt, offline
from stack.tools.bundle_file import IMAGES, BundleFile
from stack.tools.errors import StackError
from stack.tools.process import Finished, run
from stack.tools.progress import silent
from stack.tools.root import as_root

SERVICE_FILE = "services/chainlit/app.py"
NO_INDEX = {"PIP_FIND_LINKS": "/nonexistent"}  # beside `Clone`'s PIP_NO_INDEX: whoever asks it has no packages


class FakeEngine:
    """Has images by name."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        self.ids = dict(ids)
        self.images = SimpleNamespace(get=self._get)

    def _get(self, name: str) -> Any:
        if name not in self.ids:
            raise ImageNotFound(name)
        return SimpleNamespace(id=self.ids[name])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load().model_copy(update={"state_dir": tmp_path / "state", "image_tag": "bundled"})


@pytest.fixture
def engine(settings: Settings) -> FakeEngine:
    return FakeEngine({containers.image_of(settings, service): f"sha256:{service}" for service in containers.BUILT})


# --- the clone ---


def test_without_git_the_same_files_belong_to_it_as_with_git(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in (
        "scripts/up.py",
        "services/a/Dockerfile",
        "README.md",
        ".env.example",
        ".env",
        ".state/log",
        "x/a.pyc",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in (
        ".venv/bin/python",
        "tests/__pycache__/b.pyc",
        ".files/x",
        "foundry-stack-20261127-linux-x86_64.tar",
        "services/chainlit/.files/y",
        "node_modules/z",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    walked = clone.files(tmp_path)
    assert clone.version(tmp_path) == ""
    for command in (["init", "--quiet"], ["add", "--all"]):
        assert run(["git", "-C", str(tmp_path), *command]).code == 0
    assert clone.files(tmp_path) == walked
    (tmp_path / "the user's own notes").touch()
    assert clone.files(tmp_path) == walked
    assert set(walked) == {".gitignore", ".env.example", "README.md", "scripts/up.py", "services/a/Dockerfile"}


@pytest.mark.parametrize(
    ("git", "said"),
    [
        (Finished(128, "", "fatal: detected dubious ownership in repository"), "dubious ownership"),
        (Finished(0, "README.md\0", ""), "scripts/up.py is not among them"),
    ],
)
def test_a_clone_that_git_does_not_tell_of_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Finished, said: str
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").touch()
    monkeypatch.setattr(clone, "run", lambda argv: git)
    with pytest.raises(StackError, match=said) as why:
        clone.files(tmp_path)
    assert f"safe.directory {tmp_path}" in why.value.fix


def test_this_clone_gives_what_up_needs_and_no_secrets() -> None:
    found = clone.files()
    assert {"scripts/up.py", "scripts/requirements.lock", "compose.yaml", ".env.example", SERVICE_FILE} <= set(found)
    assert not {name for name in found if name == ".env" or name.startswith((".state", ".venv", ".git/"))}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, None),
        ({"docs/model.md": "0" * 64, "tests/unit/test_bundle.py": "0" * 64}, None),
        ({SERVICE_FILE: "0" * 64}, SERVICE_FILE),
        ({"services/of-another-version": "0" * 64}, "services/of-another-version"),
    ],
)
def test_only_what_decides_how_the_stack_runs_must_be_the_same(changed: dict[str, str], named: str | None) -> None:
    sums = {name: clone.sha256(file) for name, file in clone.files().items()}
    assert clone.first_difference({**sums, **changed}) == named


# --- what is remembered of the images ---


def noted(settings: Settings, engine: FakeEngine, folder: Path, **sources: bytes) -> BundleFile:
    members = {f"foundry-stack/{name}": content for name, content in sources.items()}
    bundle = BundleFile(make_bundle(folder, {**members, IMAGES: b"layers"}))
    record.note(settings, cast(DockerClient, engine), bundle)
    return bundle


def test_images_of_a_bundle_are_not_built(settings: Settings, engine: FakeEngine, tmp_path: Path) -> None:
    said: list[str] = []
    as_client = cast(DockerClient, engine)
    assert not images_came_in_a_bundle(settings, as_client, said.append)
    bundle = noted(settings, engine, tmp_path, **{SERVICE_FILE: (ROOT / SERVICE_FILE).read_bytes()})
    assert images_came_in_a_bundle(settings, as_client, said.append)
    assert record.holds_images_of(settings, as_client, bundle)
    assert said == []


def test_but_are_where_one_is_gone_or_another(settings: Settings, engine: FakeEngine, tmp_path: Path) -> None:
    bundle = noted(settings, engine, tmp_path)
    gateway = containers.image_of(settings, "gateway")
    for ids in ({gateway: "sha256:built here"}, {}):
        del engine.ids[gateway]
        engine.ids.update(ids)
        assert not images_came_in_a_bundle(settings, cast(DockerClient, engine), print)
        assert not record.holds_images_of(settings, cast(DockerClient, engine), bundle)


def test_and_where_a_source_has_changed_since(settings: Settings, engine: FakeEngine, tmp_path: Path) -> None:
    noted(settings, engine, tmp_path, **{SERVICE_FILE: b"as it was"})
    said: list[str] = []
    assert not images_came_in_a_bundle(settings, cast(DockerClient, engine), said.append)
    assert said == [f"{SERVICE_FILE} is another than in the bundle that the images came in: they are built here."]


@pytest.mark.parametrize("failure", [None, StackError("No room.", fix="", cause="disk-full")])
def test_a_bundle_is_built_under_names_that_no_stack_runs_from(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: StackError | None
) -> None:
    images = EngineOfImages(settings)
    images.names = {containers.image_of(settings, service): "old" for service in containers.BUILT}

    def build(settings: Settings, *_: Any, assume_yes: bool) -> None:
        images.names |= {containers.image_of(settings, service): "new" for service in containers.BUILT}

    def write(settings: Settings, target: Path, stage: Any) -> Any:
        assert {images.names[containers.image_of(settings, service)] for service in containers.BUILT} == {"new"}
        if failure:
            raise failure

    monkeypatch.setattr(commands, "client", lambda: images)
    monkeypatch.setattr(commands, "make_images", build)
    monkeypatch.setattr(commands.bundle, "make", write)
    with pytest.raises(StackError) if failure else nullcontext():
        commands.make_bundle(settings, Stages(), tmp_path / "bundle.tar", assume_yes=True)
    assert images.names == {containers.image_of(settings, service): "old" for service in containers.BUILT}


# --- the file ---


def test_a_file_that_changes_under_its_checksum_ends_in_no_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then_changed(file: Path) -> str:
        digest = sha256(file)
        if file.name == "weights":
            file.write_bytes(b"other!")
        return digest

    monkeypatch.setattr(writing, "sha256", then_changed)
    with pytest.raises(StackError, match="weights was changed") as why:
        make_bundle(tmp_path, {"models/weights": b"weight"})
    assert why.value.cause == "file-changed"
    assert {each.name for each in tmp_path.iterdir()} == {"work"}


def test_there_must_be_room_for_what_is_written_however_much_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model cache may hold a model of several GB."""
    members = {"models/weights": bytes(1000)}
    asked: list[Any] = []
    monkeypatch.setattr(writing, "require_room", lambda needs, what: asked.append(needs))
    make_bundle(tmp_path, members)
    ((folder, needed),) = asked[0].items()
    assert folder == tmp_path
    assert 1000 < needed < 1000 + 1000


# --- models ---


def test_models_are_laid_into_the_cache_with_their_times(tmp_path: Path) -> None:
    bundle = BundleFile(make_bundle(tmp_path, {"models/p/m-1/weights": b"right", "models/p/m-1/config": b"same"}))
    cache = tmp_path / "cache"
    (cache / "p" / "m-1").mkdir(parents=True)
    (cache / "p" / "m-1" / "config").write_bytes(b"same")
    (cache / "p" / "m-1" / "weights").write_bytes(b"wrong")
    untouched = (cache / "p" / "m-1" / "config").stat().st_mtime_ns
    models.put(bundle, cache, silent)
    assert (cache / "p" / "m-1" / "weights").read_bytes() == b"right"
    assert (cache / "p" / "m-1" / "weights").stat().st_mtime == 1_700_000_000.25
    assert (cache / "p" / "m-1" / "config").stat().st_mtime_ns == untouched
    assert {each.name for each in (cache / "p" / "m-1").iterdir()} == {"weights", "config"}


# --- the scripts' own packages ---


@pytest.fixture
def fresh(tmp_path: Path) -> Clone:
    return make_clone(tmp_path)


def wheels_of(made: Clone) -> dict[str, bytes]:
    return {f"wheels/{file.name}": file.read_bytes() for file in made.wheels.iterdir()}


def test_the_environment_is_made_out_of_the_bundle_alone(fresh: Clone, tmp_path: Path) -> None:
    path = make_bundle(tmp_path, wheels_of(fresh))
    code, out, err = fresh.run("--bundle", str(path), **NO_INDEX)
    assert code == 0, err
    assert out.endswith(f"['--bundle', '{path}'] ['first==1']\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--yes", "--bundle", "my file.tar", "--open"], "my file.tar"),
        (["--bundle=file.tar"], "file.tar"),
        (["--bund", "file.tar"], "file.tar"),
        (["--bundle"], None),
        (["--yes"], None),
        (["add", "anna", "--", "--bundle-of-flowers"], None),
    ],
)
def test_the_file_is_found_among_the_arguments_of_any_script(arguments: list[str], named: str | None) -> None:
    assert bootstrap.bundle_named_in(arguments) == (Path(named).absolute() if named else None)


def test_a_damaged_bundle_leaves_no_environment_behind(fresh: Clone, tmp_path: Path) -> None:
    path = make_bundle(tmp_path, {**wheels_of(fresh), IMAGES: b"layers" * 100})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"layers")] ^= 1  # not even in what is needed first
    path.write_bytes(content)
    code, _, err = fresh.run("--bundle", str(path), **NO_INDEX)
    assert (code, fresh.environment.exists()) == (2, False)
    assert f"{IMAGES} is not what it was" in err
    assert "Traceback" not in err


def test_one_for_another_python_says_so(fresh: Clone, tmp_path: Path) -> None:
    path = make_bundle(tmp_path, wheels_of(fresh), python="3.9")
    code, _, err = fresh.run("--bundle", str(path), **NO_INDEX)
    assert code == 2
    assert "was made for Python 3.9" in err


# --- the system's packages ---

needs_apt = pytest.mark.skipif(not apt.is_debian_like(), reason="apt is Debian's and Ubuntu's")
PACKAGE = "foundry-stack-test-of-bundles"


def make_package(folder: Path) -> Path:
    """A package that nothing else is called."""
    control = folder / "package" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {PACKAGE}\nVersion: 1:2.5\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n"
        "Depends: libc6\nDescription: nothing\n"
    )
    file = folder / f"{PACKAGE}_2.5_all.deb"
    done = run(["dpkg-deb", "--build", str(folder / "package"), str(file)])
    assert done.code == 0, done.err
    return file


@needs_apt
def test_apt_knows_the_bundles_packages_and_no_others(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    shutil.copy(make_package(tmp_path), packages)
    debian._write_index(packages)
    members = {f"debian/{file.name}": file.read_bytes() for file in packages.iterdir()}
    bundle = BundleFile(make_bundle(tmp_path, members, release=apt.release()))

    assert apt.candidate(PACKAGE) is None
    with offline.system_packages(bundle):
        assert apt.candidate(PACKAGE) == (2, 5)
        assert apt.would_add([PACKAGE]) == [PACKAGE]
        sources = run(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).out.split()
        assert {each.partition(":")[0] for each in sources} == {"file"}
        assert f"APT_CONFIG={os.environ['APT_CONFIG']}" in as_root(["true"])
        aside = Path(os.environ["APT_CONFIG"]).parent
    assert "APT_CONFIG" not in os.environ
    assert not aside.exists()


@needs_apt
def test_packages_of_another_release_are_left_alone(tmp_path: Path) -> None:
    bundle = BundleFile(make_bundle(tmp_path, {"debian/Packages": b""}, release="debian sid"))
    with offline.system_packages(bundle):
        assert "APT_CONFIG" not in os.environ


def test_pip_finds_only_the_bundles_packages_and_all_of_it_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/somewhere/else")
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    bundle = BundleFile(make_bundle(tmp_path, {"wheels/one.whl": b"one"}))
    with offline.python_packages(bundle):
        folder = Path(urlparse(os.environ["PIP_FIND_LINKS"]).path)
        assert folder.parent == offline.ROOT == ROOT, "beside .venv: /tmp may be small"
        assert run(["git", "-C", str(ROOT), "check-ignore", "--quiet", str(folder)]).code == 0
        assert (os.environ["PIP_NO_INDEX"], (folder / "one.whl").read_bytes()) == ("1", b"one")
    assert os.environ["PIP_FIND_LINKS"] == "/somewhere/else"
    assert "PIP_NO_INDEX" not in os.environ
    assert not folder.exists()


@needs_apt
def test_a_blank_in_the_folders_name_confuses_neither_pip_nor_apt(
    fresh: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    shutil.copy(make_package(tmp_path), packages)
    debian._write_index(packages)
    members = {f"debian/{file.name}": file.read_bytes() for file in packages.iterdir()}
    bundle = BundleFile(make_bundle(tmp_path, {**members, **wheels_of(fresh)}, release=apt.release()))
    monkeypatch.setattr(offline, "ROOT", tmp_path / "my stack")
    offline.ROOT.mkdir()
    with offline.system_packages(bundle), offline.python_packages(bundle):
        assert apt.candidate(PACKAGE) == (2, 5)
        found = run([sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(tmp_path / "got"), "first"])
    assert found.code == 0, found.err


@pytest.mark.parametrize("full", [True, False])
def test_where_a_bundle_can_not_be_unpacked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    bundle = BundleFile(make_bundle(tmp_path, {"wheels/one.whl": b"one"}))

    def no_room(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if full:
        monkeypatch.setattr(bundle, "take_out_folder", no_room)
    else:
        monkeypatch.setattr(offline, "ROOT", tmp_path / "nowhere")
    with (
        pytest.raises(StackError, match="No space left" if full else "nowhere") as why,
        offline.python_packages(bundle),
    ):
        pass
    assert why.value.cause == "bundle-not-unpacked"


# --- the images ---


def test_an_engine_that_hangs_while_it_takes_the_images_is_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(_: Any) -> None:
        raise requests.exceptions.ReadTimeout("read timed out")

    engine = SimpleNamespace(images=SimpleNamespace(load=hang))
    monkeypatch.setattr(images, "client", lambda timeout: engine)
    with pytest.raises(StackError, match="read timed out") as why:
        images.load(settings, BundleFile(make_bundle(tmp_path, {IMAGES: b"layers"})), silent)
    assert why.value.cause == "images-not-loaded"


def test_a_changed_source_stops_nobody_who_can_build_nothing(
    settings: Settings,
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A persona that was added on a machine without a network, say."""

    def missing(*_: Any, **__: Any) -> None:
        raise StackError("The base image can't be pulled.", fix="", cause="base-image-missing")

    noted(settings, engine, tmp_path, **{SERVICE_FILE: b"as it was"})
    monkeypatch.setattr(up, "ensure_base_images", missing)
    up.make_images(settings, cast(DockerClient, engine), Stages(), assume_yes=True)
    assert "the images that are here start" in capsys.readouterr().out
    with pytest.raises(StackError):
        up.make_images(settings, cast(DockerClient, engine), Stages(), assume_yes=True, rebuild="chainlit")
    engine.ids[containers.image_of(settings, "gateway")] = "sha256:as after an upgrade that was gone back from"
    up.make_images(settings, cast(DockerClient, engine), Stages(), assume_yes=True)
    del engine.ids[containers.image_of(settings, "gateway")]
    with pytest.raises(StackError):
        up.make_images(settings, cast(DockerClient, engine), Stages(), assume_yes=True)


def test_a_bundle_of_other_sources_is_refused(tmp_path: Path) -> None:

    same = {f"foundry-stack/{name}": (ROOT / name).read_bytes() for name in (clone.START, SERVICE_FILE)}
    refuse_other_sources(BundleFile(make_bundle(tmp_path, same)))
    other = BundleFile(make_bundle(tmp_path, {**same, f"foundry-stack/{SERVICE_FILE}": b"other"}))
    with pytest.raises(StackError, match=SERVICE_FILE) as why:
        refuse_other_sources(other)
    assert why.value.cause == "bundle-of-other-sources"


def test_a_damaged_bundle_is_refused_before_anything_is_done_with_it(tmp_path: Path) -> None:
    members = {f"foundry-stack/{clone.START}": (ROOT / clone.START).read_bytes(), IMAGES: b"layers" * 100}
    path = make_bundle(tmp_path, members)
    assert up.checked_bundle(path, Stages()).manifest["images"] == {}
    content = bytearray(path.read_bytes())
    content[content.rindex(b"layers")] ^= 1
    path.write_bytes(content)
    with pytest.raises(StackError, match=rf"{IMAGES} is not what it was"):
        up.checked_bundle(path, Stages())


def test_a_bundle_without_sources_fits_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no scripts") as why:
        refuse_other_sources(BundleFile(make_bundle(tmp_path, {IMAGES: b"layers"})))
    assert why.value.cause == "bundle-incomplete"
