"""What a person typed as a number: a person's phone in the line's own country, or something that has a name."""

from __future__ import annotations

from bot.model.dialled_number import NumberKind
from bridge.carriers.dialled_number import classify_dialled_number
from tests.every_row import every_row

US = ("+12065550100", "+12065550101")
UK = ("+441632960100",)


@every_row(
    "value",
    ["+12065550199", "206 555 0199", "(206) 555-0199", "206.555.0199", " 1-206-555-0199 ", "+1 (206) 555\u20110199"],
)
def test_one_phone_however_it_is_typed(value: str) -> None:
    """National and international form, spaces, dots, brackets and dashes of all kinds are the same phone."""
    kind, phone = classify_dialled_number(value, ours=US)
    assert (kind, phone and phone.reveal()) == (NumberKind.GOOD, "+12065550199")


@every_row(
    ("value", "kind"),
    [
        ("911", NumberKind.EMERGENCY),
        ("9-1-1", NumberKind.EMERGENCY),
        ("112", NumberKind.EMERGENCY),
        ("988", NumberKind.SHORT),
        ("22395", NumberKind.SHORT),
        ("5550199", NumberKind.SHORT),
        ("+442079460018", NumberKind.FOREIGN),
        ("+1 876 555 0123", NumberKind.FOREIGN),
        ("+1 416 555 0123", NumberKind.FOREIGN),
        ("800 555 0123", NumberKind.SPECIAL),
        ("900 555 0123", NumberKind.SPECIAL),
        ("206 555 0100", NumberKind.OURS),
        ("+12065550101", NumberKind.OURS),
        ("206 555 01999", NumberKind.UNREADABLE),
        ("106 555 0199", NumberKind.UNREADABLE),
        ("she asked", NumberKind.UNREADABLE),
        ("call 206 555 0199", NumberKind.UNREADABLE),
        ("206 555 0199 ext 4", NumberKind.UNREADABLE),
        ("", NumberKind.UNREADABLE),
        ("\uff12\uff10\uff16 555 0199", NumberKind.UNREADABLE),
        ("2" * 400, NumberKind.UNREADABLE),
    ],
)
def test_what_is_not_texted(value: str, kind: NumberKind) -> None:
    """Emergency numbers, short codes, other countries, toll-free and paid numbers, our own and nonsense are told apart."""
    assert classify_dialled_number(value, ours=US) == (kind, None)


def test_the_country_is_the_lines() -> None:
    """The same digits are read by the line's own number; a made-up area code still has a country."""
    assert classify_dialled_number("07400 123456", ours=UK)[0] is NumberKind.GOOD
    assert classify_dialled_number("999", ours=UK)[0] is NumberKind.EMERGENCY
    assert classify_dialled_number("206 555 0199", ours=("+15555550100",))[0] is NumberKind.GOOD
