"""The knobs of the chat app, read from the environment; `.env.example` explains them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from chat.problems import Problem


def _as_header(value: str) -> str:
    """A key that no HTTP header can hold would look like a server that can't be understood."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError("it holds a character that can't be sent, such as a letter with an accent or a line break")
    return value


HOTTEST = 2.0
LONGEST_PROMPT = 8_000  # characters; on the page and in a persona

Temperature = Annotated[float, Field(ge=0, le=HOTTEST, allow_inf_nan=False)]
TopP = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
MaxTokens = Annotated[int, Field(ge=1)]
Prompt = Annotated[str, Field(max_length=LONGEST_PROMPT)]
Routing = Literal["local", "local-first", "complexity", "task"]
Switch = Literal["as-configured", "local", "private"]
"""A chat's own. `private`: as `local`, and what was said stays private when the switch is turned back."""


class Settings(BaseSettings):
    """An empty value means the same as none."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    base_url: str | None = None
    """Where the model server is, with or without `/v1`; None: look for Foundry Local on this machine."""

    api_key: Annotated[str, AfterValidator(_as_header)] = "not-needed"
    """Foundry Local wants none, other OpenAI-compatible servers may."""

    model: str = "auto"
    """`auto`: the first chat model that is loaded; else an alias, a name or a full id."""

    foundry_port: Annotated[int, Field(ge=1, le=65535)] = 51211
    """Where on 127.0.0.1 to look for Foundry Local when there is no BASE_URL."""

    temperature: Temperature = 0
    """0: the most probable answer each time. Foundry Local's own default is 1, where small models talk nonsense."""

    top_p: TopP = 1
    """The likeliest words that together make up so much of the probability are considered; 1: all of them."""

    max_tokens: MaxTokens = 1024
    """The longest answer, in tokens. So much of the model's context is kept free for it, lost to the conversation."""

    system_prompt: str | None = None
    """What the model is told before each conversation; None: what its own template says."""

    hold_conversations: Annotated[int, Field(ge=0, le=64)] = 4
    """How many chats may have Foundry Local hold their state, for a first token that does not wait; 0: none."""

    hold_tokens: Annotated[int, Field(ge=0)] = 32768
    """How many tokens of context they may take there together: each takes all of its model's."""

    held_records: Path = Path.home() / ".cache" / "foundry-stack-chat" / "held-records.json"
    """Where this app notes what is held, so that nothing stays behind if it crashes."""

    answers_at_once: Annotated[int, Field(ge=1)] = 4
    """How many answers are made at the same time; who asks besides waits in the line. See `chat.line`."""

    line_length: Annotated[int, Field(ge=0)] = 20
    """How many may wait."""

    cloud_url: str | None = None
    """Where the cloud is asked, see `chat.routing.providers`; None: there is none, and nothing of it is offered."""

    cloud_model: str | None = None
    """Its model; of Azure OpenAI the deployment."""

    cloud_api_key: Annotated[str, AfterValidator(_as_header)] | None = None
    """The cloud's key; in the stack there is none here, it is added outside of all containers."""

    cloud_api_version: str | None = None
    """Of Azure OpenAI's deployments address."""

    cloud_token_file: Path = Path("/run/secrets/cloud-token")
    """In the stack: what the gateway wants of who asks for the cloud."""

    cloud_shown_as: str | None = None
    """Whom users are told of, where CLOUD_URL is only the way there."""

    routing: Routing = "local"
    """Which questions the cloud may answer; see `chat.routing.router`."""

    routing_threshold: Annotated[int, Field(ge=1)] = 100
    """From which complexity on, with `complexity`; see `chat.routing.complexity`."""

    routing_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    """How long the first word is waited for before the other one is asked."""

    switch: Switch = "as-configured"
    """How a new chat begins."""

    audit_log: Path = Path.home() / ".cache" / "foundry-stack-chat" / "audit.jsonl"
    """Where it is noted what was sent to the cloud; see `chat.routing.audit_log`."""


@lru_cache(maxsize=1)
def load() -> Settings:
    """Read the knobs.

    Raises:
        Problem: ``bad-setting``, naming the variable.
    """
    try:
        return Settings()
    except ValidationError as invalid:
        first = invalid.errors()[0]
        name = str(first["loc"][0]).upper()
        raise Problem(
            "bad-setting",
            f"The setting `{name}` can't be used: {first['msg'].removeprefix('Value error, ')}.",
            f"Correct `{name}` (in `.env` for the stack) and start the chat app again: `python3 scripts/up.py`.",
        ) from invalid
