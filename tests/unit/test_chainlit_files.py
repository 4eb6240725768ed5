"""Files that are attached: what is read of them, what is cut, and what happens with those made to break the reader."""

from __future__ import annotations

import asyncio
import codecs
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from chat.context import tokens_in
from chat.files import budget, reader, worker
from chat.files.attach import File, attach
from chat.files.contents import clean, read
from chat.files.kinds import ACCEPT
from chat.files.outcome import Contents, Unreadable
from chat.problems import Problem
from fakes import documents

PLENTY = 100_000
SOON = 5  # seconds; what is given up would take longer
POLISH = "Wczoraj wieczorem poszliśmy do kina. Był dość długi film, ale nikt się nie nudził.\nŹródło: gazeta.\n"
FRENCH = "Nous étions très fatigués, mais la fête a duré jusqu'au matin. Où êtes-vous allés après le dîner?\n"
RUSSIAN = "Привет, как дела? Это простой текст, в нём нет ничего особенного.\n"

Put = Callable[[str, bytes], File]


@pytest.fixture(autouse=True)
def own_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a turn belongs to one event loop, and each test has its own."""
    monkeypatch.setattr(reader, "_free", asyncio.Semaphore(reader.AT_ONCE))


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """A file as Chainlit keeps it: under a name of its own."""

    def write(name: str, data: bytes) -> File:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
        path.write_bytes(data)
        return File(name, path)

    return write


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"name,price\r\ncoffee,3\r", "name,price\ncoffee,3\n"),
        (POLISH.encode(), POLISH),
        (codecs.BOM_UTF8 + POLISH.encode(), POLISH),
        (POLISH.encode("utf-16"), POLISH),
        (POLISH.encode("utf-32"), POLISH),
        (codecs.BOM_UTF16_BE + POLISH.encode("utf-16-be"), POLISH),
        (POLISH.encode()[:-1] + b"\xff and on", POLISH[:-1] + "\ufffd and on"),
        (b"\x1b[31mred\x1b[0m and a \x0cpage", "[31mred[0m and a page"),
    ],
    ids=["csv", "utf-8", "utf-8 with mark", "utf-16", "utf-32", "utf-16 big-endian", "utf-8 with a slip", "colours"],
)
def test_text_whose_encoding_is_certain(data: bytes, text: str) -> None:
    assert read(data, "txt", PLENTY) == Contents(text)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (POLISH, "cp1250"),
        ("Łóżko;1200;3\n" * 400, "cp1250"),
        ("Wczoraj wieczorem poszliśmy do kina. Był dość długi film.\n" * 9, "cp1250"),
        ("Árvíztűrő tükörfúrógép. Nagyon jó őszi idő van.\n", "cp1250"),
        ("Räksmörgås på ön är gott, säger både Åsa och Örjan.\n", "cp1252"),
        ("El niño pequeño comió piñas y mañana irá a la estación.\n", "cp1252"),
        ("Das Café ist schön, größer als früher. Straße und Müller.\n", "cp1252"),
        (FRENCH, "cp1252"),
        ("name,price\ncafé,3\n", "cp1252"),
        (RUSSIAN, "cp1251"),
        ("これは日本語のテキストです。\n", "cp932"),
        ("这是一个中文文本文件用于测试编码检测。", "gb18030"),
    ],
)
def test_an_older_encoding_is_guessed_and_said(text: str, encoding: str) -> None:
    assert read(text.encode(encoding), "csv", PLENTY) == Contents(text, guess=encoding)


def test_utf_16_without_its_mark_is_found() -> None:
    assert read(b"n\0a\0m\0e\0\n\0", "txt", PLENTY) == Contents("name\n", guess="utf-16-le")


def test_a_pdf_is_read_page_by_page() -> None:
    data = documents.pdf(["The code is (KESTREL) 7.", "", "Page three."])
    assert read(data, "pdf", PLENTY) == Contents("The code is (KESTREL) 7.\n\nPage three.")


def test_a_long_pdf_is_read_no_further_than_needed() -> None:
    contents = read(documents.pdf([f"This is page {number}." for number in range(1, 101)]), "pdf", 100)
    assert contents.text.startswith("This is page 1.\n\nThis is page 2.")
    assert len(contents.text) <= 100
    assert 0.05 < contents.share < 0.07


def test_a_word_document_is_read_with_its_tables() -> None:
    data = documents.docx(["Zażółć gęślą <jaźń> & co.", "", "The code is KESTREL."], [["Name", "Price"], ["Tea", "2"]])
    assert read(data, "docx", PLENTY).text == (
        "Zażółć gęślą <jaźń> & co.\n\nThe code is KESTREL.\nName | Price\nTea | 2"
    )


def test_a_text_about_pdfs_is_none() -> None:
    text = "A PDF begins with %PDF-1.7, says the book.\n"
    assert read(text.encode(), "md", PLENTY) == Contents(text)
    assert read(b"before it\n" + documents.pdf(["Hello."]), "pdf", PLENTY).text == "Hello."


def test_the_content_counts_and_not_the_name() -> None:
    assert read(documents.pdf(["Hello."]), "txt", PLENTY).text == "Hello."
    assert read(documents.docx(["Hello."]), "pdf", PLENTY).text == "Hello."


def noise(size: int) -> bytes:
    return random.Random(0).randbytes(size)  # noqa: S311


DAMAGED = "it is damaged"
CASES: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "txt", "it is empty"),
    "nothing but blanks": (b" \r\n\t ", "md", "it is empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + noise(3000), "txt", "it is no text"),
    "noise": (noise(3000), "csv", "it is no text"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(100) + noise(3000), "py", "it is no text"),
    "signs that nobody types": (b"\1\2\3\4Hello.", "txt", "it is no text"),
    "no pdf": (b"Hello.", "pdf", DAMAGED),
    "no docx": (b"Hello.", "docx", DAMAGED),
    "half a pdf": (documents.pdf(["Hello."])[:200], "pdf", DAMAGED),
    "half a docx": (documents.docx(["Hello."])[:-40], "docx", DAMAGED),
    "noise in a pdf": (documents.pdf(["Hello."])[:60] + noise(3000), "pdf", DAMAGED),
    "a pdf of no pages": (documents.pdf([]), "pdf", "no text in it, only pictures"),
    "a scan": (documents.pdf(["", ""]), "pdf", "no text in it, only pictures"),
    "a pdf in circles": (documents.circular_pdf(), "pdf", DAMAGED),
    "a pdf too deep": (documents.deep_pdf(100_000), "pdf", DAMAGED),
    "a pdf with a password": (documents.locked_pdf("secret"), "pdf", "protected by a password"),
    "a docx with a password": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise(900), "docx", "protected by a password"),
    "an old Word file": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise(900), "doc", "an old kind of Word file"),
    "an archive": (documents.zipped({"a.txt": b"a"}), "docx", "an archive (zip) and no Word document"),
    "a docx without its list": (documents.zipped({"word/document.xml": b"<a/>"}), "docx", DAMAGED),
    "a docx of no xml": (documents.zipped({**documents.docx_parts([]), "word/document.xml": b"{}"}), "docx", DAMAGED),
    "a docx without text": (documents.docx(["", " "]), "docx", "there is no text in it"),
    "a docx that unpacks to much": (documents.bomb_docx(60), "docx", "unpacks to more than 50 MB"),
    "a docx of many parts": (
        documents.zipped({**documents.docx_parts(["a"]), **{f"{number}": b"" for number in range(6000)}}),
        "docx",
        "too much memory",
    ),
    "a docx that laughs": (documents.laughing_docx(), "docx", DAMAGED),
    "a docx too deep": (documents.docx_of_levels(5000), "docx", DAMAGED),
    "a pdf that unpacks to much": (documents.bomb_pdf(100), "pdf", "too much time or memory"),
}


@pytest.mark.parametrize(("data", "ending", "why"), CASES.values(), ids=CASES.keys())
def test_what_can_not_be_read_says_why(data: bytes, ending: str, why: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read(data, ending, PLENTY)
    assert why in unreadable.value.why
    assert unreadable.value.fix.endswith(".")


def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    assert read(documents.locked_pdf(""), "pdf", PLENTY).text == "The code is KESTREL."


def test_a_document_can_not_have_another_file_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("KESTREL")
    with pytest.raises(Unreadable, match="there is no text in it"):
        read(documents.prying_docx(secret.as_uri()), "docx", PLENTY)


@pytest.mark.parametrize("ending", ["pdf", "docx", "txt"])
def test_noise_never_breaks_the_reader(ending: str) -> None:
    """Good documents with some bytes changed: read or refused, nothing else."""
    good = {"pdf": documents.pdf(["Hello."] * 3), "docx": documents.docx(["Hello."] * 3), "txt": POLISH.encode()}[
        ending
    ]
    chance = random.Random(ending)  # noqa: S311
    refused = 0
    for _ in range(60):
        spoilt = bytearray(good)
        for _ in range(chance.randrange(1, 12)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        try:
            assert read(bytes(spoilt), ending, PLENTY).text
        except Unreadable:
            refused += 1
    assert refused < 60


async def test_the_reader_s_process_gives_back_what_it_read(put: Put) -> None:
    file = put("häßlich `$(id)`\0.PDF", documents.pdf(["The code is KESTREL."]))
    assert await reader.read(file.path, file.name, PLENTY) == Contents("The code is KESTREL.")


async def test_the_reader_s_process_says_why_not(put: Put) -> None:
    with pytest.raises(Unreadable) as unreadable:
        await reader.read(put("a.pdf", b"Hello.").path, "a.pdf", PLENTY)
    assert DAMAGED in unreadable.value.why
    assert "PDF" in unreadable.value.fix


async def test_a_file_that_takes_for_ever_is_given_up(put: Put) -> None:
    file = put("slow.pdf", documents.slow_pdf(300_000))
    async with asyncio.timeout(SOON):
        with pytest.raises(Unreadable, match="takes too long"):
            await reader.read(file.path, file.name, PLENTY, seconds=0.3)
    assert readers() == []


async def test_who_stops_does_not_leave_the_reader_behind(put: Put) -> None:
    file = put("slow.pdf", documents.slow_pdf(300_000))
    reading = asyncio.create_task(reader.read(file.path, file.name, PLENTY))
    await a_reader()
    reading.cancel()
    async with asyncio.timeout(SOON):
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert readers() == []


async def test_the_reader_knows_no_secret(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "KESTREL")
    file = put("slow.pdf", documents.slow_pdf(300_000))
    reading = asyncio.create_task(reader.read(file.path, file.name, PLENTY))
    surroundings = Path(f"/proc/{await a_reader()}/environ").read_bytes()
    reading.cancel()
    assert b"PATH=" in surroundings
    assert b"KESTREL" not in surroundings


async def test_no_more_read_at_once_than_there_is_memory_for(put: Put) -> None:
    file = put("slow.pdf", documents.slow_pdf(300_000))
    reading = [asyncio.create_task(reader.read(file.path, file.name, PLENTY)) for _ in range(reader.AT_ONCE + 2)]
    await a_reader()
    most = 0
    for _ in range(30):
        most = max(most, len(readers()))
        await asyncio.sleep(0.01)
    for each in reading:
        each.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    assert most == reader.AT_ONCE


async def test_a_file_that_takes_all_the_memory_is_given_up(put: Put) -> None:
    file = put("huge.txt", b"")
    os.truncate(file.path, 2 * worker.MEMORY)
    with pytest.raises(Unreadable, match="takes too much memory"):
        await reader.read(file.path, file.name, PLENTY)


def readers() -> list[int]:
    """Processes of this test's own that read a file."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return [int(pid) for pid in mine if worker.__name__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def a_reader() -> int:
    """One of them, as soon as there is one."""
    async with asyncio.timeout(SOON):
        while not (found := readers()):
            await asyncio.sleep(0.01)
    return found[0]


async def test_a_fact_is_in_the_text_and_the_note_names_the_file(put: Put) -> None:
    attached = await attach([put("facts.md", b"The code is KESTREL.\n")], 500)
    assert "facts.md" in attached.text
    assert "The code is KESTREL." in attached.text
    assert attached.note == "`facts.md` was given to the model."
    assert attached.problems == []


async def test_what_does_not_fit_is_cut_and_said(put: Put) -> None:
    lines = "".join(f"Line {number} of the file.\n" for number in range(2000))
    attached = await attach([put("long.txt", lines.encode()), put("facts.txt", b"The code is KESTREL.")], 800)
    assert tokens_in(attached.text) <= 800
    assert tokens_in(attached.text) > 700
    assert '<file name="facts.txt">\nThe code is KESTREL.\n</file>' in attached.text
    assert attached.text.startswith('<file name="long.txt">\nLine 0 of the file.\nLine 1 of')
    assert "of the file.\n[The rest of the file is left out.]\n</file>" in attached.text
    assert re.search(
        "`long.txt` is too long for the model, which was given about the first [1-9] % of it", attached.note
    )
    assert "`facts.txt` was given to the model." in attached.note


async def test_one_bad_file_does_not_take_the_good_one_with_it(put: Put) -> None:
    attached = await attach([put("bad `x`.pdf", b"Hello."), put("good.csv", "Łóżko;2\n".encode("cp1250"))], 500)
    assert "Łóżko;2" in attached.text
    assert "in cp1250." in attached.note
    (problem,) = attached.problems
    assert problem.cause == "file-unreadable"
    assert problem.what.startswith("`bad 'x'.pdf` can't be read: it is damaged")


async def test_without_room_nothing_is_read(put: Put) -> None:
    with pytest.raises(Problem) as problem:
        await attach([put("a.txt", b"a"), put("b.txt", b"b")], 2 * budget.FEWEST - 1)
    assert problem.value.cause == "context-too-long"


def test_a_long_name_is_shown_short() -> None:
    shown = File("\n" + "a" * 300 + ".pdf", Path("x")).shown
    assert len(shown) <= 80
    assert shown.endswith(".pdf")


@pytest.mark.parametrize(
    ("tokens", "wanted", "given"),
    [
        (100, [30, 40], [30, 40]),
        (100, [300, 40], [60, 40]),
        (100, [300, 400, 10], [45, 45, 10]),
        (0, [5], [0]),
        (9, [], []),
    ],
)
def test_room_is_shared(tokens: int, wanted: list[int], given: list[int]) -> None:
    assert budget.split(tokens, wanted) == given


def test_files_leave_room_for_the_conversation() -> None:
    assert budget.room(8192, 1192) == 5250
    assert budget.room(1000, 2000) == 0


def test_a_cut_ends_with_a_word() -> None:
    text = "one two three four five six seven eight nine ten " * 20
    kept = budget.cut(text, 50)
    assert 40 <= tokens_in(kept) <= 50
    assert text.startswith(f"{kept} ")


def test_a_cut_where_no_word_ends_is_made_all_the_same() -> None:
    assert set(kept := budget.cut("x" * 3000, 100)) == {"x"}
    assert 90 <= tokens_in(kept) <= 100


def test_half_a_letter_is_not_passed_on() -> None:
    assert clean("a\ud800b") == "a?b"


def test_every_ending_can_be_chosen_on_the_page() -> None:
    endings = next(iter(ACCEPT.values()))
    assert len(endings) == len(set(endings)) > 100
    assert {".txt", ".md", ".csv", ".py", ".ts", ".pdf", ".docx"} <= set(endings)
    assert all(set(some) <= set(endings) for some in ACCEPT.values())
    assert all(ending.startswith(".") and len(ending) <= 16 and ending.islower() for ending in endings)
