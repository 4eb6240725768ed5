"""Account numbers, card numbers and national ids: by their form and by their check digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stdnum import iban, luhn
from stdnum.be import nn as be_nn
from stdnum.br import cpf as br_cpf
from stdnum.ca import sin as ca_sin
from stdnum.ch import ssn as ch_ssn
from stdnum.cz import rc as cz_rc
from stdnum.de import idnr as de_idnr
from stdnum.dk import cpr as dk_cpr
from stdnum.es import dni as es_dni
from stdnum.es import nie as es_nie
from stdnum.fi import hetu as fi_hetu
from stdnum.fr import nir as fr_nir
from stdnum.gb import nhs as gb_nhs
from stdnum.in_ import aadhaar as in_aadhaar
from stdnum.it import codicefiscale as it_codicefiscale
from stdnum.nl import bsn as nl_bsn
from stdnum.no import fodselsnummer as no_fodselsnummer
from stdnum.pl import pesel as pl_pesel
from stdnum.pt import nif as pt_nif
from stdnum.se import personnummer as se_personnummer
from stdnum.us import ssn as us_ssn

from chat.routing.finders.near import in_a_row, said_before

Span = tuple[int, int]

IBAN_BEGINS = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2} ?\d{2}(?=[ .-]?[A-Za-z0-9])")
IBAN_LENGTHS = range(34, 14, -1)
POLISH_ACCOUNT = re.compile(r"(?<![\dA-Za-z])\d{2}(?:[ -]?\d{4}){6}(?!\d)")  # people leave the PL out

# A comma may stand on either side of a number: rows of tables are divided so.
CARD = re.compile(r"(?<![\d.])\d{3,6}(?:[ .-]?\d{3,6}){1,4}(?:[ .-]?\d{1,4})?(?!\d|\.\d)")
ISSUERS = re.compile(
    r"4(?:\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}"
    r"|5[06-8]\d{14,17}|6\d{15,18}"
)
SHORT_ISSUERS = re.compile(r"(?:50|5[6-9]|6)\d{10,13}|(?:2131|1800)\d{11}|4\d{12}")  # seldom, and much else looks so
CALLED_ID = r"pesel\w*|id|ssn|dni|nie|steuer\w*|(?:person|fødsels|bsn|ahv|cpf|nip)\w*|identi\w*"
CALLED_CARD = r"cards?|card number|visa|master ?card|maestro|jcb|kart\w*|kreditkarte\w*|carte\w*|tarjeta\w*|charged?"


def ibans(text: str) -> Iterator[Span]:
    """International account numbers, and Polish ones without their country."""
    for found in IBAN_BEGINS.finditer(text):
        if end := _iban_end(text, found.start()):
            yield found.start(), end
    for found in POLISH_ACCOUNT.finditer(text):
        if _is_iban("PL" + found[0]):
            yield found.span()


def _is_iban(number: str) -> bool:
    return bool(iban.is_valid(number, check_country=False))  # some countries' further checks know too few banks


def _iban_end(text: str, start: int) -> int | None:
    """Where it ends: the next words may look like more of it, so its check digits decide."""
    ends: list[int] = []
    at = start
    while at < len(text) and len(ends) < IBAN_LENGTHS[0]:
        if text[at].isascii() and text[at].isalnum():
            ends.append(at + 1)
        elif text[at] not in " .-" or text[at - 1] in " .-":
            break
        at += 1
    for length in IBAN_LENGTHS:
        if length <= len(ends):
            end = ends[length - 1]
            if not text[end : end + 1].isalnum() and _is_iban(text[start:end]):
                return end
    return None


def cards(text: str) -> Iterator[Span]:
    """Numbers of payment cards."""
    for found in CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        is_card = ISSUERS.fullmatch(digits) or (
            SHORT_ISSUERS.fullmatch(digits) and said_before(text, found.start(), CALLED_CARD)
        )
        if is_card and luhn.is_valid(digits) and len(set(digits)) > 1:
            yield found.span()


@dataclass(frozen=True)
class _Id:
    """One country's.

    Attributes:
        called: what it is called just before it; without that, a number of this form is nobody's. Empty: its form and
            check digits say enough.
    """

    form: re.Pattern[str]
    is_valid: Callable[[str], bool]
    called: str = ""


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-])(?:{pattern})(?!\w|[.-]\d)", re.IGNORECASE)


IDS = (
    _Id(_form(r"\d{6}[ -]?\d{5}"), pl_pesel.is_valid),
    _Id(_form(r"\d{3}[- ]\d{2}[- ]\d{4}"), us_ssn.is_valid),
    _Id(_form(r"\d{9}"), us_ssn.is_valid, r"ssn|social security(?: number| no\.?)?"),
    _Id(_form(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]"), lambda _: True),
    _Id(_form(r"\d{3}[ -]\d{3}[ -]\d{4}"), gb_nhs.is_valid, r"nhs(?: number| no\.?)?"),
    _Id(_form(r"\d{10}"), gb_nhs.is_valid, r"nhs(?: number| no\.?)?"),
    _Id(_form(r"\d{2} ?\d{3} ?\d{3} ?\d{3}"), de_idnr.is_valid),
    _Id(_form(r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}"), fr_nir.is_valid),
    _Id(_form(r"\d{8}[ -]?[A-Z]"), es_dni.is_valid),
    _Id(_form(r"[XYZ][ -]?\d{7}[ -]?[A-Z]"), es_nie.is_valid),
    _Id(_form(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"), it_codicefiscale.is_valid),
    _Id(_form(r"\d{3}\.?\d{3}\.?\d{3}"), nl_bsn.is_valid, r"bsn|burgerservicenummer"),
    _Id(_form(r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}"), be_nn.is_valid),
    _Id(_form(r"756\.?\d{4}\.?\d{4}\.?\d{2}"), ch_ssn.is_valid),
    _Id(_form(r"\d{6}/\d{3,4}"), cz_rc.is_valid),
    _Id(_form(r"(?:\d{2})?\d{6}[-+]\d{4}"), se_personnummer.is_valid),
    _Id(_form(r"\d{6}-\d{4}"), dk_cpr.is_valid, r"cpr(?:-nummer|-nr\.?)?"),
    _Id(_form(r"\d{6} ?\d{5}"), no_fodselsnummer.is_valid),
    _Id(_form(r"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]"), fi_hetu.is_valid),
    _Id(_form(r"\d{9}"), pt_nif.is_valid, r"nif|contribuinte"),
    _Id(_form(r"\d{3}\.\d{3}\.\d{3}-\d{2}"), br_cpf.is_valid),
    _Id(_form(r"\d{11}"), br_cpf.is_valid, r"cpf"),
    _Id(_form(r"\d{4}[ -]\d{4}[ -]\d{4}"), in_aadhaar.is_valid),
    _Id(_form(r"\d{12}"), in_aadhaar.is_valid, r"aadhaar|uid"),
    _Id(_form(r"\d{3}[ -]\d{3}[ -]\d{3}"), ca_sin.is_valid, r"sin|social insurance(?: number)?|nas"),
)


def national_ids(text: str) -> Iterator[Span]:
    """Ids of persons, of the countries in `IDS`."""
    for each in IDS:
        for found in each.form.finditer(text):
            called = said_before(text, found.start(), each.called or CALLED_ID)
            if each.is_valid(found[0]) and (called or (not each.called and not in_a_row(text, *found.span()))):
                yield found.span()
