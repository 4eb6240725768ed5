"""How a server wants to be asked: learned from its refusals, since models of one API differ in what they take."""

from __future__ import annotations

import re

import openai

Parameters = dict[str, object]

OTHER_NAMES = {"max_tokens": "max_completion_tokens"}
"""What models that think before they answer want instead."""

CAN_DO_WITHOUT = {"temperature", "top_p", "stream_options"}
REFUSAL = re.compile(r"unsupported|unrecognized|unknown|unexpected|does not support|not supported|extra", re.IGNORECASE)


class Dialect:
    """Of one server and one model."""

    def __init__(self) -> None:
        self._other_names: set[str] = set()
        self._without: set[str] = set()

    def spoken(self, parameters: Parameters) -> Parameters:
        """The parameters that it takes, by the names that it takes."""
        return {
            OTHER_NAMES[name] if name in self._other_names else name: value
            for name, value in parameters.items()
            if name not in self._without
        }

    def learn(self, refusal: BaseException | None) -> bool:
        """Whether it is worth asking again: it has refused a parameter for what it is, not for its value."""
        if not isinstance(refusal, (openai.BadRequestError, openai.UnprocessableEntityError)):
            return False
        if not REFUSAL.search(f"{refusal.code} {refusal.message}"):
            return False
        for name in (*OTHER_NAMES, *CAN_DO_WITHOUT):
            if refusal.param != name and not re.search(rf"\b{name}\b", refusal.message):
                continue
            learned = self._other_names if name in OTHER_NAMES else self._without
            if name not in learned:
                learned.add(name)
                return True
        return False
