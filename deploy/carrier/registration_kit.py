"""`quietline carrier kit`: what carriers require before a United States number may text, as far as we know it.

Rules of this module: words that reach a phone are copied unchanged from the pack, and are marked until they are reviewed.
Facts that only the agency knows are left open, never guessed. Where a carrier's demand conflicts with a
survivor's safety, the kit says so (practices, "Conflicts, settled").

Fields after Twilio's UsAppToPerson and toll-free verification resources (docs/messaging/api/usapptoperson-resource,
tollfree-verification-resource), Telnyx's verification request and its 10DLC submission page, and Vonage's keyword set-up.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined

from policies import read_text
from policies.hours import waiting_text
from policies.pack import OPENS_PLACEHOLDER, WAIT_PLACEHOLDER, TextName, samples, unreviewed
from policies.segments import segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from policies.pack import Pack

TEMPLATE: Final = Path(__file__).with_name("registration_kit.md.j2")
SAMPLES: Final = (TextName.GREETING, TextName.AFTER_HOURS, TextName.DEVICE, TextName.PICTURE, TextName.CLOSING)
LINK: Final = re.compile(r"https?://|\bwww\.|\b[a-z0-9-]+\.(?:org|com|net|info|gov)\b", re.IGNORECASE)
NUMBER: Final = re.compile(r"\+?\d[\d ().-]{5,}\d")
TOLL_FREE: Final = re.compile(r"\+1(?:800|888|877|866|855|844|833)\d{7}")


def render_kit(pack: Pack, config: Config | None = None) -> str:
    """Return the kit as Markdown. Without a configuration the line's numbers and carrier are left open for the agency."""
    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown for a person
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    texts = [wording.text for text in pack.texts.values() for wording in text.wordings.values()]
    numbers = config.line.all_numbers if config else ()
    return environment.from_string(read_text(TEMPLATE)).render(
        config=config,
        numbers=numbers,
        toll_free=[number for number in numbers if TOLL_FREE.fullmatch(number)],
        unread=unreviewed(pack),
        samples=samples(pack),
        languages=pack.languages,
        links=any(map(LINK.search, texts)),
        telephones=any(map(NUMBER.search, texts)),
        settings=pack.settings,
        start=sorted(word.upper() for word in pack.keywords.start),
        stop=sorted(word.upper() for word in pack.keywords.stop),
        shown=[name.value for name in SAMPLES],
        said=lambda name: _wordings(pack, name),
    )


def _wordings(pack: Pack, name: str) -> Iterator[dict[str, object]]:
    text = pack.canned[name] if name in pack.canned else pack.texts[TextName(name)]
    for language in pack.languages:
        wording = text.wordings[language]
        said = wording.text.replace(OPENS_PLACEHOLDER, "8:00 AM").replace(WAIT_PLACEHOLDER, waiting_text(10, language))
        marks = {"not reviewed": not wording.is_reviewed, "holds an example": wording.sample}
        yield {
            "language": language,
            "segments": segments(said).count,
            "state": "".join(f", **{mark}**" for mark, holds in marks.items() if holds),
            "lines": said.split("\n"),
        }
