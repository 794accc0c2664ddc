"""What a carrier calls the sender, classified before anything parses it.

Rule of this module: a wire value is E.164, a short code or a sender name by its form alone, or it is refused; nothing is
guessed. Number libraries read letters, full-width digits and short codes as telephone numbers of their own invention, so
`phonenumbers` sees only plain national digits, and only where a vendor is known to send those.
"""

from __future__ import annotations

import re

import phonenumbers

from bridge.phone import E164, Phone

_SHORT_CODE = re.compile(r"[0-9]{3,8}")
# At most eleven characters is what fits the field on the air (3GPP TS 23.040 §9.1.2.5); one letter makes it a name.
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 &+._'-]{0,9}[A-Za-z0-9&+._'-])?")
_NATIONAL = re.compile(r"[0-9(][0-9 ()./-]{5,24}")


def sender(value: str) -> Phone | None:
    """Classify a wire value: E.164 (`+` and 7 to 15 digits), a short code (3 to 8 digits) or a name. None: it is none."""
    if E164.fullmatch(value) or _SHORT_CODE.fullmatch(value) or _NAME.fullmatch(value):
        return Phone(value)
    return None


def national_sender(value: str, *, region: str) -> Phone | None:
    """Classify a value from a vendor that also sends national format, as a gateway handset does (`(650) 555-1212`).

    `region` is the agency's, e.g. `US` (ISO 3166). Seven or eight digits are a short code unless they are a whole valid
    number there (as in Norway). Possible is enough for longer ones: new ranges are in use before any library knows them.
    """
    as_it_is = sender(value)
    if as_it_is is not None and (as_it_is.answerable or not _NATIONAL.fullmatch(value)):
        return as_it_is
    if not _NATIONAL.fullmatch(value):
        return None
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return as_it_is
    if as_it_is is None:
        # Not `is_possible_number`: it also says yes to a number that lacks its area code.
        known = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    else:
        known = phonenumbers.is_valid_number(number)
    whole = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if known else ""
    return Phone(whole) if E164.fullmatch(whole) else as_it_is
