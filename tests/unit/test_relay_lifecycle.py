"""The relay's process: started once, found again, replaced when it has to be, ended in time, never a stranger's."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import aiohttp
import psutil
import pytest

from fakes.foundry import MODEL, FakeFoundry
from fakes.relay_process import free_port, running_relay
from stack.parts import state
from stack.parts.relay import lifecycle
from stack.settings import ROOT, Settings
from stack.tools.errors import StackError
from stack.tools.process import Finished, run

END_SECONDS = 3


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = Settings(state_dir=tmp_path, compose_project_name="relay-test")  # type: ignore[call-arg]
    yield made
    lifecycle.stop(made)


@pytest.fixture
def listen() -> list[str]:
    port = free_port()
    return [f"127.0.0.1:{port}", f"127.0.0.2:{port}"]


def test_a_second_start_changes_nothing(settings: Settings, listen: list[str]) -> None:
    first = lifecycle.start(settings, listen)
    assert first.listen == tuple(listen)
    assert all(lifecycle.answers(address) for address in listen)
    assert lifecycle.start(settings, listen) == first
    assert lifecycle.status(settings) == first


def test_other_addresses_replace_it(settings: Settings, listen: list[str]) -> None:
    first = lifecycle.start(settings, listen)
    second = lifecycle.start(settings, listen[:1])
    assert second.pid != first.pid
    assert not state.is_alive(first.pid, first.started)
    assert not lifecycle.answers(listen[1], timeout=1)


def test_other_code_replaces_it(settings: Settings, listen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = lifecycle.start(settings, listen)
    monkeypatch.setattr(lifecycle, "code_version", lambda: "of tomorrow")
    assert lifecycle.start(settings, listen).pid != first.pid
    assert not state.is_alive(first.pid, first.started)


def test_one_that_hangs_is_replaced(settings: Settings, listen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "STOP_SECONDS", 0.5)
    first = lifecycle.start(settings, listen)
    os.kill(first.pid, signal.SIGSTOP)
    monkeypatch.setattr(lifecycle, "answers", partial(lifecycle.answers, timeout=0.5))
    second = lifecycle.start(settings, listen)
    assert second.pid != first.pid
    assert not psutil.pid_exists(first.pid)


def test_stop_leaves_no_process_and_no_file(settings: Settings, listen: list[str]) -> None:
    relay = lifecycle.start(settings, listen)
    begun = time.monotonic()
    assert lifecycle.stop(settings) is True
    assert time.monotonic() - begun < END_SECONDS
    assert not psutil.pid_exists(relay.pid)
    assert not (settings.state / "relay.json").exists()
    assert lifecycle.status(settings) is None
    assert lifecycle.stop(settings) is False


def test_one_killed_from_outside_is_started_anew(settings: Settings, listen: list[str]) -> None:
    first = lifecycle.start(settings, listen)
    os.kill(first.pid, signal.SIGKILL)
    psutil.Process(first.pid).wait(5)
    assert lifecycle.status(settings) is None
    assert lifecycle.start(settings, listen).pid != first.pid


def test_a_strangers_process_with_our_old_pid_is_left_alone(settings: Settings) -> None:
    mine = os.getpid()
    old = {"pid": mine, "started": state.process_started(mine) - 3600, "listen": ["127.0.0.1:1"], "code": "x"}
    state.write_json(settings.state / "relay.json", old)
    assert lifecycle.status(settings) is None
    assert lifecycle.stop(settings) is False


def test_a_taken_port_is_told_with_its_owner(settings: Settings, listen: list[str]) -> None:
    with socket.socket() as other:
        port = int(listen[1].rpartition(":")[2])
        other.bind(("127.0.0.2", port))
        other.listen()
        with pytest.raises(StackError) as told:
            lifecycle.start(settings, listen)
    assert told.value.cause == "port-taken"
    assert f"Port {port} on 127.0.0.2 is taken by" in told.value.message
    assert f"(process {os.getpid()})" in told.value.message
    assert f"FOUNDRY_PORT={port + 1}" in told.value.fix
    assert lifecycle.status(settings) is None
    assert not lifecycle.answers(listen[0], timeout=1)  # the first address was not kept either


def test_an_address_that_is_not_here(settings: Settings) -> None:
    with pytest.raises(StackError) as told:
        lifecycle.start(settings, [f"203.0.113.1:{free_port()}"])
    assert told.value.cause == "relay-not-started"
    assert "203.0.113.1" in told.value.message


@pytest.mark.parametrize("written", ["", "{", "[]", "{}", '{"pid": "x"}', '{"pid": 1, "started": 0, "listen": 5}'])
def test_a_damaged_state_file_is_none(settings: Settings, written: str) -> None:
    state.write_text(settings.state / "relay.json", written)
    assert lifecycle.status(settings) is None


def test_exit_code_and_words_for_a_taken_port(tmp_path: Path) -> None:
    with running_relay(tmp_path) as relay:
        done = _server(tmp_path, f"127.0.0.1:{relay.port}")
    assert done.code == 3
    assert done.err == f"The relay can't listen on 127.0.0.1:{relay.port}: another program listens there.\n"


@pytest.mark.parametrize("everywhere", ["0.0.0.0:5000", "[::]:5000"])
def test_it_never_listens_everywhere(tmp_path: Path, everywhere: str) -> None:
    assert _server(tmp_path, everywhere).code == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_in_time_with_streams_under_way(tmp_path: Path, number: signal.Signals) -> None:
    question = {"model": MODEL, "messages": [], "stream": True}
    with running_relay(tmp_path) as relay:
        async with FakeFoundry() as foundry, aiohttp.ClientSession() as http:
            foundry.gated = True
            relay.lead_to(foundry.url)
            async with http.get(f"{relay.url}/status"), http.post(
                f"{relay.url}/v1/chat/completions", json=question
            ) as answer:  # fmt: skip
                foundry.let_go()
                await answer.content.readuntil(b"\n\n")
                os.kill(relay.pid, number)
                begun = time.monotonic()
                with pytest.raises(aiohttp.ClientError):  # the client sees that it is not whole
                    await answer.content.read()
                await asyncio.to_thread(psutil.Process(relay.pid).wait, END_SECONDS)
                assert time.monotonic() - begun < END_SECONDS


async def test_an_answer_under_way_may_finish(tmp_path: Path) -> None:
    with running_relay(tmp_path) as relay:
        async with FakeFoundry() as foundry, aiohttp.ClientSession() as http:
            foundry.gated = True
            relay.lead_to(foundry.url)
            async with http.post(f"{relay.url}/v1/chat/completions", json={"model": MODEL, "stream": True}) as answer:
                os.kill(relay.pid, signal.SIGTERM)
                while lifecycle.answers(f"127.0.0.1:{relay.port}", timeout=1):
                    await asyncio.sleep(0.01)
                foundry.let_go(20)
                assert (await answer.content.read()).endswith(b"[DONE]\n\n")


def test_the_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from stack.parts.relay import access_log as log; log.FILE_BYTES = 5000\n"
        "log.write_to(pathlib.Path(sys.argv[1]))\n"
        "for number in range(200): log.Entry(str(number), '127.0.0.1', 'GET', '/status').write()\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "relay.log")]
    done = run(argv, env={"PYTHONPATH": str(ROOT / "scripts")})
    assert (done.code, done.err) == (0, "")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["relay.log", "relay.log.1", "relay.log.2"]
    assert all(file.stat().st_size <= 5000 for file in files)
    assert '"id": "199"' in files[0].read_text()


def _server(folder: Path, listen: str) -> Finished:
    argv = [sys.executable, "-m", "stack.parts.relay.server", "--listen", listen]
    argv += ["--token-file", str(folder / "t"), "--upstream-file", str(folder / "f"), "--cloud-file", str(folder / "c")]
    return run(argv, env={"PYTHONPATH": str(ROOT / "scripts")}, timeout=20)
