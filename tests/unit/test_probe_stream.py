"""What the probe makes of an answer's stream, and of a server's words of refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.odd_server import part
from stack.probes.refusals import meaning
from stack.probes.stream import Reading


def read(*events: Any) -> str | None:
    """The cause that reading these events, and then the end, leads to."""
    reading = Reading()
    for event in events:
        if wrong := reading.take(event if isinstance(event, str) else json.dumps(event)):
            return wrong.cause
    wrong = reading.wrong_at_end()
    return wrong.cause if wrong else None


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([part("O"), part("K", "stop")], None),
        ([part("O"), part(None, "length")], None),
        ([part("O"), part(None, "stop"), {"choices": []}], None),
        ([part("\n"), part("O"), part(None, "stop")], None),
        ([part(None, reasoning_content="Hm"), part(None, "length")], None),
        ([part(None, reasoning_content="Hm"), part(None, "stop")], "empty-answer"),
        ([part(" \n"), part(None, "stop")], "empty-answer"),
        ([part(None, "stop")], "empty-answer"),
        ([part("O")], "stream-cut"),
        ([], "stream-cut"),
        ([part("O"), {"error": {"message": "CUDA failure"}}], "stream-error-event"),
        ([{"error": "it broke"}], "stream-error-event"),
        ([{"error": {"code": 7}}], "stream-error-event"),
        ([{"error": {"message": "exceeds the model's maximum context length"}}], "context-too-long"),
        ([part("O"), "{{{", part("K", "stop")], "unknown"),
        ([part("O", "stop"), "{{{"], "unknown"),
        ([{"hello": 1}], "unknown"),
        ([{"choices": ["O"]}], "unknown"),
        (["[]"], "unknown"),
    ],
)
def test_stream(events: list[Any], cause: str | None) -> None:
    assert read(*events) == cause


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (
            "request requires 9031 total tokens, which exceeds the model's maximum context length of 8192",
            "context-too-long",
        ),
        ('{"code": "context_length_exceeded"}', "context-too-long"),
        ("Model not loaded: phi", "model-not-loaded"),
        ("structured tool calling requires model-published markers", "model-without-tools"),
        ("the window is broken", None),
        ("", None),
    ],
)
def test_meaning(said: str, cause: str | None) -> None:
    assert meaning(said) == cause
