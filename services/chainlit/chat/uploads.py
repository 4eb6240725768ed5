"""The files that come with a question: read, told of, and gone from the disk before the model sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import chainlit as cl
from chainlit.config import config

from chat.context import tokens_in
from chat.conversation import ATTACHED, FILES
from chat.files import budget
from chat.files.attach import File, attach
from chat.files.kinds import ACCEPT
from chat.problems import Problem
from chat.settings import Settings
from chat.unsent import keep_room

NOTE = "attached-note"
"""The key in a question's metadata that holds what the user was told of its files."""


def accept_files() -> None:
    """Tell the page which files may be attached; how large and how many stands in Chainlit's settings file."""
    config.features.spontaneous_file_upload.accept = ACCEPT
    keep_room()


async def take_in(question: cl.Message, limit: Callable[[], Awaitable[int]], knobs: Settings) -> list[Problem]:
    """Put what the question's files hold into its metadata, and tell the user what that was.

    Args:
        limit: how many tokens the model takes in all; only asked where there are files.

    Returns:
        One for each file that can't be read; the others are taken in.

    Raises:
        Problem: there is no room for files, or there are too many.
    """
    problems: list[Problem] = []
    if question.elements:
        came = [{"name": element.name, "type": element.mime} for element in question.elements]
        try:
            _check_number(len(question.elements))
            files = [File(element.name, Path(element.path)) for element in question.elements if element.path]
            attached = await attach(files, await _room(question, limit, knobs))
        finally:
            await _forget(question)
        problems = attached.problems
        question.metadata = {**(question.metadata or {}), ATTACHED: attached.text, FILES: came, NOTE: attached.note}
        await question.update()
    if note := (question.metadata or {}).get(NOTE):
        await cl.Message(type="system_message", content=note).send()
    return problems


def _check_number(files: int) -> None:
    """The page lets nobody attach more; who asks without it may try."""
    most = config.features.spontaneous_file_upload.max_files
    if files > most:
        raise Problem("too-many-files", f"{files} files are too many for one question.", f"Attach {most} at most.")


async def _room(question: cl.Message, limit: Callable[[], Awaitable[int]], knobs: Settings) -> int:
    taken = knobs.max_tokens + tokens_in(knobs.system_prompt or "") + tokens_in(question.content)
    return budget.room(await limit(), taken)


async def _forget(question: cl.Message) -> None:
    """The page would show, and offer for download, what is no longer there."""
    for element in question.elements:
        cl.context.session.files.pop(element.id, None)
        if element.path:
            Path(element.path).unlink(missing_ok=True)
        await element.remove()
    question.elements = []
