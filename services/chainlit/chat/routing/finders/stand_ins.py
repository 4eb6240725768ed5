"""What stands where a secret would and is none, and what tells a secret from a word."""

from __future__ import annotations

import re

SHORTEST = 4  # letters that a secret has
# What stands where a secret would, in programs, forms and explanations.
STANDS_FOR_ONE = re.compile(
    r"""(?ix)
      <[^>]*>? | \{.* | \[.* | \$\{.* | \$\(.* | (?-i:\$[A-Z_][A-Z0-9_]*) | %[sd(].*
    | \*+ | x{3,} | \.{3,} | -+ | _+ | •+
    | [a-z_][\w.]*\((?:.*\))? | [a-z_][\w.]*\(\)\..* | [a-z_][\w.]*\[.*
    | (?:os|process|env|config|settings|self|request|args|var|secrets?|vault)\.[a-z_].*
    | (?:str|string|int|bool|none|null|nil|true|false|undefined|optional|any|bytes|varchar|text|object|password
      |passwd|secret|token|required|missing|empty|todo|changeme|example|placeholder|redacted|hidden)\W*
    | your (?: [\W_]?(?:own|new|old|actual|real)?[\W_]? (?:[a-z]+[\W_])* (?:pass(?:word|wd|phrase)?|pwd|secret|token
      |key|value|code|pin|credential|string|api|id|here|name)s? (?:[\W_].*|[a-z]*|\d)? )?
    | (?:dein|ihr|twoj|votre)\w*[\W_].*
    | (?:my|the|a|an|some|new|old|user|this|that|their|his|her|its|our)[\W_]
      (?:[^\d]*[\W_])?(?:pass(?:word|wd)?|pwd|secret|token|key)[^\d]*
    | (?:hash(?:ed)?|pwd|pw|pass|value|input|data|field|number|char|boolean|date)\W*
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
TYPE = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+|[a-z]+[A-Z]\w*")  # a class, or a variable


def is_stand_in(value: str) -> bool:
    """Whether it is one of programs, forms and explanations."""
    return bool(STANDS_FOR_ONE.fullmatch(value))


def is_said_of_one(word: str) -> bool:
    """Whether a sentence about a password goes on so."""
    return bool(SAID_OF_ONE.fullmatch(word))


def is_type(word: str) -> bool:
    """Whether it is what a program calls something."""
    return bool(TYPE.fullmatch(word))


def is_mixed(value: str) -> bool:
    """Not a word: letters and digits, or signs within, or capitals within."""
    return (
        (any(each.isdigit() for each in value) and (any(each.isalpha() for each in value) or len(value) >= 6))
        or bool(re.search(r"[!@#$%^&*?+=~]", value[:-1]))
        or bool(re.search(r"[a-z][A-Z]", value) and len(value) >= 16)
    )


def has_letters_and_digits(value: str) -> bool:
    """Which a word, a number and a share have not."""
    return any(map(str.isalpha, value)) and any(map(str.isdigit, value))
