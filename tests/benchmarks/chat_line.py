"""What the chat's line does for those who ask at once: the same users with few answers at a time, and with all at once.

    PYTHONPATH=scripts python tests/benchmarks/chat_line.py --foundry URL --python PYTHON

URL is a real Foundry Local with a chat model loaded (`python3 scripts/foundry.py status` says where one is); PYTHON has
what `services/chainlit/requirements.lock` names. Each user asks one question after the other, all begin at once. Times
are the users' own: from the question, waiting in the line included.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from fakes.chat_process import chainlit_app  # noqa: E402
from fakes.open_chat import Answer, OpenChat, open_chat  # noqa: E402

USERS = (1, 2, 4, 8)
AT_ONCE = (1, 2, 4, 1000)
QUESTIONS = 2
TOKENS = 96
ABOUT = ("the sea", "a lighthouse", "bread", "the moon", "a clock", "winter", "a bridge", "horses")
COUNTED = re.compile(r'^foundry_chat_tokens_total\{direction="out"\} (\S+)$', re.MULTILINE)


async def measure(url: str, count: int) -> tuple[list[Answer], float]:
    """What so many users got, and how many tokens per second all of them together."""
    async with AsyncExitStack() as pages, httpx.AsyncClient(trust_env=False) as http:
        users = [await pages.enter_async_context(open_chat(url)) for _ in range(count)]
        before, begun = await tokens_so_far(http, url), time.perf_counter()
        got = await asyncio.gather(*(asks(each, about) for each, about in zip(users, ABOUT, strict=False)))
        took = time.perf_counter() - begun
        made = await tokens_so_far(http, url) - before
    return [answer for answers in got for answer in answers], made / took


async def asks(page: OpenChat, about: str) -> list[Answer]:
    """Ask one question after the other."""
    answers = [await page.ask(f"Write a long story about {about}. Part {number}.") for number in range(QUESTIONS)]
    assert all(answer.text for answer in answers), [answer.errors for answer in answers]
    return answers


async def tokens_so_far(http: httpx.AsyncClient, url: str) -> float:
    """How many the app has counted."""
    found = COUNTED.search((await http.get(f"{url}/metrics")).text)
    assert found
    return float(found[1])


def p95(values: list[float]) -> float:
    """What 95 of 100 stay below."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the chat's line does for those who ask at once.")
    parser.add_argument("--foundry", required=True, help="such as http://127.0.0.1:5273")
    parser.add_argument("--python", default=sys.executable, help="has Chainlit; default: this one")
    given = parser.parse_args()
    table = Table(
        "at once", "users", "first text p50 s", "p95", "then tokens/s", "whole answer p50 s", "p95", "all tokens/s"
    )
    for at_once in AT_ONCE:
        with tempfile.TemporaryDirectory() as name:
            knobs = {"BASE_URL": given.foundry, "ANSWERS_AT_ONCE": str(at_once), "MAX_TOKENS": str(TOKENS)}
            with chainlit_app(given.python, Path(name), knobs) as (url, _):
                await measure(url, 1)  # not counted
                for count in USERS:
                    answers, together = await measure(url, count)
                    first = [answer.first_text_seconds or 0.0 for answer in answers]
                    whole = [answer.last_text_seconds for answer in answers]
                    reading = statistics.median(TOKENS / (last - soon) for last, soon in zip(whole, first, strict=True))
                    table.add_row(
                        *("no line" if at_once == max(AT_ONCE) else str(at_once), str(count)),
                        *(f"{statistics.median(first):.2f}", f"{p95(first):.2f}", f"{reading:.0f}"),
                        *(f"{statistics.median(whole):.1f}", f"{p95(whole):.1f}", f"{together:.0f}"),
                    )
    Console(width=110).print(table)


if __name__ == "__main__":
    asyncio.run(main())
