"""From the files of a question to the text that the model gets with it, and what the user should know of that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chat.context import tokens_in
from chat.files import budget, reader
from chat.files.outcome import Contents, Unreadable
from chat.problems import Problem

CHARACTERS_A_TOKEN = 8  # and hardly ever more: so many characters are read of a file, before its tokens are counted
LONGEST_NAME = 80


@dataclass(frozen=True)
class File:
    """As it was uploaded; the name is the user's."""

    name: str
    path: Path

    @property
    def shown(self) -> str:
        """The name in one line, short, and unable to act as Markdown."""
        name = " ".join(self.name.replace("`", "'").split()) or "file"
        return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 10]}…{name[-9:]}"


@dataclass(frozen=True)
class Attached:
    """What came of a question's files.

    Attributes:
        text: for the model; empty where nothing could be read.
        note: for the user, in Markdown: what the model gets, and what was cut; empty as well.
        problems: one for each file that could not be read.
    """

    text: str
    note: str
    problems: list[Problem]


async def attach(files: Sequence[File], tokens: int) -> Attached:
    """Read the files, and cut what they hold to so many tokens in all.

    Raises:
        Problem: ``context-too-long``, there is no room for them.
    """
    if tokens < budget.FEWEST * len(files):
        raise _no_room(len(files))
    outcomes = await asyncio.gather(*(_read(file, tokens * CHARACTERS_A_TOKEN) for file in files))
    read = [(file, outcome) for file, outcome in zip(files, outcomes, strict=True) if isinstance(outcome, Contents)]
    frames = sum(tokens_in(_framed(file, "", cut=True)) for file, _ in read)
    given = budget.split(tokens - frames, [tokens_in(contents.text) for _, contents in read])
    texts, notes = [], []
    for (file, contents), allowed in zip(read, given, strict=True):
        kept = budget.cut(contents.text, allowed)
        share = contents.share * len(kept) / len(contents.text)
        texts.append(_framed(file, kept, cut=share < 1))
        notes.append(_note(file, share, contents.guess))
    return Attached("\n\n".join(texts), " ".join(notes), [each for each in outcomes if isinstance(each, Problem)])


async def _read(file: File, limit: int) -> Contents | Problem:
    try:
        if not file.path.exists():
            raise Unreadable("it waited so long to be sent that it made room for others", "Attach it again.")
        return await reader.read(file.path, file.name, limit)
    except Unreadable as unreadable:
        what = f"`{file.shown}` can't be read: {unreadable.why}."
        return Problem("file-unreadable", what, unreadable.fix, private=True)


def _framed(file: File, text: str, *, cut: bool) -> str:
    """So that the model can tell the files from each other and from the question: small ones, too, do with tags."""
    name = file.shown.replace('"', "'")
    rest = "\n[The rest of the file is left out.]" if cut else ""
    return f'<file name="{name}">\n{text}{rest}\n</file>'


def _note(file: File, share: float, guess: str | None) -> str:
    if share < 1:
        percent = max(1, int(share * 100))
        said = f"`{file.shown}` is too long for the model, which was given about the first {percent} % of it."
    else:
        said = f"`{file.shown}` was given to the model."
    if guess:
        said += f" It is not in UTF-8 but, by the look of it, in {guess}."
    return said


def _no_room(files: int) -> Problem:
    return Problem(
        "context-too-long",
        f"The model has no room for {'a file' if files == 1 else f'{files} files'} beside the question and its answer.",
        "Set a lower maximum of tokens in the chat's settings, or attach fewer files.",
    )
