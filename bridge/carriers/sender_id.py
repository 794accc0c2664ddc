"""Classifies a carrier's sender value, before it is parsed.

Rule of this module: a wire value can be answered if its form is E.164. Any other value is kept only to be shown, except
those of other channels and groups. Nothing is guessed: number libraries read letters, full-width digits and short codes as
telephone numbers, so `phonenumbers` gets only plain national digits, and only from vendors that are known to send those. It
is imported where it is used, as aiohttp is in `http_request`.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from bridge.carriers.parsing import replace_unencodable
from bridge.runtime.phone_number import E164_PATTERN, Phone

_SHORT_CODE = re.compile(r"[0-9]{3,8}")
# The field on the air holds at most eleven characters (3GPP TS 23.040 §9.1.2.5); with at least one letter it is a name.
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 &+._'-]{0,9}[A-Za-z0-9&+._'-])?")
# Twilio and others name the channel before the number. A Telnyx or iMessage group has several numbers in one field.
_CHANNEL = re.compile(r"\s*(?:whatsapp|messenger|viber|telegram|instagram|rcs|line|wechat|sip|client|chat):", re.IGNORECASE)
_GROUP = re.compile(r"[,;]|\A\s*group:", re.IGNORECASE)
MAX_LENGTH = 320
"""Longest sender, in characters: an e-mail address with the longest name and domain."""
_NATIONAL = re.compile(r"[0-9(][0-9 ()./-]{5,24}")


def _region(value: str) -> str:
    import phonenumbers  # noqa: PLC0415 - see above

    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("not a country as in ISO 3166, e.g. US")
    return value


Region: TypeAlias = Annotated[str, AfterValidator(_region)]
"""The country whose national number format applies, e.g. `US` (ISO 3166)."""


def parse_sender(value: str) -> Phone | None:
    """Parse a wire value as a sender.

    Only E.164 (`+` and 7 to 15 digits) can be answered; short codes, names, addresses of e-mail gateways and all other
    values are kept unchanged, so that the text is shown. None only for a person on another channel (`whatsapp:…`) or a
    group, which must not become a thread.
    """
    if _CHANNEL.match(value) or _GROUP.search(value):
        return None
    return Phone(replace_unencodable(value)[:MAX_LENGTH])


def is_known_form(value: str) -> bool:
    """Whether a wire value is E.164, a short code (3 to 8 digits) or a sender name, by its form alone."""
    return any(form.fullmatch(value) for form in (E164_PATTERN, _SHORT_CODE, _NAME))


def parse_national_sender(value: str, *, region: str) -> Phone | None:
    """As :func:`parse_sender`, from a vendor that also sends national format, as a gateway handset does (`(650) 555-1212`).

    `region` is the agency's, e.g. `US` (ISO 3166). Seven or eight digits are a short code unless they are a whole valid
    number there (as in Norway). For longer ones a possible number is enough: new ranges are used before libraries know
    them.
    """
    import phonenumbers  # noqa: PLC0415 - see above

    as_it_is = parse_sender(value)
    if as_it_is is None or as_it_is.answerable or not _NATIONAL.fullmatch(value):
        return as_it_is
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return as_it_is
    if not is_known_form(value):
        # Not `is_possible_number`, which also accepts a number without its area code.
        known = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    else:
        known = phonenumbers.is_valid_number(number)
    whole = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if known else ""
    return Phone(whole) if E164_PATTERN.fullmatch(whole) else as_it_is
