"""A chat to take away: as Markdown to read, as JSON for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chat.conversation import ANSWER, FILES
from chat.routed import ROUTE
from chat.store.clock import now

SCHEMA = 1
UNTITLED = "Chat"
ROLES = {"user_message": "user", "assistant_message": "assistant", "system_message": "notice"}
SPEAKERS = {"user": "You", "assistant": "Assistant", "notice": "Notice"}


def as_json(thread: Mapping[str, Any]) -> dict[str, Any]:
    """See ``docs/chat-export.schema.json``."""
    judged = {step["id"]: step["feedback"] for step in thread["steps"] if step["feedback"]}
    return {
        "schema": SCHEMA,
        "id": thread["id"],
        "title": thread["name"] or UNTITLED,
        "created_at": thread["createdAt"],
        "exported_at": now(),
        "tags": thread["tags"],
        "messages": [_message(step, judged) for step in thread["steps"] if step["type"] in ROLES],
    }


def as_markdown(thread: Mapping[str, Any]) -> str:
    """The same for the eye."""
    chat = as_json(thread)
    parts = [f"# {chat['title']}", f"*{_moment(chat['created_at'])}*"]
    for message in chat["messages"]:
        speaker = SPEAKERS[message["role"]] + (f" ({_by(message)})" if message["model"] else "")
        parts.append(f"## {speaker}, {_moment(message['created_at'])}")
        parts += [f"Attached: {', '.join(file['name'] for file in message['files'])}"] if message["files"] else []
        parts.append(message["content"].strip("\n"))
        if message["feedback"]:
            parts.append(_judged(message["feedback"]))
    return "\n\n".join(parts) + "\n"


def file_name(thread: Mapping[str, Any], ending: str) -> str:
    """One that every system takes, from the day and the title."""
    title = re.sub(r"[^a-z0-9]+", "-", (thread["name"] or UNTITLED).lower()).strip("-")[:50].strip("-")
    return f"{thread['createdAt'][:10]}-{title or 'chat'}.{ending}"


def _message(step: Mapping[str, Any], judgements: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    metadata = step.get("metadata") or {}
    model = metadata.get(ANSWER)
    # Chainlit's page judges the run that made the answer.
    judged = judgements.get(step["id"]) or (judgements.get(step.get("parentId") or "") if model else None)
    role = ROLES[step["type"]]
    return {
        "role": "notice" if role == "assistant" and model is None else role,
        "content": step["output"],
        "created_at": step["createdAt"],
        "model": model,
        "route": metadata.get(ROUTE),
        "files": metadata.get(FILES, []),
        "feedback": {"good": bool(judged["value"]), "comment": judged["comment"]} if judged else None,
    }


def _by(answer: Mapping[str, Any]) -> str:
    route = answer["route"]
    return f"{answer['model']}, {route['host'] or route['place']}: {route['why']}" if route else str(answer["model"])


def _judged(feedback: Mapping[str, Any]) -> str:
    comment = f": {feedback['comment']}" if feedback["comment"] else ""
    return f"*Judged {'good' if feedback['good'] else 'bad'}{comment}*"


def _moment(stamp: str) -> str:
    return f"{stamp[:10]} {stamp[11:16]} UTC"
