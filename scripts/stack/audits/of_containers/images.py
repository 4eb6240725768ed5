"""What a container is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stack.audits.ground import Ground
from stack.audits.item import Item
from stack.audits.scorecard import Seen, bad, good, not_here
from stack.audits.subject import Subject
from stack.parts.containers import IMAGES
from stack.probes.report import Status

UPDATE = re.compile(r"\b(apt|apt-get|apk|yum|dnf)\b[^&|;]*\b(update|upgrade)\b")
INSTALL = re.compile(r"\b(install|add)\b")
ADDED = re.compile(r"^(/bin/sh -c #\(nop\) +)?ADD ")
# (GPG_KEY, in published images of Python, is the name of a public one.)
SENSITIVE = r"(?!GPG_KEY=)(?:\w+_)?(?:SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|KEY|CREDENTIALS?)(?:_\w+)?"
SECRET = re.compile(rf"^({SENSITIVE})=\S", re.IGNORECASE)
SECRET_IN_STEP = re.compile(rf"\b({SENSITIVE})=[^\s$\"'/]", re.IGNORECASE)
LOGIN_IN_ADDRESS = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
UNSIGNED = re.compile(
    r"--allow-unauthenticated|--force-yes|--nogpgcheck|--allow-untrusted|--trusted-host|--no-check-certificate"
    r"|trusted=yes|AllowUnauthenticated|--insecure\b|\b(curl|wget)\b[^;&]*\|\s*(ba)?sh\b"
)


def _base(subject: Subject, ground: Ground) -> Seen:
    layers = subject.image["RootFS"]["Layers"]
    if not ground.bases:
        return not_here("its base is not kept on this machine")
    if any(layers[: len(base)] == list(base) for base in ground.bases):
        return good("a base image that the settings name")
    return bad("its lowest layers are those of no base image that the settings name")


def _tools(subject: Subject, _: Ground) -> Seen:
    if subject.inside is None:
        return not_here("does not run")
    return bad(f"has {', '.join(subject.inside.tools)}") if subject.inside.tools else good("no such program")


def _trust(subject: Subject, _: Ground) -> Seen:
    name = str(subject.config["Image"])
    return bad("built on this machine" if name.startswith(f"{IMAGES}/") else f"{name} is no image of the stack's")


def _health(subject: Subject, _: Ground) -> Seen:
    test = (subject.image["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    return bad("none") if test[0] == "NONE" else good("there")


def _updates(subject: Subject, _: Ground) -> Seen:
    alone = [step for step in subject.steps if UPDATE.search(step) and not INSTALL.search(step)]
    return bad(f"alone in {len(alone)} steps") if alone else good("none alone")


def _setuid(subject: Subject, _: Ground) -> Seen:
    return bad(", ".join(subject.setuid)) if subject.setuid else good("no file")


def _added(subject: Subject, _: Ground) -> Seen:
    added = [step for step in subject.steps[1:] if ADDED.search(step)]  # the first one is the base itself
    return bad(f"ADD in {len(added)} steps") if added else good("no ADD")


def _secrets(subject: Subject, _: Ground) -> Seen:
    names = {found[1] for entry in _environment(subject) if (found := SECRET.search(entry))}
    names |= {found[1] for step in subject.steps if (found := SECRET_IN_STEP.search(step))}
    if names:
        return bad(f"a value for {', '.join(sorted(names))}")
    if any(LOGIN_IN_ADDRESS.search(text) for text in (*_environment(subject), *subject.steps)):
        return bad("an address with a password")
    return good("none")


def _signed(subject: Subject, _: Ground) -> Seen:
    if told := sorted({found[0] for step in subject.steps if (found := UNSIGNED.search(step))}):
        return bad(", ".join(told))
    if subject.inside and subject.inside.unsigned:
        return bad(f"{', '.join(subject.inside.unsigned)} lets in what nobody has signed")
    return good("nothing unsigned let in")


def _unseen(_: Subject, __: Ground) -> Seen:
    return bad("not to be seen on a container")


def _current(subject: Subject, _: Ground) -> Seen:
    if subject.current.status is Status.OK:
        return good("the image as it is now")
    return bad(subject.current.evidence)


def _pinned(subject: Subject, _: Ground) -> Seen:
    name = str(subject.config["Image"])
    tag = name.rpartition("/")[2].partition(":")[2]
    return good("a tag of its own") if tag and tag != "latest" else bad(f"{name}: whatever is the latest")


def _environment(subject: Subject) -> Iterable[str]:
    return [*(subject.config["Env"] or ()), *(subject.image["Config"].get("Env") or ())]


ITEMS = (
    Item(
        ("CIS 4.2", "OWASP #13"),
        "Ensure that containers use only trusted base images",
        _base,
        "`BASE_IMAGE` in .env; then `python3 scripts/up.py`",
        depends_on="the base image kept by the engine",
    ),
    Item(
        ("CIS 4.3",),
        "Ensure that unnecessary packages are not installed in the container",
        _tools,
        "its Dockerfile: what only the build needs stays in a stage of the build",
    ),
    Item(
        ("CIS 4.4", "OWASP #9"),
        "Ensure images are scanned and rebuilt to include security patches",
        _unseen,
        "`python3 scripts/up.py --rebuild SERVICE`",
    ),
    Item(
        ("CIS 4.5", "OWASP #13"),
        "Ensure Content trust for Docker is Enabled",
        _trust,
        f"`image: {IMAGES}/...` and `pull_policy: never`",
    ),
    Item(
        ("CIS 4.6",),
        "Ensure that HEALTHCHECK instructions have been added to container images",
        _health,
        "`HEALTHCHECK` in its Dockerfile",
    ),
    Item(
        ("CIS 4.7",),
        "Ensure update instructions are not used alone in the Dockerfile",
        _updates,
        "its Dockerfile: update and install in one `RUN`",
    ),
    Item(
        ("CIS 4.8",),
        "Ensure setuid and setgid permissions are removed",
        _setuid,
        r"its Dockerfile: `RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +`",
    ),
    Item(
        ("CIS 4.9",),
        "Ensure that COPY is used instead of ADD in Dockerfiles",
        _added,
        "its Dockerfile: `COPY`",
    ),
    Item(
        ("CIS 4.10", "OWASP #12", "house"),
        "Ensure secrets are not stored in Dockerfiles",
        _secrets,
        "API_KEY is empty; and a file in the service's own volume, in place of `environment`, `ENV` or `ARG`",
    ),
    Item(
        ("CIS 4.11",),
        "Ensure only verified packages are installed",
        _signed,
        "its Dockerfile: without that option",
    ),
    Item(
        ("CIS 4.12", "OWASP #13"),
        "Ensure all signed artifacts are validated",
        _unseen,
        "hashes in the lock files",
    ),
    Item(
        ("CIS 5.28",),
        "Ensure that Docker commands always make use of the latest version of their image",
        _current,
        "`python3 scripts/up.py` makes the container anew",
    ),
    Item(
        ("house pinned",),
        "No image is `latest`",
        _pinned,
        "`image: ...:${IMAGE_TAG:-1}`",
    ),
)
