"""Chainlit's way to the stored chats."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

from chainlit.context import ChainlitContextException, context
from chainlit.data.base import BaseDataLayer
from chainlit.data.utils import queue_until_user_message
from chainlit.element import Element
from chainlit.types import Feedback, PageInfo, PaginatedResponse, Pagination, ThreadFilter
from chainlit.user import PersistedUser, User
from sqlalchemy import Engine

from chat.choices import SWITCH
from chat.settings import Switch
from chat.store.chats import Chats

Result = TypeVar("Result")

NOT_STORED = "What was just said could not be stored, and will be gone when this page is closed: {error}"
KEPT_FROM_SHARING = {"is_shared": None, "shared_at": None}  # a chat is its user's own, whatever a request asks for

log = logging.getLogger("chat.store")

asking: ContextVar[str | None] = ContextVar("asking", default=None)
"""The id of the user whose request is being answered: Chainlit does not say it where feedback is given."""


class Layer(BaseDataLayer):
    """One thread does all the work, in the order in which it comes: Chainlit starts it and does not wait for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chats = Chats(engine)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def get_user(self, identifier: str) -> PersistedUser | None:
        found = await self._do(lambda: self._chats.user(identifier))
        if found is None:
            return None
        return PersistedUser(id=found["id"], createdAt=found["created_at"], identifier=found["name"])

    async def create_user(self, user: User) -> PersistedUser | None:
        """Users are made by `chat.accounts`, never because somebody comes with a name."""
        return await self.get_user(user.identifier)

    async def get_thread_author(self, thread_id: str) -> str:
        return await self._do(lambda: self._chats.owner(thread_id)) or ""

    async def get_thread(self, thread_id: str) -> Any:
        return await self._do(lambda: self._chats.thread(thread_id))

    async def update_thread(
        self,
        thread_id: str,
        name: str | None = None,
        user_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        tags: list[str] | None = None,
    ) -> None:
        own = None if metadata is None else {**metadata, **KEPT_FROM_SHARING}
        await self._store(
            lambda: self._chats.keep_thread(
                thread_id, user_id=user_id, name=name, metadata=own, tags=tags, only_once=(SWITCH,)
            )
        )

    async def keep_switch(self, thread_id: str, switch: Switch) -> None:
        """Where the chat's questions may be answered; what Chainlit says of each page's session does not change it."""
        await self._store(lambda: self._chats.keep_thread(thread_id, metadata={SWITCH: switch}))

    async def switch_of(self, thread_id: str) -> Switch | None:
        """As it was last kept; None: it never was."""
        return (await self._do(lambda: self._chats.metadata(thread_id))).get(SWITCH)

    async def delete_thread(self, thread_id: str) -> None:
        await self._do(lambda: self._chats.delete_thread(thread_id))

    async def list_threads(self, pagination: Pagination, filters: ThreadFilter) -> PaginatedResponse[Any]:
        user_id = filters.userId or ""
        found, more = await self._do(
            lambda: self._chats.list_threads(
                user_id, first=pagination.first, after=pagination.cursor, search=filters.search, value=filters.feedback
            )
        )
        # The page sorts them by this into "Today", "Yesterday" and so on.
        shown = [{**thread, "createdAt": thread["changedAt"]} for thread in found]
        first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
        return PaginatedResponse(pageInfo=PageInfo(hasNextPage=more, startCursor=first, endCursor=last), data=shown)

    async def threads_of(self, user_id: str, first: int) -> tuple[list[Any], bool]:
        """A user's chats without what was said in them, the last used ones first; and whether there are more."""
        return await self._do(lambda: self._chats.list_threads(user_id, first=first))

    @queue_until_user_message()
    async def create_step(self, step_dict: Any) -> None:
        step, user_id = dict(step_dict), _user_of_session()
        await self._store(lambda: self._chats.keep_step(step, user_id))
        if step["type"] == "user_message":  # Chainlit says only when somebody leaves how the chat was set
            thread_id, how = step["threadId"], context.session.to_persistable()
            await self._store(lambda: self._chats.keep_thread(thread_id, metadata=how, only_once=(SWITCH,)))

    @queue_until_user_message()
    async def update_step(self, step_dict: Any) -> None:
        step, user_id = dict(step_dict), _user_of_session()
        await self._store(lambda: self._chats.keep_step(step, user_id))

    @queue_until_user_message()
    async def delete_step(self, step_id: str) -> None:
        thread_id = context.session.thread_id
        await self._store(lambda: self._chats.delete_step(thread_id, step_id))

    async def upsert_feedback(self, feedback: Feedback) -> str:
        user_id = asking.get() or ""
        made = await self._do(lambda: self._chats.judge(user_id, feedback.forId, feedback.value, feedback.comment))
        if made is None:
            raise ValueError("There is no such message.")
        return made

    async def delete_feedback(self, feedback_id: str) -> bool:
        user_id = asking.get() or ""
        return await self._do(lambda: self._chats.take_back(user_id, feedback_id))

    # A question's files are read and gone (see `chat.uploads`), and nothing else is ever attached: whatever a request
    # asks to have stored here, under whoever's chat, is not.

    async def create_element(self, element: Element) -> None:
        return

    async def get_element(self, thread_id: str, element_id: str) -> Any:
        return None

    async def delete_element(self, element_id: str, thread_id: str | None = None) -> None:
        return

    async def get_favorite_steps(self, user_id: str) -> list[Any]:
        return []

    async def build_debug_url(self) -> str:
        return ""

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)  # after what is under way
        self._engine.dispose()

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _store(self, work: Callable[[], None]) -> None:
        """What fails here is told to the user: Chainlit would go on as if nothing had happened."""
        try:
            await self._do(work)
        except Exception as error:
            said = str(getattr(error, "orig", None) or type(error).__name__)
            log.error("not stored: %s", said)  # without what was to be stored
            try:
                await context.emitter.send_toast(NOT_STORED.format(error=said), "error")
            except ChainlitContextException:
                return


def _user_of_session() -> str:
    user = context.session.user
    return str(user.id) if isinstance(user, PersistedUser) else ""
