"""Files that are attached in the chat: what is in them reaches the model, what is wrong with them the user."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from docker.models.containers import Container

from chat.context import IMPOSSIBLE
from fakes import documents
from fakes.chat_user import ChatUser, at_the_chat
from fakes.whole_way import WholeWay
from stack.settings import Settings

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def page_of(way: WholeWay) -> str:
    return f"http://127.0.0.1:{way.settings.chainlit_port}"


def questions(way: WholeWay, since: int) -> list[list[dict[str, Any]]]:
    """What the model was told, once for each question that reached Foundry's stand-in."""
    asked = [each for each in way.foundry.requests[since:] if each.target in ("/v1/chat/completions", "/v1/responses")]
    told = [each.json for each in asked if each.json.get("max_tokens") != IMPOSSIBLE]
    return [each.get("messages") or each["input"] for each in told]


def fact() -> str:
    return f"The code is kestrel-{secrets.token_hex(4)}."


async def test_a_fact_in_a_file_of_each_kind_is_in_the_request(way: WholeWay) -> None:
    facts = [fact() for _ in range(6)]
    text, table, code, notes, page, paper = facts
    files = [
        ("a.txt", text.encode(), "text/plain"),
        ("b.csv", f"id;said\n1;{table}\n".encode("utf-16"), "application/vnd.ms-excel"),
        ("c.ts", f"// {code}\n".encode(), "video/mp2t"),
        ("d.md", f"# Notes\n\n{notes}\n".encode(), "application/octet-stream"),
        ("e.pdf", documents.pdf(["Something else.", page]), "application/pdf"),
        ("f.docx", documents.docx(["Something else."], [["said", paper]]), DOCX),
    ]
    before = len(way.foundry.requests)
    async with at_the_chat(page_of(way)) as user:
        attached = [await user.attach(*file) for file in files]
        reply = await user.ask("What is the code?", attached[:3])
        again = await user.ask("And here?", attached[3:])
    assert (reply.errors, again.errors) == ([], [])
    assert reply.text
    first, second = questions(way, before)
    for told, wanted in ((first, facts[:3]), (second, facts[3:])):
        content = told[-1]["content"]
        assert [each for each in wanted if each not in content] == []
        assert content.rstrip().endswith("?")
    assert all(f"`{name}` was given to the model." in "".join(reply.notices + again.notices) for name, *_ in files)


async def test_the_next_question_still_has_the_file(way: WholeWay) -> None:
    told = fact()
    before = len(way.foundry.requests)
    async with at_the_chat(page_of(way)) as user:
        await user.ask("What is the code?", [await user.attach("facts.txt", told.encode())])
        await user.ask("Are you sure?")
    *_, last = [each.json for each in way.foundry.requests[before:] if each.method == "POST"]
    assert last.get("previous_response_id") or told in json.dumps(last)


async def test_a_long_file_is_cut_and_the_user_is_told(way: WholeWay) -> None:
    begin, end = fact(), fact()
    before = len(way.foundry.requests)
    async with at_the_chat(page_of(way)) as user:
        long = begin + "\n" + "Nothing to be seen here.\n" * 20_000 + end
        reply = await user.ask("What is the code?", [await user.attach("long.txt", long.encode())])
    (told,) = questions(way, before)
    assert begin in told[-1]["content"]
    assert end not in told[-1]["content"]
    assert "`long.txt` is too long for the model" in reply.notices[0]


async def test_what_was_read_is_gone(way: WholeWay) -> None:
    async with at_the_chat(page_of(way)) as user:
        file = await user.attach("facts.txt", fact().encode())
        assert len(kept(way)) == 1
        await user.ask("What is the code?", [file])
        assert kept(way) == []
        assert (await user.download(file)).status_code == 404
        assert [data["id"] for name, data in user.events if name == "remove_element"] == [file]


def kept(way: WholeWay) -> list[bytes]:
    """Files that the chat's container holds for its users."""
    found = way.service("chainlit").exec_run(["find", "/tmp/app/.files", "-type", "f"])
    assert found.exit_code == 0, found.output
    return list(found.output.splitlines())


BAD = {
    "damaged.pdf": (b"%PDF-1.7\nnothing", "application/pdf", "it is damaged"),
    "locked.pdf": (documents.locked_pdf("secret"), "application/pdf", "it is protected by a password"),
    "scan.pdf": (documents.pdf([""]), "application/pdf", "only pictures"),
    "bomb.pdf": (documents.bomb_pdf(100), "application/pdf", "too much time or memory"),
    "bomb.docx": (documents.bomb_docx(60), DOCX, "unpacks to more than 50 MB"),
    "picture.txt": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "text/plain", "it is no text"),
    "empty.csv": (b"\n", "text/csv", "it is empty"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_a_clear_word_and_no_question(way: WholeWay, name: str) -> None:
    data, kind, why = BAD[name]
    before, lives = len(way.foundry.requests), way.lives()
    async with at_the_chat(page_of(way)) as user:
        reply = await user.ask("What is in it?", [await user.attach(name, data, kind)])
        assert (len(reply.errors), reply.text) == (1, "")
        assert f"`{name}` can't be read" in reply.errors[0]
        assert why in reply.errors[0]
        assert questions(way, before) == []
        assert (await user.ask("Never mind.")).text
    assert way.lives() == lives


async def test_more_files_than_the_page_takes_are_refused(way: WholeWay) -> None:
    async with at_the_chat(page_of(way)) as user:
        many = [await user.attach(f"{number}.txt", b"Hello.") for number in range(6)]
        assert (await user.ask("Well?", many[:5])).errors == []
        (error,) = (await user.ask("Well?", [await user.attach(f"{name}.txt", b"Hello.") for name in "abcdef"])).errors
    assert "6 files are too many for one question." in error


@pytest.mark.parametrize(
    ("name", "size", "status", "says"),
    [
        ("large.txt", 10_700_000, 400, "File size too large"),
        ("larger.txt", 13_000_000, 413, "larger than 11 MB"),
        ("program.exe", 10, 400, "File type not allowed"),
        ("picture.png", 10, 400, "File type not allowed"),
    ],
)
async def test_what_is_too_large_or_of_another_kind_is_not_taken(
    way: WholeWay, name: str, size: int, status: int, says: str
) -> None:
    async with at_the_chat(page_of(way)) as user:
        answer = await user.upload(name, b"a" * size, "application/octet-stream")
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


async def test_a_file_that_takes_for_ever_holds_up_nobody_else(way: WholeWay) -> None:
    slow = documents.slow_pdf(300_000)
    lives = way.lives()
    async with at_the_chat(page_of(way)) as one, at_the_chat(page_of(way)) as another:
        file = await one.attach("slow.pdf", slow, "application/pdf")
        waiting = asyncio.create_task(one.ask("What is in it?", [file]))
        assert (await another.ask("Hello?")).text
        assert not waiting.done()
        (error,) = (await waiting).errors
    assert "`slow.pdf` can't be read: reading it takes too" in error
    assert way.lives() == lives


async def test_stop_ends_the_reading(way: WholeWay) -> None:
    async with at_the_chat(page_of(way)) as user:
        file = await user.attach("slow.pdf", documents.slow_pdf(300_000), "application/pdf")
        waiting = asyncio.create_task(user.ask("What is in it?", [file]))
        await until(lambda: len(readers(way)) == 1)
        await user.stop()
        reply = await waiting
        assert (reply.text, reply.errors) == ("", [])
        assert (readers(way), kept(way)) == ([], [])
        assert (await user.ask("Never mind.")).text


def readers(way: WholeWay) -> list[str]:
    """Processes in the chat's container that read a file."""
    return [line for line in way.commands("chainlit") if "chat.files.worker" in line]


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not so():
            await asyncio.sleep(0.05)


async def test_neither_a_file_nor_its_name_stands_in_a_log(way: WholeWay) -> None:
    word = f"zq{secrets.token_hex(6)}"
    async with at_the_chat(page_of(way)) as user:
        await user.ask("Well?", [await user.attach(f"{word}.txt", word.encode())])
        bad = await user.attach(f"{word}.pdf", f"%PDF-1.7 {word}".encode(), "application/pdf")
        assert word in (await user.ask("Well?", [bad])).errors[0]
        await user.upload(f"{word}.exe", word.encode())
        await user.set(system_prompt=word * 1000)
        await user.set(temperature=word)
        await user.set(model=word)
    assert [name for name, log in way.logs().items() if word in log.lower()] == []


async def test_the_real_model_answers_with_a_file(settings: Settings, container: Callable[[str], Container]) -> None:
    async with at_the_chat(f"http://127.0.0.1:{settings.chainlit_port}") as user:
        answer = await asks_about_a_file(user)
    assert answer.strip()


async def asks_about_a_file(user: ChatUser) -> str:
    page = documents.pdf(["The bird in the garden is a kestrel.", "It was seen on Monday."])
    reply = await user.ask("Which bird is in the garden?", [await user.attach("birds.pdf", page, "application/pdf")])
    assert reply.errors == []
    return reply.text
