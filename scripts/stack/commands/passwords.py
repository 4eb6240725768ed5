"""`passwords`: the first passwords and the key for your own containers; a new password in place of a forgotten one."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from stack.parts import accounts, relay_token
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools.docker_engine import client


def main() -> int:
    """Run the command; returns the exit code: 0 done, 1 it could not be done, 2 could not even try."""
    return guarded(_run)


def _run() -> int:
    arguments = _arguments()
    settings = load()
    if arguments.action == "reset":
        return _reset(settings, arguments.service, arguments.user)
    if arguments.action == "show":
        return _show(settings)
    return _where(settings)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="passwords.py", description="Where the first passwords and the key are. They are made at first start."
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    actions = parser.add_subparsers(dest="action")
    actions.add_parser("show", help="print them; one that was changed on the page since is not known here")
    reset = actions.add_parser("reset", help="a new password for a forgotten one; the front end must run")
    reset.add_argument("service", choices=[account.service for account in accounts.ALL])
    reset.add_argument("--user", metavar="EMAIL", help="another account of that page than its first one")
    for action in actions.choices.values():
        action.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args()


def _where(settings: Settings) -> int:
    for account in accounts.ALL:
        print(f"{account.page(settings)}   {account.user}")
        print(f"    made at first start, in the volume {account.volume(settings)}, file {account.secret}")
    print(f"{relay_token.base_url(settings)}   API key for your own containers")
    print(f"    in {relay_token.token_file(settings)}, readable by you only")
    print("\nTo print them:    python3 scripts/passwords.py show")
    print("Forgotten one:    python3 scripts/passwords.py reset open-webui")
    return 0


def _show(settings: Settings) -> int:
    engine = client()
    for account in accounts.ALL:
        print(f"{account.page(settings)}   {account.user}   {accounts.first_password(settings, engine, account)}")
    key = relay_token.fetch(settings, engine).read_text(encoding="ascii").strip()
    print(f"{relay_token.base_url(settings)}   API key for your own containers   {key}")
    print("A password that was changed on the page since is not known here.", file=sys.stderr)
    return 0


def _reset(settings: Settings, service: str, user: str | None) -> int:
    account = next(account for account in accounts.ALL if account.service == service)
    stages = Stages(Console(highlight=False, stderr=True))
    with stages.stage(f"A new password in {service}"):
        password = accounts.reset(settings, client(), account, user or account.user)
    print(f"{account.page(settings)}   {user or account.user}   {password}")
    return 0
