"""The mark of an answer that is not whole can be read as one, wherever the answer broke off."""

from __future__ import annotations

import pytest

from chat.cut import STOPPED, marked


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("Once upon", "\n\n"),
        ("```python\nprint(1)", "\n```\n\n"),
        ("```python\nprint(1)\n```\nThat", "\n\n"),
        ("~~~~\n```\nprint(1)", "\n~~~~\n\n"),
        ("````md\n```\ncode\n```\n", "\n````\n\n"),
        ("Use `x", "\n\n"),
    ],
)
def test_a_block_of_code_is_closed_first(text: str, before: str) -> None:
    assert marked(text, STOPPED) == before + STOPPED
