"""Development mode, on a stack and a clone of the test's own: a saved file is what runs, until production is back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from docker import DockerClient

from fakes.chat_people import Person, first_user
from faults.own_clone import make_clone, open_folder
from faults.own_stack import OwnStack, User, json_of, own_stack
from stack.parts import containers
from stack.settings import Settings
from stack.tools.docker_engine import compose

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

FROM_SOURCES = ("chainlit", "webgpu-static")
RELOAD_SECONDS = 30.0


@pytest.fixture(scope="module")
def developed(settings: Settings, engine: DockerClient) -> Iterator[OwnStack]:
    """A stack in development mode, started in a copy of the working tree."""
    knobs = {"image_tag": f"{settings.image_tag}-dev"}  # the edits go into images in the end
    with open_folder() as folder, own_stack(settings, engine, folder / "state", **knobs) as stack:
        clone = make_clone(folder / "clone", User(os.getuid(), os.getgid()))
        stack.clone, stack.python = clone.folder, clone.python
        try:
            ended = stack.run("up", "--yes", "--dev")
            assert ended.code in (0, 3), ended.all
            assert "Development mode" in ended.out
            yield stack
        finally:
            stack.run("down", "--volumes", "--yes")
            containers.remove_images(stack.settings, engine)


@pytest.fixture(scope="module")
def person(developed: OwnStack) -> Person:
    """The first user of its chat."""
    return first_user(developed.settings)


async def greeting(person: Person) -> str:
    """What the chat says first."""
    async with person.opens_the_page() as page:
        return page.answer.notices[0]


def save(file: Path, old: str, new: str, *, by_rename: bool = True) -> str:
    """Edit the file as most editors do (a new file takes its place), or in place; returns its new text."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    target = file.with_name(f".{file.name}.new") if by_rename else file
    target.write_text(changed := text.replace(old, new), encoding="utf-8")
    target.replace(file)
    return changed


def get(stack: OwnStack, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """A file of the demo; ``headers`` are what a browser sends that has seen it before."""
    address = f"http://127.0.0.1:{stack.settings.webgpu_port}{path}"
    return httpx.get(address, headers=headers, trust_env=False)


def named(stack: OwnStack, file: str) -> str:
    """Under which path the demo's page wants that file."""
    (path,) = re.findall(rf'"(/[^"]+/{file})"', get(stack, "/").text)
    return path


def binds(stack: OwnStack) -> dict[str, list[tuple[str, bool]]]:
    """Which folders of the host each container has, and whether it may write there."""
    found = {service: each.attrs["Mounts"] for service, each in stack.containers().items()}
    return {
        service: sorted((mount["Destination"], mount["RW"]) for mount in mounts if mount["Type"] == "bind")
        for service, mounts in found.items()
    }


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("app.py", "answers you, from", "is at your service, from"),
        ("chat/model.py", "return choose(wanted, loaded, loaded)", 'return choose(wanted, loaded, loaded) + " itself"'),
    ],
)
async def test_a_saved_file_of_the_chat_is_what_runs_and_open_pages_load_again(
    developed: OwnStack, person: Person, file: str, old: str, new: str
) -> None:
    before = await greeting(person)
    greetings = []
    for each in ((old, new), (new, old)):
        async with person.opens_the_page() as page:
            assert not page.heard("reload")
            save(developed.clone / "services" / "chainlit" / file, *each)
            await page.hears("reload", RELOAD_SECONDS)
        greetings.append(await greeting(person))
    assert greetings[0] != before
    assert any(word in greetings[0] for word in ("is at your service", " itself**"))
    assert greetings[1] == before


@pytest.mark.parametrize("by_rename", [True, False], ids=["replaced", "in-place"])
@pytest.mark.parametrize(
    ("file", "old"), [("main.js", "import { byId }"), ("style.css", ":root {"), ("index.html", "<h1>Digits")]
)
def test_a_saved_file_of_the_demo_is_what_a_browser_gets_next(
    developed: OwnStack, file: str, old: str, by_rename: bool
) -> None:
    path = "/" if file == "index.html" else named(developed, file)
    before = get(developed, path)
    conditions = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
    seen = {name: before.headers[theirs] for name, theirs in conditions.items() if theirs in before.headers}
    source = developed.clone / "services/webgpu-static/page" / file
    times = source.stat()
    changed = save(source, old, old.swapcase(), by_rename=by_rename)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # neither size nor time may be taken for the content
    after = get(developed, path, {**seen, "Accept-Encoding": "br, gzip"})
    save(source, old.swapcase(), old)
    assert after.status_code == 200
    assert after.headers["cache-control"] == "no-cache"
    assert old.swapcase() in after.text
    assert file == "index.html" or after.text == changed


def test_the_demo_s_page_has_all_that_it_names(developed: OwnStack) -> None:
    page = get(developed, "/").text
    assert "{{" not in page
    for path in {*re.findall(r'(?:src|href)="([^"]+)"', page), "/page/mnist.onnx"}:
        answer = get(developed, path)
        assert answer.status_code == 200, path
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp", path


def test_the_containers_are_as_locked_down_as_ever(developed: OwnStack) -> None:
    for service, mounts in binds(developed).items():
        assert [target for target, _ in mounts if target == "/sources"] == ["/sources"] * (service in FROM_SOURCES)
        assert not any(writable for _, writable in mounts)
    for service in FROM_SOURCES:
        container = developed.containers()[service].attrs
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in container["HostConfig"]["SecurityOpt"]
        assert int(container["Config"]["User"].split(":")[0]) >= 10000


def test_the_probe_says_that_it_is_development_mode(developed: OwnStack) -> None:
    report = json_of(developed.run("probe", "--json"))
    assert report["status"] in ("ok", "degraded")  # degraded: slow, on a busy machine
    evidence = {check["id"]: check["evidence"] for check in report["checks"]}
    for service in FROM_SOURCES:
        assert "development mode" in evidence[f"container.{service}"]
    assert "development mode" in evidence["answer.webgpu-static"]


def test_what_mends_the_stack_keeps_the_mode(developed: OwnStack, engine: DockerClient) -> None:
    (page,) = containers.of_project(developed.settings, engine, "webgpu-static")
    page.remove(force=True)
    checks = {check["id"]: check for check in json_of(developed.run("probe", "--json"))["checks"]}
    fix = checks["container.webgpu-static"]["fix"]
    assert "up.py --dev" in fix
    assert developed.run("up", "--yes", "--dev").code in (0, 3)


async def test_production_is_back_with_an_up_and_gone_with_a_down(developed: OwnStack, person: Person) -> None:
    app, style = (developed.clone / "services" / each for each in ("chainlit/app.py", "webgpu-static/page/style.css"))
    text = save(style, ":root {", f"/* {uuid4()} */\n:root {{")
    developed.up()
    assert not any(binds(developed).values())
    served = named(developed, "style.css")
    assert re.fullmatch(r"/app-[0-9a-f]{12}/style\.css", served)
    answer = get(developed, served)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.text == text

    save(style, ":root {", ":root  {")
    assert (named(developed, "style.css"), get(developed, served).text) == (served, text)
    mark = str(uuid4())
    async with person.opens_the_page():
        save(app, "from `", f"{mark} `")
    assert mark not in await greeting(person)

    # The same as `up --dev`, as whoever does without the scripts types it.
    argv = ["-f", "compose.yaml", "-f", "compose.dev.yaml", "up", "--detach", "--wait"]
    knobs = {**developed.settings.as_environment, **developed.knobs}
    done = compose(argv, project=developed.clone, env=knobs)
    assert done.code == 0, done.out + done.err
    assert mark in await greeting(person)
    assert ":root  {" in get(developed, "/page/style.css").text

    developed.down()
    assert not developed.containers()
    assert not developed.networks()


def test_files_that_the_containers_may_not_read_are_named(developed: OwnStack) -> None:
    secret = developed.clone / "services/webgpu-static/page/main.js"
    mode = secret.stat().st_mode
    secret.chmod(0o600)
    ended = developed.run("up", "--yes", "--dev")
    secret.chmod(mode)
    assert ended.code == 2, ended.all
    assert str(secret) in ended.all
    assert "chmod -R a+rX" in ended.all
