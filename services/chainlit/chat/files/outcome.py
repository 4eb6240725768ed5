"""What comes of reading a file. Needs nothing that reads files, so the chat itself can know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contents:
    """The text of a file.

    Attributes:
        share: how much of the file it is, about: 1 all of it, 0.5 its first half.
        guess: its encoding, where that is a guess.
    """

    text: str
    share: float = 1.0
    guess: str | None = None


class Unreadable(Exception):  # noqa: N818  (as chat.problems.Problem)
    """Nothing to be had from a file.

    Args:
        why: goes on after "`name` can't be read: ".
        fix: what the user can do, as a sentence.
    """

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


def damaged(kind: str) -> Unreadable:
    return Unreadable(
        f"it is damaged, or is no {kind} in spite of its name", f"Save it as {kind} again and attach that."
    )


def heavy(what: str) -> Unreadable:
    return Unreadable(f"reading it takes {what}", "Attach only the part that you need, as a file of its own.")
