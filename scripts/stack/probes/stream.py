"""An answer as it streams from a model server: its text, and whether it came to its end as an answer does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stack.probes.refusals import meaning
from stack.probes.report import Outcome, failed

END = "[DONE]"


@dataclass
class Reading:
    """What was read so far."""

    text: str = ""
    thoughts: str = ""  # what the model thinks aloud, in a field of its own that is not the answer
    pieces: int = 0  # of both
    finish_reason: str | None = None
    unread: str | None = None  # an event that is not JSON; the last one may just have been cut off

    def take(self, event: str) -> Outcome | None:
        """Take in an event; returns what is wrong with it."""
        if self.unread is not None:
            return failed("unknown", f"in the midst of the stream stands {self.unread[:160]!r}, which is no JSON")
        try:
            chunk = json.loads(event)
        except ValueError:
            self.unread = event
            return None
        if error := _error_in(chunk):
            return failed(meaning(error) or "stream-error-event", error)
        choices = chunk.get("choices") if isinstance(chunk, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            return failed("unknown", f"in the stream stands {event[:160]!r}, which is no part of an answer")
        for choice in choices[:1]:  # none where only the usage is told
            delta = choice.get("delta") or {}
            text, thought = delta.get("content"), delta.get("reasoning_content") or delta.get("reasoning")
            self.text += str(text or "")
            self.thoughts += str(thought or "")
            self.pieces += bool(text or thought)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return None

    def wrong_at_end(self) -> Outcome | None:
        """What is wrong with the whole, now that ``[DONE]`` was said; None for a proper answer."""
        if self.unread is not None:
            return self.take(END)
        if self.finish_reason is None:
            return failed("stream-cut", "the stream ended in the midst of the answer: no finish_reason was given")
        if not self.text.strip() and not (self.thoughts and self.finish_reason == "length"):
            less = "whitespace only" if self.text else "thoughts only" if self.thoughts else "no text"
            return failed("empty-answer", f"the stream ended properly with {less}")
        return None


def judge_whole(status_and_body: str, found: Any) -> Outcome:
    """An answer of status 200 that is no stream, although one was asked for.

    Args:
        status_and_body: what came, for the evidence.
        found: its JSON, if it is any.
    """
    if error := _error_in(found):
        return failed(meaning(error) or "stream-error-event", error)
    return failed("unknown", f"asked for a stream, and there came {status_and_body}")


def _error_in(chunk: Any) -> str | None:
    error = chunk.get("error") if isinstance(chunk, dict) else None
    if not error:
        return None
    said = error.get("message") if isinstance(error, dict) else error
    return str(said or json.dumps(error))[:300]
