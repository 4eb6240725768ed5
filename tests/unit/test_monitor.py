"""The monitor's own decisions: its knobs, whom it lets go first, what it answers while nothing else is there."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from fakes.relay_process import free_port
from monitor import clock, watch
from monitor.endpoints import make_app
from monitor.from_inside import WHOLE_DEMO_PARTS, Inside, _part
from monitor.knobs import Knobs
from monitor.metrics import Metrics
from monitor.watch import PATIENCE, Watch
from stack.probes.report import Outcome, Speed, failed, ok
from stack.probes.surroundings import CHAINLIT

# --- knobs ---


def test_without_knobs_the_defaults_hold() -> None:
    assert Knobs.of({"MODEL": "", "INTERVAL": " "}) == Knobs()


def test_the_address_may_have_v1() -> None:
    assert Knobs.of({"BASE_URL": "http://host.docker.internal:51211/v1/"}).base_url == Knobs().base_url


@pytest.mark.parametrize("interval", ["soon", "0", "-5", "nan", "inf", "100000"])
def test_a_bad_interval_is_told(interval: str) -> None:
    with pytest.raises(SystemExit, match="MONITOR_INTERVAL"):
        Knobs.of({"INTERVAL": interval})


# --- who goes first ---


class Around(Inside):
    """Nothing is asked of it in these tests."""

    def __init__(self) -> None:
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
    """What the chat will answer, one after the other; what is not asked for stays in the list."""
    outcomes: list[Outcome] = []

    async def answers(_: Inside) -> Outcome:
        return outcomes.pop(0)

    monkeypatch.setitem(watch.ANSWERS, CHAINLIT, answers)
    return outcomes


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr(clock, "now", lambda: time[0])
    return time


@pytest.mark.parametrize(
    ("first", "waiting_later", "is_asked"),
    [
        (ok("fine"), (0, 60), True),
        (ok("fine"), (1, 60), False),
        (ok("fine"), (3, PATIENCE * 60), False),
        (ok("fine"), (1, PATIENCE * 60 + 1), True),
        (failed("stream-cut", "broken"), (1, 60), True),
    ],
    ids=["nobody waits", "somebody waits", "still", "too long", "not known to be well"],
)
async def test_a_good_answer_counts_for_a_while_when_users_wait(
    asked: list[Outcome], now: list[float], first: Outcome, waiting_later: tuple[int, int], is_asked: bool
) -> None:
    waiting, later = waiting_later
    looks = Watch(Knobs(interval=60))
    asked += [first, ok("asked again")]
    await looks._answer(Around(), CHAINLIT, 0)
    now[0] += later
    outcome = await looks._answer(Around(), CHAINLIT, waiting)
    assert (asked == []) is is_asked
    if is_asked:
        assert outcome.evidence == "asked again"
    else:
        assert outcome.cause is None
        assert f"{waiting} others" in outcome.evidence
        assert f"{later} s ago: fine" in outcome.evidence


async def test_what_was_never_asked_is_asked_also_when_users_wait(asked: list[Outcome]) -> None:
    asked.append(ok("fine"))
    assert (await Watch(Knobs())._answer(Around(), CHAINLIT, 5)).evidence == "fine"


def test_every_file_of_the_demo_has_its_turn() -> None:
    files = [f"/page/{number}.js" for number in range(100)]
    turns = [[file for file in files if _part(turn)(file)] for turn in range(WHOLE_DEMO_PARTS)]
    assert sorted(file for turn in turns for file in turn) == sorted(files)
    assert max(map(len, turns)) < len(files) / 2


# --- metrics ---


def test_metrics_before_and_after_an_answer() -> None:
    time = [1000.0]
    metrics = Metrics((CHAINLIT,), lambda: time[0])

    def sample(name: str) -> float:
        families = text_string_to_metric_families(metrics.text().decode())
        (value,) = (
            each.value for family in families for each in family.samples if each.name == f"foundry_stack_{name}"
        )
        return value

    assert sample("last_good_answer_age_seconds") == math.inf
    metrics.answered(CHAINLIT, Speed(0.25, 40))
    time[0] += 12
    assert sample("last_good_answer_age_seconds") == 12
    assert sample("first_text_seconds_sum") == 0.25
    assert sample("tokens_per_second_sum") == 40
    metrics.answered(CHAINLIT, Speed(0.25, None))
    assert sample("first_text_seconds_count") == 2
    assert sample("tokens_per_second_count") == 1


# --- endpoints ---


@pytest.fixture
async def alone() -> AsyncIterator[TestClient]:
    """A monitor where no gateway is."""
    app = make_app(Watch(Knobs(base_url=f"http://127.0.0.1:{free_port()}")))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_it_lives_whatever_is_up(alone: TestClient) -> None:
    answer = await alone.get("/healthz")
    assert (answer.status, await answer.text()) == (200, '{"status": "ok"}')  # as healthcheck.sh reads it


async def test_one_cause_is_named_and_what_stands_above_is_skipped(alone: TestClient) -> None:
    answer = await alone.get("/readyz")
    body = await answer.json()
    assert (answer.status, body["status"]) == (503, "failed")
    assert answer.headers["Cache-Control"] == "no-store"
    states = {check["id"]: (check["status"], check["cause"]) for check in body["checks"]}
    assert states.pop("network.gateway") == ("failed", "connection-refused")
    assert set(states.values()) == {("skipped", None)}
    assert {check["evidence"] for check in body["checks"][1:]} == {"because of network.gateway"}
    again = await (await alone.get("/readyz")).json()
    assert again["checked_at"] == body["checked_at"]
    assert again["age_seconds"] > body["age_seconds"]


async def test_metrics_do_not_wait(alone: TestClient) -> None:
    assert "foundry_stack_runs_total 0.0" in await (await alone.get("/metrics")).text()
    await alone.get("/readyz")  # shares the run that this began
    found = await (await alone.get("/metrics")).text()
    assert "foundry_stack_runs_total 1.0" in found
    assert 'check="network.gateway",state="failed",target="gateway"} 1.0' in found
    assert 'check="network.gateway",state="ok",target="gateway"} 0.0' in found


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/readyz", 405), ("HEAD", "/readyz", 503)]
)
async def test_other_calls(alone: TestClient, method: str, path: str, status: int) -> None:
    answer = await alone.request(method, path)
    assert answer.status == status
    if method != "HEAD":
        assert (await answer.json())["error"]["type"] == "stack_error"
