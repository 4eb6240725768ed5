"""Each front end is broken for real, in every way that its neighbours are: it is named, and the other two are well."""

from __future__ import annotations

import httpx
import pytest

from fakes.open_webui import administrator
from faults.links import Links
from faults.named import FRONT_ENDS, Break, Probed, as_root
from stack.probes import open_webui
from stack.probes.sign_in import LockedOutError, SignInRefusedError
from stack.settings import ROOT, Settings
from stack.tools.process import run

PORTS = {"chainlit": "8000", "open-webui": "8080", "webgpu-static": "8000"}
TO_GATEWAY = ("OUTPUT", "-p", "tcp", "--dport", "51211")
REJECT = ("-j", "REJECT", "--reject-with", "tcp-reset")

# One front end for a kind of fault; the others, and what takes long to be seen, run in `scripts/test.py all`.
EVERYDAY = {
    "stopped": "webgpu-static",
    "paused": "chainlit",
    "frozen": "",
    "off the network": "chainlit",
    "page dropped": "",
    "page rejected": "open-webui",
    "model dropped": "open-webui",
    "model rejected": "chainlit",
}
BY_ROOT = EVERYDAY.keys() - {"stopped", "paused", "off the network"}


def to_page(service: str) -> tuple[str, ...]:
    return ("INPUT", "-p", "tcp", "--dport", PORTS[service])


def faults(service: str) -> dict[str, tuple[Break, str, str]]:
    """By kind: what breaks it, the layer that names it, the cause."""
    found: dict[str, tuple[Break, str, str]] = {
        "stopped": (lambda it: it.stopped(service), "container", "container-stopped"),
        "paused": (lambda it: it.paused(service), "container", "container-paused"),
        "frozen": (lambda it: it.frozen(service), "answer", "front-end-down"),
        "off the network": (lambda it: it.off_the_private_network(service), "network", "front-end-cut-off"),
        "page dropped": (
            lambda it: it.firewall_in(service, *to_page(service), "-j", "DROP"),
            "network",
            "front-end-cut-off",
        ),
        "page rejected": (
            lambda it: it.firewall_in(service, *to_page(service), *REJECT),
            "network",
            "front-end-cut-off",
        ),
    }
    if service != "webgpu-static":  # whose page asks from the browser
        found["model dropped"] = (
            lambda it: it.firewall_in(service, *TO_GATEWAY, "-j", "DROP"),
            "network",
            "route-blocked",
        )
        found["model rejected"] = (
            lambda it: it.firewall_in(service, *TO_GATEWAY, *REJECT),
            "network",
            "connection-refused",
        )
    return found


def every_fault() -> list[object]:
    return [
        pytest.param(
            break_it,
            f"{layer}.{service}",
            cause,
            id=f"{service} {kind}",
            marks=[
                *([as_root] if kind in BY_ROOT else []),
                *([] if EVERYDAY[kind] == service else [pytest.mark.full]),
            ],
        )
        for service in FRONT_ENDS
        for kind, (break_it, layer, cause) in faults(service).items()
    ]


@pytest.mark.parametrize(("break_it", "check", "cause"), every_fault())
async def test_the_front_end_is_named_alone(
    probed: Probed, links: Links, break_it: Break, check: str, cause: str
) -> None:
    with break_it(links):
        await probed.fails(check, cause)


@pytest.mark.full
async def test_open_webui_asks_elsewhere_until_the_fix_is_pasted(
    probed: Probed, settings: Settings, links: Links
) -> None:
    elsewhere = "http://host.docker.internal:9/v1"
    form = {"OPENAI_API_BASE_URLS": [elsewhere], "OPENAI_API_KEYS": [""], "OPENAI_API_CONFIGS": {}}
    administrator(settings).call("POST", "/openai/config/update", {"ENABLE_OPENAI_API": True, **form})
    try:
        broken = await probed.fails("answer.open-webui", "webui-stored-settings-win")
        assert broken.fix
        assert elsewhere in broken.evidence
    except BaseException:
        links.container("open-webui").restart()
        raise
    assert run(["sh", "-c", broken.fix], cwd=ROOT).code == 0
    await probed.is_green()


@pytest.mark.full
async def test_too_many_sign_ins_lock_only_who_has_to_sign_in(probed: Probed, settings: Settings, links: Links) -> None:
    await probed.is_green()
    try:
        await sign_in_until_locked_out(f"http://127.0.0.1:{settings.open_webui_port}")
        probed.something_happened()
        await probed.is_green()  # by the token that it has
        with links.open_webui_token_is(None):
            locked = await probed.fails("answer.open-webui", "webui-locked-out")
        assert locked.fix
        assert locked.fix.startswith(f"sleep {open_webui.LOCKED_OUT_SECONDS}; ")
    finally:
        links.container("open-webui").restart()  # it counts in memory, and no test waits for four minutes


async def sign_in_until_locked_out(page: str) -> None:
    async with httpx.AsyncClient(base_url=page, trust_env=False) as http:
        for _ in range(20):
            try:
                await open_webui.User.signed_in(http, open_webui.PROBE_ACCOUNT, "a guess")
            except SignInRefusedError:
                continue
            except LockedOutError:
                return
    raise AssertionError("it takes any number of sign-ins")


async def test_a_token_of_another_time_is_replaced(probed: Probed, links: Links) -> None:
    await probed.is_green()
    with links.open_webui_token_is("of-a-volume-that-is-gone"):
        probed.something_happened()
        await probed.is_green()
        assert links.open_webui_token not in (None, "of-a-volume-that-is-gone")
