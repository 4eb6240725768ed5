"""A chat to take away holds what was said, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from chat import export
from chat.conversation import ANSWER, FILES
from chat.routed import ROUTE
from stack.settings import ROOT

SCHEMA = json.loads((ROOT / "docs" / "chat-export.schema.json").read_text(encoding="utf-8"))


def step(step_id: str, kind: str, output: str, **rest: Any) -> dict[str, Any]:
    return {
        "id": step_id,
        "type": kind,
        "output": output,
        "createdAt": "2026-11-27T09:30:01.000001Z",
        "feedback": None,
        **rest,
    }


BAD = {"forId": "r", "id": "1", "value": 0, "comment": "zu kurz"}
THREAD: dict[str, Any] = {
    "id": "t1",
    "name": "Was ist 2 < 3?",
    "createdAt": "2026-11-27T09:30:00.000000Z",
    "tags": ["Pirate"],
    "metadata": {"told": ["http://x", "phi"], "env": {}},
    "steps": [
        step("n", "system_message", "**phi** answers you."),
        step(
            "q",
            "user_message",
            "# Was\n\nist 2 < 3?\n",
            metadata={"attached-text": "1,2", FILES: [{"name": "a.csv", "type": "text/csv"}]},
        ),
        step("r", "run", "", name="on_message", feedback=BAD),
        step(
            "a",
            "assistant_message",
            "Ja.\n\n```\n2 < 3\n```",
            metadata={ANSWER: "phi:1"},
            parentId="r",
        ),
        step("e", "assistant_message", "Nobody is there.", isError=True, parentId="r"),
    ],
}


def test_json_is_as_documented() -> None:
    jsonschema.validate(export.as_json(THREAD), SCHEMA)
    jsonschema.validate({"schema": 1, "chats": [export.as_json(THREAD)]}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**export.as_json(THREAD), "secret": 1}, SCHEMA)


def test_json_holds_every_word_and_who_said_it() -> None:
    chat = export.as_json(THREAD)
    assert (chat["title"], chat["tags"], chat["created_at"]) == ("Was ist 2 < 3?", ["Pirate"], THREAD["createdAt"])
    said = [(message["role"], message["content"], message["model"]) for message in chat["messages"]]
    assert said == [
        ("notice", "**phi** answers you.", None),
        ("user", "# Was\n\nist 2 < 3?\n", None),
        ("assistant", "Ja.\n\n```\n2 < 3\n```", "phi:1"),
        ("notice", "Nobody is there.", None),
    ]
    assert chat["messages"][1]["files"] == [{"name": "a.csv", "type": "text/csv"}]
    assert chat["messages"][2]["feedback"] == {"good": False, "comment": "zu kurz"}


def test_where_an_answer_was_made_and_why_is_in_it() -> None:
    route = {"place": "cloud", "why": "complex", "host": "api.example.com"}
    steps = [step("a", "assistant_message", "Yes.", metadata={ANSWER: "gpt", ROUTE: route})]
    chat = export.as_json({**THREAD, "steps": steps})
    jsonschema.validate(chat, SCHEMA)
    assert chat["messages"][0]["route"] == route
    assert "## Assistant (gpt, api.example.com: complex), " in export.as_markdown({**THREAD, "steps": steps})
    route = {"place": "local", "why": "found-private", "host": None}
    steps = [step("a", "assistant_message", "Yes.", metadata={ANSWER: "phi", ROUTE: route})]
    assert "## Assistant (phi, local: found-private), " in export.as_markdown({**THREAD, "steps": steps})


def test_markdown_is_for_reading() -> None:
    assert export.as_markdown(THREAD) == (
        "# Was ist 2 < 3?\n\n*2026-11-27 09:30 UTC*\n\n"
        "## Notice, 2026-11-27 09:30 UTC\n\n**phi** answers you.\n\n"
        "## You, 2026-11-27 09:30 UTC\n\nAttached: a.csv\n\n# Was\n\nist 2 < 3?\n\n"
        "## Assistant (phi:1), 2026-11-27 09:30 UTC\n\nJa.\n\n```\n2 < 3\n```\n\n*Judged bad: zu kurz*\n\n"
        "## Notice, 2026-11-27 09:30 UTC\n\nNobody is there.\n"
    )


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Was ist 2 < 3?", "2026-11-27-was-ist-2-3.md"),
        ("../../etc/passwd", "2026-11-27-etc-passwd.md"),
        ("日本", "2026-11-27-chat.md"),
        (None, "2026-11-27-chat.md"),
        ("x" * 500, f"2026-11-27-{'x' * 50}.md"),
    ],
)
def test_the_files_name(title: str | None, name: str) -> None:
    assert export.file_name({**THREAD, "name": title}, "md") == name
