"""`agency.yaml`: the agency's own pack, filled in from the answers.

Rules of this module: every wording that is legal text, or contains an example, is copied whole, with the agency's number
filled in, so that counsel reads the words that phones get. No text offers a language that the line does not speak. A review
is stored with a digest of exactly the reviewed words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import phonenumbers
import yaml

from policies.load import load
from policies.pack import LANGUAGE_OFFER, text_digest

if TYPE_CHECKING:
    from deploy.init.answers import AgencyAnswer, ReviewAnswer
    from policies.pack import Pack

SAMPLE_NUMBERS: Final = re.compile(r"555-555-0123|0808 157 0123")
"""The numbers of the packs that come with Quietline."""
HEADER: Final = """\
# The agency's own pack, filled from the answers; it is yours to edit. It comes after those that come with Quietline, and
# says what is different. `quietline policy lint` looks at it, `quietline policy preview` shows it.
# Counsel reads each text that is `legal`: reviewed_by and reviewed_on say who did, and when, and reviewed_digest is of the
# words that were read. Whoever changes such a text has it read again.
"""


class _PlainDumper(yaml.SafeDumper):
    """Writes the same date twice, instead of an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def agency_pack(agency: AgencyAnswer, review: ReviewAnswer | None, *, always: bool) -> dict[str, Any]:
    """Make the pack as a mapping. `always`: open at all hours whatever the agency's hours are, as for a rehearsal.

    Raises `policies.load.PackError` when the packs that it is based on cannot be used.
    """
    before = load([*agency.packs])
    number = _national_format(agency.voice_number, agency.country)
    texts: dict[str, Any] = {}
    for text, language, wording in before.wordings:
        offer = LANGUAGE_OFFER.search(wording.text)
        unspoken = offer is not None and offer[1].lower() not in agency.languages
        if language in agency.languages and (text.legal or wording.sample or unspoken):
            words = SAMPLE_NUMBERS.sub(lambda _: number, wording.text)
            words = LANGUAGE_OFFER.sub("", words) if unspoken else words
            written: dict[str, Any] = {"text": words}
            if text.legal:
                written |= {"reviewed_by": None, "reviewed_on": None}
                if review is not None:
                    written |= {"reviewed_by": review.by, "reviewed_on": review.on, "reviewed_digest": text_digest(words)}
            texts.setdefault(str(text.name), {"wordings": {}})["wordings"][language] = written
    hours: dict[str, Any] = {"always": True, "timezone": agency.time_zone}
    if isinstance(agency.hours, dict) and not always:
        hours = {"timezone": agency.time_zone, "week": agency.hours, "closed": [], "holidays": []}
    hours["clock"] = 24 if agency.country == "uk" else 12
    return {
        "name": "agency",
        "languages": agency.languages,
        "hours": hours,
        "leak_words": [agency.name] if agency.name else [],
        "texts": texts,
    }


def pack_text(pack: dict[str, Any]) -> str:
    """Write a pack file."""
    return HEADER + yaml.dump(pack, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=10_000)


def legal_wordings(pack: Pack) -> list[str]:
    """Return every legal text of a line as counsel reads it, with the statute that it concerns."""
    lines = []
    for text, language, wording in pack.wordings:
        if text.legal:
            lines.append(f"{text.name}.{language}{f' ({text.statute})' if text.statute else ''}:")
            lines += [f"  {wording.text}", ""]
    return lines


def _national_format(number: str, country: str) -> str:
    """Format a number as is usual in its country; a number that is not in E.164 is returned unchanged."""
    if not number.startswith("+"):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    region = {"us": 1, "uk": 44}[country]
    if parsed.country_code != region:
        return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    if region == 1:  # no brackets: they are two more characters of a text
        digits = str(parsed.national_number)
        return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
