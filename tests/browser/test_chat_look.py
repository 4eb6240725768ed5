"""The chat's look: its own fonts, a light and a dark theme, formulas; legible, and no wider than the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from browser.chat_page import ANSWER_MS, Chat
from browser.staged_chat import StagedChat, load_axe, staged, too_faint

Screenshot = Callable[[Page, str], None]
Scheme = Literal["light", "dark"]

ANSWER = r"""Here it is, step by step: *zażółć* gęślą **jaźń**.

## How it works

1. The word is read from **both ends**.
2. Letters are compared, *ignoring case*.

- A notebook costs $5 and a pen $10.
- Euler's identity is $$e^{i\pi} + 1 = 0$$, as everybody knows.

$$
\int_0^1 x^2\,dx = \frac{1}{3}, \qquad \sum_{k=1}^{n} k = \frac{n(n+1)}{2}
$$

```python
def is_palindrome(word: str) -> bool:
    '''True if it reads the same backwards.'''
    letters = word.casefold()  # case does not matter, so that "Level" is one, and "Racecar" is one as well
    return letters == letters[::-1]
```

Use it as `is_palindrome("Level")`.

> What is well said is soon understood.

| n | n² |
|---|----|
| 2 | 4 |
"""
FONTS_IN_USE = "[...document.fonts].filter((font) => font.status === 'loaded').map((font) => font.family)"
FONT_FILES = "performance.getEntriesByType('resource').map((each) => each.name).filter((name) => /woff2/.test(name))"
GROUND = "getComputedStyle(document.documentElement).backgroundColor"


@pytest.fixture
def chat(page: Page, chat_address: str) -> StagedChat:
    return staged(page, chat_address)


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.full)])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return request.param  # type: ignore[no-any-return]


def family(text: Locator) -> str:
    return str(text.evaluate("(element) => getComputedStyle(element).fontFamily"))


def test_the_font_is_ours_with_every_polish_letter(chat: StagedChat) -> None:
    answer = chat.hear("Zażółć gęślą jaźń, *zażółć*.")
    assert family(answer.get_by_text("Zażółć").first).startswith('"Inter Variable"')
    page = chat.chat.page
    page.evaluate("document.fonts.ready.then(() => null)")
    assert set(page.evaluate(FONTS_IN_USE)) == {"Inter Variable"}
    files = {name.rpartition("/")[2] for name in page.evaluate(FONT_FILES)}
    assert {"inter-latin-wght-normal.woff2", "inter-latin-ext-wght-normal.woff2"} <= files
    assert page.evaluate("document.fonts.check('16px \"Inter Variable\"', 'Zażółć gęślą jaźń')")


def test_a_formula_is_laid_out_in_its_own_fonts(chat: StagedChat) -> None:
    answer = chat.hear(ANSWER)
    expect(answer.locator(".katex")).to_have_count(2)
    expect(answer.locator(".katex-display")).to_have_count(1)
    expect(answer.locator(".katex-error")).to_have_count(0)
    expect(answer.locator(".katex-mathml").first).to_have_css("position", "absolute")  # or it would be read twice
    assert family(answer.locator(".katex .mathnormal").first) == "KaTeX_Math"
    page = chat.chat.page
    page.evaluate("document.fonts.ready.then(() => null)")
    assert {"KaTeX_Main", "KaTeX_Math", "KaTeX_Size2"} <= set(page.evaluate(FONTS_IN_USE))


def test_an_amount_of_dollars_is_no_formula(chat: StagedChat) -> None:
    answer = chat.hear("A pen is $5 and a book is $10; `$x$` and $HOME stay, too.")
    expect(answer).to_contain_text("A pen is $5 and a book is $10; $x$ and $HOME stay, too.")
    expect(answer.locator(".katex")).to_have_count(0)
    question = "From $5 to $10?"
    chat.chat.send(question)
    expect(chat.chat.page.locator('[data-step-type="user_message"]')).to_contain_text(question)
    expect(chat.chat.page.locator(".katex")).to_have_count(0)


def test_the_start_screen_has_a_logo_and_ways_to_begin(chat: StagedChat) -> None:
    page = chat.chat.page
    logo = page.locator(".welcome-screen .logo")
    expect(logo).to_be_visible()
    assert logo.evaluate("(image) => image.naturalWidth") > 0
    expect(page.locator("#chat-input")).to_have_attribute("placeholder", "Type your message here...")
    page.get_by_role("button", name="Ask for a fact").click()
    expect(page.locator('[data-step-type="user_message"]')).to_have_text("What is the capital of Poland?")
    expect(chat.chat.from_app.first).to_be_visible(timeout=ANSWER_MS)
    expect(logo).to_have_count(0)


@pytest.mark.full
def test_each_theme_has_its_own_logo_and_ground(browser: Browser, chat_address: str) -> None:
    seen = set()
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        Chat(page, chat_address)
        logo = page.locator(".welcome-screen .logo").evaluate("async (image) => (await fetch(image.src)).text()")
        seen.add((page.evaluate(GROUND), logo))
        page.close()
    assert len(seen) == len({ground for ground, _ in seen}) == len({logo for _, logo in seen}) == 2


def test_the_user_may_choose_another_theme_than_the_systems(chat: StagedChat) -> None:
    page = chat.chat.page
    light = page.evaluate(GROUND)
    page.locator("#theme-toggle").click()
    page.get_by_role("menuitem", name="Dark").click()
    expect(page.locator("html")).to_have_class("dark")
    assert page.evaluate(GROUND) != light
    page.reload()
    expect(page.locator("html")).to_have_class("dark")


@pytest.fixture
def themed_page(browser: Browser, scheme: Scheme, width: int) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)
    yield page
    page.close()


@pytest.mark.parametrize("width", [1100, 390])
def test_legible_and_good_to_look_at(
    themed_page: Page, scheme: Scheme, width: int, chat_address: str, screenshot: Screenshot
) -> None:
    page = themed_page
    chat = staged(page, chat_address)
    load_axe(page)
    expect(page.locator("#welcome-screen")).to_have_css("opacity", "1")
    screenshot(page, f"start-{scheme}-{width}")
    assert too_faint(page) == []
    chat.chat.ask("What is the capital of France?")
    answer = chat.hear(ANSWER)
    expect(answer.locator(".katex")).to_have_count(2)
    expect(answer.locator("code.hljs")).to_have_attribute("data-highlighted", "yes")
    page.evaluate("document.fonts.ready.then(() => null)")
    screenshot(page, f"{scheme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "wider than the window"
    assert too_faint(page) == []
