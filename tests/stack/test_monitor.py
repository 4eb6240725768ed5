"""The monitor of the running stack: it says what users would see, costs them nothing, and follows a fault both ways."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from docker import DockerClient
from docker.models.containers import Container
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from fakes.open_webui import Person, administrator, completions
from fakes.waiting import wait_until
from faults.administered import connections
from faults.links import Links
from stack.settings import ROOT, Settings

FRONT_ENDS = {"chainlit", "open-webui", "webgpu-static"}
SCHEMA = json.loads((ROOT / "docs" / "probe.schema.json").read_text(encoding="utf-8"))
READYZ = json.loads((ROOT / "docs" / "readyz.schema.json").read_text(encoding="utf-8"))
BESIDE = Registry().with_resource("probe.schema.json", DRAFT202012.create_resource(SCHEMA))  # as it refers to it
BODY = Draft202012Validator(READYZ, registry=BESIDE, format_checker=Draft202012Validator.FORMAT_CHECKER)
RUN_SECONDS = 60  # a run itself, on a busy machine
HELD = 3  # conversations; Foundry Local holds about four
BACK_SECONDS = 120  # a front end that starts again


@pytest.fixture(scope="module")
def page(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.monitor_port}"


@pytest.fixture(scope="module")
def links(settings: Settings, engine: DockerClient) -> Links:
    return Links(settings, engine)


def ready(page: str) -> tuple[int, dict[str, Any]]:
    """Status and body of /readyz."""
    answer = httpx.get(f"{page}/readyz", timeout=RUN_SECONDS)
    body: dict[str, Any] = answer.json()
    BODY.validate(body)
    assert (answer.status_code == 503) is (body["status"] == "failed")
    return answer.status_code, body


def causes(body: dict[str, Any]) -> dict[str, str]:
    """Cause by check, of what is broken."""
    return {check["id"]: check["cause"] for check in body["checks"] if check["status"] == "failed"}


def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of /metrics, as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(httpx.get(f"{page}/metrics").text)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def one(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """The value of one sample."""
    return found[f"foundry_stack_{name}", frozenset(labels.items())]


def when_due(settings: Settings, page: str) -> None:
    """Return as soon as the last result is so old that the next caller makes a new run."""
    _, body = ready(page)
    due = time.monotonic() + settings.monitor_interval - body["age_seconds"]
    wait_until(lambda: time.monotonic() > due, settings.monitor_interval + 5)


def fresh(settings: Settings, page: str) -> tuple[int, dict[str, Any]]:
    """The result of a run that begins now."""
    when_due(settings, page)
    status, body = ready(page)
    assert body["age_seconds"] < 1
    return status, body


def wait_for(page: str, status: int, seconds: float) -> dict[str, Any]:
    """Ask until /readyz has that status; its body."""
    last: list[dict[str, Any]] = []

    def has_it() -> bool:
        found, body = ready(page)
        last[:] = [body]
        return found == status

    wait_until(has_it, seconds)
    return last[0]


# --- what it says ---


def test_ready_is_an_answer_through_every_front_end(settings: Settings, page: str) -> None:
    status, body = fresh(settings, page)
    assert (status, body["schema"], body["status"]) == (200, 1, "ok"), body
    assert "scripts/probe.py" in body["scope"]
    answers = {check["target"]: check["evidence"] for check in body["checks"] if check["layer"] == "answer"}
    assert answers.keys() == FRONT_ENDS
    assert all("first t" in evidence for evidence in answers.values()), answers


def test_it_lives(page: str) -> None:
    answer = httpx.get(f"{page}/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    head = httpx.head(f"{page}/healthz")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/readyz/", 404, "not-found"),
        ("GET", "/docs", 404, "not-found"),
        ("POST", "/readyz", 405, "not-allowed"),
        ("DELETE", "/metrics", 405, "not-allowed"),
    ],
)
def test_everything_else_is_an_error_in_json(page: str, method: str, path: str, status: int, code: str) -> None:
    answer = httpx.request(method, page + path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("header", "value", "status"), [("Host", "evil.example", 421), ("Origin", "http://evil.example", 403)]
)
def test_other_names_and_pages_are_refused(page: str, header: str, value: str, status: int) -> None:
    assert httpx.get(f"{page}/healthz", headers={header: value}).status_code == status


@pytest.mark.full
def test_metrics(settings: Settings, page: str) -> None:
    fresh(settings, page)
    found = samples(page)
    assert one(found, "runs_total") >= 1
    for target in FRONT_ENDS:
        assert one(found, "check_state", check=f"answer.{target}", target=target, state="ok") == 1
        assert one(found, "check_state", check=f"answer.{target}", target=target, state="failed") == 0
        assert 0 <= one(found, "last_good_answer_age_seconds", target=target) < settings.monitor_interval
        assert one(found, "first_text_seconds_count", target=target) >= 1
        assert one(found, "first_text_seconds_sum", target=target) > 0
    for target in FRONT_ENDS - {"chainlit"}:
        rate = one(found, "tokens_per_second_sum", target=target) / one(found, "tokens_per_second_count", target=target)
        assert 0.5 < rate < 2000


# --- what it costs ---


@pytest.mark.full
def test_many_callers_share_one_run_and_its_result_lasts(settings: Settings, page: str) -> None:
    when_due(settings, page)
    before = completions(settings)
    with ThreadPoolExecutor(20) as callers:
        found = list(callers.map(lambda _: ready(page), range(20)))
    assert {status for status, _ in found} == {200}
    assert len({body["checked_at"] for _, body in found}) == 1
    wait_until(lambda: completions(settings) >= before + len(FRONT_ENDS))
    assert completions(settings) == before + len(FRONT_ENDS)
    _, later = ready(page)
    assert later["checked_at"] == found[0][1]["checked_at"]


@pytest.mark.full
def test_it_asks_for_eight_tokens_at_most(settings: Settings, page: str) -> None:
    fresh(settings, page)
    wait_until(lambda: len(_bytes_of_answers(settings)) >= len(FRONT_ENDS))
    asked = _bytes_of_answers(settings)[-len(FRONT_ENDS) :]
    door = f"http://127.0.0.1:{settings.foundry_port}"
    (model,) = httpx.get(f"{door}/models/loaded").json()
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Tell me a story."}],
        "max_tokens": 8,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    yardstick = len(httpx.post(f"{door}/v1/chat/completions", json=body, timeout=60).content)
    assert max(asked) <= yardstick * 1.1, (asked, yardstick)


@pytest.mark.full
def test_it_leaves_no_chat_behind(settings: Settings, page: str, container: Callable[[str], Container]) -> None:
    fresh(settings, page)
    code, password = container("monitor").exec_run(["cat", "/run/secrets/open-webui-password"])
    assert code == 0
    monitor = Person(f"http://localhost:{settings.open_webui_port}", "monitor@localhost", password.decode().strip())
    assert monitor.call("GET", "/api/v1/auths/")["role"] == "user"
    assert monitor.call("GET", "/api/v1/chats/") == []


@pytest.mark.full
def test_users_go_first(settings: Settings, page: str) -> None:
    fresh(settings, page)
    skipped = one(samples(page), "runs_skipped_busy_total")
    when_due(settings, page)
    before = completions(settings)
    with _somebody_waits(settings):
        status, body = ready(page)
        assert status == 200
        answers = [check["evidence"] for check in body["checks"] if check["layer"] == "answer"]
        assert all("not asked now, while 1 others wait" in evidence for evidence in answers), answers
        assert completions(settings) == before
    assert one(samples(page), "runs_skipped_busy_total") == skipped + 1


@pytest.mark.full
def test_conversations_that_are_held_stay_held(settings: Settings, page: str) -> None:
    beginning = "Here is a text about many things. " * 60
    told = [_turn(settings, f"{beginning}Reply with one word: yes.") for _ in range(HELD)]
    asked = [_turn(settings, "Reply with one word: ok.", before=turn.response) for turn in told]
    fresh(settings, page)
    fresh(settings, page)
    again = [_turn(settings, "Reply with one word: ok.", before=turn.response) for turn in asked]
    computed_anew = min(turn.first_text_seconds for turn in told)
    assert max(turn.first_text_seconds for turn in again) < computed_anew / 2, (told, asked, again)


# --- it follows what happens ---


@dataclass(frozen=True)
class Fault:
    """A way to break the stack, and what the monitor is to say of it."""

    do: Callable[[Links], AbstractContextManager[None]]
    check: str
    cause: str
    fix: str


FAULTS = {
    "chat stopped": Fault(
        lambda it: it.stopped("chainlit"), "network.chainlit", "front-end-down", "docker restart {project}-chainlit-1"
    ),
    "open-webui stopped": Fault(
        lambda it: it.stopped("open-webui"),
        "network.open-webui",
        "front-end-down",
        "docker restart {project}-open-webui-1",
    ),
    "demo stopped": Fault(
        lambda it: it.stopped("webgpu-static"),
        "network.webgpu-static",
        "front-end-down",
        "docker restart {project}-webgpu-static-1",
    ),
    "relay away": Fault(lambda it: it.relay_stopped(), "foundry.status", "relay-down", "python3 scripts/up.py"),
    "another token": Fault(
        lambda it: it.token_changed(),
        "foundry.status",
        "relay-token-wrong",
        "docker restart {project}-gateway-1; python3 scripts/up.py",
    ),
    "foundry crashed": Fault(
        lambda it: it.foundry_crashed(), "foundry.status", "foundry-not-running", "python3 scripts/up.py"
    ),
    "foundry frozen": Fault(
        lambda it: it.foundry_frozen(),
        "foundry.status",
        "foundry-hangs",
        "python3 scripts/foundry.py stop; python3 scripts/up.py",
    ),
    "model unloaded": Fault(
        lambda it: it.model_unloaded(), "model.loaded", "model-not-loaded", "python3 scripts/up.py"
    ),
    "no model offered": Fault(
        lambda it: connections(administrator(it.settings), enabled=False),
        "answer.open-webui",
        "webui-model-missing",
        "docker restart {project}-open-webui-1; python3 scripts/passwords.py show\n# if it stays so, sign in to Open "
        "WebUI as its administrator; in the settings, under Models, switch the model on and show it",
    ),
    "demo without a header": Fault(
        lambda it: it.demo_served_with(("add_header Cross-Origin-Embedder-Policy require-corp always;", "")),
        "answer.webgpu-static",
        "webgpu-headers-missing",
        "docker restart {project}-gateway-1 {project}-webgpu-static-1; python3 scripts/up.py",
    ),
}
EVERYDAY = ("relay away",)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=name, marks=() if name in EVERYDAY else pytest.mark.full)
        for name, fault in FAULTS.items()
    ],
)
def test_a_fault_and_its_end(settings: Settings, page: str, links: Links, fault: Fault) -> None:
    wait_for(page, 200, BACK_SECONDS)
    with fault.do(links):
        body = wait_for(page, 503, settings.monitor_interval + RUN_SECONDS)
        assert causes(body) == {fault.check: fault.cause}
        (found,) = [each for each in body["checks"] if each["id"] == fault.check]
        assert found["fix"] == fault.fix.format(project=settings.compose_project_name)
    assert wait_for(page, 200, BACK_SECONDS)["status"] == "ok"


@pytest.mark.full
def test_the_first_run_after_a_fault_and_after_its_end_says_so(settings: Settings, page: str, links: Links) -> None:
    """Who asks again and again so knows within one interval."""
    wait_for(page, 200, BACK_SECONDS)
    with links.token_changed():
        assert first_run_since(datetime.now(UTC), settings, page) == 503
    assert first_run_since(datetime.now(UTC), settings, page) == 200


@pytest.mark.full
def test_a_fault_is_seen_while_users_wait(settings: Settings, page: str, links: Links) -> None:
    """Then a good answer of before counts, but all that costs no token is asked."""
    fresh(settings, page)
    with _somebody_waits(settings):
        with links.stopped("chainlit"):
            assert first_run_since(datetime.now(UTC), settings, page) == 503
        _, body = ready(page)
        assert causes(body).keys() == {"network.chainlit"}
    wait_for(page, 200, BACK_SECONDS)


def first_run_since(moment: datetime, settings: Settings, page: str) -> int:
    """The status of the first run that began after the moment, which is at most one interval later."""
    while True:
        status, body = ready(page)
        began = datetime.fromisoformat(body["checked_at"])
        if began > moment:
            assert (began - moment).total_seconds() < settings.monitor_interval + 1
            return status
        due = time.monotonic() + settings.monitor_interval - body["age_seconds"]
        wait_until(lambda due=due: time.monotonic() > due, settings.monitor_interval + 5)  # type: ignore[misc]


def test_while_it_is_away_the_gateway_says_so_in_json(page: str, links: Links) -> None:
    with links.stopped("monitor"):
        answer = httpx.get(f"{page}/readyz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "monitor-away")
    wait_until(lambda: httpx.get(f"{page}/healthz").status_code == 200)


# --- what it has ---


def test_it_has_its_password_and_nothing_else_of_the_host(container: Callable[[str], Container]) -> None:
    mounts = container("monitor").attrs["Mounts"]
    assert [(mount["Destination"], mount["RW"]) for mount in mounts] == [("/run/secrets", False)]


def _bytes_of_answers(settings: Settings) -> list[int]:
    """How many bytes each answer of the model had, as far as the relay passed them on."""
    lines = (settings.state / "relay.log").read_text(encoding="utf-8").splitlines()
    entries = (json.loads(line) for line in lines if line.startswith("{"))
    return [entry["bytes"] for entry in entries if entry["path"] == "/v1/chat/completions"]


@contextmanager
def _somebody_waits(settings: Settings) -> Iterator[None]:
    """A user's long answer is under way."""
    door = f"http://127.0.0.1:{settings.foundry_port}"
    (model,) = httpx.get(f"{door}/models/loaded").json()
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Count from 1 to 1000, one number after the other."}],
        "max_tokens": 4000,
        "stream": True,
    }
    with httpx.stream("POST", f"{door}/v1/chat/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()  # a name of its own: forgotten, it would end the answer
        next(lines)
        yield


@dataclass(frozen=True)
class Turn:
    """One answer in a conversation that Foundry Local holds."""

    response: str
    first_text_seconds: float


def _turn(settings: Settings, text: str, before: str | None = None) -> Turn:
    door = f"http://127.0.0.1:{settings.foundry_port}"
    (model,) = httpx.get(f"{door}/models/loaded").json()
    body = {"model": model, "input": text, "store": True, "stream": True, "max_output_tokens": 60}
    body |= {"previous_response_id": before} if before else {}
    asked, first, response = time.monotonic(), 0.0, ""
    with httpx.stream("POST", f"{door}/v1/responses", json=body, timeout=120) as answer:
        assert answer.status_code == 200, answer.read()
        for line in answer.iter_lines():
            event = json.loads(line.removeprefix("data:")) if line.startswith("data: {") else {}
            if event.get("type") == "response.output_text.delta":
                first = first or time.monotonic() - asked
            response = event.get("response", {}).get("id", response)
    return Turn(response, first)
