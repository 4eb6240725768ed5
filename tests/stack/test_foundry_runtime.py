"""Real Foundry Local processes: started, used, killed, adopted; downloads from a stand-in cloud (`fakes.catalog`)."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import foundry_local_sdk
import httpx
import psutil
import pytest

from fakes import users_runtime
from fakes.catalog import Cloud, Offered, running_cloud
from fakes.waiting import wait_until
from stack.parts import foundry
from stack.parts.foundry import api, record
from stack.parts.foundry.discover import search
from stack.parts.foundry.model import EMBEDDED
from stack.parts.foundry.native import command
from stack.parts.model import EmbeddedModel
from stack.parts.model import prepare as prepare_embedded
from stack.parts.state import process_started, stop_process
from stack.settings import ROOT, Settings
from stack.tools.errors import StackError
from stack.tools.process import run, spawn_daemon
from stack.tools.progress import silent

pytestmark = pytest.mark.timeout(180)

DEAD_CATALOG = "http://127.0.0.1:9/asset-gallery/v1.0/models"  # the discard port: refused at once
Say = list[str]
MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="session")
def embedded() -> EmbeddedModel:
    """The embedded model in the cache that all stacks of this clone share."""
    return prepare_embedded(ROOT / ".state" / "models", silent)


@pytest.fixture
def make_settings(embedded: EmbeddedModel, tmp_path: Path) -> Iterator[MakeSettings]:
    """Settings with a state folder of the test's own; whatever it starts is ended afterwards."""
    models = tmp_path / "models"
    (models / embedded.publisher).mkdir(parents=True)
    (models / embedded.publisher / embedded.directory.name).symlink_to(embedded.directory)
    made: list[Settings] = []

    def make(**knobs: Any) -> Settings:
        own = {"compose_project_name": "one", "foundry_url": "own", "catalog_url": DEAD_CATALOG, "model": "auto"}
        settings = Settings(**{**own, "device": "auto", "state_dir": tmp_path, **knobs})
        made.append(settings)
        return settings

    yield make
    for settings in made:
        foundry.stop(settings)


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
def said() -> Say:
    return []


@pytest.fixture
def cloud(embedded: EmbeddedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A stand-in cloud; what it offers as qwen2.5-0.5b are in truth the embedded model's files."""
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("{}")
    real = {file.name: file for file in embedded.directory.iterdir() if file.name != "inference_model.json"}
    offered = [
        Offered("phi-4-mini", "Phi-4-mini-instruct-generic-cpu", "5", size_bytes=10**15),
        Offered("phi-4-mini", "Phi-4-mini-instruct-generic-gpu", "5", "gpu", size_bytes=10**15),
        Offered("qwen2.5-0.5b", "qwen2.5-0.5b-instruct-generic-cpu", "4", files=real),
        Offered("another-0.5b", "another-0.5b-instruct-generic-cpu", "2", files=real),
        Offered("broken", "broken-generic-cpu", "1", files={"genai_config.json": rubbish, "model.onnx": rubbish}),
    ]
    folder = tmp_path / "cloud"
    folder.mkdir()
    with running_cloud(offered, folder) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def ask(found: foundry.Foundry) -> str:
    """One short answer from the model."""
    question = {"model": found.model, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    answer = httpx.post(f"{found.url}/v1/chat/completions", json={**question, "max_tokens": 8}, timeout=60)
    return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])


def is_open(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=2).close()
    except OSError:
        return False
    return True


def daemons(settings: Settings) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        argv = process.info["cmdline"] or []
        if "stack.parts.foundry.serve" in argv and str(settings.state) in argv:
            found.append(process.pid)
    return found


def test_started_it_answers_and_stopped_it_leaves_nothing(settings: Settings, said: Say) -> None:
    running = foundry.ensure(settings, silent, said.append)

    assert running.owned
    assert running.model == EMBEDDED.id
    assert any("catalog does not answer" in line for line in said)
    assert EMBEDDED.id in api.known(running.url)
    assert "Paris" in ask(running)
    assert foundry.status(settings).loaded == (EMBEDDED.id,)
    listening = [c.laddr for c in psutil.Process(running.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert {ip for ip, _ in listening} == {"127.0.0.1"}

    assert foundry.stop(settings)

    assert daemons(settings) == []
    assert not any(is_open(f"http://{ip}:{port}") for ip, port in listening)
    assert not foundry.status(settings).running
    assert not (settings.state / record.FILE).exists()
    assert not foundry.stop(settings)


def test_a_second_start_changes_nothing(settings: Settings, said: Say) -> None:
    first = foundry.ensure(settings, silent, said.append)
    second = foundry.ensure(settings, silent, said.append)

    assert (second.pid, second.url) == (first.pid, first.url)
    assert daemons(settings) == [first.pid]


def test_a_killed_one_is_noticed_and_replaced(settings: Settings, said: Say) -> None:
    first = foundry.ensure(settings, silent, said.append)
    assert first.pid is not None
    psutil.Process(first.pid).kill()
    wait_until(lambda: daemons(settings) == [])

    assert not foundry.status(settings).running
    second = foundry.ensure(settings, silent, said.append)

    assert second.pid != first.pid
    assert foundry.status(settings).running


def test_a_shutdown_over_http_ends_the_process(settings: Settings, said: Say) -> None:
    running = foundry.ensure(settings, silent, said.append)
    with pytest.raises(httpx.HTTPError):  # it leaves without an answer, or answers never
        httpx.post(f"{running.url}/shutdown", timeout=5).raise_for_status()
        raise httpx.HTTPError("it answered, as it may")

    wait_until(lambda: daemons(settings) == [], seconds=5)

    assert not (settings.state / record.FILE).exists()


def test_an_unloaded_model_is_loaded_again(settings: Settings, said: Say) -> None:
    first = foundry.ensure(settings, silent, said.append)
    httpx.get(f"{first.url}/models/unload/{first.alias}", timeout=30).raise_for_status()
    assert foundry.status(settings).loaded == ()

    second = foundry.ensure(settings, silent, said.append)

    assert second.pid == first.pid
    assert foundry.status(settings).loaded == (EMBEDDED.id,)


def test_two_starts_at_once_make_one_daemon(settings: Settings) -> None:
    def start(_: int) -> foundry.Foundry | StackError:
        try:
            return foundry.ensure(settings, silent, lambda _: None)
        except StackError as refused:
            return refused

    with ThreadPoolExecutor(2) as both:
        outcomes = list(both.map(start, range(2)))

    assert len(daemons(settings)) == 1
    refused = [outcome for outcome in outcomes if isinstance(outcome, StackError)]
    assert all(error.cause == "already-running" for error in refused)
    assert len(refused) < 2


@pytest.mark.full
def test_a_daemon_that_no_file_tells_of_is_replaced_and_stopped(settings: Settings, said: Say) -> None:
    lost = foundry.ensure(settings, silent, said.append)
    (settings.state / record.FILE).unlink()

    found = foundry.ensure(settings, silent, said.append)
    assert daemons(settings) == [found.pid]
    assert found.pid != lost.pid

    (settings.state / record.FILE).unlink()
    assert foundry.stop(settings)
    assert daemons(settings) == []


def test_ended_while_the_runtime_is_busy(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_catalog:
        silent_catalog.settimeout(30)
        url = f"http://127.0.0.1:{silent_catalog.getsockname()[1]}/asset-gallery/v1.0/models"
        arguments = ["--state", str(settings.state), "--models", str(settings.models), "--model", "any:1"]
        argv = command("serve", *arguments, "--catalog", "public", "--catalog-url", url)
        pid = spawn_daemon(argv, settings.state / "foundry.log", env={"PYTHONPATH": str(ROOT / "scripts")})
        process = psutil.Process(pid)
        silent_catalog.accept()  # from now on the native call waits for an answer
        process.terminate()

        assert process.wait(timeout=5) == 0


def test_interrupted_while_it_starts_nothing_stays(settings: Settings) -> None:
    def interrupt(text: str, fraction: float | None = None) -> None:
        if text.startswith("Starting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        foundry.ensure(settings, interrupt, lambda _: None)

    assert daemons(settings) == []


def test_a_proxy_in_the_environment_does_not_come_between(
    settings: Settings, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert foundry.ensure(settings, silent, said.append).model == EMBEDDED.id


def test_with_the_embedded_model_nothing_is_sent_out(settings: Settings, said: Say, cloud: Cloud) -> None:
    running = foundry.ensure(settings, silent, said.append)
    ask(running)
    foundry.stop(settings)

    assert cloud.tunnels == [], cloud.tunnelled_by


def test_a_broken_runtime_shows_the_end_of_its_log(
    settings: Settings, said: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libfoundry_local.so").write_text("no library")
    monkeypatch.setenv("FOUNDRY_LOCAL_LIB_DIR", str(tmp_path))

    with pytest.raises(StackError) as failed:
        foundry.ensure(settings, silent, said.append)

    assert failed.value.cause == "foundry-start-failed"
    assert "libfoundry_local" in failed.value.message
    assert daemons(settings) == []


def test_a_missing_libatomic_names_its_package(
    settings: Settings, said: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (library,) = Path(foundry_local_sdk.__file__).parent.glob("_native/*/libfoundry_local.so")
    asks_for_another = library.read_bytes().replace(b"libatomic.so.1", b"libatomic.so.9")
    (tmp_path / library.name).write_bytes(asks_for_another)
    monkeypatch.setenv("FOUNDRY_LOCAL_LIB_DIR", str(tmp_path))

    with pytest.raises(StackError) as failed:
        foundry.ensure(settings, silent, said.append)

    assert failed.value.cause == "system-library-missing"
    assert failed.value.fix == "sudo apt-get install libatomic1"


def test_an_unknown_model_names_the_nearest(make_settings: MakeSettings, said: Say, cloud: Cloud) -> None:
    with pytest.raises(StackError) as refused:
        foundry.ensure(make_settings(model="qwen-0.5b", catalog_url=cloud.catalog_url), silent, said.append)

    assert refused.value.cause == "model-unknown"
    assert "The nearest: qwen2.5-0.5b" in refused.value.message


def test_a_model_too_large_for_the_disk_is_told_before(make_settings: MakeSettings, said: Say, cloud: Cloud) -> None:
    with pytest.raises(StackError) as refused:
        foundry.ensure(make_settings(catalog_url=cloud.catalog_url), silent, said.append)

    assert refused.value.cause == "disk-full"
    assert any("phi-4-mini" in line.lower() for line in said)
    assert cloud.served == 0
    assert cloud.tunnels == []


@pytest.mark.full
def test_a_model_from_the_catalog_is_downloaded_served_and_known_offline(
    make_settings: MakeSettings, said: Say, cloud: Cloud
) -> None:
    online = make_settings(model="QWEN2.5-0.5b", catalog_url=cloud.catalog_url)
    fractions: list[float] = []

    def progress(text: str, fraction: float | None = None) -> None:
        if fraction is not None:
            fractions.append(fraction)

    running = foundry.ensure(online, progress, said.append)

    assert running.model == "qwen2.5-0.5b-instruct-generic-cpu:4"
    assert running.catalog == "public"
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len({fraction for fraction in fractions if 0 < fraction < 1}) > 5
    assert "Paris" in ask(running)

    foundry.stop(online)
    served = cloud.served
    offline = make_settings(model="qwen2.5-0.5b", catalog_url=DEAD_CATALOG)
    again = foundry.ensure(offline, silent, said.append)

    assert again.model == running.model
    assert cloud.served == served
    assert any("downloaded earlier" in line for line in said)


@pytest.mark.full
def test_an_interrupted_download_ends_well_the_next_time(
    make_settings: MakeSettings, said: Say, cloud: Cloud, embedded: EmbeddedModel
) -> None:
    settings = make_settings(model="qwen2.5-0.5b", catalog_url=cloud.catalog_url)
    folders = ["--data", str(settings.state / "foundry"), "--models", str(settings.models)]
    argv = command("prepare", "download", *folders, "--catalog-url", cloud.catalog_url)
    argv += ["--model", "qwen2.5-0.5b-instruct-generic-cpu:4"]
    cloud.allow(30_000_000)
    log = settings.state / "interrupted.log"
    pid = spawn_daemon(argv, log, env={"PYTHONPATH": str(ROOT / "scripts")})
    assert cloud.wait_until_served(20_000_000)
    psutil.Process(pid).kill()
    cloud.allow(float("inf"))

    running = foundry.ensure(settings, silent, said.append)

    assert "Paris" in ask(running)
    for part in cloud.model("qwen2.5-0.5b-instruct-generic-cpu").files.values():
        (copy,) = (settings.models / "Microsoft").rglob(part.name)
        assert digest(copy) == digest(part)


def test_a_model_that_can_not_be_loaded_is_an_error_of_its_own(
    make_settings: MakeSettings, said: Say, cloud: Cloud
) -> None:
    settings = make_settings(model="broken", catalog_url=cloud.catalog_url)

    with pytest.raises(StackError) as failed:
        foundry.ensure(settings, silent, said.append)

    assert failed.value.cause == "foundry-start-failed"
    assert daemons(settings) == []


def test_a_download_that_fails_says_so(
    make_settings: MakeSettings, said: Say, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    with pytest.raises(StackError) as failed:
        foundry.ensure(make_settings(model="qwen2.5-0.5b", catalog_url=cloud.catalog_url), silent, said.append)

    assert failed.value.cause == "model-download-failed"


@pytest.mark.full
@pytest.mark.full
def test_another_model_replaces_the_running_one(make_settings: MakeSettings, said: Say, cloud: Cloud) -> None:
    first = foundry.ensure(make_settings(), silent, said.append)
    second = foundry.ensure(make_settings(model="qwen2.5-0.5b", catalog_url=cloud.catalog_url), silent, said.append)

    assert first.model != second.model
    assert daemons(make_settings()) == [second.pid]

    third = foundry.ensure(make_settings(catalog_url=cloud.catalog_url), silent, said.append)
    assert (third.pid, third.model) == (second.pid, second.model)  # auto keeps what is loaded


@pytest.mark.full
def test_one_more_model_is_loaded_beside_the_running_one(make_settings: MakeSettings, said: Say, cloud: Cloud) -> None:
    settings = make_settings(model="qwen2.5-0.5b", catalog_url=cloud.catalog_url)
    first = foundry.ensure(settings, silent, said.append)

    second = foundry.load(settings, "Another-0.5b", silent)

    assert second == "another-0.5b-instruct-generic-cpu:2"
    assert sorted(foundry.status(settings).loaded) == sorted([first.model, second])
    again = foundry.ensure(settings, silent, said.append)
    assert again.model == first.model
    assert "Paris" in ask(replace(again, model=second))
    assert foundry.load(settings, second, silent) == second
    assert daemons(settings) == [again.pid]


@pytest.mark.full
def test_a_model_that_can_not_be_had_is_not_loaded_beside(
    settings: Settings, make_settings: MakeSettings, said: Say, cloud: Cloud
) -> None:
    with pytest.raises(StackError) as nowhere:
        foundry.load(settings, "qwen2.5-0.5b", silent)
    assert nowhere.value.cause == "foundry-not-running"

    embedded = foundry.ensure(settings, silent, said.append)
    online = make_settings(catalog_url=cloud.catalog_url)
    with pytest.raises(StackError) as by_turns:
        foundry.load(online, "qwen2.5-0.5b", silent)
    with pytest.raises(StackError) as unknown:
        foundry.load(online, "qwen9", silent)

    assert (by_turns.value.cause, unknown.value.cause) == ("model-not-loaded", "model-unknown")
    assert "MODEL=qwen2.5-0.5b" in by_turns.value.fix
    assert foundry.status(settings).loaded == (embedded.model,)


@pytest.fixture
def users_own(embedded: EmbeddedModel, tmp_path: Path) -> Iterator[api.Status]:
    """A Foundry Local that the user runs, on a port of its own choice, with nothing loaded."""
    folder = tmp_path / "users"
    folder.mkdir()
    argv = [sys.executable, users_runtime.__file__, str(folder), "0", str(embedded.directory)]
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "scripts")])
    pid = spawn_daemon(argv, folder / "log", env={"PYTHONPATH": paths, "XDG_CACHE_HOME": str(folder)})
    started = process_started(pid)
    try:
        wait_until((folder / "url").exists, seconds=30)
        status = api.status((folder / "url").read_text())
        assert status is not None
        yield status
    finally:
        stop_process(pid, started, 5)


def port_of(status: api.Status) -> int:
    return int(status.endpoints[0].rsplit(":", 1)[1])


def test_the_users_own_is_found_on_any_port(users_own: api.Status) -> None:
    found = {found.url: found for found in search(first_port=1)}

    assert found[users_own.endpoints[0]].pid == users_own.pid
    assert found[users_own.endpoints[0]].warning is None
    assert list(found) == sorted(found, key=lambda url: int(url.rsplit(":", 1)[1]))


def test_the_users_own_is_adopted_given_a_model_and_left_alone(
    make_settings: MakeSettings, said: Say, users_own: api.Status
) -> None:
    settings = make_settings(foundry_url="auto", foundry_port=port_of(users_own))
    assert api.loaded(users_own.endpoints[0]) == []

    adopted = foundry.ensure(settings, silent, said.append)

    assert not adopted.owned
    assert (adopted.url, adopted.pid) == (users_own.endpoints[0], users_own.pid)
    assert adopted.model == f"{users_runtime.NAME}:1"
    assert "Paris" in ask(adopted)
    assert daemons(settings) == []
    assert foundry.ensure(settings, silent, said.append).url == adopted.url
    assert foundry.status(settings).running

    assert not foundry.stop(settings)

    assert is_open(adopted.url)
    assert api.loaded(adopted.url) == [adopted.model]


def test_a_model_that_the_users_own_has_not_downloaded_is_an_error(
    make_settings: MakeSettings, said: Say, users_own: api.Status
) -> None:
    with pytest.raises(StackError) as refused:
        foundry.ensure(make_settings(foundry_url=users_own.endpoints[0], model="phi-4-mini"), silent, said.append)
    assert refused.value.cause == "model-not-loaded"
    assert "must be downloaded" in refused.value.message
    assert "foundry model download phi-4-mini" in refused.value.fix

    with pytest.raises(StackError) as refused:
        foundry.ensure(make_settings(foundry_url=users_own.endpoints[0], model="phi-5"), silent, said.append)
    assert refused.value.cause == "model-unknown"
    assert "phi-4-mini" in refused.value.message


def test_a_named_address_wins_over_the_daemon_that_runs(
    make_settings: MakeSettings, said: Say, users_own: api.Status
) -> None:
    own = foundry.ensure(make_settings(), silent, said.append)

    adopted = foundry.ensure(make_settings(foundry_url=users_own.endpoints[0]), silent, said.append)

    assert adopted.pid == users_own.pid
    assert daemons(make_settings()) == []
    assert not is_open(own.url)


def test_another_projects_daemon_is_nobodys_to_adopt(make_settings: MakeSettings, said: Say) -> None:
    other = foundry.ensure(make_settings(compose_project_name="other"), silent, said.append)

    assert other.url not in {found.url for found in search(int(other.url.rsplit(":", 1)[1]))}
    with pytest.raises(StackError) as refused:
        foundry.ensure(make_settings(foundry_url=other.url), silent, said.append)
    assert refused.value.cause == "foundry-url-unreachable"
    assert not foundry.stop(make_settings())
    assert is_open(other.url)


@pytest.mark.full
def test_the_command_from_start_to_stop(settings: Settings, tmp_path: Path) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        code = (
            "import sys; sys.argv[0] = 'foundry.py'; from stack.commands.foundry import main; raise SystemExit(main())"
        )
        knobs = {**settings.as_environment, "PYTHONPATH": str(ROOT / "scripts")}
        done = run([sys.executable, "-c", code, *arguments], env=knobs, cwd=tmp_path, timeout=120)
        return done.code, done.out + done.err

    assert call("status")[0] == 1
    assert call("logs")[0] == 2
    code, out = call("start")
    assert code == 0
    assert "model smollm2-135m-instruct-generic-cpu:1" in out
    code, out = call("status", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["running"], told["owned"], told["relay"]["running"]) == (True, True, False)
    assert "ready at" in call("logs")[1]
    assert call("stop")[0] == 0
    assert call("status", "--json")[0] == 1
    assert call("no-such-thing")[0] == 2


def digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
