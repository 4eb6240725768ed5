"""Texts of which it is known what in them is private, and how the detector does on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faker import Faker

from chat.routing.private import FINDERS, Finding, find
from stack.settings import ROOT

REFERENCE = ROOT / "tests" / "reference"
FILE = REFERENCE / "private_texts.txt"
HELD_OUT = REFERENCE / "private_texts_held_out.txt"
MARK = re.compile(rf"\[\[({'|'.join(FINDERS)}):(.*?)\]\](?!\])", re.DOTALL)

LOCALES = ("pl_PL", "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "cs_CZ", "sv_SE", "fi_FI", "no_NO")
MADE_UP = {
    "email": ("email", "Write to [[email:{}]] please."),
    "phone": ("phone_number", "Call me on [[phone:{}]] tonight."),
    "iban": ("iban", "Transfer it to [[iban:{}]] today."),
    "card": ("credit_card_number", "Charge [[card:{}]] for it."),
    "national-id": ("ssn", "My number is [[national-id:{}]], is it valid?"),
}
NOT_OF = {("iban", "en_US"), ("national-id", "en_GB")}  # there is none; Faker's begin with ZZ, which is never given


@dataclass(frozen=True)
class Labelled:
    """A text, and what in it is private."""

    text: str
    private: Sequence[Finding]


def corpus(file: Path = FILE) -> list[Labelled]:
    """All lines of the file that are no comment."""
    lines = file.read_text(encoding="utf-8").split("\n")
    return [
        labelled(line.replace("\\n", "\n").replace("\\t", "\t")) for line in lines if line and not line.startswith("# ")
    ]


def labelled(marked: str) -> Labelled:
    """Take the marks off."""
    text, private, at = "", [], 0
    for mark in MARK.finditer(marked):
        text += marked[at : mark.start()]
        private.append(Finding(len(text), len(text) + len(mark[2]), mark[1]))  # type: ignore[arg-type]
        text, at = text + mark[2], mark.end()
    return Labelled(text + marked[at:], private)


def made_up(each: int, seed: int) -> list[Labelled]:
    """So many sentences with something private for each kind and country."""
    Faker.seed(seed)
    texts = []
    for locale in LOCALES:
        fake = Faker(locale)
        for kind, (method, sentence) in MADE_UP.items():
            if (kind, locale) not in NOT_OF:
                maker = fake.pesel if (kind, locale) == ("national-id", "pl_PL") else getattr(fake, method)
                texts += [labelled(sentence.format(maker())) for _ in range(each)]
    return texts


def harmless(count: int, seed: int) -> list[Labelled]:
    """Half prose, half what looks like something: dates, hashes, addresses of machines, prices."""
    Faker.seed(seed)
    fake = Faker(["en_US", "pl_PL", "de_DE", "fr_FR"])
    texts = [fake.text(300) for _ in range(count // 2)]
    texts += [
        f"{fake.company()} {fake.date()} {fake.random_number(8)} {fake.uuid4()} {fake.ipv4()} {fake.isbn13()} "
        f"{fake.md5()} {fake.user_agent()} {fake.url()} {fake.mac_address()} {fake.pricetag()} {fake.sha256()}"
        for _ in range(count - count // 2)
    ]
    return [Labelled(text, []) for text in texts]


@dataclass
class Score:
    """Of one kind, or of all.

    Attributes:
        missed: texts in which something private was not found; with what was.
        wrong: texts in which something was found that is not private.
    """

    private: int = 0
    found: int = 0
    right: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """How much of what is private is found."""
        return self.found / self.private if self.private else 1.0

    @property
    def precision(self) -> float:
        """How much of what is found is private."""
        all_found = self.right + len(self.wrong)
        return self.right / all_found if all_found else 1.0

    def __str__(self) -> str:
        return f"recall {self.recall:.1%} of {self.private}, precision {self.precision:.1%}"


def scores(texts: Iterable[Labelled]) -> dict[str, Score]:
    """By kind, and of `all`. Found is what overlaps: a decision needs no more. Of whatever kind it is taken for."""
    by_kind: dict[str, Score] = {kind: Score() for kind in (*FINDERS, "all")}
    for each in texts:
        found = find(each.text)
        for private in each.private:
            hit = any(_overlap(private, other) for other in found)
            for score in (by_kind[private.kind], by_kind["all"]):
                score.private += 1
                score.found += hit
                score.missed += [] if hit else [each.text[private.start : private.end]]
        for finding in found:
            is_right = any(_overlap(finding, private) for private in each.private)
            for score in (by_kind[finding.kind], by_kind["all"]):
                score.right += is_right
                score.wrong += [] if is_right else [each.text[finding.start : finding.end]]
    return by_kind


def table(by_kind: dict[str, Score]) -> str:
    """For the eye."""
    rows = [f"{'kind':12} {'private':>8} {'recall':>8} {'precision':>10}"]
    for kind, score in by_kind.items():
        rows.append(f"{kind:12} {score.private:8} {score.recall:8.1%} {score.precision:10.1%}")
    missed, wrong = by_kind["all"].missed, by_kind["all"].wrong
    return "\n".join([*rows, f"missed: {Counter(missed)}", f"wrong: {Counter(wrong)}"])


def _overlap(one: Finding, other: Finding) -> bool:
    return one.start < other.end and other.start < one.end
