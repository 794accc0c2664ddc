"""Senders are classified by form before anything parses them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.carriers.parsing import replace_unencodable
from bridge.carriers.sender_id import is_known_form, parse_national_sender, parse_sender
from bridge.runtime.phone_number import E164_PATTERN
from tests.every_row import every_row

QUICK = settings(deadline=None, database=None)


def shown(value: str) -> str | None:
    phone = parse_sender(value)
    return phone.reveal() if phone else None


@pytest.mark.parametrize("value", ["+15555550100", "+4740612345", "+1234567", "+123456789012345"])
def test_e164(value: str) -> None:
    """E.164 can be answered and stays as it is."""
    phone = parse_sender(value)
    assert phone is not None
    assert (phone.reveal(), phone.answerable) == (value, True)


@every_row(
    "value", ["911", "988", "22395", "12345678", "BANK", "My Bank", "A", "T-Mobile", "AT&T", "1800FLOWERS", "a.b_c'd+e"]
)
def test_short_codes_and_names(value: str) -> None:
    """Short codes and names are senders that cannot be answered, and are not turned into telephone numbers."""
    phone = parse_sender(value)
    assert phone is not None
    assert (phone.reveal(), phone.answerable) == (value, False)


@every_row(
    "value",
    [
        "",
        " ",
        "12",
        "123456789",
        "14155550123",
        "+0123456789",
        "+123456",
        "+1234567890123456",
        "+15555550100\n",
        "+15555550100 ",
        "BANK ",
        "a name too long",
        "tel:+14155550123",
        "someone@example.org",
        "1-800-FLOWERS",
        "\uff11\uff12\uff13\uff14\uff15",
        "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
        "+1\uff12\uff10\uff16\uff15\uff15\uff15\uff10\uff11\uff19\uff19",
        "+1\u0662\u0660\u0666\u0665\u0665\u0665\u0660\u0661\u0669\u0669",
        "\u200e+15555550100",
        "BAN\u212a",
    ],
)
def test_not_understood(value: str) -> None:
    """Whatever is none of the three is kept as it came, so that the text is seen, and is never answered."""
    phone = parse_sender(value)
    assert phone is not None
    assert (phone.reveal(), phone.answerable) == (value, False)
    assert not is_known_form(value)


@every_row(
    "value",
    [
        "whatsapp:+14155550123",
        "WhatsApp:+14155550123",
        " messenger:123",
        "rcs:agent",
        "+15555550101,+15555550102",
        "+15555550101;+15555550102",
        "group:17",
    ],
)
def test_other_channels_and_groups(value: str) -> None:
    """A person on another channel, and a group, are no senders of this line."""
    assert parse_sender(value) is None
    assert parse_national_sender(value, region="US") is None


@QUICK
@given(st.text(max_size=20) | st.from_regex(r"\+?[0-9 ()-]{1,20}", fullmatch=True))
def test_changes_nothing(value: str) -> None:
    """What is accepted from the wire is accepted to the letter; nothing raises, in any region."""
    assert shown(value) in (replace_unencodable(value), None)
    for region in ("US", "NO", "ZZ", "not a region"):
        phone = parse_national_sender(value, region=region)
        assert phone is None or phone.reveal() == replace_unencodable(value) or E164_PATTERN.fullmatch(phone.reveal())


@every_row(
    ("value", "region", "expected"),
    [
        ("6505551212", "US", "+16505551212"),
        ("(650) 555-1212", "US", "+16505551212"),
        ("16505551212", "US", "+16505551212"),
        ("+16505551212", "NO", "+16505551212"),
        ("40612345", "NO", "+4740612345"),
        ("40612345", "US", "40612345"),
        ("22395", "US", "22395"),
        ("911", "US", "911"),
        ("BANK", "US", "BANK"),
        ("5551212", "US", "5551212"),
        ("555-1212", "US", "555-1212"),
        ("6505551212", "NO", "6505551212"),
        ("1-800-FLOWERS", "US", "1-800-FLOWERS"),
        ("\uff16505551212", "US", "\uff16505551212"),
    ],
)
def test_national(value: str, region: str, expected: str) -> None:
    """National format is read by the agency's region; a number without its area code is never completed by a guess."""
    phone = parse_national_sender(value, region=region)
    assert (phone.reveal() if phone else None) == expected
