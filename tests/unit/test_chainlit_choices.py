"""What a user sets for a chat: used if it can be, refused in clear words if not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat import personas
from chat.choices import check_room, understood
from chat.problems import Problem
from chat.settings import LONGEST_PROMPT, Settings

BASE = Settings(model="auto", temperature=0, max_tokens=1024, system_prompt=None)
AS_SHOWN: dict[str, Any] = {"model": "auto", "temperature": 0, "top_p": 1, "max_tokens": "1024", "system_prompt": None}


def test_what_was_not_touched_is_no_choice() -> None:
    assert understood(AS_SHOWN, BASE) == {}


@pytest.mark.parametrize(
    ("sent", "chosen"),
    [
        ({"temperature": 0.7}, {"temperature": 0.7}),
        ({"temperature": 2, "top_p": 0.05}, {"temperature": 2, "top_p": 0.05}),
        ({"max_tokens": "77"}, {"max_tokens": 77}),
        ({"max_tokens": None}, {}),
        ({"model": "phi:3"}, {"model": "phi:3"}),
        ({"system_prompt": " Be brief. \n"}, {"system_prompt": "Be brief."}),
        ({"switch": "private"}, {"switch": "private"}),
        ({"switch": "as-configured"}, {}),
        ({"unheard-of": 1}, {}),
    ],
)
def test_choices(sent: dict[str, Any], chosen: dict[str, Any]) -> None:
    assert understood({**AS_SHOWN, **sent}, BASE) == chosen
    assert BASE.model_copy(update=chosen).model_dump() == {**BASE.model_dump(), **chosen}


def test_an_emptied_prompt_is_a_choice_where_there_would_be_one() -> None:
    base = BASE.model_copy(update={"system_prompt": "You are a teacher."})
    assert understood(AS_SHOWN, base) == {"system_prompt": None}


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"temperature": 5}, "Temperature must be a number from 0 to 2; `5` can't be used."),
        ({"switch": "cloud"}, "Where it is answered must be one of the list; `cloud` can't be used."),
        ({"temperature": -0.1}, "Temperature must be a number from 0 to 2"),
        ({"temperature": "hot `stuff`"}, "`hot 'stuff'` can't be used."),
        ({"temperature": float("nan")}, "Temperature must be"),
        ({"top_p": 0}, "Top P must be a number above 0 and up to 1"),
        ({"top_p": 1.5}, "Top P must be"),
        ({"max_tokens": "0"}, "Longest answer (tokens) must be a whole number above 0"),
        ({"max_tokens": "12.5"}, "`12.5` can't be used."),
        ({"max_tokens": ["many"]}, "Longest answer (tokens) must be"),
        ({"system_prompt": "x" * (LONGEST_PROMPT + 1)}, "no longer than 8,000 characters"),
        ({"model": {"a": 1}}, "Model must be one of the list"),
    ],
)
def test_what_can_not_be_used_is_refused(sent: dict[str, Any], says: str) -> None:
    with pytest.raises(Problem) as problem:
        understood({**AS_SHOWN, **sent}, BASE)
    assert problem.value.cause == "bad-choice"
    assert says in problem.value.what
    assert len(problem.value.what) < 200


def test_an_answer_as_long_as_the_context_leaves_no_room() -> None:
    check_room(4095, 4096)
    with pytest.raises(Problem, match="less than 4,096"):
        check_room(4096, 4096)


def test_the_first_persona_changes_nothing_and_each_has_ways_to_begin() -> None:
    first, *others = personas.load()
    assert first.settings == {}
    assert len(others) >= 3
    assert all(persona.settings for persona in others)
    assert all(2 <= len(persona.starters) <= 4 for persona in (first, *others))


def test_a_persona_is_found_by_its_name_and_the_first_stands_in_for_what_is_gone() -> None:
    assert personas.named("Teacher").name == "Teacher"
    for name in (None, "", "Nobody"):
        assert personas.named(name) == personas.load()[0]


PLAIN = '[[persona]]\nname = "Plain"\ndescription = "As it is."\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[persona]\n", "line 1"),
        ("", "persona"),
        ('[[persona]]\nname = "Plain"\n', "persona.1.description"),
        (f"{PLAIN}temperature = 0.5\n", "the first persona must change nothing"),
        (f"{PLAIN}{PLAIN}", "two personas have the same name"),
        (f"{PLAIN}{PLAIN.replace('Plain', 'Hot')}temperature = 9\n", "persona.2.temperature"),
        (f'{PLAIN}system-prompt = "x"\n', "persona.1.system-prompt"),
        (PLAIN.replace("Plain", "<b>"), "persona.1.name"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "personas.toml"
    file.write_text(text)
    with pytest.raises(Problem) as problem:
        personas.load(file)
    assert problem.value.cause == "bad-setting"
    assert says in problem.value.what
    assert "personas.toml" in problem.value.fix


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="No such file"):
        personas.load(tmp_path / "none.toml")
