"""E-mail addresses and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from chat.routing.finders.near import in_a_row, said_before

Span = tuple[int, int]

# The length of the name is bounded, so that a long run of letters costs no more than its length.
EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}")
SPELT_OUT = re.compile(
    r"\b[\w.+-]{1,64} ?(?:[\[({<] ?(?:at|@) ?[\])}>]| at ) ?"
    r"[\w-]{1,63}(?: ?(?:[\[({<] ?(?:dot|\.) ?[\])}>]| dot |\.) ?[\w-]{1,63}){0,4}"
    r" ?(?:[\[({<] ?(?:dot|\.) ?[\])}>]| dot ) ?[a-z]{2,12}\b",
    re.IGNORECASE,
)
REPOSITORY = re.compile(r"(?:git|hg)@[\w.-]+:")  # how a clone is addressed, not a person

PHONE = re.compile(
    r"(?<![\w.,/+-])(?:\+|00|\(\+?)? ?\d(?:[ ()./-]{0,3}\d){6,16}"
    r"(?: ?(?:x|ext\.?|#) ?\d{1,6})?(?![\w%]|[.,]\d)",
    re.IGNORECASE,
)
NO_PHONE = re.compile(
    r"(?:19|20)\d\d([-./ ])[01]?\d\1[0-3]?\d(?!\d).*"  # dates
    r"|[0-3]?\d([-./ ])[01]?\d\2(?:19|20)\d\d(?!\d).*"
    r"|\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?"  # an IP address
    r"|97[89][ -]?(?:\d[ -]?){9}\d"  # an ISBN
    r"|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d"  # years
    r"|\d{1,3}(?: 000)+|\d{1,3}(?:\.000)+"  # round thousands
)
# Where a number without a country's code may be from.
REGIONS = ("PL", "US", "GB", "DE", "FR", "ES", "IT", "NL", "CZ", "UA", "IE", "AT", "CH", "BE", "SE", "IN", "AU", "BR")
# Where a number that is written in one piece, and not called one, would still be taken for one.
MOBILE_REGIONS = ("PL", "ES")
MOBILE_REGIONS_WITH_0 = ("GB", "DE", "FR")
CALLED = (
    r"tel|phone|telephone|mobile|cell|call|fax|sms|text|ring|dial|reach|whats ?app|signal|telegram"
    r"|(?:my|his|her|our|their|your|contact) number"
    r"|telefon\w*|tel[eé]fono|numer\w*|komórk\w*|komork\w*|zadzwo\w*|dzwo\w*|kom"
    r"|handy\w*|mobil\w*|ruf\w*|anruf\w*|nummer|portable|appel\w*|num[eé]ro|m[oó]vil|cellulare|chiama\w*"
)


def emails(text: str) -> Iterator[Span]:
    """Also those with an "at" and a "dot" spelt out."""
    for found in EMAIL.finditer(text):
        if not REPOSITORY.match(text, found.start()):
            yield found.span()
    for found in SPELT_OUT.finditer(text):
        yield found.span()


def phones(text: str) -> Iterator[Span]:
    """Numbers that exist in a country's plan, and are written, or called, as telephone numbers are."""
    for found in PHONE.finditer(text):
        called = said_before(text, found.start(), CALLED)
        if _is_phone(found[0].strip(), called) and (called or not in_a_row(text, *found.span())):
            yield found.span()


def _is_phone(written: str, called: bool) -> bool:
    number = re.split(r" ?[x#e]", written, maxsplit=1, flags=re.IGNORECASE)[0]
    digits = re.sub(r"\D", "", number)
    if number.startswith(("+", "(+")):
        return _exists("+" + digits, (None,), phonenumbers.is_possible_number)
    if number.startswith("00"):
        return _exists("+" + digits[2:], (None,))
    if NO_PHONE.fullmatch(number):
        return False
    if called:
        return _exists(digits, REGIONS)
    groups = re.findall(r"\d+", number)
    if len(groups) == 1:
        regions = MOBILE_REGIONS_WITH_0 if digits.startswith("0") else MOBILE_REGIONS
        return any(_is_mobile(digits, region) for region in regions)
    return len(digits) >= 9 and len(groups) <= 5 and len(groups[-1]) > 1 and _exists(digits, REGIONS)


def _exists(
    digits: str,
    regions: tuple[str | None, ...],
    exists: Callable[[phonenumbers.PhoneNumber], bool] = phonenumbers.is_valid_number,
) -> bool:
    return any(number is not None and exists(number) for number in (_parsed(digits, region) for region in regions))


def _is_mobile(digits: str, region: str) -> bool:
    number = _parsed(digits, region)
    return number is not None and phonenumbers.number_type(number) == PhoneNumberType.MOBILE


def _parsed(digits: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(digits, region)
    except NumberParseException:
        return None
