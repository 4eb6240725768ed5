"""What the stack stands on is broken for real: engine, containers, networks, volumes. Each fault is named alone."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from faults import ground
from faults.links import Links
from faults.named import Break, Probed, as_root, asked
from stack.probes import Layer
from stack.settings import ROOT, Settings
from stack.tools.process import run

NOWHERE = "10.255.255.1"
REJECT = ("-j", "REJECT", "--reject-with", "tcp-reset")


def pasted(fix: str | None) -> None:
    """Run it as an operator would, from the clone's folder."""
    assert fix
    done = run(["sh", "-c", fix], cwd=ROOT, timeout=300)
    assert done.code == 0, f"{fix}\n{done.out[-2000:]}\n{done.err[-2000:]}"


def to_page(it: Links, *how: str) -> tuple[str, ...]:
    return ("INPUT", "-i", "lo", "-p", "tcp", "--dport", str(it.settings.chainlit_port), *how)


@pytest.mark.parametrize(
    ("break_it", "check", "cause"),
    [
        pytest.param(
            lambda it: ground.hosts_say(it, "chainlit", NOWHERE),
            "network.chainlit",
            "host-name-wrong",
            id="another address in hosts",
            marks=as_root,
        ),
        pytest.param(
            ground.another_of_that_name,
            "network.gateway",
            "host-name-wrong",
            id="another container of that name",
            marks=pytest.mark.full,
        ),
        pytest.param(
            lambda it: ground.gateway_led_to(it, NOWHERE),
            "foundry.from-gateway",
            "host-name-wrong",
            id="gateway led elsewhere",
            marks=[as_root, pytest.mark.full],
        ),
        pytest.param(
            ground.gateway_without_its_name,
            "network.gateway",
            "host-name-missing",
            id="gateway without its name",
            marks=pytest.mark.full,
        ),
        pytest.param(
            lambda it: ground.overridden(it, "gateway", "extra_hosts: !reset []"),
            "foundry.from-gateway",
            "host-name-missing",
            id="gateway that does not know the host",
            marks=pytest.mark.full,
        ),
        pytest.param(
            lambda it: it.firewall_on_host(*to_page(it, *REJECT)),
            "answer.chainlit",
            "page-unreachable",
            id="page's port rejected",
            marks=as_root,
        ),
        pytest.param(
            lambda it: it.firewall_on_host(*to_page(it, "-j", "DROP")),
            "answer.chainlit",
            "page-unreachable",
            id="page's port dropped",
            marks=[as_root, pytest.mark.full],
        ),
        pytest.param(
            ground.init_failed,
            "container.init",
            "init-failed",
            id="empty secret",
            marks=[as_root, pytest.mark.full],
        ),
        pytest.param(
            lambda it: ground.still_starting(it, "webgpu-static"),
            "container.webgpu-static",
            "container-starting",
            id="still starting",
            marks=[as_root, pytest.mark.full],
        ),
        pytest.param(
            lambda it: ground.port_taken(it, it.settings.chainlit_port),
            "container.gateway",
            "port-taken",
            id="port taken",
            marks=pytest.mark.full,
        ),
        pytest.param(
            ground.volume_full,
            "container.open-webui",
            "volume-full",
            id="volume full",
            marks=[as_root, pytest.mark.full],
        ),
    ],
)
async def test_it_is_named_alone(probed: Probed, links: Links, break_it: Break, check: str, cause: str) -> None:
    with break_it(links):
        await probed.fails(check, cause)


@pytest.mark.full
@pytest.mark.parametrize(
    ("break_it", "check", "cause"),
    [
        pytest.param(
            lambda it: ground.removed(it, "webgpu-static"),
            "container.webgpu-static",
            "container-missing",
            id="removed",
        ),
        pytest.param(
            lambda it: ground.restarting(it, "webgpu-static"),
            "container.webgpu-static",
            "container-restarting",
            id="ends at once",
        ),
        pytest.param(
            lambda it: ground.out_of_memory(it, "chainlit", "40m", started_again=True),
            "container.chainlit",
            "container-oom-killed",
            id="out of memory again and again",
        ),
        pytest.param(
            lambda it: ground.out_of_memory(it, "chainlit", "40m", started_again=False),
            "container.chainlit",
            "container-oom-killed",
            id="out of memory and gone",
        ),
        pytest.param(
            lambda it: ground.unhealthy(it, "webgpu-static", 8000),
            "container.webgpu-static",
            "container-unhealthy",
            id="unhealthy",
            marks=as_root,
        ),
        pytest.param(
            lambda it: ground.gateway_configured_with(it, "no_such_directive on;"),
            "container.gateway",
            "gateway-config-rejected",
            id="configuration rejected",
        ),
        pytest.param(
            lambda it: ground.nobody_at_the_page(it, it.settings.open_webui_port),
            "answer.open-webui",
            "page-unreachable",
            id="docker-proxy gone",
            marks=as_root,
        ),
        pytest.param(
            lambda it: ground.hosts_say(it, "open-webui", NOWHERE),
            "network.open-webui",
            "host-name-wrong",
            id="another address in hosts",
            marks=as_root,
        ),
        pytest.param(
            lambda it: ground.overridden(it, "open-webui", "volumes: ['open-webui-data:/data:ro']"),
            "container.open-webui",
            "volume-read-only",
            id="volume mounted read-only",
        ),
        *(
            pytest.param(
                lambda it, service=service: ground.volume_of_another(it, service),
                f"container.{service}",
                "volume-read-only",
                id=f"volume of another user, {service}",
                marks=as_root,
            )
            for service in ("open-webui", "chainlit")
        ),
        pytest.param(
            lambda it: ground.overridden(it, "chainlit", "volumes: ['chainlit-data:/data:ro']"),
            "container.chainlit",
            "volume-read-only",
            id="volume of the chat mounted read-only",
        ),
    ],
)
async def test_the_fix_works_as_it_is_pasted(
    probed: Probed, links: Links, break_it: Break, check: str, cause: str
) -> None:
    with break_it(links):
        broken = await probed.fails(check, cause)
        pasted(broken.fix)
        await probed.is_green()
    probed.something_happened()


@pytest.mark.full
async def test_another_of_that_name_is_put_out_by_the_fix(probed: Probed, links: Links) -> None:
    with ground.another_of_that_name(links):
        broken = await probed.fails("network.gateway", "host-name-wrong")
        pasted(broken.fix)
        await probed.is_green()


@as_root
async def test_a_volume_that_became_read_only(probed: Probed, links: Links) -> None:
    with ground.volume_read_only(links):
        await probed.fails("container.open-webui", "volume-read-only")


@as_root
async def test_a_configuration_that_the_running_gateway_would_not_start_with(probed: Probed, links: Links) -> None:
    with links.file_is("gateway", "/etc/nginx/conf.d/monitor.conf", b"server { listen 8090; no_such_directive on; }\n"):
        broken = await probed.degrades("network.gateway", "gateway-config-rejected")
        assert "no_such_directive" in broken.evidence
        assert "monitor.conf:1" in broken.evidence


async def test_a_child_out_of_memory(probed: Probed, links: Links) -> None:
    with ground.child_out_of_memory(links, "webgpu-static"):
        await probed.degrades("container.webgpu-static", "container-oom-killed")


@pytest.mark.full
async def test_an_image_that_was_built_anew(probed: Probed, links: Links) -> None:
    with ground.image_renamed(links, "webgpu-static"):
        await probed.degrades("container.webgpu-static", "image-stale")


@pytest.mark.full
@pytest.mark.parametrize("address", ["0.0.0.0", ""])  # noqa: S104  (that is the fault)
async def test_a_port_for_everyone(probed: Probed, links: Links, address: str) -> None:
    port = f"{address}:0:8080" if address else "8080"
    with ground.overridden(links, "gateway", f"ports: ['{port}']"):
        await probed.is_green()
        broken = await probed.degrades("container.gateway", "port-on-all-interfaces")
        pasted(broken.fix)
        await probed.is_green()
        assert "0.0.0.0" in broken.evidence  # noqa: S104


@as_root
async def test_a_small_disk(probed: Probed, links: Links) -> None:
    with ground.state_on_a_small_disk(links):
        await probed.degrades("engine.disk", "disk-full")


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_a_proxy_that_only_open_webui_asks(probed: Probed, links: Links) -> None:
    proxies = ", ".join(f"{name}: 'http://{NOWHERE}:3128'" for name in ("HTTP_PROXY", "http_proxy"))
    proxy = f"environment: {{{proxies}, NO_PROXY: '', no_proxy: ''}}"
    with ground.overridden(links, "chainlit", proxy):
        ground.comes_up(links, "chainlit")
        await probed.is_green()
    ground.comes_up(links, "chainlit")
    with ground.overridden(links, "open-webui", proxy):
        ground.comes_up(links, "open-webui")
        await probed.fails("network.open-webui", "proxy-hijacks-host-name")
    ground.comes_up(links, "open-webui")


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_the_proxy_of_dockers_own_settings(probed: Probed, links: Links) -> None:
    """They reach every container that Compose makes, and none of ours asks them."""
    config = '{"proxies": {"default": {"httpProxy": "http://%s:3128", "noProxy": "localhost"}}}'
    plugin = Path(run(["docker", "info", "--format", "{{range .ClientInfo.Plugins}}{{.Path}} {{end}}"]).out.split()[-1])
    try:
        with ground.docker_config(**{"config.json": config % NOWHERE}) as folder:
            shutil.copytree(plugin.parent, folder / "cli-plugins", symlinks=True)
            links.container("open-webui").remove(force=True)
            ground.made_as(links, "open-webui")
            ground.comes_up(links, "open-webui")
            assert NOWHERE in str(links.container("open-webui").attrs["Config"]["Env"])
            probed.something_happened()
            await probed.is_green()
    finally:
        run(["docker", "rm", "--force", f"{links.settings.compose_project_name}-open-webui-1"])
        ground.made_as(links, "open-webui")
        ground.comes_up(links, "open-webui")
        probed.something_happened()


async def test_an_engine_that_does_not_answer(probed: Probed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    await probed.fails("engine.docker", "engine-unreachable")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(f"{tmp_path}/dead.sock")
        await probed.fails("engine.docker", "engine-unreachable")
    monkeypatch.delenv("DOCKER_HOST")


@as_root
async def test_an_engine_that_this_user_may_not_ask(probed: Probed, settings: Settings) -> None:
    os.seteuid(65534)
    try:
        report = await asked(settings, Layer.CONTAINER)
        engine = await asked(settings, Layer.ENGINE)
    finally:
        os.seteuid(0)
    causes = [check.cause for check in engine.checks if check.id == "engine.docker"]
    probed.matrix.note("engine-not-permitted", causes)
    assert causes == ["engine-not-permitted"]
    assert {check.cause for check in report.checks} <= {"engine-not-permitted", None}
    assert engine.exit_code == 2


async def test_a_compose_of_the_users_own_that_is_too_old(probed: Probed) -> None:
    says = "#!/bin/sh\n[ \"$1\" = docker-cli-plugin-metadata ] && { echo '%s'; exit; }\necho 2.3.3\n"
    metadata = '{"SchemaVersion": "0.1.0", "Vendor": "Docker Inc.", "Version": "v2.3.3"}'
    with ground.docker_config(**{"cli-plugins__docker-compose": says % metadata}):
        broken = await probed.fails("engine.compose", "compose-too-old")
        assert "2.3.3" in broken.evidence
