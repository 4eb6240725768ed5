"""The way to a cloud, where one is set: for the chat alone, for one call, with a key that no container has; and the
networks are as closed as without it. The cloud is a stand-in in a container of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from fakes.bombard import Shot
from fakes.chat_people import Person
from fakes.cloud_chats import ASKS_FOR_MUCH, SEND
from fakes.cloud_container import CloudWitness
from fakes.relay_process import CLOUD_KEY
from fakes.spare_stack import Answer, parse
from fakes.whole_way import DOOR, WholeWay
from stack.tools.process import run

CALL = "POST /cloud/v1/chat/completions"
QUESTION = json.dumps({"model": "big", "messages": [{"role": "user", "content": "What is rain?"}]}).encode()
OTHERS = [
    "GET /cloud/v1/models",
    "GET /cloud/v1/chat/completions",
    "POST /cloud/v1/embeddings",
    "POST /cloud/v1/files",
    f"{CALL}?x",
    f"{CALL}/",
    "POST //cloud/v1/chat/completions",
    "POST /%63loud/v1/chat/completions",
    "POST /cloud/v1/chat/../files",
    "POST http://127.0.0.1:9000/v1/chat/completions",
    "CONNECT 127.0.0.1:9000",
]
WHERE_A_KEY_COULD_BE = ["grep", "-rslF", CLOUD_KEY, "/run/secrets", "/tmp", "/data", "/proc/1/environ", "/etc"]


@pytest.fixture(autouse=True)
def well(cloud_witness: CloudWitness) -> Iterator[None]:
    cloud_witness.behave("answers")
    yield
    cloud_witness.behave("answers")


@pytest.fixture(scope="module")
def token(cloudy: WholeWay) -> str:
    """What the chat brings."""
    return run(["docker", "exec", cloudy.service("chainlit").name, "cat", "/run/secrets/cloud-token"]).out


def send(cloudy: WholeWay, call: str, *headers: str, body: bytes = QUESTION) -> Answer:
    """From where the front ends are."""
    lines = [f"{call} HTTP/1.1", "Host: host.docker.internal:51211", "Connection: close", *headers]
    raw = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    (answered,) = cloudy.send_inside([Shot(*DOOR, raw, whole=True)])
    return parse(answered.begin.encode("latin-1"))


def test_the_chats_token_opens_the_way_and_the_relay_adds_the_key(
    cloudy: WholeWay, cloud_witness: CloudWitness, token: str
) -> None:
    before = cloud_witness.heard()
    answer = send(cloudy, CALL, f"Authorization: Bearer {token}")
    assert (answer.status, b"hello" in answer.body) == (200, True)
    arrived = cloud_witness.heard().received[len(before.received) :]
    assert f"Authorization: Bearer {CLOUD_KEY}\r\n".encode() in arrived
    assert token.encode() not in arrived
    assert arrived.endswith(QUESTION)


def test_without_it_nothing_arrives(cloudy: WholeWay, cloud_witness: CloudWitness, token: str) -> None:
    before = cloud_witness.heard()
    relay_token = cloudy.relay.token_file.read_text(encoding="ascii").strip()
    for headers in (
        [],
        ["Authorization: Bearer not-needed"],
        [f"Authorization: Bearer {token.swapcase()}"],
        [f"Authorization: Bearer {relay_token}"],
        [f"Authorization: {token}"],
        [f"X-Relay-Token: {token}"],
    ):
        answer = send(cloudy, CALL, *headers)
        assert (answer.status, answer.code) == (403, "cloud-not-allowed"), headers
    assert cloud_witness.heard() == before


@pytest.mark.parametrize("call", OTHERS)
def test_with_it_no_other_call_does(cloudy: WholeWay, cloud_witness: CloudWitness, token: str, call: str) -> None:
    before = cloud_witness.heard()
    answer = send(cloudy, call, f"Authorization: Bearer {token}")
    assert answer.status in (400, 403)
    assert cloud_witness.heard() == before


def test_open_webui_has_no_way(cloudy: WholeWay, cloud_witness: CloudWitness) -> None:
    before = cloud_witness.heard()
    program = (
        "import urllib.request, urllib.error\n"
        "from pathlib import Path\n"
        "keys = [each.read_text().strip() for each in Path('/run/secrets').iterdir()]\n"
        "for key in ['', *keys]:\n"
        "    asked = urllib.request.Request('http://host.docker.internal:51211/cloud/v1/chat/completions', b'{}',\n"
        "        {'Authorization': f'Bearer {key}'})\n"
        "    try: print(urllib.request.urlopen(asked).status)\n"
        "    except urllib.error.HTTPError as refused: print(refused.code)\n"
    )
    done = run(["docker", "exec", cloudy.service("open-webui").name, "python3", "-c", program])
    assert done.code == 0, done.err
    assert len(done.out.split()) >= 5
    assert set(done.out.split()) == {"403"}
    assert cloud_witness.heard() == before


def test_no_page_leads_there(cloudy: WholeWay, cloud_witness: CloudWitness, token: str) -> None:
    """A browser on this machine, even if it knew the token."""
    before = cloud_witness.heard()
    settings = cloudy.settings
    for port in (settings.webgpu_port, settings.chainlit_port, settings.open_webui_port):
        raw = f"{CALL} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        raw += f"Content-Length: {len(QUESTION)}\r\n\r\n"
        (answered,) = cloudy.send([Shot("127.0.0.1", port, raw.encode() + QUESTION, whole=True)])
        assert parse(answered.begin.encode("latin-1")).status in (401, 403, 404, 405)
    assert cloud_witness.heard() == before


def test_the_key_is_in_no_container(cloudy: WholeWay) -> None:
    for service in cloudy.services:
        container = cloudy.service(service)
        assert CLOUD_KEY not in json.dumps(container.attrs)
        assert CLOUD_KEY.encode() not in container.logs()
        _, printed = container.exec_run(WHERE_A_KEY_COULD_BE)
        assert printed == b"", service
    control = ["grep", "-rslF", "cloud-token", "/etc/nginx", "/usr/local/bin/entrypoint"]
    assert cloudy.service("gateway").exec_run(control)[1], "grep finds nothing at all"


def test_the_networks_are_as_closed_as_without_it(cloudy: WholeWay) -> None:
    project = cloudy.settings.compose_project_name
    found = {service: set(cloudy.service(service).attrs["NetworkSettings"]["Networks"]) for service in cloudy.services}
    private, edge = f"{project}_private", f"{project}_edge"
    assert found == {"gateway": {private, edge}, "chainlit": {private}, "open-webui": {private}}
    of_private, of_edge = (cloudy.engine.networks.get(name).attrs for name in (private, edge))
    assert of_private["Internal"] is True
    assert of_private["Options"]["com.docker.network.bridge.inhibit_ipv4"] == "true"
    assert of_edge["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"


def test_who_agrees_is_answered_by_the_cloud_and_told_so(
    cloudy: WholeWay, cloud_witness: CloudWitness, cloud_guest: Person
) -> None:
    cloudy.restart_with("chainlit", routing="complexity")

    async def asked() -> str:
        async with cloud_guest.opens_the_page() as page:
            page.presses = SEND
            answer = await page.ask(ASKS_FOR_MUCH)
            assert answer.errors == []
            return answer.text

    before = cloud_witness.heard().questions
    assert asyncio.run(asked()) == "The cloud says hello."
    assert cloud_witness.heard().questions == before + 1


def test_what_goes_wrong_there_is_told_with_its_code(cloudy: WholeWay, cloud_witness: CloudWitness, token: str) -> None:
    for habit, status, code in (
        ("401", 502, "cloud-key-wrong"),
        ("429", 429, "cloud-busy"),
        ("500", 503, "cloud-down"),
    ):
        cloud_witness.behave(habit)  # type: ignore[arg-type]
        answer = send(cloudy, CALL, f"Authorization: Bearer {token}")
        assert (answer.status, answer.code) == (status, code)
        assert CLOUD_KEY.encode() not in answer.body


def test_where_the_relay_knows_none_there_is_none(cloudy: WholeWay, cloud_witness: CloudWitness, token: str) -> None:
    before = cloud_witness.heard()
    own = json.loads((cloudy.relay.folder / "cloud.json").read_text(encoding="utf-8"))
    cloudy.relay.close_cloud()
    try:
        answer = send(cloudy, CALL, f"Authorization: Bearer {token}")
    finally:
        cloudy.relay.open_cloud(own["url"], token=own["token"])
    assert (answer.status, answer.code) == (404, "cloud-not-configured")
    assert cloud_witness.heard() == before
