"""The gateway's rules, asked over the wire: what reaches the relay and what does not, and whom its pages answer."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest
from docker.models.containers import Container

from fakes import page_headers
from fakes.bombard import Shot, send_all
from fakes.spare_stack import Answer, Spare, json_lines, parse
from fakes.waiting import wait_until
from stack.tools.process import run

VIA = "1.1 foundry-stack-gateway"
ALLOWED = [
    "GET /v1/models",
    "GET /v1/models/smollm2-135m-instruct-generic-cpu:1",
    "GET /v1/models/smollm2-135m-instruct-generic-cpu%3A1",
    "GET /models/loaded",
    "GET /status",
    "POST /v1/responses",
    "POST /v1/embeddings",
    "DELETE /v1/responses/resp_0a-Z",
]
REFUSED = [
    # other calls of Foundry Local's
    "POST /shutdown",
    "GET /shutdown",
    "GET /models/load/phi-4-mini",
    "GET /models/unload/phi-4-mini",
    "GET /v1/responses",
    "GET /v1/responses/resp_1",
    "GET /v1/responses/resp_1/input_items",
    "POST /v1/audio/transcriptions",
    # to a cloud, but for the one call that there could be
    "GET /cloud/v1/models",
    "GET /cloud/v1/chat/completions",
    "POST /cloud/v1/responses",
    "POST /cloud/v1/chat/completions?",
    "POST /cloud/v1/chat/completions/",
    "POST //cloud/v1/chat/completions",
    "POST /%63loud/v1/chat/completions",
    "POST /cloud/v1/chat/%63ompletions",
    "POST /cloud/v1/../v1/chat/completions",
    "POST /cloud",
    "POST /cloud/",
    "GET /",
    # other methods
    "HEAD /v1/models",
    "OPTIONS /v1/chat/completions",
    "PUT /v1/models",
    "PATCH /v1/models",
    "DELETE /v1/models/x",
    "DELETE /v1/responses",
    "POST /v1/models",
    "GET /v1/chat/completions",
    "TRACE /v1/models",
    "get /v1/models",
    "CONNECT /v1/models",
    # other spellings
    "GET //v1/models",
    "GET /v1//models",
    "GET /v1/./models",
    "GET /v1/models/",
    "GET /v1/models/a/b",
    "GET /V1/models",
    "GET /%761/models",
    "GET /v1%2fmodels",
    "GET /v1/models%00",
    "GET /v1/models%20",
    "GET /v1/models;a=b",
    "GET /v1/models#a",
    "GET /v1/models\\",
    "GET http://host.docker.internal:51211/v1/models",
    "GET *",
    # ways up
    "POST /v1/../shutdown",
    "GET /v1/models/..",
    "GET /v1/models/../../shutdown",
    "GET /v1/models/..%2f..%2fshutdown",
    "GET /v1/models/%2e%2e/%2e%2e/shutdown",
    "GET /v1/models/..;/..;/shutdown",
    "GET /v1/models/x%2f..%2f..%2f..%2fshutdown",
    "GET /v1/models/x%252f..%252fshutdown",
    "GET /v1/models/..\\..\\shutdown",
    "DELETE /v1/responses/..",
    "DELETE /v1/responses/%2e%2e",
    "DELETE /v1/responses/a/../../models",
    # queries
    "GET /v1/models?",
    "GET /v1/models?a=/shutdown",
    "POST /v1/chat/completions?x",
    "GET /status?/v1/models",
    # the gateway's own pages
    "GET /-/not-allowed",
    "GET /-/relay-down",
    "GET /healthz",
]
STREAM = """
import http.client, sys
connection = http.client.HTTPConnection("host.docker.internal", 51211, timeout=20)
connection.request("POST", "/v1/chat/completions", '{"stream": true}', {"Content-Type": "application/json"})
answer = connection.getresponse()
while line := answer.readline():
    if line.strip():
        print(line.decode().strip())
        if "leave" in sys.argv:
            sys.exit()
"""
LARGE = """
import http.client, json, sys
connection = http.client.HTTPConnection("host.docker.internal", 51211, timeout=20)
try:
    connection.request("POST", "/v1/responses", b"x" * int(sys.argv[1]))
except ConnectionError:
    pass  # the answer may come before all is sent
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""

# Opens as many connections as it is told, each with a request that lacks its body, and sees how those that are answered
# at once are answered, what another one gets, and what it gets when all of them are gone.
HOLD = """
import collections, http.client, json, select, socket, sys
HEAD = b"DELETE /v1/responses/x HTTP/1.1\\r\\nHost: host.docker.internal\\r\\nContent-Length: 5\\r\\n\\r\\n"
def ask():
    connection = http.client.HTTPConnection("host.docker.internal", 51211, timeout=20)
    connection.request("GET", "/v1/models")
    answer = connection.getresponse()
    answer.read()
    return answer.status
held = [socket.create_connection(("host.docker.internal", 51211), timeout=20) for _ in range(int(sys.argv[1]))]
for each in held:
    each.sendall(HEAD)
refused = []
while len(refused) < int(sys.argv[2]):
    refused += select.select([each for each in held if each not in refused], [], [], 5)[0] or [held[0]]
beside = ask()
statuses = collections.Counter(each.recv(12).decode()[9:] for each in refused)
for each in held:
    each.close()
for _ in range(200):
    if (after := ask()) == 200:
        break
print(json.dumps([statuses, beside, after]))
"""
REQUESTS_A_PAGE = 150  # what Open WebUI's page takes to load, and Chainlit's less


def flood(
    port: int, count: int, call: str = "GET /", body: bytes = b"", go_on: threading.Event | None = None
) -> list[Answer]:
    """As many requests from the host as fast as they go, over a few connections or, with a body, each on its own."""
    if go_on:
        go_on.set()
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    one = (
        f"{call} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{length}Connection: close\r\n\r\n".encode()
        + body
    )
    sent = [Shot("127.0.0.1", port, one, whole=True) for _ in range(count)]
    return [parse(answer.begin.encode("latin-1")) for answer in asyncio.run(send_all(sent))]


def until_closed(connection: socket.socket) -> bytes:
    """The beginning of what comes until the other side closes."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(4096):
            received += chunk
    return received[:12]


def request(call: str, *headers: str, body: bytes = b"") -> bytes:
    """A request's bytes, exactly as told."""
    lines = [f"{call} HTTP/1.1", "Host: host.docker.internal:51211", "Connection: close", *headers]
    if call.startswith("POST"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


# --- the whole way, on the running stack ---


def test_front_ends_reach_foundry_local_through_gateway_and_relay(container: Callable[[str], Container]) -> None:
    program = (
        "import urllib.request, json; a = urllib.request.urlopen('http://host.docker.internal:51211/v1/models');"
        "print(json.dumps([a.status, a.headers.get_all('Via'), json.load(a)]))"
    )
    done = run(["docker", "exec", container("chainlit").name, "/opt/venv/bin/python", "-c", program])
    assert done.code == 0, done.err
    status, via, body = json.loads(done.out)
    assert (status, via) == (200, ["1.1 foundry-stack-relay", VIA])
    assert body["data"], "no model is listed"


# --- port 51211: Foundry Local's door ---


def test_starts_with_neither_relay_nor_front_ends(spare: Spare) -> None:
    assert spare.started.code == 0, spare.started.out + spare.started.err


def test_up_again_changes_nothing(spare: Spare) -> None:
    before = spare.service("gateway").id
    again = spare.compose("up", "--detach", "--wait", "--no-build", "gateway")
    assert again.code == 0, again.out + again.err
    assert spare.service("gateway").id == before


def test_no_front_end_can_keep_a_connection_that_may_lead_nowhere_next_time(spare: Spare) -> None:
    host = "Host: host.docker.internal:51211"
    answers = spare.send(*(f"GET {path} HTTP/1.1\r\n{host}\r\n\r\n".encode() for path in ("/status", "/shutdown")))
    assert [(answer.status, answer.header("connection")) for answer in answers] == [(200, ["close"]), (403, ["close"])]


@pytest.mark.parametrize("call", ALLOWED)
def test_inference_passes_as_it_was_asked(spare: Spare, call: str) -> None:
    (answer,) = spare.send(request(call))
    assert answer.status == 200
    assert json.loads(answer.body) == {"asked": call}
    assert answer.header("via") == ["1.1 foundry-stack-relay", VIA]


def test_without_a_cloud_there_is_no_way_to_one(spare: Spare) -> None:
    before = len(spare.relay.arrived)
    token = run(["docker", "exec", spare.service("gateway").name, "cat", "/run/secrets/cloud-token"]).out
    answers = spare.send(
        request("POST /cloud/v1/chat/completions"),
        request("POST /cloud/v1/chat/completions", f"Authorization: Bearer {token}"),
        request("POST /cloud/v1/chat/completions", f"Authorization: Bearer {spare.token()}"),
    )
    assert [(answer.status, answer.code) for answer in answers] == [(404, "cloud-not-configured")] * 3
    assert spare.relay.arrived[before:] == []


def test_nothing_else_reaches_the_relay(spare: Spare) -> None:
    before = len(spare.relay.arrived)
    answers = spare.send(*(request(call) for call in REFUSED))
    assert [arrived.line for arrived in spare.relay.arrived[before:]] == []
    for call, answer in zip(REFUSED, answers, strict=True):
        assert (answer.status, answer.header("via")) in ((403, [VIA]), (400, [VIA])), call
        if not call.startswith("HEAD"):
            assert answer.code in ("not-allowed", "bad-request"), call


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/models\r\n\r\n",
        b"GET /v1/models HTTP/0.9\r\n\r\n",
        b"GET /v1/models HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET  /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda raw: raw[:45].decode().replace("\r\n", " "),
)
def test_what_is_not_proper_http_is_refused_in_json(spare: Spare, raw: bytes) -> None:
    before = len(spare.relay.arrived)
    (answer,) = spare.send_bytes(raw)
    assert b'"type":"stack_error"' in answer
    assert len(spare.relay.arrived) == before


def test_a_second_request_hidden_in_a_body_is_not_seen(spare: Spare) -> None:
    hidden = b"POST /shutdown HTTP/1.1\r\nHost: x\r\n\r\n"
    before = len(spare.relay.arrived)
    spare.send(request("POST /v1/responses", body=hidden))
    assert [arrived.line for arrived in spare.relay.arrived[before:]] == ["POST /v1/responses"]


def test_the_token_is_ours_and_only_known_headers_go_on(spare: Spare) -> None:
    (answer,) = spare.send(
        request(
            "POST /v1/embeddings",
            "X-Relay-Token: guessed",
            "Cookie: session=secret",
            "Origin: http://localhost:3000",
            "X-Forwarded-For: 1.2.3.4",
            "Upgrade: websocket",
            "X-Request-ID: caller-1",
            "Authorization: Bearer key",
            "Content-Type: application/json",
            "Accept: application/json",
            "User-Agent: test",
            body=b"{}",
        )
    )
    arrived = spare.relay.last()
    token = spare.token()
    assert len(token) >= 43
    assert dict(arrived.headers) == {
        "Host": f"host.docker.internal:{spare.relay.port}",
        "X-Relay-Token": token,
        "X-Request-ID": "caller-1",
        "Authorization": "Bearer key",
        "Content-Type": "application/json",
        "Content-Length": "2",
        "Accept": "application/json",
        "User-Agent": "test",
    }
    assert answer.header("x-request-id") == ["caller-1"]
    assert token not in str(answer)


def test_a_strange_request_id_is_replaced(spare: Spare) -> None:
    (answer,) = spare.send(request("GET /status", 'X-Request-ID: "},{"'))
    (given,) = answer.header("x-request-id")
    assert re.fullmatch(r"[0-9a-f]{32}", given)
    assert spare.relay.last().header("x-request-id") == [given]


def test_events_pass_one_by_one(spare: Spare) -> None:
    spare.relay.go_on.clear()
    seen: list[str] = []

    def on_line(line: str) -> None:
        seen.append(line)
        spare.relay.go_on.set()  # only now is there a second event

    done = spare.python(STREAM, on_line=on_line)
    assert done.code == 0, done.out
    assert seen == ['data: {"n":1}', 'data: {"n": 2}', "data: [DONE]"]


def test_who_hangs_up_is_hung_up_on_behind_the_gateway(spare: Spare) -> None:
    spare.relay.go_on.clear()
    done = spare.python(STREAM, "leave")
    assert done.code == 0, done.err
    assert spare.relay.last().client_left.wait(10), "the relay still writes to nobody"


def test_a_body_of_32_mb_passes_and_a_larger_one_is_refused(spare: Spare) -> None:
    limit = 32 * 1024 * 1024
    status, _ = json.loads(spare.python(LARGE, str(limit)).out)
    assert (status, spare.relay.last().body_size) == (200, limit)
    status, body = json.loads(spare.python(LARGE, str(limit + 1)).out)
    assert (status, json.loads(body)["error"]["code"]) == (413, "too-large")


def test_without_relay_the_answer_says_so_at_once_and_recovers(spare: Spare) -> None:
    spare.relay.stop()
    try:
        started = time.monotonic()
        small, large = spare.send(
            request("GET /v1/models"), request("POST /v1/chat/completions", body=b"x" * 5_000_000)
        )
        assert time.monotonic() - started < 10
    finally:
        spare.relay.start()
    for answer in (small, large):
        assert (answer.status, answer.code, answer.header("retry-after")) == (503, "relay-down", ["5"])
        assert answer.header("via") == [VIA]
        assert "scripts/up.py" in answer.body.decode()
    (back,) = spare.send(request("GET /v1/models"))
    assert back.status == 200


def test_the_door_opens_for_the_private_network_only(spare: Spare) -> None:
    networks = spare.service("gateway").attrs["NetworkSettings"]["Networks"]
    address = networks[f"{spare.settings.compose_project_name}_edge"]["IPAddress"]
    before = len(spare.relay.arrived)
    answer = httpx.get(f"http://{address}:51211/v1/models", timeout=10, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not-allowed")
    assert len(spare.relay.arrived) == before


def test_the_log_is_json_without_queries_and_prompts(spare: Spare) -> None:
    spare.send(
        request("POST /v1/responses", "X-Request-ID: logged-1", body=b'{"input":"my-prompt"}'),
        request("GET /v1/models?my-query", "X-Request-ID: logged-2"),
    )
    httpx.get(f"{spare.page}/assets/my-path?my-query", headers={"X-Request-ID": "logged-3"}, trust_env=False)
    log = spare.service("gateway").logs().decode()
    lines = {line["id"]: line for line in json_lines(log)}
    assert (lines["logged-1"]["path"], lines["logged-1"]["status"]) == ("/v1/responses", 200)
    assert (lines["logged-2"]["path"], lines["logged-2"]["status"]) == ("/v1/models", 403)
    assert (lines["logged-3"]["path"], lines["logged-3"]["status"]) == ("/assets/*", 503)
    assert "my-prompt" not in log
    assert "my-path" not in log
    assert "my-query" not in log
    assert spare.token() not in log


@pytest.mark.parametrize(
    "header", ["Host: evil.example", "Host: evil.example:51211", "Host: host.docker.internal.evil.example", "Host: "]
)
def test_a_name_that_was_led_here_is_not_answered(spare: Spare, header: str) -> None:
    before = len(spare.relay.arrived)
    (answer,) = spare.send(f"GET /v1/models HTTP/1.1\r\n{header}\r\n\r\n".encode())
    assert (answer.status, answer.code) in ((421, "host-not-allowed"), (400, "bad-request"))
    assert len(spare.relay.arrived) == before


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_a_page_of_another_host_spends_nothing(spare: Spare, origin: str) -> None:
    before = len(spare.relay.arrived)
    (answer,) = spare.send(request("POST /v1/responses", f"Origin: {origin}", body=b"{}"))
    assert (answer.status, answer.code) == (421, "host-not-allowed")
    assert len(spare.relay.arrived) == before


# --- how much one sender may ask for ---


def test_a_hundred_who_ask_at_once_pass_and_a_flood_of_questions_spends_no_model(spare: Spare) -> None:
    most = spare.settings.gateway_rate
    before = len(spare.relay.arrived)
    answers = flood(spare.settings.webgpu_port, 100, "POST /v1/chat/completions", b"{}", go_on=spare.relay.go_on)
    assert [each.status for each in answers] == [200] * 100
    answers = flood(spare.settings.webgpu_port, 2 * most, "POST /v1/chat/completions", b"{}", go_on=spare.relay.go_on)
    refused = [each for each in answers if each.status == 429]
    assert all((each.code, each.header("retry-after")) == ("too-many-requests", ["2"]) for each in refused)
    assert len(refused) > most / 2
    assert len(spare.relay.arrived) - before == 100 + 2 * most - len(refused)
    assert flood(spare.settings.webgpu_port, 1, "GET /v1/models")[0].status == 200, "other requests are not questions"
    (inside,) = spare.send(request("POST /v1/responses", body=b"{}"))
    assert inside.status == 200, "a front end is another sender"


@pytest.mark.full
def test_twenty_who_open_a_page_at_once_pass_and_a_flood_is_told_to_come_again(spare: Spare) -> None:
    rate, port, models = spare.settings.gateway_rate, spare.settings.webgpu_port, "GET /v1/models"
    pages = 20 * REQUESTS_A_PAGE
    assert [each.status for each in flood(port, pages, models)] == [200] * pages
    refused = [each for each in flood(port, 21 * rate, models) if each.status == 429]
    assert refused
    assert all((each.code, each.header("retry-after")) == ("too-many-requests", ["2"]) for each in refused)
    assert all(each.header("x-request-id") and each.header("x-content-type-options") for each in refused)
    (other,) = flood(spare.settings.chainlit_port, 1)
    assert other.status == 503, "another port is another count"
    wait_until(lambda: flood(port, 1, models)[0].status == 200, seconds=2)


def test_one_sender_holds_so_many_connections_and_no_more(spare: Spare) -> None:
    done = spare.python(HOLD, "300", "44")
    assert done.code == 0, done.err
    assert json.loads(done.out) == [{"429": 44}, 429, 200]


@pytest.mark.full
def test_requests_that_never_end_are_ended_and_hold_nobody_up(spare: Spare) -> None:
    """Headers in 15 s, a body's next piece in 30 s; while thousands wait for that, others are answered."""
    begun = [b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] * 1500
    begun += [b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"] * 20
    port = spare.settings.webgpu_port
    with ExitStack() as held:
        slow = [held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in begun]
        started = time.monotonic()
        for connection, raw in zip(slow, begun, strict=True):
            connection.sendall(raw)
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=3, trust_env=False).status_code == 200
        assert time.monotonic() - started < 10
        for connection in slow[:1500]:
            assert until_closed(connection) == b"", "nginx ends it without a word"
        assert time.monotonic() - started < 25
        for connection in slow[1500:]:
            assert until_closed(connection) == b"", "nginx ends it without a word"
        assert 25 < time.monotonic() - started < 60


@pytest.mark.full
def test_a_model_may_take_minutes_for_its_first_word(spare: Spare) -> None:
    spare.relay.go_on.clear()
    spare.relay.first_word_waits = True
    address = f"http://127.0.0.1:{spare.settings.webgpu_port}/v1/chat/completions"
    timer = threading.Timer(100, spare.relay.go_on.set)  # longer than any of nginx's defaults
    timer.start()
    try:
        answer = httpx.post(address, json={}, timeout=150, trust_env=False)
    finally:
        timer.cancel()
        spare.relay.go_on.set()
        spare.relay.first_word_waits = False
    assert (answer.status_code, answer.text.count("data:")) == (200, 3)
    assert answer.elapsed.total_seconds() > 99


# --- port 8080: the chat ---


def test_without_chainlit_a_page_says_what_is_missing_and_what_helps(spare: Spare) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{spare.page}/any", headers={"Accept": "text/html,*/*"}, trust_env=False)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["retry-after"] == "5"
        assert "chat is not there" in answer.text
        assert "python3 scripts/up.py" in answer.text
        assert not re.search(r"(?:src|href)=", answer.text), "the page must need nothing else"


def test_without_chainlit_programs_get_json(spare: Spare) -> None:
    answer = httpx.get(f"{spare.page}/any", headers={"Accept": "application/json"}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "chainlit-away")


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "localhost", "LOCALHOST:1"])
def test_local_names_are_answered(spare: Spare, host: str) -> None:
    name = host.format(port=spare.settings.chainlit_port)
    assert httpx.get(spare.page, headers={"Host": name}, trust_env=False).status_code == 503


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "notlocalhost",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "127.0.0.2",
        "[::]",
        "localhost:x",
    ],
)
def test_other_names_are_not_answered(spare: Spare, host: str) -> None:
    answer = httpx.get(spare.page, headers={"Host": host}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "host-not-allowed")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("origin", ["https://foreign.example", "null", "http://localhost:1", "http://127.0.0.1"])
def test_other_origins_are_refused(spare: Spare, method: str, origin: str) -> None:
    answer = httpx.request(method, spare.page, headers={"Origin": origin}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin-not-allowed")


def test_a_foreign_page_opens_no_socket(spare: Spare) -> None:
    headers = {"Origin": "https://foreign.example", "Connection": "Upgrade", "Upgrade": "websocket"}
    answer = httpx.get(f"{spare.page}/ws/socket.io/?transport=websocket", headers=headers, trust_env=False)
    assert answer.status_code == 403


def test_every_answer_has_security_headers_and_no_version(spare: Spare) -> None:
    for headers in ({}, {"Host": "rebound.example"}, {"Origin": "null"}):
        answer = httpx.get(spare.page, headers=headers, trust_env=False)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "geolocation=()" in answer.headers["permissions-policy"]
        assert answer.headers["server"] == "nginx"


PAGE_PORTS = ["chainlit_port", "open_webui_port", "webgpu_port", "monitor_port"]


@pytest.mark.parametrize("port", PAGE_PORTS)
@pytest.mark.parametrize(
    ("expected", "path", "headers"),
    [
        pytest.param(503, "/", {"Accept": "text/html"}, marks=pytest.mark.full),  # 2 s each, for a name that is away
        pytest.param(503, "/", {"Accept": "application/json"}, marks=pytest.mark.full),
        (421, "/", {"Host": "rebound.example"}),
        (403, "/", {"Origin": "https://foreign.example"}),
        (403, "/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
        (403, "/", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
        (303, "/?q=ask", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}),
        (400, "/", {"X-Large": "a" * 40_000}),
    ],
    ids=["html", "json", "host", "origin", "picture", "frame", "query", "bad"],
)
def test_every_refusal_of_every_page_has_the_headers(
    spare: Spare, port: str, expected: int, path: str, headers: dict[str, str]
) -> None:
    address = f"http://127.0.0.1:{getattr(spare.settings, port)}{path}"
    answer = httpx.get(address, headers=headers, trust_env=False)
    assert answer.status_code == expected
    page_headers.assert_safe(answer)
    assert answer.headers.get("retry-after") == ("5" if expected == 503 else None)
    assert answer.headers.get("location") == ("/" if expected == 303 else None)


def test_a_link_without_a_query_is_followed(spare: Spare) -> None:
    navigation = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert httpx.get(f"{spare.page}/any", headers=navigation, trust_env=False).status_code == 503


@pytest.mark.parametrize("path", ["/?q=ask", "/any?a", "//foreign.example/?a", "/%0d%0aX:y?a"])
def test_a_link_is_led_to_the_page_and_nowhere_else(spare: Spare, path: str) -> None:
    raw = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nSec-Fetch-Site: cross-site\r\n"
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", spare.settings.chainlit_port), timeout=10) as connection:
        connection.sendall(raw.encode())
        answer = parse(b"".join(iter(lambda: connection.recv(65536), b"")))
    assert (answer.status, answer.header("location")) == (303, ["/"])


def test_what_the_demo_asks_has_the_headers_too(spare: Spare) -> None:
    page = f"http://127.0.0.1:{spare.settings.webgpu_port}"
    answers = [httpx.get(f"{page}{path}", trust_env=False) for path in ("/v1/models", "/v1/responses")]
    spare.relay.stop()
    try:
        answers.append(httpx.get(f"{page}/v1/models", trust_env=False))
    finally:
        spare.relay.start()
    assert [answer.status_code for answer in answers] == [200, 403, 503]
    for answer in answers:
        page_headers.assert_safe(answer)


def test_chainlit_may_come_and_go_while_the_gateway_stays(spare: Spare) -> None:
    gateway = spare.service("gateway").attrs["State"]["StartedAt"]
    up = spare.compose("up", "--detach", "--wait", "--no-build", "--no-deps", "chainlit")
    assert up.code == 0, up.out + up.err
    page = httpx.get(spare.page, trust_env=False)
    assert page.status_code == 200
    assert 'id="root"' in page.text
    assert not re.search(r"\b(?:href|src)=.https?:", page.text), "the page links another origin"
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert _opens_socket(spare) == 101
    spare.service("chainlit").stop(timeout=5)
    assert httpx.get(spare.page, trust_env=False, timeout=30).status_code == 503
    assert spare.service("gateway").attrs["State"]["StartedAt"] == gateway


def _opens_socket(spare: Spare) -> int:
    headers = {
        "Origin": spare.page,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    address = f"{spare.page}/ws/socket.io/?EIO=4&transport=websocket"
    with httpx.stream("GET", address, headers=headers, trust_env=False) as answer:
        return answer.status_code
