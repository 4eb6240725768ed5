"""The probe signs in, to Open WebUI seldom, and tells a lock from a refusal. The pages are played by a transport."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import httpx
import pytest

from stack.probes import chat
from stack.probes.open_webui import LOCKED_OUT_SECONDS, User, sign_in_is_hidden
from stack.probes.running import Running
from stack.probes.sign_in import LockedOutError, SignInRefusedError
from stack.settings import load


def page(answer: httpx.Response) -> httpx.AsyncClient:
    """A page that answers all with the same."""
    return httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer), base_url="http://page")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, LOCKED_OUT_SECONDS), ({"Retry-After": "17"}, 17), ({"Retry-After": "soon"}, LOCKED_OUT_SECONDS)],
)
async def test_too_many_sign_ins_are_no_wrong_password(headers: dict[str, str], seconds: int) -> None:
    async with page(httpx.Response(429, headers=headers, json={"detail": "Too many"})) as http:
        with pytest.raises(LockedOutError, match=r"429 .*Too many") as locked:
            await User.signed_in(http, "probe@localhost", "right")
    assert locked.value.seconds == seconds


async def test_a_wrong_password_is_no_lock() -> None:
    async with page(httpx.Response(400, json={"detail": "The email or password provided is incorrect."})) as http:
        with pytest.raises(SignInRefusedError, match="incorrect"):
            await User.signed_in(http, "probe@localhost", "wrong")


@pytest.mark.parametrize(("status", "taken"), [(200, True), (401, False), (403, False), (404, False)])
async def test_a_token_is_taken_or_not(status: int, taken: bool) -> None:
    async with page(httpx.Response(status, json={})) as http:
        user = await User.still_signed_in(http, "token")
    assert (user is not None and user.token == "token") is taken


async def test_a_page_that_is_away_says_nothing_about_the_token() -> None:
    async with page(httpx.Response(503)) as http:
        with pytest.raises(httpx.HTTPError):
            await User.still_signed_in(http, "token")


def test_the_token_is_kept_for_the_next_probe_and_for_nobody_else(tmp_path: Path) -> None:
    settings = load().model_copy(update={"state_dir": tmp_path})
    http = httpx.AsyncClient()
    assert Running(settings, http).open_webui_token is None
    Running(settings, http).keep_open_webui_token("secret")
    assert Running(settings, http).open_webui_token == "secret"
    (file,) = settings.state.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for damaged in ("", "[]", '{"token": 1}', '{"token": "a\\nb"}'):
        file.write_text(damaged)
        assert Running(settings, http).open_webui_token is None


@pytest.mark.parametrize("how", ["signed_in", "still_signed_in"])
async def test_an_account_that_waits_to_be_let_in_can_do_nothing(how: str) -> None:
    async with page(httpx.Response(200, json={"token": "t", "role": "pending"})) as http:
        with pytest.raises(SignInRefusedError, match="pending"):
            await (User.signed_in(http, "a", "b") if how == "signed_in" else User.still_signed_in(http, "t"))


def model(name: str, base: str | None = None, *, hidden: bool = False) -> dict[str, object]:
    return {"id": name, "info": {"base_model_id": base, "meta": {"hidden": hidden}}}


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([{"id": "other"}, {"id": "phi"}], "phi"),
        ([model("mine", "phi"), model("phi")], "phi"),
        ([model("phi", hidden=True), model("mine", "phi")], "mine"),
        ([model("phi", hidden=True)], None),
        ([model("mine", "phi", hidden=True), {"id": "other", "info": None}], None),
        ([], None),
    ],
)
async def test_what_to_choose_on_the_page(offered: list[dict[str, object]], chosen: str | None) -> None:
    async with page(httpx.Response(200, json={"data": offered})) as http:
        assert await User(http, "t").offered_as("phi") == chosen


@pytest.mark.parametrize(
    ("features", "providers", "hidden"),
    [
        ({"enable_login_form": True}, {}, False),
        ({"enable_login_form": False}, {}, True),
        ({"enable_login_form": False}, {"google": "google"}, False),
        ({"enable_login_form": False, "enable_ldap": True}, {}, False),
    ],
)
async def test_a_page_without_a_sign_in(features: dict[str, bool], providers: dict[str, str], hidden: bool) -> None:
    async with page(httpx.Response(200, json={"features": features, "oauth": {"providers": providers}})) as http:
        assert await sign_in_is_hidden(http) is hidden


async def test_a_page_that_tells_it_otherwise_is_not_blamed() -> None:
    async with page(httpx.Response(200, text="<html>")) as http:
        assert not await sign_in_is_hidden(http)


# --- the chat ---


async def test_the_chat_knows_who_has_signed_in_by_a_cookie() -> None:
    told: list[tuple[str, str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told.append((request.url.path, request.headers.get("Cookie", ""), request.content.decode()))
        cookie = {"Set-Cookie": "chat-8080=token; HttpOnly"} if request.url.path == "/login" else {}
        return httpx.Response(200, headers=cookie, json={"data": []})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://gateway:8080") as http:
        user = await chat.User.signed_in(http, "probe@localhost", "a&b")
        assert await user.chats() == []
    assert told[0] == ("/login", "", "username=probe%40localhost&password=a%26b")
    assert told[1][:2] == ("/project/threads", "chat-8080=token")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, json={"detail": "credentialssignin"}), SignInRefusedError),
        (httpx.Response(200, json={"success": True}), SignInRefusedError),  # and no cookie
        (httpx.Response(429, headers={"Retry-After": "7"}, json={"detail": "tooMany"}), LockedOutError),
        (httpx.Response(503), httpx.HTTPError),
    ],
)
async def test_the_chat_refuses(answer: httpx.Response, error: type[Exception]) -> None:
    async with page(answer) as http:
        with pytest.raises(error) as refused:
            await chat.User.signed_in(http, "probe@localhost", "x")
    if isinstance(refused.value, LockedOutError):
        assert refused.value.seconds == 7


@pytest.mark.parametrize(
    ("config", "asks"),
    [
        ({"requireLogin": True, "passwordAuth": True}, True),
        ({"requireLogin": False, "passwordAuth": False}, False),
        ({"requireLogin": True, "passwordAuth": False}, False),
        ([], True),  # a version that tells it otherwise is not blamed
    ],
)
async def test_whether_the_chat_asks_for_a_password(config: object, asks: bool) -> None:
    async with page(httpx.Response(200, json=config)) as http:
        assert await chat.asks_for_a_password(http) is asks


async def test_all_chats_are_forgotten_page_by_page() -> None:
    kept = [str(number) for number in range(5)]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            kept.remove(json.loads(request.content)["threadId"])
            return httpx.Response(200, json={"success": True})
        return httpx.Response(200, json={"data": [{"id": each} for each in kept[:2]]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://page") as http:
        await chat.User(http, "c=t").forget_all_chats()
    assert kept == []
