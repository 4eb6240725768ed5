"""Which task is for which place: the table of `tasks.toml`."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chat import toml_file
from chat.home import HOME
from chat.routing.decision import Place

FILE = HOME / "tasks.toml"

Word = Annotated[str, Field(pattern=r"^\w[\w +#.-]{0,38}\*?$")]


class Task(BaseModel):
    """One line of the table.

    Attributes:
        reason: why it goes there, as the user is told it.
        words: a question that has one of them is of this task; with * at the end: whatever begins so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    place: Place
    reason: Annotated[str, Field(min_length=1, max_length=80)]
    words: tuple[Word, ...] = ()

    @property
    def shown(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")


class Tasks(BaseModel):
    """The table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: tuple[Task, ...] = ()

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len({task.name for task in self.task}) < len(self.task):
            raise ValueError("two tasks have the same name")
        return self

    def of(self, text: str, name: str | None = None) -> Task | None:
        """The task of that name; without one, the first of which the text has a word."""
        if name is not None:
            return next((task for task in self.task if task.name == name), None)
        return next((task for task in self.task if task.words and _any_of(task.words).search(text)), None)


@lru_cache(maxsize=64)
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    forms = (re.escape(word.removesuffix("*")) + (r"\w*" if word.endswith("*") else "") for word in words)
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", re.IGNORECASE)


@lru_cache(maxsize=1)
def load(file: Path = FILE) -> Tasks:
    """The table.

    Raises:
        Problem: ``bad-setting``, naming the place in the file.
    """
    return toml_file.read(Tasks, file, "The table of tasks")
