"""The decision: privacy first, then the user's word, then the policy that is set."""

from __future__ import annotations

from collections.abc import Collection

from chat.routing.complexity import complexity
from chat.routing.decision import Decision, Place, Question
from chat.routing.private import NAMES, first_kind_in, is_too_long
from chat.routing.rules import Rules


class Router:
    """Decides by the same rules each time; knows nothing of earlier questions and asks nobody."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def decide(self, question: Question, resting: Collection[Place] = ()) -> Decision:
        """Where the question is answered, and who is asked where that fails.

        What reaches the policies is nobody's secret as far as is known; all that stays here has nobody else to ask.

        Args:
            resting: who has just failed and is left alone for a while (see `chat.routing.breaker`).
        """
        if not self._rules.cloud:
            return Decision("local", "no-cloud", "there is no cloud")
        return self._private(question) or self._users_word() or _awake(self._policy(question), resting)

    def _private(self, question: Question) -> Decision | None:
        if question.marked_private or self._rules.switch == "private":
            return Decision("local", "marked-private", "marked private")
        if self._is_local_anyway:
            return None
        asked, earlier = (question.text, *question.files), question.earlier
        if is_too_long((*asked, *earlier)):
            return Decision("local", "too-long-to-check", "too long to be checked for what is private")
        if kind := first_kind_in(asked):
            return Decision("local", "found-private", f"it holds {NAMES[kind]}")
        if kind := first_kind_in(earlier):
            return Decision("local", "found-private", f"this chat holds {NAMES[kind]}")
        return None

    def _users_word(self) -> Decision | None:
        return Decision("local", "chat-local", "as set for this chat") if self._rules.switch == "local" else None

    @property
    def _is_local_anyway(self) -> bool:
        return self._rules.switch == "local" or self._rules.routing == "local"

    def _policy(self, question: Question) -> Decision:
        match self._rules.routing:
            case "local-first":
                return Decision("local", "local-first", "local first", then="cloud")
            case "complexity":
                return self._by_complexity(question)
            case "task":
                return self._by_task(question)
            case _:
                return Decision("local", "local-only", "local only")

    def _by_complexity(self, question: Question) -> Decision:
        measured, threshold = complexity(question.text, question.files), self._rules.threshold
        words = f"complexity {measured} of {threshold}"
        if measured < threshold:
            return Decision("local", "simple", words, then="cloud")
        return Decision("cloud", "complex", words, then="local")

    def _by_task(self, question: Question) -> Decision:
        """What the table keeps here is kept for a reason, so it does not go elsewhere when this place fails."""
        task = self._rules.tasks.of(question.text, question.task)
        if task is None:
            return Decision("local", "task-unknown", "no task of the table")
        words = f"{task.shown}: {task.reason}"
        if task.place == "local":
            return Decision("local", "task-local", words)
        return Decision("cloud", "task-cloud", words, then="local")


def _awake(decision: Decision, resting: Collection[Place]) -> Decision:
    """Who rests is not asked where there is somebody else; of two who rest, this machine is asked."""
    if "cloud" in resting:
        if decision.place == "cloud":
            return Decision("local", "cloud-rests", "the cloud has failed just now")
        return Decision(decision.place, decision.why, decision.words)
    if decision.place == "local" and decision.then == "cloud" and "local" in resting:
        return Decision("cloud", "local-rests", "this machine has failed just now", then="local")
    return decision
