"""`quietline carrier kit`: the data that carriers require before a United States number may text, as far as we know it.

Rules of this module: words that reach a phone are copied unchanged from the pack, and are marked until they are reviewed.
Facts that only the agency knows are left open, never guessed. Where a carrier's demand conflicts with a
survivor's safety, the kit says so (practices, "Conflicts, settled").

Fields after Twilio's UsAppToPerson and toll-free verification resources (docs/messaging/api/usapptoperson-resource,
tollfree-verification-resource), Telnyx's verification request and its 10DLC submission page, and Vonage's keyword set-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from policies.hours import waiting_text
from policies.pack import OPENS_PLACEHOLDER, WAIT_PLACEHOLDER, TextName, unreviewed
from policies.pack import samples as examples
from policies.segments import segments

if TYPE_CHECKING:
    from bridge.config.sections import Config
    from policies.pack import Pack, Wording

AGENCY_BLANK: Final = "(agency)"
"""Facts that only the agency can fill in."""

SAMPLES: Final = (TextName.GREETING, TextName.AFTER_HOURS, TextName.DEVICE, TextName.PICTURE, TextName.CLOSING)
LINK: Final = re.compile(r"https?://|\bwww\.|\b[a-z0-9-]+\.(?:org|com|net|info|gov)\b", re.IGNORECASE)
NUMBER: Final = re.compile(r"\+?\d[\d ().-]{5,}\d")
TOLL_FREE: Final = re.compile(r"\+1(?:800|888|877|866|855|844|833)\d{7}")

BRAND: Final = (
    ("Legal name, to the letter of the tax records", AGENCY_BLANK),
    ("Tax number (EIN), its kind and its country", AGENCY_BLANK),
    ("Kind of organisation", f"non-profit, or government: {AGENCY_BLANK}; proof of tax exemption when asked"),
    ("Brand, the name under which you are known", f"{AGENCY_BLANK}; read what is said of it above first"),
    ("Street address", f"{AGENCY_BLANK}; a postal address that is public already, never that of a shelter"),
    ("Website", f"{AGENCY_BLANK}; public, and of the same name as the brand"),
    ("Contact: name, e-mail, telephone", f"{AGENCY_BLANK}; somebody of the office, not an advocate, not the line itself"),
)

LINKS: Final = (
    ("Privacy policy", "says that numbers and consent to be texted are given to nobody; says what phone companies keep"),
    ("Terms of the line", "what it is for, how often it texts, that rates may apply, STOP, and where help is found"),
    ("Where the number is published", "the page, or a picture of the poster: carriers want to see how people come to text"),
)

FLOW: Final = (
    "The person texts first; the number is published on the agency's website and printed matter. Nobody is entered into a "
    "list, and no number is bought, shared or imported. Every text of ours answers one that the person sent: an automatic "
    "greeting at most, then an advocate who types. We never begin a conversation and send no reminders, campaigns or "
    f"marketing. STOP ends all texts at once, also in the middle of a conversation. {AGENCY_BLANK}: check "
    "that all of it is so"
)

CONFLICT: Final = """\
**Carriers want a brand in each message; safety wants no name.** Reviewers look for the brand's name in the sample messages
and in the answers to opt-in, STOP and HELP. Whoever reads the phone over its owner's shoulder looks for the same name. The
texts of the base pack carry none, on purpose, and a reviewer may refuse them for that.

Settled like this (practices, "Conflicts, settled"): choose a **neutral brand**, a name that is registered truthfully as
yours (one under which the agency does business) and that tells a reader of the phone nothing. If a reviewer insists, put
that name, and no other, into the text in your own pack, have the text reviewed again, and make this kit again.

Do not register a false name or another purpose: it ends in a blocked number, in the middle of a conversation. Do not think
that a neutral brand hides a published number: whoever searches for the number finds you. For those to whom that matters
have a second number that is published nowhere, and never imply that the published one is hidden.

What is registered is kept by the registry, the vendor and the carriers, and their staff can read it.
"""

HELP: Final = f"""\
**Answer to HELP**: none is automatic. HELP on this line may be all that a person can say; it goes to an advocate like any
other words, and a canned answer on a watched phone is dangerous. A form that insists on a text gets one that names nobody,
and the vendor's own automatic answer is turned off wherever it can be. Where the carrier insists that it is really sent,
and the vendor does not, `settings.help_answer` of the agency's own pack names that text: then HELP and INFO are answered.

> {AGENCY_BLANK}: words by the agency and its counsel, without the name of the service
"""
HELP_SENT: Final = """\
**Answer to HELP and INFO** (a person is called as well; the vendor's own automatic answer is turned off):
"""

TOLL_FREE_ALSO: Final = (
    ("Opt-in type", "the person texts first (vendors call it mobile or keyword opt-in, or by text)"),
    ("Pictures of the opt-in, as links", f"{AGENCY_BLANK}; see the links above"),
    ("Texts per month", f"{AGENCY_BLANK}; choose the step above what you expect"),
    (
        "Registration number, its kind and its country",
        f"the tax number above; vendors ask for it since early 2026: {AGENCY_BLANK}",
    ),
    ("Use case", "the vendor's word for a charity or for conversation with people who write first"),
)


def render_kit(pack: Pack, config: Config | None = None) -> str:
    """Return the kit as Markdown. Without a configuration the line's numbers and carrier are left open for the agency."""
    parts = (
        _head(config),
        _open_points(pack),
        _conflict(),
        _brand(),
        _campaign(pack),
        _opt_in_out(pack),
        _links(),
        _toll_free(config),
    )
    return "\n".join(line for part in parts for line in part)


def _head(config: Config | None) -> Iterator[str]:
    yield from ("# Registration kit", "")
    yield "What 10DLC and toll-free registration ask for. Each vendor's form has its own names for these fields and changes"
    yield f"them; no form was tried with this. `{AGENCY_BLANK}` is for you to fill in; counsel reads it before it is sent."
    yield ""
    numbers = ", ".join(config.line.all_numbers) if config else AGENCY_BLANK
    carrier = config.line.carrier.kind if config else AGENCY_BLANK
    yield from _table((("Numbers", numbers), ("Carrier", carrier)))


def _open_points(pack: Pack) -> Iterator[str]:
    unread, sample = unreviewed(pack), examples(pack)
    if not (unread or sample):
        return
    yield from ("## Do not send this yet", "")
    if unread:
        yield f"- Legal texts that nobody reviewed: {', '.join(unread)}."
    if sample:
        yield f"- Still an example's telephone number or hours: {', '.join(sample)}."
    yield from ("", "The line itself does not start with these either. Put them right in the agency's own pack.", "")


def _conflict() -> Iterator[str]:
    yield from ("## The brand", "")
    yield CONFLICT


def _brand() -> Iterator[str]:
    yield from ("## Brand registration", "")
    yield from _table(BRAND)


def _campaign(pack: Pack) -> Iterator[str]:
    yield from ("## Campaign", "")
    said = [wording.text for text in pack.texts.values() for wording in text.wordings.values()]
    languages = ", ".join(pack.languages)
    yield from _table(
        (
            ("Use case", "charity (501(c)(3)), where you are one; else conversation, or low volume mixed"),
            (
                "Description",
                f"People in need of support text a local agency, and an advocate answers. Languages: {languages}.",
            ),
            ("Message flow (call to action)", FLOW),
            ("Links in texts", _yes_or_no(said, LINK)),
            ("Telephone numbers in texts", _yes_or_no(said, NUMBER)),
            ("Age-gated content, lending, affiliate marketing", "no"),
            ("Texts per conversation", f"as the person writes; the automatic greeting at most every {_hours(pack)} hours"),
        )
    )
    yield from ("### Sample messages", "")
    yield "The texts of the line, as a phone gets them; an advocate's own words cannot be foretold."
    yield ""
    for name in SAMPLES:
        yield from _wordings(pack, name)


def _opt_in_out(pack: Pack) -> Iterator[str]:
    yield from ("## Opt-in, opt-out, help", "")
    words = pack.keywords
    yield from _table(
        (
            ("Opt-in keywords", _keywords(words.start)),
            ("Opt-out keywords", _keywords(words.stop)),
            ("Help keywords", "HELP, INFO; see below"),
        )
    )
    yield "Words count as whole messages only, in either case. Opt-in is the person's first text; the keywords above take"
    yield from ("back a STOP.", "")
    yield "**Answer to opt-in** (the greeting):"
    yield ""
    yield from _wordings(pack, TextName.GREETING)
    yield "**Answer to opt-out** (once, then nothing):"
    yield ""
    yield from _wordings(pack, TextName.STOP)
    if pack.settings.help_answer:
        yield from (HELP_SENT, *_wordings(pack, pack.settings.help_answer))
    else:
        yield HELP


def _links() -> Iterator[str]:
    yield from ("## Links that you must provide", "")
    yield from _table((name, f"{AGENCY_BLANK}; {what}") for name, what in LINKS)
    yield "They must be public before you send the form: reviewers open them. None of them belongs into a text."
    yield ""


def _toll_free(config: Config | None) -> Iterator[str]:
    yield from ("## Toll-free besides", "")
    if config and (free := [number for number in config.line.all_numbers if TOLL_FREE.fullmatch(number)]):
        yield from (f"Of this line: {', '.join(free)}.", "")
    yield from _table(TOLL_FREE_ALSO)
    yield "On toll-free numbers the network itself answers STOP, in words that nobody can turn off or change. Have an"
    yield from ("ordinary number where you can.", "")


def _wordings(pack: Pack, name: str) -> Iterator[str]:
    text = pack.canned[name] if name in pack.canned else pack.texts[TextName(name)]
    for language in pack.languages:
        wording = text.wordings[language]
        said = wording.text.replace(OPENS_PLACEHOLDER, "8:00 AM").replace(WAIT_PLACEHOLDER, waiting_text(10, language))
        count = segments(said).count
        yield f"- `{name}.{language}`, {count} segment{'s' if count > 1 else ''}{_state(wording)}"
        yield ""
        yield from (f"  > {line}" for line in said.split("\n"))
        yield ""


def _state(wording: Wording) -> str:
    marks = ["not reviewed"] if not wording.is_reviewed else []
    return "".join(f", **{mark}**" for mark in [*marks, *(["holds an example"] if wording.sample else [])])


def _keywords(words: frozenset[str]) -> str:
    return ", ".join(sorted(word.upper() for word in words))


def _yes_or_no(said: list[str], what: re.Pattern[str]) -> str:
    return "yes" if any(what.search(text) for text in said) else "no"


def _hours(pack: Pack) -> int:
    return pack.settings.greeting_every_hours


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from ("| field | what to enter |", "| --- | --- |")
    yield from (f"| {name} | {value} |" for name, value in rows)
    yield ""
