"""What the probe says to do about Foundry Local and the relay is pasted as it stands, and then all is well again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import httpx
import psutil
import pytest

from fakes.waiting import wait_until
from faults.links import Links
from faults.named import Probed
from stack.parts.relay import lifecycle as relay
from stack.parts.state import write_text
from stack.probes.causes import UP
from stack.settings import ROOT
from stack.tools.process import run

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

PASTED_SECONDS = 300


def foundry_process(links: Links) -> psutil.Process:
    return psutil.Process(int(links.foundry["pid"]))


def foundry_crashes(links: Links) -> None:
    process = foundry_process(links)
    process.kill()
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def model_is_unloaded(links: Links) -> None:
    url, alias = links.foundry["url"], links.foundry["alias"]
    httpx.get(f"{url}/models/unload/{alias}", timeout=60).raise_for_status()


BREAKS: dict[str, tuple[Callable[[Links], object], str, str]] = {
    "relay stopped": (lambda it: relay.stop(it.settings), "foundry.relay", "relay-down"),
    "relay crashed": (lambda it: psutil.Process(relay_of(it)).kill(), "foundry.relay", "relay-down"),
    "relay frozen": (lambda it: os.kill(relay_of(it), signal.SIGSTOP), "foundry.relay", "relay-down"),
    "another token": (
        lambda it: write_text(it.settings.state / "relay-token", "another-token-than-the-gateway-has-0123456789\n"),
        "foundry.from-gateway",
        "relay-token-wrong",
    ),
    "foundry crashed": (foundry_crashes, "foundry.status", "foundry-not-running"),
    "foundry frozen": (lambda it: foundry_process(it).suspend(), "foundry.status", "foundry-hangs"),
    "model unloaded": (model_is_unloaded, "model.loaded", "model-not-loaded"),
}


def relay_of(links: Links) -> int:
    running = relay.status(links.settings)
    assert running
    return running.pid


@pytest.mark.parametrize(("break_it", "check", "cause"), BREAKS.values(), ids=BREAKS)
async def test_the_fix_works_as_it_is_pasted(
    probed: Probed, links: Links, break_it: Callable[[Links], object], check: str, cause: str
) -> None:
    await probed.is_green()
    break_it(links)
    try:
        broken = await probed.fails(check, cause)
        assert broken.fix
        pasted = run(["sh", "-c", broken.fix], cwd=ROOT, timeout=PASTED_SECONDS)
        assert pasted.code == 0, pasted.out + pasted.err
        await probed.is_green()
    except BaseException:
        run(["sh", "-c", UP], cwd=ROOT, timeout=PASTED_SECONDS)
        raise
