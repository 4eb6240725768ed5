"""Keys, tokens and passwords: by the form that their issuers give them, or by what they are called."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from chat.routing.finders.called import secrets_called_so
from chat.routing.finders.columns import passwords_in_columns
from chat.routing.finders.in_place import secrets_in_place

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
RANDOM = re.compile(r"(?<![\w/+=.-])(?!sha\d{3}-)[A-Za-z0-9_+-]{32,200}={0,2}(?![\w/+-])")
BITS_A_LETTER = 4.0


def tokens(text: str) -> Iterator[Span]:
    """Those that may stand on two lines: by the form that their issuers give them."""
    for found in ISSUED.finditer(text):
        if any(map(str.isdigit, found[0])):
            yield found.span()


def secrets(text: str) -> Iterator[Span]:
    """All of them."""
    for pattern in (ISSUED, PRIVATE_KEY):
        for found in pattern.finditer(text):
            yield found.span()
    yield from secrets_in_place(text)
    yield from passwords_in_columns(text)
    yield from secrets_called_so(text)
    for found in RANDOM.finditer(text):
        if _looks_random(found[0]):
            yield found.span()


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
