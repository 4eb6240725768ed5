"""Secrets by what they are called just before: a password's name, then a sign or a verb, then what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chat.routing.finders.near import NEAR, said_before
from chat.routing.finders.secret_names import NAMES_OF_KEYS, NAMES_OF_PASSWORDS, PREFIX
from chat.routing.finders.stand_ins import (
    SHORTEST,
    has_letters_and_digits,
    is_mixed,
    is_said_of_one,
    is_stand_in,
    is_type,
)

Span = tuple[int, int]

IS = r"(?:(?:is|was|are|to jest|to|jest|brzmi|lautet|ist|est|es|é)\b:?|:=|=>|=|:|(?<= )-(?= )|(?<= )\|(?= ))[*_]{0,3}"
VALUE = (
    r"""(?:"(?P<double>[^"\n]{4,200})"|'(?P<single>[^'\n]{4,200})'|`(?P<back>[^`\n]{4,200})`"""
    r"""|(?P<bare>[^\s"'`,;<>]{4,200}))"""
)
BETWEEN = r"""["'`*_]{0,3}(?: (?:for|of|on|to|do|für|de|w|na|from|du|des|del|della|von|zum)(?: [^\s:=]{1,40}){1,4}?)?"""
PASSWORD_IS = re.compile(
    rf"{PREFIX}(?P<name>{NAMES_OF_PASSWORDS}){BETWEEN}\s{{0,2}}(?P<is>{IS})\s{{0,2}}{VALUE}", re.IGNORECASE
)
KEY_IS = re.compile(rf"{PREFIX}(?P<name>{NAMES_OF_KEYS}){BETWEEN}\s{{0,2}}(?P<is>{IS})\s{{0,2}}{VALUE}", re.IGNORECASE)
OWN = re.compile(
    r"\b(?:my|our|his|her|their|the|wi-?fi|moje|mein|unser|mon|notre|mi|nuestra|minha)\b[\w .@-]{0,24}$", re.IGNORECASE
)
PASS_IS = re.compile(
    r"(?<![A-Za-z])(?:[A-Za-z0-9]{1,40}_){0,4}(?:pass|pw)[\"'*_]{0,3} {0,2}(?:=|:)[*_]{0,3} {0,2}[\"'`]?"
    r"(?P<value>[^\s\"'`,;<>]{5,200})",
    re.IGNORECASE,
)
NO_SIGN = re.compile(
    rf"(?<![\w./-])(?:{NAMES_OF_PASSWORDS}|pass|pw)(?: is| to)? {{1,2}}[\"'`]?(?P<value>[^\s\"'`,;:=<>()/\\]{{6,64}})",
    re.IGNORECASE,
)
NAME_WITH_NUMBER = re.compile(
    r"(?:sha|md|pbkdf|argon|base|utf|oauth|windows|office|aes|rsa|ed|x|ntlm|tls|http|ipv|python|web|wpa|version|v|rfc|iso)"
    r"[-_]?\d.*|\d+(?:st|nd|rd|th|[a-z]{1,8})|\w+\.[a-z]\w{0,4}",
    re.IGNORECASE,
)
QUOTED_PASS = re.compile(
    r"(?<![A-Za-z])(?:[A-Za-z0-9]{1,40}_){1,4}pass[\"']? {0,2}(?:=>?|:) {0,2}([\"'])(?P<value>[^\s\"'<>]{5,200})\1",
    re.IGNORECASE,
)
OF_NETRC = re.compile(r"\blogin\s{1,4}\S{1,64}\s{1,4}password\s{1,4}(?P<value>\S{4,128})")
ON_ITS_OWN_LINE = re.compile(
    rf"^[ \t>*_-]{{0,8}}(?:{NAMES_OF_PASSWORDS})[ \t:*_-]{{0,8}}\n[ \t>*_-]{{0,8}}(?P<value>\S{{4,128}})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
# What may follow a password that is a word; and words that are one together.
ENDS_A_WORD = re.compile(r"[.!?)\]}\"'*_ ]*$|[.,;]|\s+(?:#|//|--|/|\||\(|(?:and|und|i|oraz|et|y)\b|\w+=)|&")
WORDS = re.compile(r"[a-ząćęłńóśźżäöüß]{2,20}(?:[ -][a-ząćęłńóśźżäöüß]{2,20}){2,7}(?=[.!]?[ \t]*$)", re.MULTILINE)
OF_A_SENTENCE = re.compile(
    r"\b(?:the|an|of|to|for|in|at|or|with|are|is|be|do|does|my|your|our|their|his|her|its|must|should|can|could|may|will"
    r"|would|please|use|using|enter|choose|type|see|if|has|have|had|who|no|yes|don|it|we|you|they|he|she|than|then|by|as"
    r"|on|into|and|any|all|each|one|jest|się|do|na|za|od|dla|lub|oraz|proszę|der|die|das|und|oder|ist|sind|le|la|les|des"
    r"|est)\b"
)
LOGIN = r"login|user\w*|konto|account|użytkownik\w*|benutzer\w*"
SIGNS = ("=", ":", ":=", "=>")
LONG_ENOUGH = 6  # letters, to be taken for one though nothing says so
LINE = 400  # letters of it that are read


def secrets_called_so(text: str) -> Iterator[Span]:
    """Whole ones: a password may be some words."""
    for found in PASSWORD_IS.finditer(text):
        value, span, is_quoted = _value(found)
        if len(value) >= SHORTEST and not is_stand_in(value):
            if is_quoted or is_mixed(value):
                yield span
            elif is_one := _word_or_words(text, found, span):
                yield is_one
    for found in KEY_IS.finditer(text):
        value, span, _ = _value(found)
        if len(value) >= SHORTEST and not is_stand_in(value) and is_mixed(value):  # keys are never words
            yield span
    for pattern in (PASS_IS, ON_ITS_OWN_LINE):
        for found in pattern.finditer(text):
            value = found["value"]
            is_word_of_login = pattern is PASS_IS and value.isalpha() and said_before(text, found.start(), LOGIN)
            if (is_word_of_login or has_letters_and_digits(value)) and not is_stand_in(value):
                yield found.span("value")
    yield from _without_sign(text)


def _without_sign(text: str) -> Iterator[Span]:
    """Where nothing stands between the name and a password that is no word; and where a form says that it is one."""
    for found in NO_SIGN.finditer(text):
        value = found["value"].rstrip(".!?]}…*_")
        is_one = len(value) >= LONG_ENOUGH and has_letters_and_digits(value) and not NAME_WITH_NUMBER.fullmatch(value)
        if is_one and not is_stand_in(value):
            yield found.start("value"), found.start("value") + len(value)
    for pattern in (QUOTED_PASS, OF_NETRC):
        for found in pattern.finditer(text):
            if not is_stand_in(found["value"]):
                yield found.span("value")


def _value(found: re.Match[str]) -> tuple[str, Span, bool]:
    """What is called so, where it stands, and whether in quotes."""
    group = next(name for name in ("double", "single", "back", "bare") if found[name] is not None)
    value = found[group].rstrip(".!?)]}:…*_") if group == "bare" else found[group]
    return value, (found.start(group), found.start(group) + len(value)), group != "bare"


def _word_or_words(text: str, found: re.Match[str], span: Span) -> Span | None:
    """A password that is no more than that, by what stands around it."""
    has_sign = found["is"].strip("*_") in SIGNS
    if has_sign and (words := WORDS.match(text, span[0])) and not _is_a_sentence(words[0]):
        return words.span()
    word = text[slice(*span)]
    if is_said_of_one(word) or is_type(word) or not word.replace("-", "").isalnum():
        return None
    rest = text[span[1] : span[1] + LINE].split("\n", 1)[0]
    if has_sign:
        return span if ENDS_A_WORD.match(rest) else None
    is_somebodys = found["is"][0].isalpha() and OWN.search(text, max(0, found.start() - NEAR), found.start("name"))
    return span if is_somebodys and (not rest or rest[0] in ".,!;)") else None


def _is_a_sentence(words: str) -> bool:
    return bool(OF_A_SENTENCE.search(words)) or sum(map(is_said_of_one, words.split())) > 1
