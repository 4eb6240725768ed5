"""Files that are attached in the chat: what is in them reaches the model, what is wrong with them the user."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from chat.context import IMPOSSIBLE
from fakes import documents
from fakes.chat_people import Person
from fakes.open_chat import OpenChat
from fakes.whole_way import WholeWay

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def questions(way: WholeWay, since: int) -> list[list[dict[str, Any]]]:
    """What the model was told, once for each question that reached Foundry's stand-in."""
    asked = [each for each in way.foundry.requests[since:] if each.target in ("/v1/chat/completions", "/v1/responses")]
    told = [each.json for each in asked if each.json.get("max_tokens") != IMPOSSIBLE]
    return [each.get("messages") or each["input"] for each in told]


def fact() -> str:
    return f"The code is kestrel-{secrets.token_hex(4)}."


async def test_a_fact_in_a_file_of_each_kind_is_in_the_request(way: WholeWay, guest: Person) -> None:
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
    async with guest.opens_the_page() as page:
        attached = [await page.attach(*file) for file in files]
        reply = await page.ask("What is the code?", attached[:3])
        again = await page.ask("And here?", attached[3:])
    assert (reply.errors, again.errors) == ([], [])
    assert reply.text
    first, second = questions(way, before)
    for told, wanted in ((first, facts[:3]), (second, facts[3:])):
        content = told[-1]["content"]
        assert [each for each in wanted if each not in content] == []
        assert content.rstrip().endswith("?")
    assert all(f"`{name}` was given to the model." in "".join(reply.notices + again.notices) for name, *_ in files)


async def test_the_next_question_still_has_the_file(way: WholeWay, guest: Person) -> None:
    told = fact()
    before = len(way.foundry.requests)
    async with guest.opens_the_page() as page:
        await page.ask("What is the code?", [await page.attach("facts.txt", told.encode())])
        await page.ask("Are you sure?")
    *_, last = [each.json for each in way.foundry.requests[before:] if each.method == "POST"]
    assert last.get("previous_response_id") or told in json.dumps(last)


async def test_a_long_file_is_cut_and_the_user_is_told(way: WholeWay, guest: Person) -> None:
    begin, end = fact(), fact()
    before = len(way.foundry.requests)
    async with guest.opens_the_page() as page:
        long = begin + "\n" + "Nothing to be seen here.\n" * 20_000 + end
        reply = await page.ask("What is the code?", [await page.attach("long.txt", long.encode())])
    (told,) = questions(way, before)
    assert begin in told[-1]["content"]
    assert end not in told[-1]["content"]
    assert "`long.txt` is too long for the model" in reply.notices[0]


async def test_what_was_read_is_gone(way: WholeWay, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        file = await page.attach("facts.txt", fact().encode())
        assert len(kept(way)) == 1
        await page.ask("What is the code?", [file])
        assert kept(way) == []
        assert (await page.download(file)).status_code == 404
        assert [data["id"] for data in page.heard("remove_element")] == [file]


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
async def test_a_bad_file_is_a_clear_word_and_no_question(way: WholeWay, guest: Person, name: str) -> None:
    data, kind, why = BAD[name]
    before, lives = len(way.foundry.requests), way.lives()
    async with guest.opens_the_page() as page:
        reply = await page.ask("What is in it?", [await page.attach(name, data, kind)])
        assert (len(reply.errors), reply.text) == (1, "")
        assert f"`{name}` can't be read" in reply.errors[0]
        assert why in reply.errors[0]
        assert questions(way, before) == []
        assert (await page.ask("Never mind.")).text
    assert way.lives() == lives


async def test_beside_a_bad_file_the_good_one_counts(way: WholeWay, guest: Person) -> None:
    told = fact()
    before = len(way.foundry.requests)
    async with guest.opens_the_page() as page:
        files = [
            await page.attach("facts.txt", told.encode()),
            await page.attach("bad.pdf", b"%PDF-1.7", "application/pdf"),
        ]
        reply = await page.ask("What is the code?", files)
    assert (len(reply.errors), bool(reply.text)) == (1, True)
    assert "`facts.txt` was given to the model." in reply.notices[0]
    (request,) = questions(way, before)
    assert told in request[-1]["content"]


async def test_what_is_never_sent_makes_room_for_what_comes(way: WholeWay, guest: Person) -> None:
    async with guest.opens_the_page() as one, guest.opens_the_page() as another:
        first = await one.attach("first.txt", b"a" * 10_000_000)
        for _ in range(6):
            await another.attach("more.txt", b"a" * 10_000_000)
        assert len(kept(way)) == 5
        (error,) = (await one.ask("What is in it?", [first])).errors
    assert "`first.txt` can't be read: it waited so long" in error


async def test_what_was_attached_is_named_in_what_is_taken_away(guest: Person) -> None:
    async with guest.opens_the_page() as page, guest.on_the_page() as user:
        await page.ask("What is the code?", [await page.attach("facts.md", fact().encode(), "text/markdown")])
        chat_id = await page.chat_id()
        taken = (await user.call("GET", f"/export/{chat_id}.json")).json()
        text = (await user.call("GET", f"/export/{chat_id}.md")).text
    assert [each["files"] for each in taken["messages"] if each["role"] == "user"] == [
        [{"name": "facts.md", "type": "text/markdown"}]
    ]
    assert "Attached: facts.md" in text


async def test_more_files_than_the_page_takes_are_refused(guest: Person) -> None:
    async with guest.opens_the_page() as page:
        many = [await page.attach(f"{number}.txt", b"Hello.") for number in range(6)]
        assert (await page.ask("Well?", many[:5])).errors == []
        (error,) = (await page.ask("Well?", [await page.attach(f"{name}.txt", b"Hello.") for name in "abcdef"])).errors
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
    guest: Person, name: str, size: int, status: int, says: str
) -> None:
    async with guest.opens_the_page() as page:
        answer = await page.upload(name, b"a" * size, "application/octet-stream")
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


@pytest.mark.full
async def test_a_file_that_takes_for_ever_holds_up_nobody_else(way: WholeWay, guest: Person) -> None:
    slow = documents.slow_pdf(300_000)
    lives = way.lives()
    async with guest.opens_the_page() as one, guest.opens_the_page() as another:
        file = await one.attach("slow.pdf", slow, "application/pdf")
        waiting = asyncio.create_task(one.ask("What is in it?", [file]))
        assert (await another.ask("Hello?")).text
        assert not waiting.done()
        (error,) = (await waiting).errors
    assert "`slow.pdf` can't be read: reading it takes too" in error
    assert way.lives() == lives


async def test_stop_ends_the_reading(way: WholeWay, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        file = await page.attach("slow.pdf", documents.slow_pdf(300_000), "application/pdf")
        waiting = asyncio.create_task(page.ask("What is in it?", [file]))
        await until(lambda: len(readers(way)) == 1)
        await page.stop()
        reply = await waiting
        assert (reply.text, reply.errors) == ("", [])
        assert (readers(way), kept(way)) == ([], [])
        assert (await page.ask("Never mind.")).text


def readers(way: WholeWay) -> list[str]:
    """Processes in the chat's container that read a file."""
    return [line for line in way.commands("chainlit") if "chat.files.worker" in line]


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not so():
            await asyncio.sleep(0.05)


async def test_neither_a_file_nor_its_name_stands_in_a_log(way: WholeWay, guest: Person) -> None:
    word = f"zq{secrets.token_hex(6)}"
    async with guest.opens_the_page() as page:
        await page.ask("Well?", [await page.attach(f"{word}.txt", word.encode())])
        bad = await page.attach(f"{word}.pdf", f"%PDF-1.7 {word}".encode(), "application/pdf")
        assert word in (await page.ask("Well?", [bad])).errors[0]
        await page.upload(f"{word}.exe", word.encode())
        await page.set(system_prompt=word * 1000)
        await page.set(temperature=word)
        await page.set(model=word)
    assert [name for name, log in way.logs().items() if word in log.lower()] == []


async def test_the_real_model_answers_with_a_file(user: Person) -> None:
    async with user.opens_the_page() as page:
        answer = await asks_about_a_file(page)
    assert answer.strip()


async def asks_about_a_file(page: OpenChat) -> str:
    pdf = documents.pdf(["The bird in the garden is a kestrel.", "It was seen on Monday."])
    reply = await page.ask("Which bird is in the garden?", [await page.attach("birds.pdf", pdf, "application/pdf")])
    assert reply.errors == []
    return reply.text
