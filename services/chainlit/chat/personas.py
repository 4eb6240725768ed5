"""Whom the model is asked to be: the personas of `personas.toml`, which Chainlit calls chat profiles."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chat import toml_file
from chat.home import HOME
from chat.settings import Prompt, Temperature

FILE = HOME / "personas.toml"

Line = Annotated[str, Field(min_length=1, max_length=500)]


class Starter(BaseModel):
    """A question that the start screen offers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Line
    message: Line


class Persona(BaseModel):
    """What is None is as the stack's settings say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^\w[\w -]{0,39}$")]
    description: Line
    system_prompt: Prompt | None = None
    temperature: Temperature | None = None
    starters: tuple[Starter, ...] = ()

    @property
    def settings(self) -> dict[str, object]:
        """What it sets."""
        return self.model_dump(include={"system_prompt", "temperature"}, exclude_none=True)


class Personas(BaseModel):
    """All of them, at least one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    persona: Annotated[tuple[Persona, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if len({persona.name for persona in self.persona}) < len(self.persona):
            raise ValueError("two personas have the same name")
        if self.persona[0].settings:
            raise ValueError("the first persona must change nothing")
        return self


@lru_cache(maxsize=1)
def load(file: Path = FILE) -> tuple[Persona, ...]:
    """All personas; the first is the one that changes nothing.

    Raises:
        Problem: ``bad-setting``, naming the place in the file.
    """
    return toml_file.read(Personas, file, "The chat's personas").persona


def named(name: str | None) -> Persona:
    """The one of that name; the first where there is none (any more).

    Raises:
        Problem: ``bad-setting``.
    """
    personas = load()
    return next((persona for persona in personas if persona.name == name), personas[0])
