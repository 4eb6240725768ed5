"""What a user may set for a chat, and whether it can be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from chat.problems import Problem
from chat.settings import HOTTEST, LONGEST_PROMPT, MaxTokens, Prompt, Settings, Switch, Temperature, TopP

SWITCH = "switch"
"""The key in Chainlit's session, and in a stored chat's metadata, that holds the chat's switch."""

Chosen = dict[str, Any]
"""By the names of `Settings`; only what differs from what is set for everybody."""


class Choices(BaseModel):
    """As the page sends it; None: an empty field."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: MaxTokens | None = None
    system_prompt: Prompt | None = None
    switch: Switch | None = None


LABELS = {
    "model": "Model",
    "temperature": "Temperature",
    "top_p": "Top P",
    "max_tokens": "Longest answer (tokens)",
    "system_prompt": "System prompt",
    "switch": "Where it is answered",
}
MUST_BE = {
    "model": "one of the list",
    "temperature": f"a number from 0 to {HOTTEST:g}",
    "top_p": "a number above 0 and up to 1",
    "max_tokens": "a whole number above 0",
    "system_prompt": f"no longer than {LONGEST_PROMPT:,} characters",
    "switch": "one of the list",
}
SHOWN = 40


def understood(sent: Mapping[str, Any], base: Settings) -> Chosen:
    """What of it is the user's own choice, ready to be used.

    Args:
        sent: every field of the page's settings.
        base: what is set without the user's choices.

    Raises:
        Problem: ``bad-choice``, naming the field and what it may be.
    """
    try:
        choices = Choices.model_validate(dict(sent))
    except ValidationError as invalid:
        name = str(invalid.errors()[0]["loc"][0])
        raise _refused(name, sent.get(name), MUST_BE[name]) from invalid
    chosen: Chosen = choices.model_dump(exclude_none=True)
    if "system_prompt" in sent:  # an empty one is a choice, too, if there would be one
        chosen["system_prompt"] = (choices.system_prompt or "").strip() or None
    return {name: value for name, value in chosen.items() if value != getattr(base, name)}


def check_room(max_tokens: int, context: int) -> None:
    """Refuse an answer so long that a model which takes so many tokens in all has no room for a question.

    Raises:
        Problem: ``bad-choice``.
    """
    if max_tokens >= context:
        limit = f"less than {context:,}, which is all that the model takes, question and answer together"
        raise _refused("max_tokens", max_tokens, limit)


def _refused(name: str, value: object, must_be: str) -> Problem:
    written = " ".join(str(value).replace("`", "'").split())
    shown = f"{written[:SHOWN]}…" if len(written) > SHOWN else written
    return Problem(
        "bad-choice",
        f"{LABELS[name]} must be {must_be}; `{shown}` can't be used.",
        "It stays as it was. Open the settings again and correct it.",
        private=True,
    )
