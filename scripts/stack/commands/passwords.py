"""`passwords`: the first passwords and the key for your own containers; new ones for forgotten ones, or for all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import httpx
from docker import DockerClient
from rich.console import Console

from stack import probes
from stack.parts import accounts, containers, relay_token, rotation
from stack.parts.single_run import alone
from stack.probes.open_webui import User
from stack.probes.sign_in import LockedOutError, SignInRefusedError
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.reports.table import show as show_report
from stack.settings import Settings, load
from stack.tools.async_work import run_async
from stack.tools.docker_engine import client
from stack.tools.errors import StackError

ALL = "all"


def main() -> int:
    """Run the command; returns the exit code: 0 done, 1 it could not be done, 2 could not even try."""
    return guarded(_run)


def _run() -> int:
    arguments = _arguments()
    settings = load()
    if arguments.action == "reset":
        return _reset(settings, arguments.service, arguments.user)
    if arguments.action == "rotate":
        wanted = rotation.ALL if ALL in arguments.secrets else [rotation.named(name) for name in arguments.secrets]
        return _rotate(settings, wanted)
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
    reset.add_argument("--user", metavar="NAME", help="another account of that page than its first one")
    rotate = actions.add_parser(
        "rotate",
        help="new secrets in place of the present ones; the stack must run",
        description="Makes new secrets, restarts who uses them (which cuts off answers under way) and asks whether all "
        "is well. Chats, users and settings stay. Interrupted, it can be run again.",
        epilog="; ".join(f"{secret.name}: {secret.meaning}" for secret in rotation.ALL),
    )
    names = [ALL, *(secret.name for secret in rotation.ALL)]
    rotate.add_argument("secrets", nargs="*", metavar="NAME", choices=names, default=ALL, help="default: all of them")
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
    print(
        f"Forgotten one:    python3 scripts/passwords.py reset {'|'.join(account.service for account in accounts.ALL)}"
    )
    print("All anew:         python3 scripts/passwords.py rotate")
    return 0


def _show(settings: Settings) -> int:
    engine = client()
    if not containers.has_volume(settings, engine, "open-webui-secrets"):
        raise StackError(
            "There are no passwords: the stack was never started, or its data volumes were removed.",
            fix="python3 scripts/up.py   makes them.",
            cause="no-secrets",
            exit_code=2,
        )
    for account in accounts.ALL:
        print(f"{account.page(settings)}   {account.user}   {accounts.first_password(settings, engine, account)}")
    key = relay_token.fetch(settings, engine).read_text(encoding="ascii").strip()
    print(f"{relay_token.base_url(settings)}   API key for your own containers   {key}")
    print("One that was changed on Open WebUI's page since is not known here.", file=sys.stderr)
    return 0


def _reset(settings: Settings, service: str, user: str | None) -> int:
    account = next(account for account in accounts.ALL if account.service == service)
    stages = Stages(Console(highlight=False, stderr=True))
    with stages.stage(f"A new password in {service}"):
        password = accounts.reset(settings, client(), account, user or account.user)
    print(f"{account.page(settings)}   {user or account.user}   {password}")
    return 0


def _rotate(settings: Settings, secrets: Sequence[rotation.Secret]) -> int:
    stages = Stages()
    with alone(settings):
        engine = client()
        rotation.check_runs(settings, engine, secrets)
        with stages.stage(f"New: {', '.join(secret.name for secret in secrets)}"):
            rotation.make_anew(settings, secrets)
        services = rotation.users_of(secrets, rotation.behind(settings, engine))
        with stages.stage(f"Restarting {', '.join(services)}"):
            rotation.hand_out(settings, engine, services)
        if rotation.ADMIN_PASSWORD in secrets:
            with stages.stage("The administrator's password"):
                stages.say(run_async(_about_the_administrator(settings, engine)))
        with stages.stage("A real answer through every front end"):
            report = probes.run(settings)
    show_report(report)
    return report.exit_code


async def _about_the_administrator(settings: Settings, engine: DockerClient) -> str:
    account = accounts.OPEN_WEBUI
    password = accounts.first_password(settings, engine, account)
    try:
        async with httpx.AsyncClient(base_url=account.page(settings), trust_env=False) as http:
            await User.signed_in(http, account.user, password)
    except SignInRefusedError:
        return f"{account.user} had another password than the one that was made here, and keeps it."
    except (LockedOutError, httpx.HTTPError) as unknown:
        return f"Whether {account.user} has the new password could not be seen: {unknown}"
    return f"{account.user} has a new one: python3 scripts/passwords.py show"
