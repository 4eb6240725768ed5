"""The chat between two places that may answer: Foundry Local's stand-in on this machine, and one for a cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chat.settings import Routing
from fakes.chat_container import is_healthy
from fakes.chat_people import Person, first_user, the_probe
from fakes.stored_responses import StoredResponses
from fakes.waiting import wait_until
from fakes.whole_way import WholeWay, Witness

MODEL = "gpt-4o"
START_SECONDS = 90
SECONDS = 2.0
"""ROUTING_SECONDS."""


@dataclass
class RoutedWay:
    """What runs.

    Attributes:
        local: in Foundry Local's place.
        cloud: keeps all that it gets.
        person: the chat's first user.
        probe: the account under which the probe asks.
        set_routing: starts the chat app anew with that policy; it forgets who has failed.
        read: a file of the chat's own folder /data.
    """

    local: Witness
    cloud: Witness
    person: Person
    probe: Person
    set_routing: Callable[[Routing], None]
    read: Callable[[str], str]

    def begin(self, routing: Routing) -> None:
        """All is well, nothing has arrived, and this is the policy."""
        for place in (self.local, self.cloud):
            place.habit, place.cut_after = "answers", 2
            place.requests.clear()
        self.set_routing(routing)

    @property
    def left(self) -> list[str]:
        """The last words of each question that has arrived in the cloud."""
        return [received.json["messages"][-1]["content"] for received in self.cloud.requests]


@contextmanager
def stand_in_for_a_cloud() -> Iterator[Witness]:
    """It knows one model, and says where it is."""
    with Witness() as cloud:
        cloud.stored = StoredResponses(MODEL)
        cloud.tokens = ["From", " the", " cloud", "."]
        yield cloud


def routed_way(way: WholeWay, cloud: Witness) -> RoutedWay:
    """Of a stack that has a way to that cloud."""

    def set_routing(routing: Routing) -> None:
        before = way.settings.routing
        way.restart_with("chainlit", routing=routing)
        if routing == before:  # Compose leaves what has not changed
            way.service("chainlit").restart()
            wait_until(lambda: is_healthy(way.service("chainlit")), START_SECONDS)

    def read(name: str) -> str:
        found = way.service("chainlit").exec_run(["cat", f"/data/{name}"])
        assert found.exit_code == 0, found.output
        return bytes(found.output).decode()

    return RoutedWay(way.foundry, cloud, first_user(way.settings), the_probe(way.settings), set_routing, read)
