"""A model's formulas reach the page between double dollars, wherever the stream is cut."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.formulas import with_dollars

CASES = [
    ("nothing", "A pen is $5 (five) and a[0] is $10.", "A pen is $5 (five) and a[0] is $10."),
    ("in a line", r"Here \(x^2\) is, and \( y \).", "Here $$x^2$$ is, and $$ y $$."),
    ("on a line", "So:\n\\[\nx^2\n\\]\nDone.", "So:\n$$\n\nx^2\n$$\n\nDone."),
    ("in a sentence", r"So \[x^2\] it is.", "So \n$$\nx^2\n$$\n it is."),
    ("in a list", "- So:\n  \\[ x \\]\n", "- So:\n  $$\n   x \n  $$\n\n"),
    ("with rows", r"\[a \\[2pt] b\]", "$$\na \\\\[2pt] b\n$$\n"),
    ("escaped", r"A \\(x\\) and \_y\_ and C:\\", r"A \\(x\\) and \_y\_ and C:\\"),
    ("escaped backtick", r"A \` and \(x\) and `\(y\)`.", r"A \` and $$x$$ and `\(y\)`."),
    ("not opened", r"x\) and y\]", r"x\) and y\]"),
    ("another one closes", r"\(a\] b\)", r"$$a\] b$$"),
    ("in code", r"Use `\(a\)` and ``\[`\]``, then \(x\).", r"Use `\(a\)` and ``\[`\]``, then $$x$$."),
    ("in a block", "```sh\ngrep '\\(a\\)'\n\nx=`y`\n```\n\\(x\\)", "```sh\ngrep '\\(a\\)'\n\nx=`y`\n```\n$$x$$"),
    ("after a stray backtick", "It`s so.\n\n\\(x\\)", "It`s so.\n\n$$x$$"),
    ("already", r"$$x^2$$ and \(y\)", r"$$x^2$$ and $$y$$"),
    ("cut off", "The end \\", "The end \\"),
]


async def shown(text: str, size: int) -> str:
    async def pieces() -> AsyncIterator[str]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    return "".join([piece async for piece in with_dollars(pieces())])


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(("told", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_formulas(told: str, wanted: str, size: int) -> None:
    assert await shown(told, size) == wanted


async def test_text_is_not_held_back() -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "Hello"
        raise ConnectionError

    stream = with_dollars(pieces())
    assert await anext(stream) == "Hello"
