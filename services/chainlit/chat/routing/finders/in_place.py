"""Secrets by where they stand: in an address, a header, a command, between tags, in a variable of the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chat.routing.finders.secret_names import NAMES_OF_PASSWORDS
from chat.routing.finders.stand_ins import is_stand_in

Span = tuple[int, int]

IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,64}:(?P<value>[^\s/@]{3,128})@", re.IGNORECASE)
IN_HEADER = re.compile(r"\b(?:Bearer|Basic)\s{1,3}(?P<value>[\w.~+/=-]{16,})", re.IGNORECASE)
PIN = re.compile(r"\bPIN(?:[ -]?(?:code|kod|number))?\b[^\d\n]{0,16}(?P<value>\d{4,8})(?!\d)")
OWN_PIN = re.compile(
    r"\b(?:kod pin|pin[ -]?(?:code|kod|number|nummer)|my pin|m[oó]j pin)\b[^\d\n]{0,16}(?P<value>\d{4,8})(?!\d)"
    r"|\bpin (?P<short>\d{4})(?!\d|[.,]\d)|(?:^|[\n,;{])\s{0,4}[\"']?pin[\"']? ?[:=] ?[\"']?(?P<alone>\d{4,8})(?!\d)",
    re.IGNORECASE,
)
SIGN_IN = re.compile(
    r"(?:\s|^)(?:--?(?:password|passwd|token|pw))(?:=|\s{1,2})(?P<value>[^\s<>$]{4,128})"
    r"|\b(?:sshpass|docker login|podman login|smbclient|psexec|plink|az login|mongo(?:sh|dump)?)\b[^\n]{0,120}?\s-p\s?"
    r"(?P<short>[^\s<>$-][^\s<>$]{3,127})"
    r"|\b(?:mysql(?:dump|admin)?|mariadb)\b[^\n]{0,120}?\s-p(?P<glued>[^\s<>$]{4,128})"
    r"|\b(?:redis-cli)\b[^\n]{0,120}?\s-a\s(?P<redis>[^\s<>$]{4,128})"
    r"|\b(?:curl|wget|https?)\b[^\n]{0,200}?\s(?:-u|--user|--proxy-user|-a)[ =]?[\"']?[^\s:\"'$<>/]{1,64}"
    r":(?P<basic>[^\s<>$\"'/]{3,128})"
)
# "password" between tags, as an attribute's name, and the shortest names, which much else has too.
IN_TAGS = re.compile(
    rf"<(?P<tag>(?:[\w.-]{{1,40}}[:_.-])?(?:{NAMES_OF_PASSWORDS}|pass|api[_-]?key|secret|token))(?:\s[^<>]{{0,200}})?>"
    rf"\s{{0,20}}(?P<value>[^\s<>][^<>]{{2,199}})</(?P=tag)>",
    re.IGNORECASE,
)
IN_ATTRIBUTES = re.compile(
    rf"\b(?:key|name)\s?=\s?[\"'][\w.:-]{{0,40}}(?:{NAMES_OF_PASSWORDS}|secret|token|api[_-]?key)[\"']\s{{1,20}}value\s?=\s?"
    r"[\"'](?P<value>[^\"'<>\n]{4,200})[\"']",
    re.IGNORECASE,
)
IN_MANIFEST = re.compile(
    rf"\bname: ?[\"']?[\w.-]{{0,40}}(?:{NAMES_OF_PASSWORDS}|secret|token|api[_-]?key)[\"']?[ \t]*\n"
    r"[ \t]{0,40}value: ?[\"']?(?P<value>[^\s\"'<>]{4,200})",
    re.IGNORECASE,
)
KEY_AND_NO_SIGN = re.compile(
    r"\b(?:api|access|auth|secret)[ _-]?(?:key|token)[ \t]{1,4}"
    r"(?=[\w-]{0,100}[A-Za-z])(?=(?:[\w-]{0,100}?\d){3})(?P<value>[\w-]{10,200})",
    re.IGNORECASE,
)
KEY_OF_PROVIDER = re.compile(
    r"\b(?!(?:PRIMARY|FOREIGN|SORT|PARTITION|CACHE|PUBLIC|HOT|INDEX|UNIQUE|ROW|GROUP)_)"
    r"(?:[A-Z0-9]{1,40}_){1,4}KEY ?= ?[\"']?(?=[^\s\"']{0,100}\d)(?=[^\s\"']{0,100}[A-Za-z])"
    r"(?P<value>[\w.+/=-]{10,200})"
)
# A variable of the environment, or of a file of them: what is written there is read as it is.
VARIABLE_IS = re.compile(
    r"(?:^|(?<=[\s\"']))(?:[A-Z0-9]{1,40}_){0,4}(?:[A-Z]{2,8}PASSWORD|PASSWORD|PASSWD|PASS|PWD|SECRET|TOKEN|SECRET_KEY|API_KEY)="
    r"(?P<value>[A-Za-z0-9][A-Za-z0-9._-]{5,199})(?=[\s\"']|$)",
    re.MULTILINE,
)
PATTERNS = (
    IN_ADDRESS, IN_HEADER, PIN, OWN_PIN, SIGN_IN, IN_TAGS, IN_ATTRIBUTES, IN_MANIFEST, KEY_AND_NO_SIGN, KEY_OF_PROVIDER,
    VARIABLE_IS,
)  # fmt: skip


def secrets_in_place(text: str) -> Iterator[Span]:
    """What one of the patterns has a name for, whichever it is."""
    for pattern in PATTERNS:
        for found in pattern.finditer(text):
            group = found.lastgroup or "value"
            if not is_stand_in(found[group]):
                yield found.span(group)
