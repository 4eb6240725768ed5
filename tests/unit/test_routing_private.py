"""The detector of what is private: on texts labelled by hand, and on a library's made-up data."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.routing import private
from chat.routing.finders.spread import with_groups_together, with_tokens_together
from chat.routing.private import FINDERS, NAMES, Finding, find, first_kind_in, kinds_in
from fakes.private_texts import HELD_OUT, MADE_UP, corpus, harmless, made_up, scores, table


def test_recall_and_precision_on_texts_labelled_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    by_kind = scores(corpus())
    with capsys.disabled():
        print(f"\nprivate, labelled by hand: {by_kind['all']}")
    assert by_kind["all"].recall >= 0.98, table(by_kind)
    assert by_kind["all"].precision >= 0.98, table(by_kind)
    for kind in FINDERS:
        assert by_kind[kind].private >= 8, "too few to say anything"
        assert min(by_kind[kind].recall, by_kind[kind].precision) >= 0.95, table(by_kind)


def test_recall_and_precision_on_texts_held_out(capsys: pytest.CaptureFixture[str]) -> None:
    by_kind = scores(corpus(HELD_OUT))
    with capsys.disabled():
        print(f"\nprivate, held out: {by_kind['all']}")
    assert by_kind["all"].recall >= 0.95, table(by_kind)
    assert by_kind["all"].precision >= 0.95, table(by_kind)


def test_recall_on_made_up_data(capsys: pytest.CaptureFixture[str]) -> None:
    by_kind = scores(made_up(each=20, seed=8))
    with capsys.disabled():
        print(f"\nprivate, made up: {by_kind['all']}")
    assert by_kind["all"].recall >= 0.97, table(by_kind)
    assert min(by_kind[kind].recall for kind in MADE_UP) >= 0.94, table(by_kind)


def test_precision_on_made_up_data(capsys: pytest.CaptureFixture[str]) -> None:
    texts = harmless(count=500, seed=8)
    wrong = scores(texts)["all"].wrong
    with capsys.disabled():
        print(f"\nharmless, made up: {len(wrong)} of {len(texts)} texts taken for private")
    assert len(wrong) <= len(texts) / 100, wrong


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("PL61109010140000071219812874", "PL61109010140000071219812875", "iban"),
        ("4111111111111111", "4111111111111112", "card"),
        ("44051401359", "44051401358", "national-id"),
        ("02070803628", "02070803629", "national-id"),
        ("54362315K", "54362315A", "national-id"),
    ],
)
def test_check_digits_count(right: str, wrong: str, kind: str) -> None:
    assert [finding.kind for finding in find(f"this: {right}")] == [kind]
    assert find(f"this: {wrong}") == []


ONE_OF_EACH = {
    "email": "anna@example.com",
    "iban": "DE89370400440532013000",
    "card": "4111111111111111",
    "national-id": "44051401359",
    "phone": "600700800",
}


@pytest.mark.parametrize(
    "row", ["1,{},x", "{},12/27", "x,{}", '"1","{}","x"', "1;{};2", "1\t{}\t2", "1|{}|2", "1  {}  2"]
)
@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_a_cell_of_a_row_is_found(kind: str, row: str) -> None:
    text = "a,b,c\n" + row.format(ONE_OF_EACH[kind]) + "\n1,2,3"
    (finding,) = find(text)
    assert (text[finding.start : finding.end], finding.kind) == (ONE_OF_EACH[kind], kind)


@pytest.mark.parametrize("gap", ["\n", "\r\n", " \n  ", "\u2028", "\n> ", "  ", "\u2800", "\u00a0\n"])
@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("4111 1111", "1111 1111", "card"),
        ("PL61 1090 1014 0000", "0712 1981 2874", "iban"),
        ("440514", "01359", "national-id"),
        ("+48 600", "700 800", "phone"),
        ("600 700", "800", "phone"),
    ],
)
def test_a_number_is_found_whatever_stands_between_its_groups(before: str, after: str, kind: str, gap: str) -> None:
    text = f"It is {before}{gap}{after}, she says."
    (finding,) = find(text)
    assert (text[finding.start : finding.end], finding.kind) == (f"{before}{gap}{after}", kind)


@pytest.mark.parametrize("unseen", ["\u034f", "\ufe0f", "\u3164", "\u0336", "\u20e3", "\u200b", "\x00"])
def test_what_takes_no_ink_hides_nothing(unseen: str) -> None:
    assert [each.kind for each in find(unseen.join("44051401359"))] == ["national-id"]


def test_findings_say_where_and_never_what() -> None:
    text = "Mail anna@example.com or call +48 600 123 456."
    assert find(text) == [Finding(5, 21, "email"), Finding(30, 45, "phone")]
    assert "anna" not in repr(find(text))


def test_what_is_taken_for_two_kinds_is_found_once() -> None:
    assert find("password: anna@example.com") == [Finding(10, 26, "secret")]


def test_the_place_is_that_of_the_text_as_it_was_written() -> None:
    text = "a\u200bb \uff0b\uff14\uff18\u00a0600\u2013123\u2013456!"
    (finding,) = find(text)
    assert text[finding.start : finding.end] == "\uff0b\uff14\uff18\u00a0600\u2013123\u2013456"


def test_each_kind_has_a_name_for_the_user_and_the_gravest_is_said_first() -> None:
    assert list(NAMES) == list(FINDERS)
    assert kinds_in(["call +48 600 123 456", "password: hunter2", "nothing"]) == ["secret", "phone"]


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    found = find(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


@given(st.text(alphabet="a1 @.-+:=/PL_\"'\n", max_size=300))
def test_texts_that_look_like_much_can_be_read(text: str) -> None:
    assert all(each.end <= len(text) for each in find(text))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    ["a", "1", "9 ", "a@", "a.", " at ", "password ", "password: ", "key for ", "a_", " ", "\n", "PL61 ", "x://", "(1",
     "1\n", "1234 1234\n", "password,a\n", "| password |\n", "pass ", "login a password ", "a\n@a.", "PL11-", "a@a\n.",
     "<password>", "name: password\n", "curl -u a:", "password: a a ", "600700800; ",
     "'", "-----BEGIN PRIVATE KEY-----", "token='", "1.", "+48", "AB12", "eyJa."],
)  # fmt: skip
def test_a_long_text_takes_no_more_than_its_length(piece: str) -> None:
    """A pattern that tries everything would take an hour for these."""
    assert isinstance(find((piece * 100_000)[:100_000]), list)


@given(st.text(alphabet="4 1\n\t-,>+PL6", max_size=200))
def test_what_is_put_together_is_found_where_it_stands(text: str) -> None:
    assert all(0 <= each.start < each.end <= len(text) for each in find(text))
    for form in (*with_groups_together(text), *with_tokens_together(text)):
        assert len(form.places) == len(form.text)
        assert all(before < after for before, after in pairwise(form.places))
        assert all(letter in (text[place], " ") for letter, place in zip(form.text, form.places, strict=True))


def test_the_first_kind_is_told_and_known_again() -> None:
    assert first_kind_in(["nothing", "call +48 600 123 456", "password: hunter2"]) == "phone"
    assert first_kind_in(["call +48 600 123 456, password: hunter2"]) == "secret"
    assert first_kind_in(["nothing", "\ud800"]) is None


def test_what_is_known_of_texts_is_bounded_and_holds_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private._Known, "MOST", 2)
    known = private._Known()
    for text in ("a", "b", "anna@example.com", "a"):
        known.kind_in(text)
    assert list(known._kinds.values()) == ["email", None]
    assert all(len(digest) == 32 for digest in known._kinds)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|", "  ", " , ", ", "])
def test_tables_of_numbers_are_mostly_harmless(sign: str) -> None:
    numbers = random.Random(8)  # noqa: S311

    def number() -> str:
        whole, fraction = numbers.randrange(10 ** numbers.randint(1, 6)), numbers.uniform(0, 1000)
        day = f"2024-{numbers.randint(1, 12):02}-{numbers.randint(1, 28):02}"
        return numbers.choice([str(whole), f"{fraction:.{numbers.randint(1, 4)}f}", day])

    tables = ["\n".join(sign.join(number() for _ in range(5)) for _ in range(20)) for _ in range(50)]
    wrong = [table[each.start : each.end] for table in tables for each in find(table)]
    assert sum(bool(find(table)) for table in tables) <= 5, wrong


def test_rows_of_numbers_are_mostly_harmless() -> None:
    numbers = random.Random(8)  # noqa: S311
    texts = [" ".join(str(numbers.randrange(10**6)) for _ in range(50)) for _ in range(100)]
    assert sum(bool(find(text)) for text in texts) <= 20
