"""What is nobody's number or address is found however it is written, and nobody's own is taken for it."""

from __future__ import annotations

from policies.fictional import find_fictional
from tests.every_row import every_row
from tests.packs import shipped


@every_row(
    "text",
    [
        "To talk now: 555-555-0123. In danger: 911.",
        "555-555-9876",
        "5555551234",
        "+15555550123",
        "1-555-555-4321",
        "(555) 555-1234",
        "555.555.1234",
        "555 555 1234",
        "555\u2011555\u20111234",
        "555\u00a0555\u00a01234",
        "５５５-５５５-１２３４",  # noqa: RUF001 - wide digits are what is tried
        "Call 206-555-0100 now",
        "(206) 555-0199",
        "+1 206 555 0142",
        "2065550142",
        "800-555-0199",
        "call 555-0123",
        "In danger 911. 555-0123",
        "Open 24/7 555-555-0123",
        "Write to help@example.org",
        "www.example.com/safe",
        "EXAMPLE.net",
        "example.co.uk",
        "https://line.test/x",
        "harbor.invalid",
        "Call XXX-XXX-XXXX",
        "206-555-XXXX",
        "XXX",
    ],
)
def test_what_is_nobodys_is_found(text: str) -> None:
    """555-01xx, 555-555-xxxx, example.*, .test, .invalid and XXX, in every way that people write them."""
    assert find_fictional(text)


@every_row(
    "text",
    [
        "Call 206-555-1234",
        "555-0200",
        "555-1212",
        "800-799-7233",
        "206-550-0123",
        "15555501234",
        "+52 55 5501 2345",
        "+52 5555551234",
        "+525555551234",
        "+34 915 550 123",
        "915550123",
        "+44 161 555 0123",
        "1555501234567",
        "In danger: 911. Relay: 711. Text 988.",
        "That is an example. Text again later.",
        "my-example.com",
        "counterexample.com",
        "www.test.com",
        "www.invalid.org",
        "This is a test. Invalid words are none.",
        "latest.testing.org",
        "Take care. xxx",
        "XX",
        "Size XXXL",
        "harbor.example",
        "We open at 5:55. 0123",
    ],
)
def test_what_may_be_somebodys_is_left(text: str) -> None:
    """Other numbers of exchange 555, other plans' numbers, ordinary words, and names that only look alike."""
    assert find_fictional(text) is None


def test_every_sample_of_the_base_pack_is_found_by_its_look() -> None:
    """Copied word for word into an agency's own pack, none of them passes; and the base pack has no other."""
    for text, language, wording in shipped("base").wordings:
        assert (find_fictional(wording.text) is not None) is wording.sample, f"{text.name}.{language}"
