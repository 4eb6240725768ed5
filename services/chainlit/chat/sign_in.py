"""Signing in to the chat's page, and being known there afterwards."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import chainlit.auth
from chainlit.auth import decode_jwt
from chainlit.config import config
from chainlit.user import PersistedUser, User
from fastapi import HTTPException

from chat.accounts import SECRET_KEY, Accounts, TooManyError
from chat.store.layer import Layer, asking

SEAL = "seal"
WAITING = 10  # sign-ins at a time; each takes a quarter of a second

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
