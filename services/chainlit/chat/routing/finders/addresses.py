"""E-mail addresses and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from chat.routing.finders.near import in_a_row, said_before

Span = tuple[int, int]

AT = r"(?:at|@|małpa|malpa|arroba|ät)"
ENDINGS = (
    r"com|org|net|edu|gov|info|eu|example|(?:co|com|org|ac|gov)\.[a-z]{2}"
    r"|pl|de|uk|fr|es|it|nl|cz|ua|ie|at|ch|be|se|no|dk|fi|pt|br"
)

# The length of the name is bounded, so that a long run of letters costs no more than its length.
EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}")
SPELT_OUT = re.compile(
    r"\b[\w.+-]{1,64} ?(?:[\[({<] ?(?:at|@) ?[\])}>]| at ) ?"
    r"[\w-]{1,63}(?: ?(?:[\[({<] ?(?:dot|\.) ?[\])}>]| dot |\.) ?[\w-]{1,63}){0,4}"
    r" ?(?:[\[({<] ?(?:dot|\.) ?[\])}>]| dot ) ?[a-z]{2,12}\b",
    re.IGNORECASE,
)
HOST = r"(?:[a-z0-9](?:[\w-]{0,61}[^\W_])?\.){1,8}"
AT_BETWEEN_BRACKETS = re.compile(
    rf"\b[\w.+-]{{1,64}} ?(?:\[ ?{AT} ?\]|\( ?{AT} ?\)|\{{ ?{AT} ?\}}|< ?{AT} ?>) ?{HOST}[a-z]{{2,24}}\b", re.IGNORECASE
)
# "jan.kowalski at example.com": the name has two parts, or it is said that it is an address. ("Look at example.com.")
AT_AS_A_WORD = re.compile(
    rf"\b(?P<name>[\w.+-]{{1,64}})(?: (?:at|małpa|malpa|arroba|chez) | ?@ | @ ?){HOST}(?:{ENDINGS})\b(?![.(\w])",
    re.IGNORECASE,
)
NAME_OF_TWO_PARTS = re.compile(r"[a-z]\w*[._][a-z]\w{3,}", re.IGNORECASE)
CALLED_ADDRESS = (
    r"e-?mails?|mail\w*|adres\w*|address|write|reach|contact|kontakt\w*|pisz\w*|napisz\w*|schreib\w*|écri\w*"
)
SOMEBODY = ("me", "us", "him", "her", "them", "you", "it", "support", "sales", "more", "code", "them", "back", "out")
# Broken after the @, before it, or at a dot. Before it, only with a usual ending: Python's decorators look so.
GOES_ON = r" {0,8}\n[ \t>]{0,16}"
WRAPPED = re.compile(
    rf"\b[\w.+-]{{1,64}}(?:@{GOES_ON}{HOST}[a-z]{{2,24}}\b|@{HOST}{GOES_ON}[a-z]{{2,24}}\b"
    rf"|@[\w-]{{2,63}}{GOES_ON}\.(?:{ENDINGS})\b(?!\()|{GOES_ON}@{HOST}(?:{ENDINGS})\b(?![.(\w]))",
    re.IGNORECASE,
)
REPOSITORY = re.compile(r"(?:git|hg)@[\w.-]+:")  # how a clone is addressed, not a person

PHONE = re.compile(
    r"(?<![\w./+-])(?:\+|00|\(\+?)? ?\d(?:[ ()./-]{0,3}\d){6,16}"
    r"(?: ?(?:x|ext\.?|#) ?\d{1,6})?(?![\w%]|\.\d)",
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
LONGEST_GROUP = 4  # digits, in a number whose groups are far apart
COLUMN = re.compile(r"[^ ](?: ?[^ ]){6,}")
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
    for pattern in (SPELT_OUT, AT_BETWEEN_BRACKETS, WRAPPED):
        for found in pattern.finditer(text):
            yield found.span()
    for found in AT_AS_A_WORD.finditer(text):
        is_called = found["name"].lower() not in SOMEBODY and said_before(text, found.start(), CALLED_ADDRESS)
        if is_called or NAME_OF_TWO_PARTS.fullmatch(found["name"]):
            yield found.span()


def phones(text: str) -> Iterator[Span]:
    """Numbers that exist in a country's plan, and are written, or called, as telephone numbers are."""
    for found in PHONE.finditer(text):
        if _is_one(text, *found.span()):
            yield found.span()
            continue
        for column in COLUMN.finditer(text, *found.span()):  # of a table that is laid out with spaces
            if column.span() != found.span() and _is_one(text, *column.span()):
                yield column.span()


def _is_one(text: str, start: int, end: int) -> bool:
    called = said_before(text, start, CALLED)
    return _is_phone(text[start:end].strip(), called) and (called or not in_a_row(text, start, end))


def _is_phone(written: str, called: bool) -> bool:
    number = re.split(r" ?[x#e]", written, maxsplit=1, flags=re.IGNORECASE)[0]
    digits = re.sub(r"\D", "", number)
    if number.startswith(("+", "(+")):
        return _exists("+" + digits, (None,), phonenumbers.is_possible_number)
    if number.startswith("00"):
        return _exists("+" + digits[2:], (None,))
    if NO_PHONE.fullmatch(number) or (_are_columns(number) and not called):
        return False
    if called:
        return _exists(digits, REGIONS)
    groups = re.findall(r"\d+", number)
    if len(groups) == 1:
        regions = MOBILE_REGIONS_WITH_0 if digits.startswith("0") else MOBILE_REGIONS
        return any(_is_mobile(digits, region) for region in regions)
    return len(digits) >= 9 and len(groups) <= 5 and len(groups[-1]) > 1 and _exists(digits, REGIONS)


@cache
def _form_in(region: str) -> re.Pattern[str]:
    """What a region's numbers look like at least: to ask this first is much faster than to parse them."""
    code = phonenumbers.country_code_for_region(region)
    forms = []
    for each in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:  # islands share the code of a country
        known = phonenumbers.PhoneMetadata.metadata_for_region(each)
        if known is not None and known.general_desc is not None:
            prefix, form = known.national_prefix_for_parsing or "", known.general_desc.national_number_pattern
            forms.append(rf"(?:{prefix})?(?:{form})?")
    return re.compile(rf"(?:{code})?(?:{'|'.join(forms)})")


def _are_columns(number: str) -> bool:
    """Whether its parts are far apart and no groups of digits, so rather numbers of their own."""
    longest = max(map(len, re.findall(r"\d+", number)))
    return "  " in number and (longest > LONGEST_GROUP or bool(re.search(r"[^ \d]", number)))


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
    if region is not None and "00" not in digits[:5] and not _form_in(region).fullmatch(digits):
        return None
    try:
        return phonenumbers.parse(digits, region)
    except NumberParseException:
        return None
