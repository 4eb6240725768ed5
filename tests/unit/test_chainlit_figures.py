"""The quiet line under an answer, the place in the line, and what is counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from chat import asides, conversation
from chat.asides import FIGURES, Place
from chat.figures import Figures
from chat.metrics import Metrics


@dataclass
class Usage:
    """What an answer took."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_seconds: float | None = None
    seconds: float | None = None


@dataclass
class Made:
    """An answer."""

    usage: Usage | None


CPU = "smollm2-135m-instruct-generic-cpu:1"
HERE = "http://host.docker.internal:51211"
FULL = Usage(prompt_tokens=31, completion_tokens=121, first_token_seconds=0.142, seconds=2.642)


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (
            Figures(CPU, HERE, Made(FULL)),
            "`smollm2-135m-instruct` · CPU, local · first token after 0.14 s · 48 tokens/s · tokens: 31 in, 121 out",
        ),
        (Figures("Phi-4-mini-instruct-cuda-gpu:3", "http://localhost:5"), "`Phi-4-mini-instruct` · GPU, local"),
        (Figures("phi-openvino-npu", "https://ai.example/v1"), "`phi` · NPU, at ai.example"),
        (Figures("gpt-x", "http://10.0.0.2:80", Made(Usage())), "`gpt-x` · at 10.0.0.2"),
        (Figures(CPU, HERE, waited=12.4), "`smollm2-135m-instruct` · CPU, local · waited 12 s in line"),
        (
            Figures(CPU, HERE, Made(Usage(first_token_seconds=1.234))),  # after Stop
            "`smollm2-135m-instruct` · CPU, local · first token after 1.2 s",
        ),
        (Figures("a`b", "http://127.0.0.1", Made(Usage(completion_tokens=7))), "`ab` · local · tokens: 7 out"),
    ],
)
def test_the_line_says_what_is_known(figures: Figures, line: str) -> None:
    assert figures.markdown == line


@pytest.mark.parametrize("usage", [Usage(3, 1, 0.5, 0.5), Usage(3, 5, 0.5, 0.5), Usage(3, None, 0.1, 1.0), None])
def test_no_speed_is_made_up(usage: Usage | None) -> None:
    assert Figures(CPU, HERE, Made(usage)).tokens_per_second is None


@dataclass
class Said:
    """A message as Chainlit keeps it."""

    content: str
    type: str = "assistant_message"
    id: str = "11111111-1111-4111-8111-111111111111"
    parent_id: str | None = "run"
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "parentId": self.parent_id, "type": self.type, "metadata": self.metadata}


class Page:
    """What the page was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    async def send_step(self, step_dict: dict[str, Any]) -> None:
        self.told.append(("sent", step_dict))

    async def update_step(self, step_dict: dict[str, Any]) -> None:
        self.told.append(("updated", step_dict))

    async def delete_step(self, step_dict: dict[str, Any]) -> None:
        self.told.append(("deleted", step_dict))


async def test_the_place_is_one_line_that_goes_again() -> None:
    page = Page()
    place = Place(Said(""), page)
    await place.gone()
    assert page.told == [], "who had not to wait sees nothing"
    await place.show(2, 4)
    await place.show(0, 1)
    await place.gone()
    await place.gone()
    assert [how for how, _ in page.told] == ["sent", "updated", "deleted"]
    assert len({step["id"] for _, step in page.told}) == 1
    assert {step["parentId"] for _, step in page.told} == {"run"}
    assert "**2 before you.**" in page.told[0][1]["output"]
    assert "4 answers are" in page.told[0][1]["output"]
    assert page.told[1][1]["output"].startswith("You are next. Just now one answer is")


async def test_a_resumed_chat_shows_the_same_lines() -> None:
    page, answer = Page(), Said("Paris.", metadata={FIGURES: "phi · CPU"})
    await asides.show_figures(answer, page)
    ((_, shown),) = page.told
    question, error = Said("Where?", type="user_message", id="q"), Said("Broken", id="e")
    steps = [each.to_dict() for each in (question, answer, error)]
    resumed = asides.with_figures(steps)
    assert [step["id"] for step in resumed] == ["q", answer.id, shown["id"], "e"]
    assert {key: resumed[2][key] for key in ("id", "parentId", "type", "output")} == {
        key: shown[key] for key in ("id", "parentId", "type", "output")
    }
    assert shown["parentId"] == answer.id


def test_none_of_it_is_told_to_the_model() -> None:
    answered = {conversation.ANSWER: CPU, FIGURES: "phi · CPU"}
    told = conversation.for_model(
        [
            Said("Where?", type="user_message"),
            Said("In line: 3 before you.", type=asides.PLACE_KIND),
            Said("Paris.", metadata=answered),
            Said("phi · CPU", type=asides.FIGURES_KIND),
            Said("And Berlin?", type="user_message"),
        ]
    )
    assert [each["content"] for each in told] == ["Where?", "Paris.", "And Berlin?"]


def numbers(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_what_is_counted() -> None:
    metrics = Metrics(in_line=lambda: 3, answered=lambda: 4, sessions=lambda: 9)
    before = numbers(metrics)
    assert before['foundry_chat_answers_total{outcome="stopped"}'] == 0
    metrics.ended("complete", Figures(CPU, HERE, Made(FULL), waited=3))
    metrics.ended("failed", None)
    metrics.ended("stopped", Figures(CPU, HERE, Made(Usage(first_token_seconds=0.1))))
    metrics.told("busy")
    now = numbers(metrics)
    for outcome, count in {"complete": 1, "at-the-limit": 0, "stopped": 1, "failed": 1}.items():
        assert now[f'foundry_chat_answers_total{{outcome="{outcome}"}}'] == count
    assert now['foundry_chat_problems_total{cause="busy"}'] == 1
    assert (now["foundry_chat_in_line"], now["foundry_chat_answers_under_way"], now["foundry_chat_sessions"]) == (
        3,
        4,
        9,
    )
    assert now["foundry_chat_first_token_seconds_count"] == 2
    assert now["foundry_chat_tokens_per_second_count"] == 1
    assert now["foundry_chat_tokens_per_second_sum"] == pytest.approx(48)
    assert now["foundry_chat_line_seconds_sum"] == 3
    assert now['foundry_chat_tokens_total{direction="out"}'] == 121
