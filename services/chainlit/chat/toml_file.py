"""A TOML file that people edit, read as what it has to be; what is wrong in it is told with its place."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from chat.problems import Problem

Content = TypeVar("Content", bound=BaseModel)


def read(kind: type[Content], file: Path, what: str) -> Content:
    """The file's content.

    Args:
        what: it is, as a sentence begins, such as ``The table of tasks``.

    Raises:
        Problem: ``bad-setting``, naming the place in the file.
    """
    try:
        return kind.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as invalid:
        first = invalid.errors()[0]
        place = ".".join(str(step + 1) if isinstance(step, int) else step for step in first["loc"])
        why = f"{place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")
    except (OSError, ValueError) as unreadable:
        why = str(unreadable)
    raise Problem(
        "bad-setting",
        f"{what} can't be used: {why}.",
        f"Correct `services/chainlit/{file.name}` and start the chat app again: `python3 scripts/up.py`.",
    )
