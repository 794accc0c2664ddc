"""Downgrades of practices by a configuration: its settings, its wording, its languages, and who is on call.

Rules of this module: a downgrade is computed from the line's behaviour with this configuration, never from a row's text;
the lowest status counts, and every reason is shown. Without a configuration (`config` is None) only the packs are checked,
without what a carrier or a person on call would add.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum, unique
from typing import Final

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.carriers.vendors.smsgate import Settings as SmsGate
from bridge.config.sections import Config
from policies.lint import lint
from policies.pack import COVER_LINES, WAIT_PLACEHOLDER, Pack, TextName, samples, unreviewed
from policies.signs import Sign


@unique
class PracticeStatus(StrEnum):
    """How far a practice is met, best first. The value is shown to people."""

    MET = "met"
    STAFF = "met by staff with our help"
    POLICY = "by the agency's policy"
    NOT_MET = "not met"


Reason = tuple[PracticeStatus, str]
"""The best status that a practice can have, and why."""
Downgrade = Callable[[Config | None, Pack], Reason | None]
"""Returns why a practice has a lower status with a configuration than it could have, or None."""
PLAYBOOKS: Final = ("prank", "abuser_on_the_line", "danger", "suicide", "minor", "medical", "other_agency")
"""Playbooks of practice 39, by their names in the base pack."""
MOST_WORDS: Final = 4
"""The number of wordings that a reason names; it only counts the others."""
HOUR: Final = 3_600
NAMES_A_TIME: Final = re.compile(r"\d+\s*(?:min|hour|hora|h\b)", re.IGNORECASE)
"""Words in a greeting that promise an answer within some time."""


def worst(config: Config | None, pack: Pack, downgrades: Iterable[Downgrade]) -> tuple[PracticeStatus | None, str]:
    """Return the lowest status of all downgrades, and all reasons; None and "" without a reason."""
    reasons = [reason for downgrade in downgrades if (reason := downgrade(config, pack)) is not None]
    if not reasons:
        return None, ""
    ranks = list(PracticeStatus)
    return max(
        (status for status, _ in reasons), key=ranks.index
    ), f"{'; '.join(why.removesuffix('.') for _, why in reasons)}."


def _texts(*names: TextName) -> Downgrade:
    """Downgrade a practice whose legal words nobody reviewed, or still contain an example's words or number."""

    def downgrade(_config: Config | None, pack: Pack) -> Reason | None:
        ours = {name.value for name in names}
        if texts := [text for text in unreviewed(pack) if text.partition(".")[0] in ours]:
            return PracticeStatus.NOT_MET, f"nobody reviewed {_few(texts)}."
        if texts := [text for text in samples(pack) if text.partition(".")[0] in ours]:
            return PracticeStatus.NOT_MET, f"an example's words stand in {_few(texts)}."
        return None

    return downgrade


def _lint(status: PracticeStatus, *rules: str, names: tuple[TextName, ...] = ()) -> Downgrade:
    """Downgrade a practice when lint has a finding of these rules, in these texts or in any."""

    def downgrade(_config: Config | None, pack: Pack) -> Reason | None:
        places = [(each.path.split("."), each.what) for each in lint(pack) if each.rule in rules]
        ours = [f"{path[1]}.{path[-1]} {what}" for path, what in places if not names or path[1] in names]
        return (status, f"{_few(ours)}.") if ours else None

    return downgrade


def _setting(name: str, longest: int, status: PracticeStatus, what: str) -> Downgrade:
    """Downgrade a practice whose setting, in seconds, is so long that it hardly ever takes effect."""

    def downgrade(_config: Config | None, pack: Pack) -> Reason | None:
        seconds = getattr(pack.settings, name)
        return (status, f"{what} only after {seconds / HOUR:.3g} h (settings.{name}).") if seconds > longest else None

    return downgrade


def _spanish(status: PracticeStatus) -> Downgrade:
    def downgrade(_config: Config | None, pack: Pack) -> Reason | None:
        if "es" in pack.languages:
            return None
        return status, f"there is no Spanish wording (languages): who writes Spanish is answered in {pack.languages[0]}."

    return downgrade


def _signs(*needed: Sign) -> Downgrade:
    """Downgrade a practice when a language of the line has no list of phrases for these signs."""

    def downgrade(_config: Config | None, pack: Pack) -> Reason | None:
        lists = {language: {each.label for each in matcher.lists} for language, matcher in pack.signs.items()}
        lacking = [language for language in pack.languages if not set(needed) <= lists.get(language, set())]
        names = ", ".join(sign.value for sign in needed)
        return (PracticeStatus.POLICY, f"no list of signs ({names}) in {', '.join(lacking)}.") if lacking else None

    return downgrade


def _handset_in_path(config: Config | None, _pack: Pack) -> Reason | None:
    if config is None or config.line.carrier.kind != "smsgate":
        return None
    return PracticeStatus.POLICY, "a handset is in the path: it has to be one that nobody reads, locked away."


def _how_near_without_a_vendor(config: Config | None, _pack: Pack) -> Reason | None:
    """Return how far a gateway with the agency's own phone keeps vendors from reading texts: never completely."""
    carrier = None if config is None else config.line.carrier
    if not isinstance(carrier, SmsGate):
        return None
    if not carrier.through_server:
        way = "from here to the phone no vendor is on the way"
    elif carrier.passphrase_file is None:
        way = "the server on the way to the phone reads every text of ours (no passphrase_file); theirs come past it"
    else:
        way = "the server on the way to the phone carries ciphertext of ours; theirs come past it, if it does as it should"
    return PracticeStatus.NOT_MET, f"{way}; the operators of both SIM cards read every text, and both phones keep them."


def _staff_text_first(_config: Config | None, pack: Pack) -> Reason | None:
    if not pack.settings.cold_outbound:
        return None
    return PracticeStatus.STAFF, "this line lets staff text first: the number is typed twice, by a person."


def _copies_remain(config: Config | None, _pack: Pack) -> Reason | None:
    if config is None:
        return PracticeStatus.POLICY, "no carrier is chosen yet, so nobody can say whether its copies can be deleted."
    if CARRIER_KINDS[config.line.carrier.kind].exposure.we_delete:
        return None
    return PracticeStatus.POLICY, "nothing can be deleted at this carrier: see `quietline exposure`."


def _unmeasured_wait(_config: Config | None, pack: Pack) -> Reason | None:
    words = pack.texts[TextName.GREETING].wordings
    fixed = [f"greeting.{language}" for language, each in words.items() if NAMES_A_TIME.search(each.text)]
    why = f"{_few(fixed)} names a time that nobody measured: {WAIT_PLACEHOLDER} names the one of this desk."
    return (PracticeStatus.NOT_MET, why) if fixed else None


def _sample_hours(_config: Config | None, pack: Pack) -> Reason | None:
    return (PracticeStatus.NOT_MET, "the opening hours are an example's.") if pack.hours.sample else None


def _nobody_on_call(config: Config | None, _pack: Pack) -> Reason | None:
    if config is not None and config.line.on_call is not None and config.line.on_call.is_configured:
        return None
    return PracticeStatus.POLICY, "nobody is on call (lines.0.on_call): a long wait is called out at the desk only."


def _no_agency_words(_config: Config | None, pack: Pack) -> Reason | None:
    if pack.leak_words:
        return None
    why = "leak_words is empty: the agency's name, its street and surnames of staff leave without a question."
    return PracticeStatus.POLICY, why


def _no_silent_words(_config: Config | None, pack: Pack) -> Reason | None:
    lacking = [
        name for name, words in (("exit", pack.keywords.exit), ("wish_to_stop", pack.keywords.wish_to_stop)) if not words
    ]
    return (PracticeStatus.NOT_MET, f"no words are listed in keywords.{', '.join(lacking)}.") if lacking else None


def _no_playbook(_config: Config | None, pack: Pack) -> Reason | None:
    lacking = [name for name in PLAYBOOKS if name not in pack.playbooks]
    return (PracticeStatus.NOT_MET, f"there is no playbook {', '.join(lacking)}.") if lacking else None


def _few(rows: list[str]) -> str:
    more = f" and {len(rows) - MOST_WORDS} more" if len(rows) > MOST_WORDS else ""
    return ", ".join(rows[:MOST_WORDS]) + more


_VERDICTS: Final = (TextName.CHALLENGE, TextName.VERIFIED, TextName.UNVERIFIED)
_HELD_LATE: Final = _setting(
    "hold_after_silence", 4 * HOUR, PracticeStatus.NOT_MET, "words that nobody expects on the phone are held"
)

DOWNGRADES: Final[Mapping[int, tuple[Downgrade, ...]]] = {
    2: (_texts(TextName.OPTIONS),),
    3: (_handset_in_path,),
    8: (_texts(TextName.DEVICE),),
    9: (
        _texts(*COVER_LINES, TextName.DIFFERENT),
        _lint(PracticeStatus.NOT_MET, "innocent", "alike", names=(*COVER_LINES, TextName.DIFFERENT)),
        _signs(Sign.OTHER_HANDS),
    ),
    10: (
        _texts(*_VERDICTS, *COVER_LINES),
        _lint(PracticeStatus.NOT_MET, "innocent", "alike", names=(*_VERDICTS, *COVER_LINES)),
    ),
    11: (_texts(TextName.SAFE_CHECK),),
    12: (_texts(TextName.SWITCH, TextName.LATER), _no_silent_words, _signs(Sign.LEAVING), _HELD_LATE),
    15: (_staff_text_first,),
    18: (_copies_remain,),
    20: (_texts(TextName.PICTURE),),
    22: (_how_near_without_a_vendor,),
    24: (_no_agency_words,),
    25: (_texts(TextName.OPTIONS), _spanish(PracticeStatus.POLICY)),
    26: (_texts(TextName.LIMITS, TextName.RIGHTS),),
    27: (_texts(TextName.LIMITS),),
    28: (
        _texts(TextName.GREETING),
        _lint(PracticeStatus.STAFF, "segments", "grade", "question"),
        _spanish(PracticeStatus.STAFF),
    ),
    29: (
        _sample_hours,
        _unmeasured_wait,
        _texts(TextName.GREETING, TextName.AFTER_HOURS, TextName.UNAVAILABLE),
    ),
    30: (
        _nobody_on_call,
        _setting("unclaimed_on_call", HOUR, PracticeStatus.POLICY, "whoever is on call hears of a long wait"),
        _setting(
            "unclaimed_again", 12 * HOUR, PracticeStatus.POLICY, "people are called again to a texter who still waits"
        ),
        _HELD_LATE,
    ),
    31: (_texts(TextName.URGENT),),
    39: (
        _texts(TextName.DIFFERENT),
        _no_playbook,
        _signs(Sign.DANGER_NOW, Sign.SUICIDE, Sign.STRANGLED, Sign.WEAPON, Sign.THIRD_PARTY),
    ),
}
"""The possible downgrades of each practice, by its number."""
