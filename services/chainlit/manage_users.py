"""Who may sign in to the chat; run in its container by `scripts/users.py`: add NAME, password NAME, list, remove NAME.

Passwords come on standard input. Exit code 3: there is no such account; 4: the name is taken; 5: it can't be a name.
"""

from __future__ import annotations

import os
import sys

from chat.accounts import Accounts
from chat.store.database import UnusableError, open_database

DONE, UNKNOWN, TAKEN, NO_NAME = 0, 3, 4, 5


def main(action: str, name: str = "") -> int:
    """Do it; returns the exit code."""
    try:
        accounts = Accounts(open_database(os.environ["CHAINLIT_DATABASE_URL"]))
    except UnusableError as unusable:
        sys.exit(str(unusable))
    match action:
        case "add":
            try:
                return DONE if accounts.add(name, _password()) else TAKEN
            except ValueError:
                return NO_NAME
        case "password":
            return DONE if accounts.set_password(name, _password()) else UNKNOWN
        case "remove":
            return DONE if accounts.remove(name) else UNKNOWN
        case "list":
            print(*accounts.names(), sep="\n")
            return DONE
    sys.exit(f"There is no {action}.")


def _password() -> str:
    return sys.stdin.readline().rstrip("\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
