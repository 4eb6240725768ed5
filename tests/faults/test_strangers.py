"""Something else listens where the relay or Foundry Local should; and the two are away in every order."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.foundry import FakeFoundry
from fakes.model_server import ModelServer
from fakes.relay_process import running_relay
from faults import strangers
from faults.links import Links
from faults.named import Break, Probed, as_root
from faults.strangers import Stranger, json_server, says, silent, web_server

TAKEN = "foundry-port-taken-by-other"
HTML = "<!doctype html><title>Welcome</title>"

NO_HTTP: dict[str, Stranger] = {
    "a mail server": says(b"220 mail.example ESMTP\r\n"),
    "one that hangs up": says(b""),
    "one that says noise": says(bytes(range(128, 256))),
}
OTHER_SERVERS: dict[str, Stranger] = {
    "another web server": web_server("200 OK", HTML),
    "one without such a page": web_server("404 Not Found", HTML),
    "one with a login": web_server("401 Unauthorized", "", "text/plain", 'WWW-Authenticate: Basic realm="x"'),
    "one that leads elsewhere": web_server("302 Found", "", "text/html", "Location: https://example.invalid/"),
    "another model server": json_server("404 Not Found", '{"error": {"message": "no such page", "type": "not_found"}}'),
    "one that says it is well": json_server("200 OK", '{"status": "ok"}'),
}
IN_TROUBLE: dict[str, Stranger] = {
    "500": web_server("500 Internal Server Error", "<h1>500</h1>"),
    "503": json_server("503 Service Unavailable", '{"error": "just text"}'),
    "429": json_server("429 Too Many Requests", "slow down"),
}
EVERYDAY = ("one that hangs up", "another model server", "429")


def each(found: dict[str, Stranger]) -> list[object]:
    return [
        pytest.param(stranger, id=name, marks=() if name in EVERYDAY else pytest.mark.full)
        for name, stranger in found.items()
    ]


@pytest.mark.full
@pytest.mark.parametrize("stranger", each(NO_HTTP | OTHER_SERVERS | {"one that says nothing": silent}))
async def test_in_the_relays_place(probed: Probed, links: Links, stranger: Stranger) -> None:
    with strangers.in_the_relays_place(links, stranger):
        broken = await probed.fails("foundry.relay", TAKEN)
        assert "process" in broken.evidence
        assert broken.fix
        assert f":{links.settings.foundry_port}" in broken.fix


@pytest.mark.full
async def test_another_projects_relay_in_the_relays_place(probed: Probed, links: Links, tmp_path: Path) -> None:
    with links.relay_stopped(), running_relay(tmp_path, port=links.settings.foundry_port):
        broken = await probed.fails("foundry.relay", TAKEN)
        assert "another project's relay" in broken.evidence


@pytest.mark.full
async def test_another_foundry_local_in_the_relays_place(probed: Probed, links: Links) -> None:
    with links.relay_stopped():
        async with FakeFoundry(links.settings.foundry_port):
            broken = await probed.fails("foundry.relay", TAKEN)
            assert "not that of this stack" in broken.evidence


@pytest.mark.parametrize("stranger", each(OTHER_SERVERS | NO_HTTP))
async def test_in_foundrys_place(probed: Probed, links: Links, stranger: Stranger) -> None:
    with strangers.in_foundrys_place(links, stranger):
        broken = await probed.fails("foundry.status", TAKEN)
        assert broken.fix
        assert "FOUNDRY_URL" in broken.fix


@pytest.mark.parametrize("stranger", each(IN_TROUBLE))
async def test_what_may_be_foundry_local_in_trouble_is_not_named(
    probed: Probed, links: Links, stranger: Stranger
) -> None:
    with strangers.in_foundrys_place(links, stranger):
        broken = await probed.fails("foundry.status", "unknown")
        assert "instead of Foundry Local's status" in broken.evidence


@pytest.mark.full
@pytest.mark.parametrize("stranger", [web_server("200 OK", HTML), says(b"")], ids=["a web server", "no HTTP"])
async def test_ours_has_crashed_and_its_port_is_anothers(probed: Probed, links: Links, stranger: Stranger) -> None:
    with strangers.after_ours_has_crashed(links, stranger):
        await probed.fails("foundry.status", "foundry-not-running")


@pytest.mark.full
@as_root
@pytest.mark.parametrize(
    ("breaks", "check", "cause"),
    [
        (("relay_frozen", "foundry_frozen"), "foundry.relay", "relay-down"),
        (("foundry_frozen", "relay_frozen"), "foundry.relay", "relay-down"),
        (("relay_stopped", "foundry_frozen"), "foundry.relay", "relay-down"),
        (("foundry_crashed", "relay_stopped"), "foundry.relay", "relay-down"),
        (("foundry_crashed", "relay_frozen"), "foundry.relay", "relay-down"),
        (("relay_on_loopback_only", "foundry_frozen"), "foundry.status", "foundry-hangs"),
        (("relay_on_loopback_only", "foundry_crashed"), "foundry.status", "foundry-not-running"),
        (("token_changed", "foundry_frozen"), "foundry.status", "foundry-hangs"),
        (("model_unloaded", "relay_stopped"), "foundry.relay", "relay-down"),
    ],
    ids=" and ".join,
)
async def test_of_two_broken_links_the_first_is_named(
    probed: Probed, links: Links, breaks: tuple[str, str], check: str, cause: str
) -> None:
    with ExitStack() as both:
        for each_break in breaks:
            both.enter_context(getattr(links, each_break)())
        await probed.fails(check, cause)


def on_loopback(it: Links, *what: str) -> tuple[str, ...]:
    return ("INPUT", "-i", "lo", "-p", "tcp", "--dport", str(it.settings.foundry_port), "-j", *what)


@pytest.mark.full
@as_root
@pytest.mark.parametrize(
    ("break_it", "cause"),
    [
        (lambda it: it.firewall_on_host(*on_loopback(it, "DROP")), "route-blocked"),
        (lambda it: it.firewall_on_host(*on_loopback(it, "REJECT")), "connection-refused"),
        (
            lambda it: it.firewall_on_host(*on_loopback(it, "REJECT", "--reject-with", "tcp-reset")),
            "connection-refused",
        ),
    ],
    ids=["dropped", "rejected", "reset"],
)
async def test_the_way_on_the_hosts_own_loopback(probed: Probed, links: Links, break_it: Break, cause: str) -> None:
    with break_it(links):
        await probed.fails("foundry.relay", cause)


async def test_a_foundry_local_for_everyone_on_the_network(probed: Probed, links: Links) -> None:
    async with ModelServer("0.0.0.0") as server:  # noqa: S104  (that is the fault)
        with links.foundry_is(server.url):
            open_to_all = await probed.degrades("foundry.status", "foundry-on-all-interfaces")
            assert open_to_all.fix
            assert f":{server.port}" in open_to_all.fix


@pytest.mark.full
@as_root
async def test_a_foundry_local_on_one_address_of_the_network(probed: Probed, links: Links) -> None:
    address = "10.98.76.5"
    with strangers.with_address(address):
        async with ModelServer(address) as server:
            with links.foundry_is(server.url):
                open_to_all = await probed.degrades("foundry.status", "foundry-on-all-interfaces")
                assert address in open_to_all.evidence
