"""The rules by which it is decided, as set for the stack and for one chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chat.routing.tasks import Tasks

Routing = Literal["local", "local-first", "complexity", "task"]
"""The setting ROUTING. `local`: this machine only, the default."""

Switch = Literal["as-configured", "local", "private"]
"""A chat's own switch. `private`: as `local`, and what was said stays private when the switch is turned back."""


@dataclass(frozen=True)
class Rules:
    """See ROUTING in `.env.example`.

    Attributes:
        routing: the policy.
        threshold: from this complexity on (see `chat.routing.complexity`) a question is for the cloud.
        tasks: which task goes where; of `tasks.toml`.
        cloud: whether there is one at all.
        switch: of the chat.
    """

    routing: Routing = "local"
    threshold: int = 100
    tasks: Tasks = Tasks()
    cloud: bool = False
    switch: Switch = "as-configured"
