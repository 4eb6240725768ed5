"""Thousands of generated requests, proper and improper: nothing crashes, no answer is an error of our own making, and
nothing that is forbidden arrives at Foundry Local, whose stand-in is the witness.

The list depends on the seed alone: FUZZ_SEED=N repeats one. Everyday's list is always the same one, so that nobody's
change is stopped by another program's fault; the full tier's is another each time. Rate limits are lifted, so that they
hide nothing.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import httpx
import pytest
from docker import DockerClient

from fakes.bombard import Answered, Shot
from fakes.foundry import MODEL
from fakes.odd_requests import Grammar, Odd, Target
from fakes.relay_process import TOKEN
from fakes.waiting import wait_until
from fakes.whole_way import DOOR, WholeWay, whole_way
from stack.settings import ROOT, Settings
from stack.tools import under_way

EVERYDAY = 1_000
EVERYDAY_SEED = 1
FULL = 20_000
SECONDS_FOR_1000 = 30  # 5 to 10 on two idle cores
UNAVAILABLE = 503

# Of others' programs, each looked at: docs/upstream-findings.md. The request as it means, then the program.
UPSTREAM = {
    "chainlit-set-session-cookie": re.compile(r"POST \S*/set-session-cookie\b.* by chainlit", re.DOTALL),
    "chainlit-nul-in-a-path": re.compile(r"\w+ \S*\0.* by chainlit itself", re.DOTALL),
    "fastapi-quotes-a-body-of-bytes": re.compile(
        r"(?!.*content-type: application/json\r).*\r\n\r\n.*[\x80-\xff].* by (chainlit|open-webui)",
        re.DOTALL | re.IGNORECASE,
    ),
}
INTERNAL = 500
APP = "import chainlit as cl"  # stands at the beginning of the chat's program, which is no page

QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
CHAT, STREAM = (json.dumps({**QUESTION, "stream": stream}) for stream in (False, True))
INFERENCE = (
    "GET /v1/models",
    f"GET /v1/models/{MODEL}",
    "GET /models/loaded",
    "GET /status",
    "POST /v1/chat/completions",
    "POST /v1/chat/completions",
    "POST /v1/responses",
    "POST /v1/embeddings",
    "DELETE /v1/responses/resp_1",
)
CHAINLIT = (
    "GET /",
    "GET /health",
    "GET /project/settings?language=en-US",
    "GET /project/translations?language=en-US",
    "GET /project/file/x?session_id=x",
    "POST /project/file?session_id=x",
    "POST /project/threads",
    "GET /project/thread/x",
    "POST /project/action",
    "PUT /project/element",
    "PUT /feedback",
    "DELETE /feedback",
    "POST /project/share-thread",
    "GET /auth/config",
    "POST /login",
    "POST /logout",
    "GET /user",
    "GET /export",
    "GET /export/x.md",
    "POST /set-session-cookie",
    "POST /mcp",
    "GET /avatars/x",
    "GET /logo?theme=dark",
    "GET /favicon",
    "GET /public/look.css",
    "GET /public/../app.py",
    "GET /ws/socket.io/?EIO=4&transport=polling",
    "POST /ws/socket.io/?EIO=4&transport=polling",
    "GET /openapi.json",
)
OPEN_WEBUI = (
    "GET /",
    "GET /health",
    "GET /api/config",
    "GET /api/version",
    "GET /api/models",
    "POST /api/v1/auths/signin",
    "POST /api/v1/auths/signup",
    "GET /api/v1/auths/",
    "POST /api/chat/completions",
    "GET /api/v1/chats/",
    "POST /api/v1/chats/new",
    "POST /api/v1/files/",
    "GET /api/v1/users/x/profile/image",
    "GET /openai/models",
    "POST /openai/chat/completions",
    "GET /static/favicon.png",
    "GET /static/../../data/webui.db",
    "GET /manifest.json",
    "GET /ws/socket.io/?EIO=4&transport=polling",
    "POST /ws/socket.io/?EIO=4&transport=polling",
)
FORM = '{"email":"a@localhost","password":"x","messages":[],"name":"x","value":1}'


@dataclass(frozen=True)
class Aim:
    """Whom to ask where, and which part of all requests is for it."""

    target: Target
    host: str
    port: int
    part: float
    inside: bool = False


@pytest.fixture(scope="module")
def full_way(
    settings: Settings, engine: DockerClient, bridge: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WholeWay]:
    """With Open WebUI in it, which takes its time to start."""
    services = ("gateway", "chainlit", "webgpu-static", "monitor", "open-webui")
    with whole_way(settings, engine, bridge, services, folder=tmp_path_factory.mktemp("full"), name="full") as running:
        yield running


def aims(way: WholeWay) -> list[Aim]:
    """Every port of the gateway, the relay's doors, and behind the gateway's back the monitor and the chat."""
    knobs, relay = way.settings, way.relay.port

    def page(name: str, port: int, calls: tuple[str, ...], part: float, *bodies: str) -> Aim:
        names = (f"localhost:{port}", f"127.0.0.1:{port}")
        return Aim(Target(name, names, f"http://localhost:{port}", calls, bodies or (FORM,)), "127.0.0.1", port, part)

    door = Target("door", ("host.docker.internal:51211",), None, INFERENCE, (CHAT, STREAM))
    own = Target("relay", (f"127.0.0.1:{relay}", f"localhost:{relay}"), None, INFERENCE, (CHAT, STREAM))
    token = (f"X-Relay-Token: {way.relay.token_file.read_text().strip() or TOKEN}",)
    bridge = Target("relay with token", (f"127.0.0.2:{relay}",), None, INFERENCE, (CHAT, STREAM), token)
    health = ("GET /healthz", "GET /metrics", "GET /readyz", "GET /", "HEAD /healthz")
    found = [
        Aim(door, *DOOR, 0.22, inside=True),
        Aim(own, "127.0.0.1", relay, 0.18),
        Aim(bridge, "127.0.0.2", relay, 0.08),
        page("webgpu-static", knobs.webgpu_port, ("GET /", "GET /healthz", *INFERENCE), 0.12, CHAT, STREAM),
        page("chainlit", knobs.chainlit_port, CHAINLIT, 0.18),
        page("monitor", knobs.monitor_port, health, 0.08),
        Aim(Target("monitor itself", ("monitor:8000",), None, health), "monitor", 8000, 0.04, inside=True),
        Aim(
            Target("chainlit itself", ("chainlit:8000",), None, CHAINLIT, (FORM,)), "chainlit", 8000, 0.04, inside=True
        ),
    ]
    return [*found, page("open-webui", knobs.open_webui_port, OPEN_WEBUI, 0.06)]


def fuzz(way: WholeWay, count: int, seed: int) -> list[tuple[Aim, Odd, Answered]]:
    """Send so many requests; the seed is printed, and comes from FUZZ_SEED where that is set."""
    seed = int(os.environ.get("FUZZ_SEED") or seed)
    lives, begun = way.lives(), time.monotonic()
    made = [(aim, odd) for aim in aims(way) for odd in _requests(aim, seed, round(count * aim.part))]
    answers: dict[int, Answered] = {}
    for inside in (False, True):
        numbers = [number for number, (aim, _) in enumerate(made) if aim.inside is inside]
        shots = [Shot(made[at][0].host, made[at][0].port, made[at][1].raw, made[at][1].whole) for at in numbers]
        answers.update(zip(numbers, (way.send_inside if inside else way.send)(shots), strict=True))
    took = time.monotonic() - begun
    found = [(aim, odd, answers[number]) for number, (aim, odd) in enumerate(made)]
    statuses = Counter(f"{aim.target.name} {answer.statuses[:1] or '-'}" for aim, _, answer in found)
    print(f"\nFUZZ_SEED={seed}: {len(found)} requests in {took:.0f} s, {len(way.foundry.requests)} arrived at Foundry")
    print("\n".join(f"{number:6} {what}" for what, number in sorted(statuses.items())))
    assert took < count / 1000 * SECONDS_FOR_1000
    assert way.lives() == lives, "something crashed"
    return found


def _requests(aim: Aim, seed: int, count: int) -> list[Odd]:
    grammar = Grammar(aim.target, seed)
    return [grammar.request() for _ in range(count)]


def judge(way: WholeWay, found: list[tuple[Aim, Odd, Answered]]) -> None:
    """What nobody may see, in any answer."""
    shown = [_shown(aim, odd, answer) for aim, odd, answer in found if answer.hung]
    assert shown == [], "not answered"
    assert [_shown(aim, odd, answer) for aim, odd, answer in found if APP in answer.begin] == []
    wrong, known = [], Counter[str]()
    for aim, odd, answer in found:
        if all(status < INTERNAL for status in answer.statuses) or _deliberate(way, aim, answer):
            continue
        if name := _upstream(aim, odd, answer):
            known[name] += 1
        else:
            wrong.append(_shown(aim, odd, answer))
    print("of upstream:", dict(known))
    print(f"{len(wrong)} answers of 5xx that are not deliberate", *wrong[:20], sep="\n")
    assert wrong == []
    assert way.foundry.forbidden() == []
    assert way.foundry.strange == []
    logs = way.logs()
    assert [line for line in logs["relay"].splitlines() if not line.startswith("{")] == []
    assert [line for line in logs["gateway"].splitlines() if not line.startswith("{")] == []
    assert "Traceback" not in logs["monitor"]


def _deliberate(way: WholeWay, aim: Aim, answer: Answered) -> bool:
    """A 503 that says that something is not there, and it is not; or the monitor's, with what it has found."""
    if set(answer.statuses) - {UNAVAILABLE, 100}:
        return False
    if aim.target.name not in way.services and aim.target.name == "open-webui":
        return "\r\nRetry-After: 5\r\n" in answer.begin
    return aim.target.name.startswith("monitor") and '"schema"' in answer.begin


def _upstream(aim: Aim, odd: Odd, answer: Answered) -> str | None:
    """Which known fault of somebody else's program this is."""
    if answer.statuses[-1] != INTERNAL or "stack_error" in answer.begin:
        return None
    line, end, rest = odd.raw.decode("latin-1").partition("\r\n")
    meant = f"{unquote(line)}{end}{rest} by {aim.target.name}"
    return next((name for name, form in UPSTREAM.items() if form.match(meant)), None)


def _shown(aim: Aim, odd: Odd, answer: Answered) -> str:
    return f"{aim.target.name}: {odd.raw[:1500]!r} -> {answer.begin!r}"


def test_the_witness_sees_a_forbidden_call(way: WholeWay) -> None:
    before = len(way.foundry.requests)
    for call in ("POST /shutdown", "GET /v1/responses", "GET /v1/models/../responses"):
        raw = f"{call} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        way.send([Shot("127.0.0.1", way.foundry.port, raw, True)])
    assert way.foundry.forbidden(before) == ["POST /shutdown", "GET /v1/responses", "GET /v1/models/../responses"]
    del way.foundry.requests[before:]


def test_what_is_known_of_others_programs_is_told() -> None:
    told = (ROOT / "docs" / "upstream-findings.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", told, re.MULTILINE) == list(UPSTREAM)


def test_one_seed_is_one_list_and_another_is_another(way: WholeWay) -> None:
    aim = aims(way)[0]
    assert _requests(aim, 1, 200) == _requests(aim, 1, 200) != _requests(aim, 2, 200)


def test_a_thousand_odd_requests(way: WholeWay) -> None:
    arrived = len(way.foundry.requests)
    judge(way, fuzz(way, EVERYDAY, EVERYDAY_SEED))
    assert len(way.foundry.requests) > arrived + EVERYDAY / 20, "hardly one of them was good enough to get through"
    _still_well(way)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_twenty_thousand_odd_requests(full_way: WholeWay) -> None:
    judge(full_way, fuzz(full_way, FULL, random.randrange(10**6)))  # noqa: S311
    _still_well(full_way)


def _still_well(way: WholeWay) -> None:
    """It answers as before, and no connection is left over at the relay."""
    assert httpx.get(f"http://127.0.0.1:{way.settings.monitor_port}/healthz", trust_env=False).json()["status"] == "ok"
    status = httpx.get(f"{way.relay.url}/status", trust_env=False)
    assert status.status_code == httpx.codes.OK
    wait_until(lambda: httpx.get(f"{way.relay.url}/status", trust_env=False).headers[under_way.COUNT] == "0")
