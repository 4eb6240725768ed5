"""Whatever is killed, filled or torn off in the midst of an answer: what was answered before is there after.

The stack's containers come back by themselves. (Its engine is killed in `tests/stack/test_offline_bundle.py`, on a
machine of the test's own: everything on this one stands on the engine that is here.)
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from fakes.databases import assert_whole
from fakes.waiting import wait_until
from faults import ground
from faults.links import Links
from faults.named import Probed, as_root
from faults.own_stack import GREEN, OwnStack
from faults.talks import Talk, Talker, nothing_is_lost, people
from stack.parts.containers import PROJECT_LABEL
from stack.settings import Settings
from stack.tools.process import run

pytestmark = [pytest.mark.full, as_root]

TIMES = 20
LAND = ("France", "Italy", "Spain", "Japan", "Egypt")  # with one capital each, that the embedded model knows or not
PAGES = ("chainlit", "open-webui")
SERVICES = (*PAGES, "gateway", "webgpu-static", "monitor")
RESTART_SECONDS = 120
DISK_MB = {"chainlit-data": 24, "open-webui-data": 64}
VOLUME_LABEL = "com.docker.compose.volume"


async def everybody_gets_answered(talkers: Sequence[Talker], number: int) -> None:
    for talker in talkers:
        await talker.gets_answered(f"What is the capital of {LAND[number % len(LAND)]}?")


async def all_hear(leaving: AsyncExitStack, talkers: Sequence[Talker]) -> dict[str, Talk]:
    """Long answers on their way to both pages, by the page."""
    return {each.service: await leaving.enter_async_context(each.hears_a_long_one()) for each in talkers}


def crash(it: Links, service: str) -> None:
    """Kill the container's first process, and with it all others, as the kernel does; wait for the engine's restart."""
    wait_until(lambda: ground.state(it, service)["Running"], RESTART_SECONDS)  # between restarts it has no process
    before = ground.state(it, service)
    assert before["Pid"] > 0, before  # 0 would be this process's own group
    os.kill(before["Pid"], signal.SIGKILL)
    wait_until(
        lambda: (now := ground.state(it, service))["Running"] and now["StartedAt"] != before["StartedAt"],
        RESTART_SECONDS,
    )


def all_come_up(it: Links) -> None:
    for service in SERVICES:
        ground.comes_up(it, service)


@pytest.mark.timeout(2400)
async def test_each_service_killed_twenty_times_while_chats_stream(
    probed: Probed, links: Links, settings: Settings
) -> None:
    probed.something_happened()
    with people(settings) as talkers:
        for number in range(TIMES):
            await everybody_gets_answered(talkers, number)
            async with AsyncExitStack() as leaving:
                talks = await all_hear(leaving, talkers)
                for service in ("webgpu-static", "monitor"):  # on nobody's way
                    await asyncio.to_thread(crash, links, service)
                for talk in talks.values():
                    await talk.goes_on()
                await asyncio.to_thread(crash, links, "chainlit")
                await talks["chainlit"].ends()
                await talks["open-webui"].goes_on()
                await asyncio.to_thread(crash, links, "open-webui")
                await talks["open-webui"].ends()
            await asyncio.to_thread(all_come_up, links)
            async with AsyncExitStack() as leaving:
                talks = await all_hear(leaving, talkers)
                await asyncio.to_thread(crash, links, "gateway")
                for talk in talks.values():
                    await talk.ends()
            await asyncio.to_thread(all_come_up, links)
        nothing_is_lost(talkers)
        assert_whole(settings, links.engine)
        await everybody_gets_answered(talkers, TIMES)
        await probed.is_green()


def is_away(port: int) -> bool:
    """Whether the gateway says that it does not reach the page."""
    answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=30, trust_env=False)
    return answer.status_code in (502, 503, 504)


@pytest.mark.timeout(1200)
async def test_the_network_pulled_between_pages_and_gateway(probed: Probed, links: Links, settings: Settings) -> None:
    """More often than answers are made at once: no torn one may go on holding its place in the chat's line."""
    probed.something_happened()
    with people(settings) as talkers:
        for number in range(settings.answers_at_once + 1):
            await everybody_gets_answered(talkers, number)
            async with AsyncExitStack() as leaving:
                await all_hear(leaving, talkers)
                with ExitStack() as torn:
                    for service in PAGES:
                        torn.enter_context(links.off_the_private_network(service))
                    for port in (settings.chainlit_port, settings.open_webui_port):
                        await asyncio.to_thread(wait_until, lambda port=port: is_away(port), 60)
        await everybody_gets_answered(talkers, 0)
        nothing_is_lost(talkers)
        assert_whole(settings, links.engine)
        await probed.is_green()


@contextmanager
def small_disks(stack: OwnStack, folder: Path) -> Iterator[list[Path]]:
    """The pages' volumes are small disks of their own; where they are on this machine."""
    project = stack.project
    with ExitStack() as undo:
        disks = []
        for volume, size in DISK_MB.items():
            disk = folder / volume
            disk.mkdir()
            assert run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(disk)]).code == 0
            undo.callback(run, ["umount", "--lazy", str(disk)])
            stack.engine.volumes.create(
                f"{project}_{volume}",
                driver_opts={"type": "none", "o": "bind", "device": str(disk)},
                labels={PROJECT_LABEL: project, VOLUME_LABEL: volume},
            )
            disks.append(disk)
        yield disks


@contextmanager
def full(disks: Sequence[Path]) -> Iterator[None]:
    """Not a byte is free on them."""
    for disk in disks:
        with (disk / "rubbish").open("wb", buffering=0) as rubbish, pytest.raises(OSError, match="No space") as why:
            while True:
                rubbish.write(bytes(4096))
        assert why.value.errno == errno.ENOSPC
    try:
        yield
    finally:
        for disk in disks:
            (disk / "rubbish").unlink()


@pytest.mark.timeout(1200)
async def test_full_volumes_in_mid_answer_and_a_crash_on_top(stack: OwnStack, tmp_path: Path) -> None:
    with small_disks(stack, tmp_path) as disks:
        await asyncio.to_thread(stack.up)
        links = Links(stack.settings, stack.engine)
        with people(stack.settings) as talkers:
            await everybody_gets_answered(talkers, 0)
            async with AsyncExitStack() as leaving:
                talks = await all_hear(leaving, talkers)
                with full(disks):
                    for talk in talks.values():
                        await talk.ends()
            await everybody_gets_answered(talkers, 1)
            nothing_is_lost(talkers)

            with full(disks):
                for service in PAGES:
                    await asyncio.to_thread(crash, links, service)
            await asyncio.to_thread(all_come_up, links)
            nothing_is_lost(talkers)
            await everybody_gets_answered(talkers, 2)
            assert_whole(stack.settings, stack.engine)
            probe = await asyncio.to_thread(stack.run, "probe")
            assert probe.code in GREEN, probe.all
