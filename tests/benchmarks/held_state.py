"""The time to the first token over a long chat: its state held by Foundry Local, beside the whole chat told each time.

    PYTHONPATH=scripts:services/chainlit:tests python tests/benchmarks/held_state.py --foundry URL [--turns N]
                                                                            [--picture docs/pictures/held-state.svg]

The same questions are asked in two chats, turn by turn and in an order that changes, by the chat app's own code. The
first question of a chat is never held (see chat/held.py), and the second has to be computed whole in both.
Exit code: 0 the first token of the held chat stays where it was, 1 it grows.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chat import model, server
from chat.answer import Answer
from chat.conversation import Told
from chat.held import Holder
from chat.journal import Journal
from chat.memory import Memory
from chat.settings import Settings

FROM_TURN = 3  # the first whose beginning is held
LIMIT = 2.0  # so many times the first held turns' time may the last ones' be

# Long questions with short answers: after one that MAX_TOKENS cuts, Foundry Local computes the next turn whole. To a
# note that says the same again and again the model answers in kind, up to that limit.
MAX_TOKENS = 48
COUNTRIES = [
    "France",
    "Germany",
    "Italy",
    "Spain",
    "Poland",
    "Greece",
    "Japan",
    "Egypt",
    "Norway",
    "Sweden",
    "Austria",
    "Ireland",
    "Portugal",
    "Turkey",
    "Hungary",
    "Denmark",
    "Finland",
    "Belgium",
    "Russia",
    "Cuba",
]
NOTES = [
    "The train left in the morning and the sea was calm all day long. ",
    "The bread was warm and the people at the station were kind to us. ",
    "We walked along the river until the lamps were lit in the evening. ",
    "The ship was late, so we drank tea and talked about the weather. ",
]


def question(turn: int) -> str:
    """Of a turn, counted from 0."""
    return f"My notes: {NOTES[turn % len(NOTES)] * 4}\nWhat is the capital of {COUNTRIES[turn % len(COUNTRIES)]}?"


class Chat:
    """One of the two."""

    def __init__(self, where: server.Server, which: str, settings: Settings, holder: Holder) -> None:
        self._where, self._which, self._settings = where, which, settings
        self.memory = Memory(holder)
        self._told: list[Told] = []
        self.prompt_tokens: list[int] = []
        self.seconds: list[float] = []

    async def ask(self, question: str) -> None:
        """Have it answered, and note when the first token came."""
        self._told.append({"role": "user", "content": question})
        answer = Answer(self._where, self._which, self._told, self._settings, self.memory)
        text = ""
        async with aclosing(answer.pieces()) as pieces:
            async for piece in pieces:
                text += piece
        answer.keep(text)
        self._told.append({"role": "assistant", "content": text})
        assert answer.usage
        assert answer.usage.first_token_seconds
        self.seconds.append(answer.usage.first_token_seconds)
        self.prompt_tokens.append(answer.usage.prompt_tokens or 0)


async def measure(url: str, turns: int) -> tuple[Chat, Chat]:
    """A chat whose state is held, and one that is told whole each time."""
    settings = Settings(base_url=url, max_tokens=MAX_TOKENS)
    where = await server.find(settings)
    which = await model.which(where, "auto")
    with tempfile.TemporaryDirectory() as folder:
        holder = Holder(Journal(Path(folder) / "held.json"))
        held = Chat(where, which, settings, holder)
        plain = Chat(where, which, settings.model_copy(update={"hold_conversations": 0}), holder)
        for number in range(turns):
            both = [held, plain]
            random.shuffle(both)
            for chat in both:
                await chat.ask(question(number))
        await held.memory.end()
    return held, plain


def report(held: Chat, plain: Chat, console: Console) -> bool:
    """Print both and their ratios; whether the held one stays where it was."""
    table = Table("turn", "tokens of prompt", "held, s", "told whole, s", "ratio", title="Time to the first token")
    for turn, (one, other) in enumerate(zip(held.seconds, plain.seconds, strict=True), 1):
        table.add_row(str(turn), str(plain.prompt_tokens[turn - 1]), f"{one:.2f}", f"{other:.2f}", f"{other / one:.1f}")
    console.print(table)
    steady = held.seconds[FROM_TURN - 1 :]
    fifth = max(1, len(steady) // 4)
    growth = statistics.median(steady[-fifth:]) / statistics.median(steady[:fifth])
    growth_plain = statistics.median(plain.seconds[-fifth:]) / statistics.median(plain.seconds[FROM_TURN - 1 :][:fifth])
    ratio = statistics.median(plain.seconds[-fifth:]) / statistics.median(steady[-fifth:])
    console.print(
        f"Last {fifth} turns: told whole, the first token takes {ratio:.1f} times as long as held. From the first "
        f"{fifth} held turns to the last {fifth} it grew {growth:.2f}-fold held, {growth_plain:.2f}-fold told whole."
    )
    return growth <= LIMIT


def picture(held: Chat, plain: Chat) -> str:
    """Both as lines, in SVG."""
    width, height, left, right, top, bottom = 720, 380, 64, 150, 40, 48
    turns, most = len(held.seconds), max(*held.seconds, *plain.seconds)
    step = next(each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if most / each <= 6)

    def x(turn: int) -> float:
        return left + (turn - 1) * (width - left - right) / max(1, turns - 1)

    def y(seconds: float) -> float:
        return height - bottom - seconds * (height - top - bottom) / most

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        "<style>text { font-size: 13px }</style>",
        "<title>Time to the first token, turn by turn</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{left}" y="22" fill="#1f2328">Seconds to the first token, turn by turn</text>',
    ]
    for number in range(int(most / step) + 1):
        at = y(number * step)
        parts.append(f'<path d="M{left} {at:.1f}H{width - right}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end" fill="#59636e">{number * step:g}</text>')
    for turn in sorted({1, *range(5, turns + 1, 5), turns}):
        parts.append(
            f'<text x="{x(turn):.1f}" y="{height - bottom + 20}" text-anchor="middle" fill="#59636e">{turn}</text>'
        )
    parts.append(f'<text x="{left}" y="{height - 10}" fill="#59636e">turn</text>')
    for chat, colour, name in ((plain, "#b35900", "told whole"), (held, "#2f5d50", "held")):
        points = " ".join(f"{x(turn):.1f},{y(seconds):.1f}" for turn, seconds in enumerate(chat.seconds, 1))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="{width - right + 10}" y="{y(chat.seconds[-1]) + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--foundry", required=True, help="address of a Foundry Local with a model loaded")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    held, plain = asyncio.run(measure(arguments.foundry, arguments.turns))
    steady = report(held, plain, Console())
    if arguments.picture:
        arguments.picture.write_text(picture(held, plain), encoding="utf-8")
    return 0 if steady else 1


if __name__ == "__main__":
    sys.exit(main())
