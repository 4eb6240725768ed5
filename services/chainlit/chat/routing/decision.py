"""What is asked, and where it is to be answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Place = Literal["local", "cloud"]
PLACES: tuple[Place, ...] = get_args(Place)

Why = Literal[
    # Nothing to choose from.
    "no-cloud",
    # Privacy, which wins over everything that follows.
    "marked-private",
    "found-private",
    "too-long-to-check",
    # The user's word.
    "chat-local",
    "declined",
    # The policies.
    "local-only",
    "local-first",
    "simple",
    "complex",
    "task-local",
    "task-cloud",
    "task-unknown",
    # Not as the policy has it, because the other one fails.
    "local-failed",
    "cloud-failed",
    "local-rests",
    "cloud-rests",
]
"""Why it is answered there: stable codes, for the audit log and the metrics."""


@dataclass(frozen=True)
class Question:
    """All that a decision is made from.

    Attributes:
        text: what is asked now.
        earlier: every other text that would be sent with it: the system prompt, the earlier turns with their files.
        files: the text of the files that come with the question.
        marked_private: the user says that this question, or something of ``earlier``, is private.
        task: by its name in `tasks.toml`; None: it is recognised by the words of the question.
    """

    text: str
    earlier: Sequence[str] = ()
    files: Sequence[str] = ()
    marked_private: bool = False
    task: str | None = None


@dataclass(frozen=True)
class Decision:
    """Where it is answered.

    Attributes:
        place: who is asked first.
        why: a stable code.
        words: the same for the user, to stand behind the place.
        then: who is asked where that one fails before its first word; None: nobody, it fails.
    """

    place: Place
    why: Why
    words: str
    then: Place | None = None
