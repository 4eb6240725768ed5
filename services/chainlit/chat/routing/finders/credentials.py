"""Keys, tokens and passwords: by the form that their issuers give them, or by what they are called."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from chat.routing.finders.near import NEAR

Span = tuple[int, int]

# As their issuers publish them, so that they can be found.
ISSUED = re.compile(
    r"""(?x)(?<![A-Za-z0-9])(?:
      (?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}                     # AWS
    | gh[pousr]_[A-Za-z0-9]{36,255} | github_pat_\w{22,255}   # GitHub
    | gl(?:pat|dt|rt|cbt|ptt)-[\w-]{20,}                      # GitLab
    | xox[abeprs]-[\w-]{10,} | xapp-[\w-]{10,}                # Slack
    | AIza[\w-]{35} | ya29\.[\w-]{20,}                        # Google
    | sk-(?:proj-|ant-|or-|svcacct-)?[\w-]{20,}               # OpenAI, Anthropic and others
    | [sr]k_(?:live|test)_\w{16,}                             # Stripe
    | npm_[A-Za-z0-9]{36} | pypi-[\w-]{16,} | hf_[A-Za-z0-9]{30,} | dckr_pat_[\w-]{20,}
    | SG\.[\w-]{16,}\.[\w-]{16,} | key-[0-9a-f]{32}           # SendGrid, Mailgun
    | AGE-SECRET-KEY-1[0-9A-Z]{50,}
    | \d{8,10}:AA[\w-]{33}                                    # Telegram
    | eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{5,}                 # JSON web tokens
    )"""
)
PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]{0,20000}-----END [A-Z0-9 ]{0,40}-----)?"
)
IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,64}:(?P<value>[^\s/@]{3,128})@", re.IGNORECASE)
IN_HEADER = re.compile(r"\b(?:Bearer|Basic)\s{1,3}(?P<value>[\w.~+/=-]{16,})", re.IGNORECASE)

NAMES_OF_PASSWORDS = (
    r"pass ?words?|passwd|pwd|pass ?phrase|pass ?code|master ?key|hasł\w|haslo|passwort\w*|kennwort\w*|mot de passe"
    r"|contraseña|clave|senha|lösenord|wachtwoord|heslo"
)
NAMES_OF_KEYS = (
    r"api[ _-]?keys?|(?:secret|access|account|private|subscription|storage|shared|signing|encryption)[ _-]?keys?"
    r"|client[ _-]?secret|secrets?|(?:access|auth|api|bearer|refresh|session)?[ _-]?tokens?|klucz\w*(?: api)?"
)
IS = r"(?:is|was|are|to|jest|to jest|brzmi|lautet|ist|est|es|é|:=|=>|=|:)"
VALUE = (
    r"""(?:"(?P<double>[^"\n]{4,200})"|'(?P<single>[^'\n]{4,200})'|`(?P<back>[^`\n]{4,200})`"""
    r"""|(?P<bare>[^\s"'`,;<>]{4,200}))"""
)
BETWEEN = r"""["'`*_]{0,3}(?: (?:for|of|on|to|do|für|de|w|na|from) (?:\S{1,40} ){1,4}?)?"""
PREFIX = r"(?<![A-Za-z])(?:[A-Za-z0-9]{1,40}[_-]){0,4}"
PASSWORD_IS = re.compile(
    rf"{PREFIX}(?P<name>{NAMES_OF_PASSWORDS}){BETWEEN}\s{{0,2}}(?P<is>{IS})\s{{0,2}}{VALUE}", re.IGNORECASE
)
KEY_IS = re.compile(rf"{PREFIX}(?P<name>{NAMES_OF_KEYS}){BETWEEN}\s{{0,2}}(?P<is>{IS})\s{{0,2}}{VALUE}", re.IGNORECASE)
OWN = re.compile(
    r"\b(?:my|our|his|her|their|the|moje|mein|unser|mon|notre|mi|nuestra|minha)\b[\w .@-]{0,24}$", re.IGNORECASE
)
PIN = re.compile(r"\bPIN(?:[ -]?(?:code|kod|number))?\b[^\d\n]{0,16}(?P<value>\d{4,8})(?!\d)")
SIGN_IN = re.compile(r"(?:\s|^)(?:-p|--password|--token|-pw)(?:=|\s{1,2})(?P<value>[^\s<>$]{4,128})")

# What stands where a secret would, in programs, forms and explanations.
STANDS_FOR_ONE = re.compile(
    r"""(?ix)
      <[^>]*>? | \{.* | \[.* | \$\{.* | \$\(.* | (?-i:\$[A-Z_][A-Z0-9_]*) | %[sd(].*
    | \*+ | x{3,} | \.{3,} | -+ | _+ | •+
    | [a-z_][\w.]*\((?:.*\))? | [a-z_][\w.]*\[.*
    | (?:os|process|env|config|settings|self|request|args|var|secrets?|vault)\.[a-z_].*
    | (?:str|string|int|bool|none|null|nil|true|false|undefined|optional|any|bytes|varchar|text|object|password|passwd
      |secret|token|required|missing|empty|todo|changeme|example|placeholder|redacted|hidden)\W*
    | your.* | (?:dein|ihr|twoj|votre)\w*[\W_].*
    | (?:my|the|a|an|some|new|old|user|this|that|their|his|her|its|our)[\W_]
      (?:.*[\W_])?(?:pass(?:word|wd)?|pwd|secret|token|key).*
    """
)
# "my password is wrong": what is said of one, and is none.
SAID_OF_ONE = re.compile(
    r"(?i)(?:wrong|incorrect|correct|invalid|valid|weak|strong|secure|safe|expired|lost|forgotten|gone|stolen|leaked|known|"
    r"stored|saved|hashed|salted|encrypted|needed|required|missing|empty|blank|too|not|never|always|also|still|already|being|"
    r"used|sent|shown|asked|rejected|refused|accepted|compromised|changed|reset|long|short|enough|same|unique|random|what|where|"
    r"when|why|how|only|just|there|here|because|like|about|very|really|something|important|good|nie|niepoprawne|błędne|złe|"
    r"zbyt|falsch|nicht|ungültig|abgelaufen|incorrecta?|faux|pas|reused|protected|checked|verified|made|given|set|kept|written|"
    r"longer|visible|public|private|default|temporary|optional|that|this|with|from|which)"
)
RANDOM = re.compile(r"(?<![\w/+=.-])(?!sha\d{3}-)[A-Za-z0-9_+-]{32,200}={0,2}(?![\w/+-])")
BITS_A_LETTER = 4.0
SHORTEST = 4


def secrets(text: str) -> Iterator[Span]:
    """All of them."""
    for pattern in (ISSUED, PRIVATE_KEY):
        for found in pattern.finditer(text):
            yield found.span()
    for pattern in (IN_ADDRESS, IN_HEADER, PIN, SIGN_IN):
        for found in pattern.finditer(text):
            if not STANDS_FOR_ONE.fullmatch(found["value"]):
                yield found.span("value")
    for pattern, is_password in ((PASSWORD_IS, True), (KEY_IS, False)):
        for found in pattern.finditer(text):
            if span := _called_so(text, found, is_password=is_password):
                yield span
    for found in RANDOM.finditer(text):
        if _looks_random(found[0]):
            yield found.span()


def _called_so(text: str, found: re.Match[str], *, is_password: bool) -> Span | None:
    """Where the secret stands, if what is called one is one."""
    group = next(name for name in ("double", "single", "back", "bare") if found[name] is not None)
    is_quoted = group != "bare"
    value = found[group] if is_quoted else found[group].rstrip(".!?)]}:…*_")
    span = found.start(group), found.start(group) + len(value)
    if len(value) < SHORTEST or STANDS_FOR_ONE.fullmatch(value):
        return None
    if _is_mixed(value):
        return span
    if is_quoted or not is_password:  # keys are never words
        return span if is_password else None
    if SAID_OF_ONE.fullmatch(value) or not value.replace("-", "").isalnum():
        return None
    rest = text[span[1] :].split("\n", 1)[0]
    if found["is"] in ("=", ":", ":=", "=>"):
        return None if rest.strip(" .!?)]}\"'*_") else span  # a word, and nothing more in that line
    is_somebodys = OWN.search(text, max(0, found.start() - NEAR), found.start("name"))
    return span if is_somebodys and (not rest or rest[0] in ".,!;)") else None


def _is_mixed(value: str) -> bool:
    """Not a word: letters and digits, or signs within, or capitals within."""
    return (
        (any(each.isdigit() for each in value) and (any(each.isalpha() for each in value) or len(value) >= 6))
        or bool(re.search(r"[!@#$%^&*?+=~]", value[:-1]))
        or bool(re.search(r"[a-z][A-Z]", value) and len(value) >= 16)
    )


def _looks_random(value: str) -> bool:
    """As many letters, capitals and digits in it as chance would have, so no word, number, hash or path."""
    body = value.rstrip("=")
    kinds = (str.islower, str.isupper, str.isdigit)
    if sum(any(kind(each) for each in body) for kind in kinds) < 3 or sum(map(str.isdigit, body)) < 3:
        return False
    counts = Counter(body)
    bits = -sum(count / len(body) * math.log2(count / len(body)) for count in counts.values())
    changes = sum(a.isalpha() and b.isalpha() and a.isupper() != b.isupper() for a, b in pairwise(body))
    return bits >= BITS_A_LETTER and changes >= 3
