"""Signing in to the chat's page, and being known there afterwards."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import chainlit.auth
import chainlit.socket
from chainlit.auth import decode_jwt
from chainlit.config import config
from chainlit.server import sio
from chainlit.session import WebsocketSession
from chainlit.user import PersistedUser, User
from fastapi import HTTPException

from chat.accounts import SECRET_KEY, Accounts, TooManyError
from chat.store.layer import Layer, asking

SEAL = "seal"
ASKED_BY_CHAINLIT = ("connect", "disconnect")
OUT = "You are no longer signed in here. Load the page anew."
WAITING = 40  # sign-ins at a time; each takes a quarter of a second

log = logging.getLogger("chat.sign_in")


def require(accounts: Accounts, layer: Layer) -> None:
    """From now on only who has an account gets beyond the sign-in, and is who he says for as long as he has it.

    Raises:
        OSError: the key for the sessions can't be read.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="sign-in")
    waiting = asyncio.Semaphore(WAITING)

    async def sign_in(name: str, password: str) -> User:
        if waiting.locked():
            raise HTTPException(429, detail="Too many sign in at once: try again.", headers={"Retry-After": "1"})
        async with waiting:
            return await asyncio.get_running_loop().run_in_executor(thread, _let_in, accounts, name, password)

    async def who(token: str) -> PersistedUser:
        """Chainlit's own takes a signed token as proof, also of an account that is gone or got another password."""
        claimed = _claimed(token)
        loop = asyncio.get_running_loop()
        seal = await loop.run_in_executor(None, accounts.seal, claimed.identifier)
        if seal is None or not hmac.compare_digest(seal, str(claimed.metadata.get(SEAL, ""))):
            raise HTTPException(401, detail="Sign in again.")
        user = await layer.get_user(claimed.identifier)
        if user is None:
            raise HTTPException(401, detail="Sign in again.")
        asking.set(user.id)
        return user

    os.environ["CHAINLIT_AUTH_SECRET"] = accounts.secret(SECRET_KEY)  # not seen from outside: it is set in here
    config.code.password_auth_callback = sign_in  # not by its decorator, which would make a refusal of any error
    chainlit.auth.authenticate_user = who
    for event, answer in list(sio.handlers["/"].items()):
        if event not in ASKED_BY_CHAINLIT:
            sio.on(event, _only_signed_in(answer, who))


def _only_signed_in(
    answer: Callable[..., Awaitable[Any]], who: Callable[[str], Awaitable[PersistedUser]]
) -> Callable[..., Awaitable[Any]]:
    """Chainlit asks who it is when a page connects; one that stays open would go on after its account has ended."""
    theirs = getattr(answer, "__wrapped__", answer)  # once, where a changed app is loaded again

    @wraps(theirs)
    async def answer_signed_in(socket_id: str, *said: Any) -> Any:
        session = WebsocketSession.get(socket_id)
        if session:
            async with _in_order.setdefault(session, asyncio.Lock()):
                signed_in = await _is_signed_in(session, who)
            if not signed_in:
                await sio.emit("toast", {"message": OUT, "type": "error"}, to=socket_id)
                await sio.disconnect(socket_id)
                return None
        return await theirs(socket_id, *said)

    return answer_signed_in


_in_order: WeakKeyDictionary[WebsocketSession, asyncio.Lock] = WeakKeyDictionary()
"""What a page says is answered in the order in which it came, however long it takes to look up who says it."""


async def _is_signed_in(session: WebsocketSession, who: Callable[[str], Awaitable[PersistedUser]]) -> bool:
    try:
        user = await who(chainlit.socket._get_token(session.environ) or "")
    except HTTPException:
        return False
    return session.user is not None and user.identifier == session.user.identifier


def _let_in(accounts: Accounts, name: str, password: str) -> User:
    try:
        known = accounts.sign_in(name, password)
    except TooManyError as wait:
        log.warning("too many wrong passwords for one name")
        raise HTTPException(429, detail=str(wait), headers={"Retry-After": str(wait.seconds)}) from wait
    if known is None:
        log.warning("a wrong name or password")  # not which: people type passwords into the wrong field
        raise HTTPException(401, detail="Wrong name or password.")
    return User(identifier=known, metadata={SEAL: accounts.seal(known)})


def _claimed(token: str) -> User:
    try:
        return decode_jwt(token)
    except Exception as worthless:
        raise HTTPException(401, detail="Invalid authentication token") from worthless
