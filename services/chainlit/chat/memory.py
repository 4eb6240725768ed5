"""What the app knows of one chat from one question to the next, apart from its messages."""

from __future__ import annotations

from chat.context import Window
from chat.held import Holder, Place, holder


class Memory:
    """Made for each chat.

    Attributes:
        window: which part of the chat the model is told.
        place: what the model server holds of it.
        said_left_out: how many of its oldest questions the user was told that the model is not told.
    """

    def __init__(self, of_app: Holder | None = None) -> None:
        self.window = Window()
        self.place = Place(of_app or holder())
        self.said_left_out = 0

    async def end(self) -> None:
        """The chat is left: nothing of it stays with the model server."""
        await self.place.end()
