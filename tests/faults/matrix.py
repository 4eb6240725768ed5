"""The confusion matrix of a test run: which cause was injected, and which ones the probe named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

NOTHING = "nothing"


class Matrix:
    """A row for each cause that was injected."""

    def __init__(self) -> None:
        self._named: dict[str, Counter[str]] = defaultdict(Counter)
        self._blind: dict[str, str] = {}

    def note(self, right: str, named: Iterable[str | None]) -> None:
        """The probe was asked while ``right`` was injected, and named these."""
        self._named[right][_in_words(named)] += 1

    def note_blind(self, right: str, named: Iterable[str | None]) -> None:
        """The same, with the detector of ``right`` switched off."""
        self._blind[right] = _in_words(named)

    def was_blind(self, cause: str) -> bool:
        """Whether that was done for this cause in this run."""
        return cause in self._blind

    @property
    def injected(self) -> int:
        """How often anything was injected."""
        return sum(each.total() for each in self._named.values())

    @property
    def wrong(self) -> int:
        """How often the probe named anything but the right cause, alone."""
        return sum(count for right, each in self._named.items() for named, count in each.items() if named != right)

    def lines(self, catalogue: Iterable[str]) -> Iterator[str]:
        """The matrix for people; of ``catalogue``, last, what was not injected in this run."""
        width = max(map(len, self._named), default=0)
        blind = bool(self._blind)
        yield f"{'injected':{width}}  times  named{'; without its detector' if blind else ''}"
        for right in sorted(self._named):
            named = ", ".join(f"{name} {count}" for name, count in self._named[right].most_common())
            without = f"; {self._blind[right]}" if right in self._blind else ""
            mark = "" if set(self._named[right]) == {right} else "   <-- wrong"
            yield f"{right:{width}}  {self._named[right].total():5}  {named}{without}{mark}"
        yield f"{self.injected} injected, {len(self._named)} causes, {self.wrong} with a wrong name"
        if missing := sorted(set(catalogue) - self._named.keys()):
            yield f"not injected in this run: {', '.join(missing)}"


def _in_words(named: Iterable[str | None]) -> str:
    return "+".join(sorted({each or NOTHING for each in named})) or NOTHING
