"""What people leave in the stack, to be found again later: a chat, a preference, an account, and what `init` made.

As a program it does that in the clone whose scripts it finds, and prints what is there as JSON:
``python -m fakes.keepsakes leave`` and then, as often as wanted, ``... find``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from fakes.chat_people import first_user
from fakes.made_secrets import FILES
from fakes.open_webui import Person, administrator
from stack.parts import accounts, containers, made_secrets
from stack.settings import Settings, load
from stack.tools.docker_engine import client

SECOND = ("second@localhost", "correct-horse-battery-staple")
QUESTION = "Is this still here tomorrow?"
CHAT = {
    "title": "Kept",
    "models": ["any"],
    "history": {"messages": {}, "currentId": None},
    "messages": [{"role": "user", "content": QUESTION}],
}
BANNER = {"id": "1", "type": "info", "content": "Kept", "dismissible": True, "timestamp": 1}


def leave(settings: Settings) -> None:
    """Make a second account on each page; in Open WebUI for both a chat and a preference, in the chat a chat."""
    accounts.add(settings, client(), SECOND[0])
    first_user(settings).ask(QUESTION)
    admin, second = _people(settings)
    form = {"name": "Second", "email": second.email, "password": second.password, "role": "user"}
    admin.call("POST", "/api/v1/auths/add", form)
    admin.call("POST", "/api/v1/configs/banners", {"banners": [BANNER]})
    for person, theme in ((admin, "dark"), (second, "light")):
        person.call("POST", "/api/v1/chats/new", {"chat": CHAT})
        person.call("POST", "/api/v1/users/user/settings/update", {"ui": {"theme": theme}})


def find(settings: Settings) -> dict[str, Any]:
    """All of that, and the secrets, as both of them find it after signing in with their passwords."""
    admin, second = _people(settings)
    return {
        "secrets": _secrets(settings),
        "users of the chat": accounts.names(settings, client()),
        "said in the chat": _said(settings),
        "accounts": sorted(each["email"] for each in admin.call("GET", "/api/v1/users/all")["users"]),
        "banners": admin.call("GET", "/api/v1/configs/banners"),
        "chats": [_chats(person) for person in (admin, second)],
        "preferences": [person.call("GET", "/api/v1/users/user/settings") for person in (admin, second)],
    }


def _people(settings: Settings) -> tuple[Person, Person]:
    admin = administrator(settings)
    return admin, Person(admin.page, *SECOND)


def _chats(person: Person) -> list[Any]:
    return [person.call("GET", f"/api/v1/chats/{each['id']}") for each in person.call("GET", "/api/v1/chats/")]


def _said(settings: Settings) -> list[Any]:
    first = first_user(settings)
    return [first.messages(str(each["id"])) for each in first.chats()]


def _secrets(settings: Settings) -> dict[str, str]:
    init = containers.run_once(settings, client(), "init")
    return {file: made_secrets.read(init, *file.split("/")) for file in FILES}


if __name__ == "__main__":
    if sys.argv[1] == "leave":
        leave(load())
    print(json.dumps(find(load())))
