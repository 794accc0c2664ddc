"""Classifies what a person typed as a telephone number, before anything is sent to it.

Rule of this module: a number may be texted first when it is an ordinary phone in the line's own country, whole and valid.
Everything else has a kind of its own, so that a refusal can name it. Nothing is guessed.

Source: libphonenumber's metadata by `phonenumbers` (ITU-T E.164; short numbers and emergency numbers by region).
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType, shortnumberinfo

from bot.model.dialled_number import NumberKind
from bridge.runtime.phone_number import Phone

_DIALED: Final = re.compile(r"\s*\+?[0-9][0-9 ()./\u2010-\u2015-]{1,24}\s*|\s*\([0-9][0-9 ()./\u2010-\u2015-]{1,24}\s*")
_SHORT: Final = re.compile(r"[0-9]{2,8}")
_TEXTABLE: Final = frozenset(
    {
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)


def classify_dialled_number(value: str, *, ours: tuple[str, ...]) -> tuple[NumberKind, Phone | None]:
    """Classify what a person typed, for a line with these numbers (E.164, the main one first).

    Returns the phone with `GOOD` only. National format is read as one of the line's own country.
    """
    if not _DIALED.fullmatch(value):
        return NumberKind.UNREADABLE, None
    region = _region(ours[0])
    digits = re.sub(r"[^0-9]", "", value)
    if "+" not in value and shortnumberinfo.is_emergency_number(digits, region):
        return NumberKind.EMERGENCY, None
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return (NumberKind.SHORT if _SHORT.fullmatch(digits) else NumberKind.UNREADABLE), None
    whole = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if whole in ours:
        return NumberKind.OURS, None
    if not phonenumbers.is_valid_number(number):
        return (NumberKind.SHORT if _SHORT.fullmatch(digits) else NumberKind.UNREADABLE), None
    if phonenumbers.region_code_for_number(number) != region:
        # Also within one country code: some islands of +1 have premium-rate numbers.
        return NumberKind.FOREIGN, None
    if phonenumbers.number_type(number) not in _TEXTABLE:
        return NumberKind.SPECIAL, None
    return NumberKind.GOOD, Phone(whole)


def _region(ours: str) -> str:
    number = phonenumbers.parse(ours)
    return phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
        number.country_code or 0
    )
