"""Each link of the running stack is broken for real: the probe names it, and nothing else, and is green again after."""

from __future__ import annotations

import json
import sys
import time

import pytest

from fakes.model_server import ModelServer
from faults.links import AnotherProgram, Links
from faults.named import SCHEMA, Break, Probed, as_root, asked, seen, troubles
from stack.probes import Layer, Status
from stack.settings import ROOT, Settings
from stack.tools.process import run

AT_ONCE_SECONDS = 12.0  # a connection to nobody is given up after 15 s by the chat, and after minutes by Open WebUI


@pytest.mark.parametrize(
    ("break_it", "check", "cause"),
    [
        pytest.param(
            lambda it: it.frozen("gateway"),
            "network.gateway",
            "gateway-down",
            id="gateway frozen",
            marks=[as_root, pytest.mark.full],
        ),
        pytest.param(
            lambda it: it.off_the_private_network("gateway"),
            "network.gateway",
            "host-name-missing",
            id="gateway off the network",
            marks=pytest.mark.full,
        ),
        pytest.param(
            lambda it: it.firewall_in("gateway", "INPUT", "-p", "tcp", "--dport", "51211", "-j", "DROP"),
            "network.gateway",
            "route-blocked",
            id="way to the gateway dropped",
            marks=[as_root, pytest.mark.full],
        ),
        pytest.param(
            lambda it: it.firewall_in(
                "gateway", "INPUT", "-p", "tcp", "--dport", "51211", "-j", "REJECT", "--reject-with", "tcp-reset"
            ),
            "network.gateway",
            "connection-refused",
            id="way to the gateway rejected",
            marks=as_root,
        ),
        pytest.param(
            lambda it: it.firewall_on_host(
                "INPUT", "!", "-i", "lo", "-p", "tcp", "--dport", str(it.settings.foundry_port), "-j", "DROP"
            ),
            "foundry.from-gateway",
            "route-blocked",
            id="way to the host dropped",
            marks=[as_root, pytest.mark.full],
        ),
        pytest.param(
            lambda it: it.firewall_on_host(
                "INPUT",
                *("!", "-i", "lo", "-p", "tcp", "--dport", str(it.settings.foundry_port)),
                *("-j", "REJECT", "--reject-with", "tcp-reset"),
            ),
            "foundry.from-gateway",
            "connection-refused",
            id="way to the host rejected",
            marks=as_root,
        ),
        pytest.param(lambda it: it.stopped("monitor"), "container.monitor", "container-stopped", id="monitor stopped"),
        pytest.param(lambda it: it.relay_stopped(), "foundry.relay", "relay-down", id="relay stopped"),
        pytest.param(
            lambda it: it.relay_frozen(), "foundry.relay", "relay-down", id="relay frozen", marks=pytest.mark.full
        ),
        pytest.param(
            lambda it: it.relay_on_loopback_only(), "foundry.from-gateway", "relay-down", id="relay on loopback only"
        ),
        pytest.param(
            lambda it: it.port_taken_by(AnotherProgram),
            "foundry.relay",
            "foundry-port-taken-by-other",
            id="another web server on the port",
        ),
        pytest.param(
            lambda it: it.token_changed(), "foundry.from-gateway", "relay-token-wrong", id="token of another start"
        ),
        pytest.param(
            lambda it: it.foundry_is("http://127.0.0.1:9"), "foundry.status", "foundry-not-running", id="foundry moved"
        ),
        pytest.param(
            lambda it: it.foundry_stopped(),
            "foundry.status",
            "foundry-not-running",
            id="foundry stopped",
            marks=pytest.mark.full,
        ),
        pytest.param(lambda it: it.foundry_crashed(), "foundry.status", "foundry-not-running", id="foundry crashed"),
        pytest.param(
            lambda it: it.foundry_frozen(),
            "foundry.status",
            "foundry-hangs",
            id="foundry frozen",
            marks=pytest.mark.full,
        ),
        pytest.param(lambda it: it.model_unloaded(), "model.loaded", "model-not-loaded", id="model unloaded"),
    ],
)
async def test_the_broken_link_is_named_alone(
    probed: Probed, links: Links, break_it: Break, check: str, cause: str
) -> None:
    with break_it(links):
        await probed.fails(check, cause)


@pytest.mark.full
async def test_a_gateway_that_came_back_at_another_address_is_asked_there_at_once(
    links: Links, settings: Settings, probed: Probed
) -> None:
    await probed.is_green()
    with links.stopped("monitor"):  # its questions would take the connections that lead nowhere
        assert not troubles(await asked(settings, Layer.ANSWER))  # connections are as fresh as they can be
        links.move("gateway")
        started = time.monotonic()
        report = await asked(settings, Layer.ANSWER)
    assert not troubles(report), seen(report)
    assert time.monotonic() - started < AT_ONCE_SECONDS
    probed.something_happened()


@pytest.mark.full
async def test_foundry_that_says_nothing_hangs(probed: Probed, links: Links) -> None:
    async with ModelServer() as server:
        server.habit = "hangs"
        with links.foundry_is(server.url):
            await probed.fails("foundry.status", "foundry-hangs")


async def test_a_model_that_foundry_does_not_know(probed: Probed) -> None:
    await probed.with_knobs(model="no-such-model").fails("model.loaded", "model-unknown")


@pytest.mark.parametrize(
    ("habit", "cause"),
    [
        ("cut", "stream-cut"),
        pytest.param("reset", "stream-cut", marks=pytest.mark.full),
        ("error-event", "stream-error-event"),
    ],
)
async def test_an_answer_that_goes_wrong_on_its_way(probed: Probed, links: Links, habit: str, cause: str) -> None:
    async with ModelServer() as server:
        with links.foundry_is(server.url):
            await probed.is_green()
            if habit == "error-event":
                server.error = {"message": "the model fell over", "type": "server_error"}
            else:
                server.habit = habit  # type: ignore[assignment]
            await probed.fails("model.answers", cause)
            await probed.every_answer_fails(cause)


async def test_an_answer_without_a_word(probed: Probed, links: Links) -> None:
    async with ModelServer() as server:
        server.tokens = []
        with links.foundry_is(server.url):
            await probed.fails("model.answers", "empty-answer")
            await probed.every_answer_fails("empty-answer")


@pytest.mark.parametrize(
    ("verb", "service", "cause"),
    [
        ("stop", "gateway", "container-stopped"),
        pytest.param("pause", "gateway", "container-paused", marks=pytest.mark.full),
        pytest.param("stop", "webgpu-static", "container-stopped", marks=pytest.mark.full),
        pytest.param("stop", "chainlit", "container-stopped", marks=pytest.mark.full),
        pytest.param("pause", "open-webui", "container-paused", marks=pytest.mark.full),
    ],
)
async def test_the_fix_works_as_it_is_pasted(probed: Probed, links: Links, verb: str, service: str, cause: str) -> None:
    getattr(links.container(service), verb)()
    broken = await probed.fails(f"container.{service}", cause)
    assert broken.fix
    assert run(["sh", "-c", broken.fix], cwd=ROOT).code == 0
    await probed.is_green()


async def test_the_command_prints_one_object_and_says_it_again_in_its_exit_code(probed: Probed, links: Links) -> None:
    command = [sys.executable, "-c", "from stack.commands.probe import main; raise SystemExit(main())", "--json"]
    healthy = run(command)
    assert json.loads(healthy.out)["status"] in ("ok", "degraded")
    assert healthy.code in (0, 3)
    with links.paused("gateway"):
        broken = run(command)
    assert json.loads(broken.out)["status"] == "failed"
    assert broken.code == 1
    unreachable = run(command, env={"DOCKER_HOST": "unix:///nobody/listens/here"})
    assert json.loads(unreachable.out)["checks"][0]["cause"] == "engine-unreachable"
    assert unreachable.code == 2
    for each in (healthy, broken, unreachable):
        SCHEMA.validate(json.loads(each.out))
    await probed.is_green()  # the engine calls a container that was paused unhealthy for some seconds more


async def test_only_one_layer_is_asked_when_told_so(settings: Settings) -> None:
    report = await asked(settings, Layer.NETWORK)
    assert {check.layer for check in report.checks} == {Layer.NETWORK}
    assert report.status is Status.OK


async def test_a_stack_that_is_not_there_has_one_cause(settings: Settings) -> None:
    nobodys = settings.model_copy(update={"compose_project_name": f"{settings.compose_project_name}-nobody"})
    report = await asked(nobodys, Layer.CONTAINER)
    assert troubles(report) == [("container.init", "container-missing")]
    started = time.monotonic()
    assert (await asked(nobodys)).exit_code == 1
    assert time.monotonic() - started < 10
