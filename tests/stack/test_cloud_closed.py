"""Without a cloud set up: whatever the chat's container tries, nothing arrives at one that stands on this machine."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from fakes.chat_people import Person
from fakes.cloud_chats import ASKS_FOR_MUCH, SEND
from fakes.cloud_container import PORT, InContainer
from fakes.whole_way import WholeWay
from stack.parts.containers import of_project
from stack.tools.process import run

# Tries each address directly, and each way around that a program could think of; says how each ended.
TRY_ALL = """
import http.client, json, socket, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
addresses, port, token = json.loads(sys.argv[1]), int(sys.argv[2]), Path("/run/secrets/cloud-token").read_text()
BODY = json.dumps({"model": "big", "messages": [{"role": "user", "content": "a secret"}]})
def directly(address):
    try:
        with socket.create_connection(tuple(address), timeout=3) as made:
            made.sendall(b"POST /v1/chat/completions HTTP/1.0\\r\\n\\r\\n" + BODY.encode())
            return made.recv(12).decode() or "closed"
    except OSError as error:
        return type(error).__name__
def by_the_door(call, headers):
    connection = http.client.HTTPConnection("host.docker.internal", 51211, timeout=10)
    try:
        connection.putrequest(*call, skip_host=True)
        for name, value in {"Host": "host.docker.internal:51211", "Content-Length": len(BODY), **headers}.items():
            connection.putheader(name, str(value))
        connection.endheaders(BODY.encode())
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
own = {"Authorization": f"Bearer {token}"}
there = f"http://{addresses[0][0]}:{addresses[0][1]}/v1/chat/completions"
calls = [
    [("POST", "/cloud/v1/chat/completions"), own],
    [("POST", "/cloud/v1/chat/completions"), {}],
    [("POST", there), own],
    [("CONNECT", f"{addresses[0][0]}:{addresses[0][1]}"), own],
    [("POST", "/v1/chat/completions"), {"Host": f"{addresses[0][0]}:{addresses[0][1]}"}],
    [("POST", "/cloud/v1/../../v1/chat/completions"), own],
]
with ThreadPoolExecutor(16) as pool:
    ends = list(pool.map(directly, addresses))
print(json.dumps({"direct": ends, "door": [by_the_door(tuple(call), headers) for call, headers in calls]}))
"""


@pytest.fixture
def addresses(way: WholeWay, bridge: str, cloud_witness: InContainer) -> list[tuple[str, int]]:
    """Where it is, for whoever can get there."""
    published = int(cloud_witness.url.rpartition(":")[2].partition("/")[0])
    networks = way.service("gateway").attrs["NetworkSettings"]["Networks"]
    (own,) = [each["IPAddress"] for name, each in networks.items() if name.endswith("_private")]
    return [
        (cloud_witness.address, PORT),
        (bridge, PORT),
        (bridge, published),
        ("127.0.0.1", published),
        (own, PORT),
        (own, published),
        ("host.docker.internal", published),
    ]


def test_whatever_it_tries_nothing_arrives(
    way: WholeWay, cloud_witness: InContainer, addresses: list[tuple[str, int]]
) -> None:
    before = cloud_witness.heard()
    argv = ["/opt/venv/bin/python", "-c", TRY_ALL, json.dumps(addresses), str(PORT)]
    done = run(["docker", "exec", way.service("chainlit").name, *argv], timeout=120)
    assert done.code == 0, done.err
    ends = json.loads(done.out)
    assert set(ends["direct"]) <= {"TimeoutError", "ConnectionRefusedError", "OSError", "gaierror"}
    assert ends["door"][:2] == [404, 404]
    assert all(status in (400, 403, 405, 421) for status in ends["door"][2:]), ends["door"]
    assert cloud_witness.heard() == before


def test_who_is_where_it_can_be_reached_does_reach_it(cloud_witness: InContainer) -> None:
    """Else the one above would prove nothing."""
    before = cloud_witness.heard()
    answer = httpx.post(f"{cloud_witness.url}/chat/completions", json={"messages": []}, trust_env=False)
    assert answer.status_code == 200
    assert cloud_witness.heard().questions == before.questions + 1


def test_the_chat_offers_none_and_asks_none(way: WholeWay, guest: Person, cloud_witness: InContainer) -> None:
    before = cloud_witness.heard()

    async def asked() -> tuple[set[str], list[str]]:
        async with guest.opens_the_page() as page:
            page.presses = SEND
            answer = await page.ask(ASKS_FOR_MUCH)
            assert answer.text
            return {field["id"] for field in page.settings}, [name for name, _ in page.events]

    fields, events = asyncio.run(asked())
    assert "temperature" in fields
    assert "switch" not in fields
    assert "ask" not in events
    assert cloud_witness.heard() == before


def test_nobody_is_told_of_one(way: WholeWay) -> None:
    for container in of_project(way.settings, way.engine):
        told = [each for each in container.attrs["Config"]["Env"] if each.startswith(("CLOUD_", "ROUTING"))]
        assert told == [], container.name
    assert not (way.relay.folder / "cloud.json").exists()
