"""The labelled texts of `tests/reference/private_texts.txt`, and how a detector does on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chat.routing.private import FINDERS, Finding, find
from stack.settings import ROOT

FILE = ROOT / "tests" / "reference" / "private_texts.txt"
MARK = re.compile(rf"\[\[({'|'.join(FINDERS)}):(.*?)\]\](?!\])", re.DOTALL)


@dataclass(frozen=True)
class Labelled:
    """A text, and what in it is private."""

    text: str
    private: Sequence[Finding]


def corpus() -> list[Labelled]:
    """All lines of the file that are no comment."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [labelled(line.replace("\\n", "\n")) for line in lines if line and not line.startswith("# ")]


def labelled(marked: str) -> Labelled:
    """Take the marks off."""
    text, private, at = "", [], 0
    for mark in MARK.finditer(marked):
        text += marked[at : mark.start()]
        private.append(Finding(len(text), len(text) + len(mark[2]), mark[1]))  # type: ignore[arg-type]
        text, at = text + mark[2], mark.end()
    return Labelled(text + marked[at:], private)


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
