"""How the relay tells which answers of the model are under way, with its answer to ``GET /status``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

COUNT = "X-Answers-Under-Way"  # how many are waited for
SILENT = "X-Answers-Silent"  # seconds since the last text of each that has had any, the freshest first
MOST = 50  # of those; a header has an end


def told(count: int, silent: Iterable[float]) -> dict[str, str]:
    """The headers that say so."""
    return {COUNT: str(count), SILENT: ", ".join(f"{seconds:.2f}" for seconds in sorted(silent)[:MOST])}


def heard(headers: Mapping[str, str]) -> tuple[int, list[float]] | None:
    """What the headers say; None where no relay says anything."""
    try:
        count = int(headers[COUNT])
        return count, [float(each) for each in headers.get(SILENT, "").split(",") if each.strip()]
    except (KeyError, ValueError):
        return None
