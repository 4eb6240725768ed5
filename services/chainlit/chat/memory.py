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
        self._of_app = of_app
        self.window = Window()
        self.place = Place(of_app or holder())
        self.said_left_out = 0
        self._of_cloud: Memory | None = None

    @property
    def of_cloud(self) -> Memory:
        """The same for what a cloud is told of the chat: it takes in more, and holds nothing."""
        if self._of_cloud is None:
            self._of_cloud = Memory(self._of_app)
        return self._of_cloud

    async def end(self) -> None:
        """The chat is left: nothing of it stays with the model server."""
        await self.place.end()
