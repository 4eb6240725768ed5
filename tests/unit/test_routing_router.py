"""Where a question is answered: each rule, and that privacy wins over all of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from chat.problems import Problem
from chat.routing import private, tasks
from chat.routing.complexity import complexity
from chat.routing.decision import PLACES, Decision, Place, Question
from chat.routing.finders.plain_form import PlainForm
from chat.routing.private import MOST_LETTERS
from chat.routing.router import Router
from chat.routing.rules import Rules
from chat.routing.tasks import Tasks
from chat.settings import Routing, Settings, Switch
from stack.settings import ROOT

TABLE = tasks.load()
PLAIN = Question("What is the capital of Poland?")
LONG = Question("word " * 100)
STORY = Question("Write a story about a lighthouse.")
CODE = Question("Write a Python function.")
MAIL = "anna@example.com"


def decide(
    routing: Routing, question: Question, *, resting: tuple[Place, ...] = (), switch: Switch = "as-configured"
) -> Decision:
    return Router(Rules(routing, 100, TABLE, cloud=True, switch=switch)).decide(question, resting)


def way(decision: Decision) -> tuple[str, str, str | None]:
    return decision.place, decision.why, decision.then


# --- the policies ---


def test_without_a_cloud_there_is_nothing_to_decide() -> None:
    for routing in get_args(Routing):
        decision = Router(Rules(routing, 1, TABLE, cloud=False)).decide(LONG)
        assert way(decision) == ("local", "no-cloud", None)


def test_local_is_the_default_and_has_nobody_else_to_ask() -> None:
    assert Rules().routing == Settings().routing == "local"
    assert way(decide("local", LONG)) == ("local", "local-only", None)


def test_local_first_asks_the_cloud_where_this_machine_fails() -> None:
    assert way(decide("local-first", LONG)) == ("local", "local-first", "cloud")


@pytest.mark.parametrize(("words", "place", "why"), [(99, "local", "simple"), (100, "cloud", "complex")])
def test_by_complexity_from_the_threshold_on(words: int, place: Place, why: str) -> None:
    other = next(each for each in PLACES if each != place)
    decision = decide("complexity", Question("word " * words))
    assert way(decision) == (place, why, other)
    assert decision.words == f"complexity {words} of 100"


def test_files_count_for_the_complexity() -> None:
    assert decide("complexity", Question("Sum this up.", files=["word " * 97])).place == "cloud"
    assert decide("complexity", Question("Sum this up.", earlier=["word " * 97])).place == "local"


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("```\nx\n```", 40),
        ("- a\n- b\n1. c", 30),
        ("What? Why?", 20),
        ("| a | b |\n| 1 | 2 |", 10),
        ("Compare them step by step", 40),
        ("a-b - c, 3.5 and what?ever", 0),
    ],
)
def test_structure_is_worth_words(text: str, more: int) -> None:
    assert complexity(text) == len(text.split()) + more


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (CODE, ("local", "task-local", None)),
        (STORY, ("cloud", "task-cloud", "local")),
        (Question("Average of this column?"), ("local", "task-local", None)),
        (Question("Give me an overview of fusion."), ("cloud", "task-cloud", "local")),
        (PLAIN, ("local", "task-unknown", None)),
        (Question("Hello", task="research"), ("cloud", "task-cloud", "local")),
        (Question("Write a story", task="code_generation"), ("local", "task-local", None)),
        (Question("Write a story", task="none of the table"), ("local", "task-unknown", None)),
    ],
)
def test_by_task(question: Question, expected: tuple[str, str, str | None]) -> None:
    assert way(decide("task", question)) == expected


def test_the_table_is_the_tutorials() -> None:
    assert {task.name: task.place for task in TABLE.task} == {
        "code_generation": "local",
        "creative_writing": "cloud",
        "data_analysis": "local",
        "research": "cloud",
    }


@pytest.mark.parametrize(
    ("word", "text", "is_one"),
    [
        ("bug*", "It is buggy.", True),
        ("bug", "It is buggy.", False),
        ("table*", "A STABLE state", False),
        ("unit test*", "write unit tests", True),
        ("c++", "in C++ please", True),
    ],
)
def test_words_of_the_table_are_whole_words(word: str, text: str, is_one: bool) -> None:
    table = Tasks.model_validate({"task": [{"name": "a", "place": "cloud", "reason": "r", "words": [word]}]})
    assert (table.of(text) is not None) is is_one


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[task]]\nname = 'a'\nplace = 'moon'\nreason = 'r'", "task.1.place"),
        ("[[task]]\nname = 'a'\nplace = 'local'", "task.1.reason"),
        ("[[task]]\nname='a'\nplace='local'\nreason='r'\n" * 2, "two tasks have the same name"),
        ("no toml", "Expected"),
    ],
)
def test_a_mistake_in_the_table_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "tasks.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Problem) as problem:
        tasks.load(file)
    assert problem.value.cause == "bad-setting"
    assert said in problem.value.what


def test_the_table_is_in_the_image() -> None:
    service = ROOT / "services" / "chainlit"
    assert "!tasks.toml" in (service / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert " tasks.toml " in (service / "Dockerfile").read_text(encoding="utf-8")


# --- privacy ---

PRIVATE = [
    Question("Hello", marked_private=True),
    Question(f"Write to {MAIL}"),
    Question("Hello", earlier=["What is a lighthouse?", f"Write to {MAIL}"]),
    Question("Sum this up", files=["harmless", f"name,mail\nAnna,{MAIL}"]),
]


@pytest.mark.parametrize("number", range(len(PRIVATE)))
def test_what_is_private_stays_whatever_else_is_said_and_fails_rather_than_leaves(number: int) -> None:
    each = PRIVATE[number]
    for routing, switch, resting in itertools.product(
        get_args(Routing), get_args(Switch), [(), ("local",), ("cloud",), ("local", "cloud")]
    ):
        for text in ("", LONG.text, STORY.text):
            question = Question(f"{each.text} {text}", each.earlier, each.files, each.marked_private, "research")
            decision = decide(routing, question, resting=resting, switch=switch)
            assert (decision.place, decision.then) == ("local", None), (routing, switch, resting)


@pytest.mark.parametrize("where", ["text", "earlier", "files"])
def test_what_is_too_long_to_be_looked_through_stays(where: str) -> None:
    letters = "word " * (MOST_LETTERS // 5)
    rest = {"text": Question("and", earlier=["more"]), "earlier": Question("more"), "files": Question("more")}[where]
    long = replace(rest, **{where: letters if where == "text" else [letters]})
    within = replace(long, text=letters[1:], earlier=[]) if where == "text" else replace(long, text="")
    for routing in ("local-first", "complexity"):
        assert way(decide(routing, long, resting=("local",))) == ("local", "too-long-to-check", None)  # type: ignore[arg-type]
        assert decide(routing, within).why in ("local-first", "complex", "simple")  # type: ignore[arg-type]


def test_each_text_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_through: list[str] = []
    plain_form = private.plain_form

    def noted(text: str) -> PlainForm:
        looked_through.append(text)
        return plain_form(text)

    monkeypatch.setattr(private, "plain_form", noted)
    monkeypatch.setattr(private, "_known", private._Known())
    told = ["first", "second", "third"]
    for number, text in enumerate(told):
        assert decide("local-first", Question(text, earlier=told[:number])).why == "local-first"
    assert looked_through == told
    assert decide("local-first", Question(f"{MAIL} and", earlier=told)).why == "found-private"
    assert decide("local-first", Question("fourth", earlier=[*told, f"{MAIL} and"])).why == "found-private"
    assert looked_through == [*told, f"{MAIL} and", "fourth"]


@pytest.mark.parametrize(
    ("question", "why", "words"),
    [
        (PRIVATE[0], "marked-private", "marked private"),
        (PRIVATE[1], "found-private", "it holds an e-mail address"),
        (PRIVATE[2], "found-private", "this chat holds an e-mail address"),
        (PRIVATE[3], "found-private", "it holds an e-mail address"),
    ],
)
def test_the_user_is_told_why_it_stays_without_what_it_is(question: Question, why: str, words: str) -> None:
    for routing in ("local-first", "complexity", "task"):
        decision = decide(routing, question)  # type: ignore[arg-type]
        assert (decision.why, decision.words) == (why, words)


@pytest.mark.parametrize(("switch", "why"), [("local", "chat-local"), ("private", "marked-private")])
def test_a_chats_switch_keeps_all_of_it(switch: Switch, why: str) -> None:
    for routing, question in itertools.product(get_args(Routing), (PLAIN, LONG, STORY)):
        assert way(decide(routing, question, switch=switch, resting=("local",))) == ("local", why, None)


# --- who has just failed ---


def test_who_rests_is_not_asked_where_there_is_somebody_else() -> None:
    assert way(decide("complexity", LONG, resting=("cloud",))) == ("local", "cloud-rests", None)
    assert way(decide("task", STORY, resting=("cloud",))) == ("local", "cloud-rests", None)
    assert way(decide("local-first", PLAIN, resting=("cloud",))) == ("local", "local-first", None)
    assert way(decide("local-first", PLAIN, resting=("local",))) == ("cloud", "local-rests", "local")
    assert way(decide("complexity", PLAIN, resting=("local",))) == ("cloud", "local-rests", "local")
    assert way(decide("local-first", PLAIN, resting=("local", "cloud"))) == ("local", "local-first", None)


def test_what_belongs_here_stays_though_this_machine_rests() -> None:
    assert way(decide("task", CODE, resting=("local",))) == ("local", "task-local", None)
    assert way(decide("local", LONG, resting=("local",))) == ("local", "local-only", None)


# --- settings ---


def test_the_rules_are_those_that_are_set() -> None:
    settings = Settings(cloud_url="https://x/v1", routing="task", routing_threshold=7, switch="local")
    rules = Rules.of(settings)
    assert (rules.routing, rules.threshold, rules.cloud, rules.switch) == ("task", 7, True, "local")
    assert rules.tasks == TABLE
    assert not Rules.of(Settings(routing="task")).cloud
