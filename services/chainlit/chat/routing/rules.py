"""The rules by which it is decided, as set for the stack and for one chat."""

from __future__ import annotations

from dataclasses import dataclass, field

from chat.routing import tasks
from chat.routing.tasks import Tasks
from chat.settings import Routing, Settings, Switch


@dataclass(frozen=True)
class Rules:
    """See ROUTING in `.env.example`.

    Attributes:
        routing: the policy.
        threshold: from this complexity on (see `chat.routing.complexity`) a question is for the cloud.
        tasks: which task goes where.
        cloud: whether there is one at all.
        switch: of the chat.
    """

    routing: Routing = "local"
    threshold: int = 100
    tasks: Tasks = field(default_factory=Tasks)
    cloud: bool = False
    switch: Switch = "as-configured"

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """As they are set.

        Raises:
            Problem: ``bad-setting``: the table of tasks is needed, and can't be used.
        """
        return cls(
            settings.routing,
            settings.routing_threshold,
            tasks.load() if settings.routing == "task" and settings.cloud_url else Tasks(),
            settings.cloud_url is not None,
            settings.switch,
        )
