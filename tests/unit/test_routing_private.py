"""The detector of what is private: on texts labelled by hand, and on a library's made-up data."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from faker import Faker
from hypothesis import given
from hypothesis import strategies as st

from chat.routing.private import FINDERS, NAMES, Finding, find, kinds_in
from fakes.private_texts import Labelled, corpus, labelled, scores, table

LOCALES = ("pl_PL", "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "cs_CZ", "sv_SE", "fi_FI", "no_NO")
EACH = 20
MADE_UP = {
    "email": ("email", "Write to [[email:{}]] please."),
    "phone": ("phone_number", "Call me on [[phone:{}]] tonight."),
    "iban": ("iban", "Transfer it to [[iban:{}]] today."),
    "card": ("credit_card_number", "Charge [[card:{}]] for it."),
    "national-id": ("ssn", "My number is [[national-id:{}]], is it valid?"),
}
NOT_OF = {("iban", "en_US"), ("national-id", "en_GB")}  # there is none; Faker's begin with ZZ, which is never given


def test_recall_and_precision_on_texts_labelled_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    by_kind = scores(corpus())
    with capsys.disabled():
        print(f"\n{table(by_kind)}")
    assert by_kind["all"].recall >= 0.98
    assert by_kind["all"].precision >= 0.98
    for kind in FINDERS:
        assert by_kind[kind].private >= 8, "too few to say anything"
        assert by_kind[kind].recall >= 0.95, (kind, by_kind[kind].missed)
        assert by_kind[kind].precision >= 0.95, (kind, by_kind[kind].wrong)


def test_recall_on_made_up_data(capsys: pytest.CaptureFixture[str]) -> None:
    Faker.seed(8)
    texts = []
    for locale in LOCALES:
        fake = Faker(locale)
        for kind, (method, sentence) in MADE_UP.items():
            if (kind, locale) not in NOT_OF:
                maker = fake.pesel if (kind, locale) == ("national-id", "pl_PL") else getattr(fake, method)
                texts += [labelled(sentence.format(maker())) for _ in range(EACH)]
    by_kind = scores(texts)
    with capsys.disabled():
        print(f"\n{table(by_kind)}")
    assert by_kind["all"].recall >= 0.97
    for kind in MADE_UP:
        assert by_kind[kind].recall >= 0.94, (kind, by_kind[kind].missed)


def test_precision_on_made_up_data(capsys: pytest.CaptureFixture[str]) -> None:
    Faker.seed(8)
    fake = Faker(["en_US", "pl_PL", "de_DE", "fr_FR"])
    texts = [fake.text(300) for _ in range(300)]
    texts += [
        f"{fake.company()} {fake.date()} {fake.random_number(8)} {fake.uuid4()} {fake.ipv4()} {fake.isbn13()} "
        f"{fake.md5()} {fake.user_agent()} {fake.url()} {fake.mac_address()} {fake.pricetag()} {fake.sha256()}"
        for _ in range(200)
    ]
    score = scores(Labelled(text, []) for text in texts)["all"]
    with capsys.disabled():
        print(f"\n{len(score.wrong)} of {len(texts)} harmless texts taken for private: {score.wrong}")
    assert len(score.wrong) <= len(texts) / 100


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


def test_findings_say_where_and_never_what() -> None:
    text = "Mail anna@example.com or call +48 600 123 456."
    assert find(text) == [Finding(5, 21, "email"), Finding(30, 45, "phone")]
    assert "anna" not in repr(find(text))


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
     "'", "-----BEGIN PRIVATE KEY-----", "token='", "1.", "+48", "AB12", "eyJa."],
)  # fmt: skip
def test_a_long_text_takes_no_more_than_its_length(piece: str) -> None:
    """A pattern that tries everything would take an hour for these."""
    assert isinstance(find((piece * 100_000)[:100_000]), list)


def test_rows_of_numbers_are_mostly_harmless() -> None:
    numbers = random.Random(8)  # noqa: S311
    texts = [" ".join(str(numbers.randrange(10**6)) for _ in range(50)) for _ in range(100)]
    assert sum(bool(find(text)) for text in texts) <= 20
