"""Which task is for which place: the table of `tasks.toml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chat.routing.decision import Place


class Task(BaseModel):
    """One line of the table.

    Attributes:
        words: a question that has one of them is of this task.
        reason: why it goes there, as the user is told it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    place: Place
    reason: Annotated[str, Field(min_length=1, max_length=80)]
    words: tuple[str, ...] = ()


class Tasks(BaseModel):
    """The table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: tuple[Task, ...] = ()
