"""The decision: privacy first, then the chat's own switch, then the policy that is set."""

from __future__ import annotations

from collections.abc import Collection

from chat.routing.decision import Decision, Place, Question
from chat.routing.rules import Rules


class Router:
    """Decides by the same rules each time; knows nothing of earlier questions and asks nobody."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def decide(self, question: Question, resting: Collection[Place] = ()) -> Decision:
        """Where the question is answered, and who is asked where that fails.

        Args:
            resting: who has just failed and is left alone for a while (see `chat.routing.breaker`).
        """
        raise NotImplementedError
