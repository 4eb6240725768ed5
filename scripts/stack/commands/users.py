"""`users`: who may sign in to the chat. (Open WebUI has a page of its own for that: Admin Panel, Users.)"""

from __future__ import annotations

import argparse
import sys

from stack.parts import accounts
from stack.reports.errors import guarded
from stack.settings import Settings, load
from stack.tools.docker_engine import client
from stack.tools.errors import StackError


def main() -> int:
    """Run the command; returns the exit code: 0 done, 1 it could not be done, 2 could not even try."""
    return guarded(_run)


def _run() -> int:
    arguments = _arguments()
    settings = load()
    match arguments.action:
        case "add":
            password = accounts.add(settings, client(), arguments.name)
            print(f"{accounts.CHAT.page(settings)}   {arguments.name}   {password}")
            print("The password is shown this once; only its hash is kept.", file=sys.stderr)
        case "remove":
            _remove(settings, arguments.name, sure=arguments.yes)
        case _:
            print(*accounts.names(settings, client()), sep="\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="users.py",
        description="Who may sign in to the chat. A new password for a forgotten one: "
        "python3 scripts/passwords.py reset chainlit --user NAME",
    )
    actions = parser.add_subparsers(dest="action")
    actions.add_parser("list", help="name all (this is the default)")
    add = actions.add_parser("add", help="make an account, and print its password")
    remove = actions.add_parser("remove", help="remove an account and its chats, for good (asks first)")
    remove.add_argument("--yes", action="store_true", help="answer that question with yes")
    for action in (add, remove):
        action.add_argument("name", metavar="NAME", help="such as anna, or anna@localhost")
    for each in (parser, *actions.choices.values()):
        each.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args()


def _remove(settings: Settings, name: str, *, sure: bool) -> None:
    if not sure:
        _confirm(name)
    accounts.remove(settings, client(), name)
    print(f"{name} is gone, and so are the chats.")


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        fix = "Run it again with --yes if that is what you want."
        raise StackError("Removing an account needs a yes.", fix=fix, cause="not-confirmed", exit_code=2)
    answer = input(f"Remove {name} and all of {name}'s chats for good? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise StackError("Nothing was changed.", fix="", cause="not-confirmed", exit_code=2)
