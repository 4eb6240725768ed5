"""Who the processes are, and what the kernel lets them do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stack.audits.ground import Ground
from stack.audits.inside import Process
from stack.audits.item import Item
from stack.audits.scorecard import Seen, bad, good, not_here
from stack.audits.subject import Subject

ROOT = ("", "0", "root")
FILTERED = {"/proc/kcore", "/proc/keys", "/sys/firmware"}  # of those that the engine hides, as every release has them
FIXED = {"/proc/sys", "/proc/sysrq-trigger"}


def _user(subject: Subject, _: Ground) -> Seen:
    for whose, user in (("", subject.config["User"]), ("its image's ", subject.image["Config"]["User"])):
        if user.partition(":")[0] in ROOT:
            return bad(f"{whose}user {user or 'is not named: root'}")
    if names := _of_processes(subject, lambda process: 0 in process.users):
        return bad(f"{names} run as root")
    return good(f"user {subject.config['User']}")


def _capabilities(subject: Subject, _: Ground) -> Seen:
    if "ALL" not in (subject.host["CapDrop"] or ()):
        return bad("not all dropped")
    if added := [name.removeprefix("CAP_") for name in subject.host["CapAdd"] or ()]:
        return bad(f"all dropped but {', '.join(sorted(added))}")
    if names := _of_processes(subject, lambda process: process.capabilities != 0):
        return bad(f"{names} have some")
    return good("all dropped")


def _privileged(subject: Subject, _: Ground) -> Seen:
    return bad("privileged") if subject.host["Privileged"] else good("not privileged")


def _seccomp(subject: Subject, _: Ground) -> Seen:
    if "seccomp=unconfined" in subject.options:
        return bad("switched off")
    if names := _of_processes(subject, lambda process: not process.seccomp):
        return bad(f"{names} may make any system call")
    return good("the engine's filter")


def _apparmor(subject: Subject, ground: Ground) -> Seen:
    profile = str(subject.attributes.get("AppArmorProfile") or "")
    if profile == "unconfined" or "apparmor=unconfined" in subject.options:
        return bad("switched off")
    if not ground.machine.has("apparmor"):
        return not_here("the kernel has no AppArmor")
    if subject.inside is None:
        return good(profile) if profile else bad("no profile")
    confined = "unconfined" not in subject.inside.confinement and subject.inside.confinement
    return good(subject.inside.confinement) if confined else bad("runs unconfined")


def _selinux(subject: Subject, ground: Ground) -> Seen:
    # The engine itself adds that to a privileged container and to one that shares these; then other lines are red.
    added = subject.host["Privileged"] or "host" in (subject.host["PidMode"], subject.host["IpcMode"])
    if "label=disable" in subject.options and not added:
        return bad("switched off")
    if not ground.machine.has("selinux"):
        return not_here("the engine does not use SELinux")
    return good("labelled") if subject.attributes.get("ProcessLabel") else bad("no label")


def _no_new_privileges(subject: Subject, _: Ground) -> Seen:
    if not {"no-new-privileges", "no-new-privileges=true"} & set(subject.options):
        return bad("not set")
    if names := _of_processes(subject, lambda process: not process.no_new_privileges):
        return bad(f"{names} may gain some")
    return good("set")


def _masked(subject: Subject, _: Ground) -> Seen:
    shown = FILTERED - set(subject.host["MaskedPaths"] or ()) | FIXED - set(subject.host["ReadonlyPaths"] or ())
    if shown:
        return bad(f"open: {', '.join(sorted(shown))}")
    if subject.inside and "ro" not in subject.inside.mounts.get("/proc/sys", ()):
        return bad("open: /proc/sys")
    return good("hidden or read-only")


def _privileged_commands(subject: Subject, _: Ground) -> Seen:
    run = _commands(subject, lambda command: bool(command["privileged"]))
    return bad(f"run from outside: {', '.join(run)}") if run else good("none is run")


def _root_commands(subject: Subject, _: Ground) -> Seen:
    # A command that names no user runs as the container does, and the engine shows that one.
    run = _commands(subject, lambda command: (command.get("user") or "").partition(":")[0] in ROOT[1:])
    return bad(f"run from outside: {', '.join(run)}") if run else good("none is run")


def _of_processes(subject: Subject, wrong: Callable[[Process], bool]) -> str:
    processes = subject.inside.processes if subject.inside else ()
    return ", ".join(sorted({each.name for each in processes if wrong(each)}))


def _commands(subject: Subject, wrong: Callable[[Mapping[str, Any]], bool]) -> list[str]:
    """The commands run from outside of which that is so."""
    return [str(command["entrypoint"]) for command in subject.commands if wrong(command)]


ITEMS = (
    Item(
        ("CIS 4.1", "OWASP #2", "house"),
        "Ensure that a user for the container has been created",
        _user,
        "`USER` in its Dockerfile, and no `user: root`",
    ),
    Item(
        ("CIS 5.4", "OWASP #3", "house"),
        "Ensure that Linux kernel capabilities are restricted within containers",
        _capabilities,
        "`cap_drop: [ALL]`, and no `cap_add`",
    ),
    Item(
        ("CIS 5.5", "OWASP #3"),
        "Ensure that privileged containers are not used",
        _privileged,
        "no `privileged`",
    ),
    Item(
        ("CIS 5.22", "OWASP #6", "house"),
        "Ensure the default seccomp profile is not Disabled",
        _seccomp,
        "no `seccomp:unconfined` in `security_opt`",
    ),
    Item(
        ("CIS 5.2", "OWASP #6", "house"),
        "Ensure that, if applicable, an AppArmor Profile is enabled",
        _apparmor,
        "no `apparmor:unconfined` in `security_opt`",
        depends_on="AppArmor in the kernel",
    ),
    Item(
        ("CIS 5.3", "OWASP #6"),
        "Ensure that, if applicable, SELinux security options are set",
        _selinux,
        "no `label:disable` in `security_opt`",
        depends_on="SELinux switched on for the engine",
    ),
    Item(
        ("CIS 5.26", "OWASP #4", "house"),
        "Ensure that the container is restricted from acquiring additional privileges",
        _no_new_privileges,
        '`security_opt: ["no-new-privileges:true"]`',
    ),
    Item(
        ("house masked-paths",),
        "What the engine hides or fixes in /proc and /sys is so",
        _masked,
        "no `systempaths=unconfined` in `security_opt`",
    ),
    Item(
        ("CIS 5.23",),
        "Ensure that docker exec commands are not used with the privileged option",
        _privileged_commands,
        "end that command; nothing in compose.yaml starts one",
    ),
    Item(
        ("CIS 5.24",),
        "Ensure that docker exec commands are not used with the user=root option",
        _root_commands,
        "end that command; nothing in compose.yaml starts one",
    ),
)
