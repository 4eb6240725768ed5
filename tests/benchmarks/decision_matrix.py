"""The tutorial's "Local vs Cloud Decision Matrix" (session 4, part 2), with this machine's numbers in the local column.

    PYTHONPATH=scripts:services/chainlit:tests python tests/benchmarks/decision_matrix.py --foundry URL [--rounds N]
                                [--page docs/decision-matrix.md --picture docs/pictures/decision-matrix.svg]

URL is Foundry Local's own address (`python3 scripts/foundry.py status` says it), with a model loaded, on this machine.
What it says of "offline" is what it saw: run it, and Foundry Local, where there is no network but loopback, such as in
`sudo unshare --net`, after `ip link set lo up` there.
There is no cloud here. Its column holds the tutorial's words, and for the latency a stand-in that waits as long as
`--simulated` says: what such a wait is to the chat, and no measurement of anybody's service. Nothing is ranked.
Exit code: 0; 1: Foundry Local had a connection that left this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import statistics
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import psutil
from rich.console import Console
from rich.markdown import Markdown

from chat import model, server
from chat.answer import Answer, Usage
from chat.conversation import Told
from chat.settings import Settings
from fakes.foundry import MODEL as STAND_IN
from fakes.steady_server import SteadyServer
from stack.parts.foundry import api

WORDS = (20, 100, 350, 700)
"""Of a question, from a plain one to one with a page of text."""
AT_ONCE = (1, 2, 4, 8)
TOKENS = 64
FILLER = ("the", "train", "left", "in", "morning", "and", "sea", "was", "calm", "so", "we", "drank", "tea", "weather")
MB = 1_000_000


@dataclass
class Watched:
    """Foundry Local's process, looked at after each answer."""

    process: psutil.Process
    memory: list[int] = field(default_factory=list)
    """Resident bytes."""
    outside: set[str] = field(default_factory=set)
    """Addresses beyond this machine that it was connected to."""

    def look(self) -> None:
        self.memory.append(self.process.memory_info().rss)
        ends = (each.raddr.ip for each in self.process.net_connections("inet") if each.raddr)
        self.outside |= {end for end in ends if not ip_address(end.partition("%")[0]).is_loopback}

    @property
    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@dataclass
class Local:
    """What was measured of the local model."""

    model: str
    disk: int | None
    """Bytes of its files; None: not found where Foundry Local keeps models."""
    offline: bool
    busy: float
    """The machine's load before it began: from 1 on others had a core of it."""
    watched: Watched
    first: dict[int, list[float]] = field(default_factory=dict)
    """Seconds to the first token, by the question's tokens."""
    rates: list[float] = field(default_factory=list)
    """Tokens per second after the first one, asked alone."""
    shared: dict[int, tuple[float, float]] = field(default_factory=dict)
    """By how many ask at once: tokens per second of each (the median), and of all together."""
    cpu_per_1000: float = 0.0


async def ask(where: server.Server, which: str, question: str, tokens: int = TOKENS) -> Usage:
    """One question, by the chat's own code."""
    told: list[Told] = [{"role": "user", "content": question}]
    answer = Answer(where, which, told, Settings(base_url=where.root, max_tokens=tokens, hold_conversations=0))
    async with aclosing(answer.pieces()) as pieces:
        async for _ in pieces:
            pass
    return answer.usage


def question(words: int) -> str:
    """Of about so many words; no two begin the same, so that nothing can have been computed before."""
    text = " ".join(random.choices(FILLER, k=max(0, words - 12)))  # noqa: S311
    return f"{random.randrange(10**6)} {text}. Go on with this story, and do not stop."  # noqa: S311


def rate(usage: Usage) -> float:
    """Tokens per second after the first one."""
    assert usage.seconds
    assert usage.first_token_seconds
    return ((usage.completion_tokens or 0) - 1) / (usage.seconds - usage.first_token_seconds)


async def measure_local(url: str, rounds: int) -> Local:
    """Ask alone, with questions of several lengths in an order that changes; then several at once."""
    where = await server.find(Settings(base_url=url))
    which = await model.which(where, model.AUTO)
    status = api.status(url)
    assert status, f"{url} is no Foundry Local"
    disk = size_on_disk(Path(status.model_cache), which)
    seen = Local(which, disk, not networks(), psutil.getloadavg()[0], Watched(psutil.Process(status.pid)))
    by_words: dict[int, list[Usage]] = {words: [] for words in WORDS}
    await ask(where, which, question(WORDS[0]))  # not counted
    cpu, made = seen.watched.cpu_seconds, 0
    for _ in range(rounds):
        for words in random.sample(WORDS, len(WORDS)):
            usage = await ask(where, which, question(words))
            by_words[words].append(usage)
            made += usage.completion_tokens or 0
            seen.watched.look()
            if words == WORDS[0]:
                seen.rates.append(rate(usage))
    seen.cpu_per_1000 = (seen.watched.cpu_seconds - cpu) / made * 1000
    for usages in by_words.values():
        tokens = round(statistics.mean(usage.prompt_tokens or 0 for usage in usages))
        seen.first[tokens] = [usage.first_token_seconds or math.inf for usage in usages]
    for count in AT_ONCE:
        begun = asyncio.get_running_loop().time()
        usages = await asyncio.gather(*(ask(where, which, question(WORDS[0])) for _ in range(count)))
        took = asyncio.get_running_loop().time() - begun
        seen.watched.look()
        together = sum(usage.completion_tokens or 0 for usage in usages) / took
        seen.shared[count] = statistics.median(map(rate, usages)), together
    return seen


async def measure_simulated(milliseconds: int, rounds: int) -> list[float]:
    """Seconds to the first token of a stand-in that waits so long, and whose model costs nothing."""
    async with SteadyServer(0, milliseconds / 1000, 0) as stand_in:
        where = await server.find(Settings(base_url=stand_in.url))
        usages = [await ask(where, STAND_IN, question(WORDS[0]), tokens=8) for _ in range(rounds)]
    return [usage.first_token_seconds or math.inf for usage in usages]


def networks() -> list[str]:
    """Interfaces that are up and are not loopback."""
    return [name for name, state in psutil.net_if_stats().items() if state.isup and "loopback" not in state.flags]


def size_on_disk(cache: Path, which: str) -> int | None:
    """Bytes of a model's files, in the folder that Foundry Local gives it."""
    for folder in cache.glob(f"*/{which.replace(':', '-')}"):
        return sum(file.stat().st_size for file in folder.resolve().rglob("*") if file.is_file())
    return None


def p50(values: Sequence[float]) -> float:
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def rows(seen: Local, simulated: dict[int, list[float]]) -> list[tuple[str, str, str, str]]:
    """Aspect, what the tutorial says of local, what was measured, and the cloud's column."""
    first = [f"{p50(times):.2f} s for {tokens}" for tokens, times in seen.first.items()]
    waits = [f"{milliseconds:,} ms: first token after {p50(times):.2f} s" for milliseconds, times in simulated.items()]
    shared = "; ".join(f"{count}: {each:.0f} each, {all_:.0f} in all" for count, (each, all_) in seen.shared.items())
    disk = f"{seen.disk / MB:,.0f} MB on disk, " if seen.disk else ""
    memory = seen.watched.memory
    private = (
        f"connected beyond this machine: {', '.join(sorted(seen.watched.outside))}"
        if seen.watched.outside
        else f"no connection beyond this machine in {len(memory)} looks at Foundry Local's sockets"
    )
    offline = "all of this was measured without any network but loopback" if seen.offline else "not tried in this run"
    alone = f"(p95 {p95(next(iter(seen.first.values()))):.2f} s)"
    not_simulated = "not simulated"
    return [
        (
            "Latency, to the first token",
            "50 to 200 ms (no network)",
            f"{first[0]} tokens of question {alone}, {', '.join(first[1:])}",
            f"simulated: latency {'; simulated: latency '.join(waits)}",
        ),
        ("Speed, after the first token", "-", f"{p50(seen.rates):.0f} tokens/s", not_simulated),
        ("Privacy", "data never leaves the device", private, "data is sent to the cloud (the tutorial)"),
        (
            "Cost",
            "free after hardware",
            f"no price; {seen.cpu_per_1000:.0f} seconds of one core for 1,000 tokens of answer, reading included",
            "pay per token (the tutorial)",
        ),
        ("Offline", "works without internet", offline, "requires internet (the tutorial)"),
        (
            "Model size",
            "limited by hardware",
            f"`{seen.model}`: {disk}{min(memory) / MB:,.0f} MB of memory, at most {max(memory) / MB:,.0f}",
            "access to the largest models (the tutorial)",
        ),
        ("Scaling, tokens/s by how many ask at once", "hardware dependent", shared, not_simulated),
    ]


def table(seen: Local, simulated: dict[int, list[float]]) -> str:
    """As Markdown."""
    lines = ["| | local: the tutorial says | local: measured | cloud: not measured |", "|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows(seen, simulated))])


def page(seen: Local, simulated: dict[int, list[float]], rounds: int, picture: Path | None) -> str:
    """What docs/decision-matrix.md says."""
    alt = "Left: seconds to the first token by tokens of question. Right: tokens a second, by how many ask at once."
    shown = f'<img src="pictures/{picture.name}" width="90%" alt="{alt}">\n' if picture else ""
    return f"""# Local or cloud: the tutorial's table, measured

Part 2 of the tutorial's session 4 has a table of claims. This is the same table with the local column measured, by
`tests/benchmarks/decision_matrix.py`, on {datetime.now(UTC):%d %B %Y}: {psutil.cpu_count()} cores, load {seen.busy:.1f}
before it began, {rounds} rounds; medians where nothing else is said. It is this machine and model: run it on yours.

{table(seen, simulated)}

{shown}
- **There is no cloud in it.** Its column holds the tutorial's words, and for the latency a stand-in on this machine
  that waits as long as it is told: the two ends of the 200 to 2,000 ms that the tutorial gives. That shows what such a
  wait is to a reader, and says nothing of any service: what its model needs, and how fast it then writes, is not in it.
  So nothing is ranked.
- **The local latency is the question's length.** Without a network there is still a model that has to read: the
  tutorial's 50 to 200 ms hold for a short question only. In a long chat the state is held, so that only what is new is
  read: see [chat-benchmarks.md](chat-benchmarks.md).
- **Memory** is all of Foundry Local's process with the model loaded, first and at most. Conversations that are held
  come on top (`HOLD_CONVERSATIONS`).

What is done with this choice, question by question, is the chat's [routing](../README.md#local-first-cloud-when-asked).
"""


# --- the picture ---

LOCAL, SIMULATED, INK, QUIET, GRID = "#2f5d50", "#8a5cb8", "#1f2328", "#59636e", "#d0d7de"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 340, 56, 24, 44, 52


@dataclass(frozen=True)
class Panel:
    """One of the two, with its own axes from zero."""

    at: int
    title: str
    below: str
    most_x: float
    most_y: float

    def x(self, value: float) -> float:
        return self.at + LEFT + value * (WIDTH - LEFT - RIGHT) / self.most_x

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM) / self.most_y

    def frame(self, ticks: Sequence[float]) -> list[str]:
        """Title, grid and both axes' numbers."""
        step = next(each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if self.most_y / each <= 6)
        drawn = [text(self.at + LEFT, 24, self.title, INK), text(self.at + LEFT, HEIGHT - 12, self.below, QUIET)]
        for number in range(int(self.most_y / step) + 1):
            y = self.y(number * step)
            drawn.append(f'<path d="M{self.at + LEFT} {y:.1f}H{self.at + WIDTH - RIGHT}" stroke="{GRID}" fill="none"/>')
            drawn.append(text(self.at + LEFT - 8, y + 4, f"{number * step:g}", QUIET, "end"))
        return [*drawn, *(text(self.x(tick), HEIGHT - BOTTOM + 18, f"{tick:g}", QUIET, "middle") for tick in ticks)]

    def line(self, points: Sequence[tuple[float, float]], colour: str) -> list[str]:
        drawn = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dots = [f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        return [f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2.5"/>', *dots]


def text(x: float, y: float, words: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def picture(seen: Local, simulated: dict[int, list[float]]) -> str:
    """Both panels, in SVG. What is simulated is dashed, and says so."""
    first = [(float(tokens), p50(times)) for tokens, times in seen.first.items()]
    waits = {milliseconds: p50(times) for milliseconds, times in simulated.items()}
    most = max(*(seconds for _, seconds in first), *waits.values())
    soon = Panel(0, "Seconds to the first token", "tokens of question", first[-1][0] * 1.05, most * 1.12)
    drawn = soon.frame([tokens for tokens, _ in first])
    drawn += soon.line(first, LOCAL)
    drawn.append(text(soon.x(first[-1][0]) - 8, soon.y(first[-1][1]) - 10, "local, measured", LOCAL, "end"))
    for milliseconds, seconds in waits.items():
        y = soon.y(seconds)
        drawn.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{SIMULATED}" stroke-dasharray="6 5" fill="none"/>'
        )
        at, anchor = (LEFT + 6, "start") if seconds > most / 2 else (WIDTH - RIGHT - 6, "end")  # clear of the line
        drawn.append(text(at, y - 6, f"simulated: latency {milliseconds:,} ms", SIMULATED, anchor))
    each = [(float(count), speed) for count, (speed, _) in seen.shared.items()]
    all_ = [(float(count), speed) for count, (_, speed) in seen.shared.items()]
    most = max(speed for _, speed in all_ + each)
    fast = Panel(WIDTH, "Tokens a second, local", "asking at once", max(AT_ONCE) * 1.05, most * 1.15)
    drawn += fast.frame(AT_ONCE)
    drawn += [*fast.line(each, LOCAL), *fast.line(all_, INK)]
    drawn.append(text(fast.x(each[-1][0]), fast.y(each[-1][1]) - 10, "each", LOCAL, "end"))
    drawn.append(text(fast.x(all_[-1][0]), fast.y(all_[-1][1]) + 20, "all together", INK, "end"))
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}" font-family="sans-serif">',
        "<style>text { font-size: 13px }</style>",
        "<title>Local, measured; cloud, simulated latency only</title>",
        f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    return "\n".join([*head, *drawn, "</svg>", ""])


async def measure(url: str, rounds: int, simulated: Sequence[int]) -> tuple[Local, dict[int, list[float]]]:
    """All of it."""
    return await measure_local(url, rounds), {each: await measure_simulated(each, rounds) for each in simulated}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--foundry", required=True, help="such as http://127.0.0.1:5273")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--simulated", type=int, nargs="+", default=[200, 2000], help="milliseconds; %(default)s")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    seen, simulated = asyncio.run(measure(given.foundry, given.rounds, given.simulated))
    Console(width=150).print(Markdown(table(seen, simulated)))
    if given.picture:
        given.picture.write_text(picture(seen, simulated), encoding="utf-8")
    if given.page:
        given.page.write_text(page(seen, simulated, given.rounds, given.picture), encoding="utf-8")
    return 1 if seen.watched.outside else 0


if __name__ == "__main__":
    sys.exit(main())
