"""The packs that come with Quietline, and what a pack tells the rest of the house."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.hours import waiting_text
from policies.load import PackError, load
from policies.pack import AssignmentMode, BreakGlass, Pack, ResumeMode, TextName, samples, unreviewed
from policies.segments import breaks_gsm7, segments
from tests.every_row import every_row
from tests.packs import shipped, write_agency

# Of the texts of the base pack: the words of the practices, and in first answers the other language behind them.
LENGTHS = {
    "greeting": (153, 156),
    "limits": (143, 135),
    "device": (147, 143),
    "after_hours": (148, 142),
    "unavailable": (149, 145),
    "closing": (141, 141),
    "handover": (131, 120),
    "stop": (86, 87),
    "picture": (59, 64),
    "options": (142, 139),
    "tips_iphone": (149, 149),
    "tips_android": (153, 143),
    "rights": (150, 128),
    "clarify": (85, 73),
    "outage": (145, 135),
    "different": (66, 70),
    "urgent": (142, 150),
    "switch": (147, 133),
    "later": (112, 108),
    "safe_check": (91, 88),
    "challenge": (53, 45),
    "verified": (48, 48),
    "unverified": (48, 48),
    "cover_1": (20, 34),
    "cover_2": (98, 101),
    "cover_3": (62, 75),
}
DAY = 86400
# practices.md, "Defaults"
DEFAULTS = {
    "undo_seconds": 8,
    "undo_after_join_seconds": 20,
    "undo_after_join_window": 300,
    "undo_after_switch_seconds": 16,
    "late_after_seconds": 300,
    "carrier_validity_seconds": 900,
    "greeting_every_hours": 12,
    "cap": 3,
    "message_ttl": DAY,
    "idle": DAY // 2,
    "grace": 3 * DAY,
    "client_grace": 7 * DAY,
    "close_now_grace": 10,
    "close_undo": 600,
    "continuing": 90 * DAY,
    "silence_cues": (300, 900, 2700),
    "sign_cue": 600,
    "silence_offer_park": 3600,
    "unclaimed_on_duty": 120,
    "unclaimed_supervisors": 300,
    "unclaimed_on_call": 600,
    "unclaimed_again": 3600,
    "codeword_failures": 3,
    "codeword_window": DAY,
    "audit_retention": 30 * DAY,
    "receipt_retention": 30 * DAY,
    "verdict_delay": 3,
    "challenge_window": 300,
    "return_cue": 1800,
    "stop_resumes": ResumeMode.AT_ONCE,
    "reply_after_stop": True,
    "break_glass": BreakGlass.NEVER,
    "assignment": AssignmentMode.NONE,
    "assignment_answer": 180,
    "offer_stands": 600,
    "cold_outbound": False,
    "help_answer": "",
    "hold_after_silence": 1800,
    "hold_never_answered": 900,
    "hold_first_no": 300,
    "hold_after_promise": 900,
    "hold_after_offer": 300,
    "hold_after_colleague": 120,
    "flood_begins": 6,
    "flood_ends": 2,
    "flood_calm": 300,
    "flood_cards": 5,
}


@pytest.fixture(scope="module")
def base() -> Pack:
    return shipped("base")


@pytest.fixture(scope="module")
def rehearsal() -> Pack:
    return shipped("base", "rehearsal")


@every_row("name", list(TextName))
@pytest.mark.practice(28)
@every_row("language", ["en", "es"])
def test_each_text_is_one_segment_of_its_length(base: Pack, name: TextName, language: str) -> None:
    """Practice 28: each text of the base pack is one GSM-7 segment, exactly as long as the practices have it."""
    text = base.say(name, language, opens="8:00 AM", wait=waiting_text(10, language))
    cut = segments(text)
    assert (cut.count, cut.encoding) == (1, "gsm7")
    assert cut.units == LENGTHS[name][language == "es"]
    assert breaks_gsm7(text) == ()


def test_nothing_asks_for_yes(base: Pack) -> None:
    """YES is an opt-in keyword at carriers: no text asks for it."""
    assert not any("YES" in base.say(name, language) for name in TextName for language in base.languages)


def test_settings_are_those_of_the_practices(base: Pack) -> None:
    """The defaults are the ones of the table, to the second."""
    assert {name: getattr(base.settings, name) for name in DEFAULTS} == DEFAULTS
    assert base.languages == ("en", "es")
    assert dataclasses.asdict(base.settings).keys() - DEFAULTS.keys() == {
        "segments_without_long",
        "new_threads_per_number_per_hour",
        "new_threads_per_minute",
        "dormant_cue",
        "suppression_ttl",
    }


def test_the_rehearsal_line_is_open_and_has_a_cap_of_five(base: Pack, rehearsal: Pack) -> None:
    """The rehearsal line: cap 5, open at all hours; what is said and the undo are those of a real line.

    Rule: design.md, "Contracts with the outside".
    """
    assert rehearsal.settings.cap == 5
    assert all(rehearsal.hours.open_at(datetime(2026, 1, 1, hour)) for hour in range(24))  # noqa: DTZ001
    assert rehearsal.texts == base.texts
    assert rehearsal.keywords == base.keywords
    assert rehearsal.settings.undo_seconds == base.settings.undo_seconds
    assert rehearsal.names == ("base", "rehearsal")


def test_stop_words_are_those_of_the_contract(base: Pack) -> None:
    """design.md, "Contracts with the outside": these and no others."""
    stop = "stop, stopall, stop all, unsubscribe, cancel, end, quit, revoke, optout, opt out, alto"
    assert base.keywords.stop == set(stop.split(", "))
    assert base.keywords.start == {"start", "unstop"}


def test_legal_texts_are_unreviewed_until_reviewed(base: Pack, tmp_path: Path) -> None:
    """Limits, device, stop and rights wait for counsel; a review of the words as they stand takes one off the list."""
    legal = ("limits.en", "limits.es", "device.en", "device.es", "stop.en", "stop.es", "rights.en", "rights.es")
    assert unreviewed(base) == legal
    words = base.say(TextName.STOP, "en")
    agency = {"name": "agency", "texts": {"stop": {"wordings": {"en": {"text": words, "reviewed_by": "Counsel"}}}}}
    said: Any = agency["texts"]
    said["stop"]["wordings"]["en"]["reviewed_on"] = date(2026, 3, 1)
    pack = load(["base", write_agency(tmp_path, yaml.safe_dump(agency))])
    assert unreviewed(pack) == tuple(name for name in legal if name != "stop.en")
    assert pack.say(TextName.STOP, "en") == words


def test_a_date_in_quotes_is_one(tmp_path: Path) -> None:
    """Editors and YAML writers put quotes around it; what is no date is named with what one looks like."""
    reviewed = "{text: Reviewed., reviewed_by: Counsel, reviewed_on: '2026-03-01'}"
    hours = "hours: {timezone: UTC, week: {mon: ['08:00-20:00']}, closed: ['2026-12-25']}\n"
    text = f"name: one\n{hours}texts: {{limits: {{wordings: {{en: {reviewed}}}}}}}\n"
    pack = load(["base", write_agency(tmp_path, text)])
    assert "limits.en" not in unreviewed(pack)
    for wrong in ("2026-3-1", "01.03.2026", "2026-02-30"):
        with pytest.raises(PackError, match=r"reviewed_on: (must be a date, such as 2026-11-01|day )"):
            load(["base", write_agency(tmp_path, text.replace("2026-03-01", wrong))])


def test_a_review_dies_with_the_words(tmp_path: Path) -> None:
    """Whoever changes the words after a review has no review, and cannot say that a legal text is none."""
    reviewed = "{text: Reviewed., reviewed_by: Counsel, reviewed_on: 2026-03-01}"
    (tmp_path / "one.yaml").write_text(f"name: one\ntexts: {{limits: {{wordings: {{en: {reviewed}}}}}}}\n")
    changed = write_agency(tmp_path, "name: two\ntexts: {limits: {legal: false, wordings: {en: {text: Changed.}}}}\n")
    assert "limits.en" not in unreviewed(load(["base", str(tmp_path / "one.yaml")]))
    pack = load(["base", str(tmp_path / "one.yaml"), changed])
    assert "limits.en" in unreviewed(pack)
    assert pack.say(TextName.LIMITS, "en") == "Changed."


def test_samples_are_named_until_replaced(base: Pack, rehearsal: Pack, tmp_path: Path) -> None:
    """An example's telephone number and hours are found before they reach a person in danger."""
    named_so = ("after_hours", "unavailable", "options", "outage", "urgent")
    numbers = tuple(f"{name}.{language}" for name in named_so for language in ("en", "es"))
    assert samples(base) == (*numbers, "hours")
    assert samples(rehearsal) == numbers
    named = {
        f"{text.name}.{language}"
        for text in base.texts.values()
        for language, wording in text.wordings.items()
        if "555-0123" in wording.text
    }
    assert named == set(numbers)
    own = write_agency(tmp_path, "name: own\ntexts: {unavailable: {wordings: {en: {text: Text again later.}}}}\n")
    replaced = tuple(name for name in numbers if name != "unavailable.en")
    assert samples(load(["base", own])) == (*replaced, "hours")


def test_a_stranger_is_greeted_in_the_first_language(base: Pack, tmp_path: Path) -> None:
    """An unknown language, or none, is the line's first; the agency says which that is."""
    assert base.say(TextName.GREETING) == base.say(TextName.GREETING, "fr") == base.say(TextName.GREETING, "en")
    spanish = load(["base", write_agency(tmp_path, "name: own\nlanguages: [es]\n")])
    assert spanish.say(TextName.GREETING, "en") == base.say(TextName.GREETING, "es")
    assert unreviewed(spanish) == ("limits.es", "device.es", "stop.es", "rights.es")


def test_hours_are_local_and_half_open(tmp_path: Path) -> None:
    """From the first minute to the one before the last, never on a closed day, never on a day left out."""
    own = write_agency(
        tmp_path,
        "name: own\nhours: {timezone: America/New_York, closed: [2026-12-25],"
        ' week: {fri: ["13:00-24:00", "08:00-12:00"], sat: ["00:00-02:00"]}}\n',
    )
    hours = load(["base", own]).hours
    assert (hours.timezone, hours.sample) == ("America/New_York", False)

    def is_open(day: int, clock: str) -> bool:
        return hours.open_at(datetime.fromisoformat(f"2026-12-{day:02} {clock}"))

    assert not is_open(18, "07:59:59")
    assert is_open(18, "08:00")
    assert is_open(18, "11:59:59")
    assert not is_open(18, "12:00")
    assert is_open(18, "23:59")
    assert is_open(19, "00:00")
    assert not is_open(19, "02:00")
    assert not is_open(20, "09:00")
    assert not is_open(25, "09:00")
    assert is_open(26, "01:00")


def test_what_the_bot_reads_needs_no_yaml() -> None:
    """Packs, keywords, designations and segments are the standard library alone: bot may import them."""
    code = (
        "import sys, policies.pack, policies.keywords, policies.designations, policies.segments\n"
        "import policies.hours, policies.agency_words\n"
        "print([m for m in ('yaml', 'pydantic', 'pydantic_core') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_pack_cannot_be_changed(base: Pack) -> None:
    """Frozen, and so is each part of it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        base.settings.cap = 9  # type: ignore[misc]
    with pytest.raises(TypeError):
        base.texts[TextName.STOP] = base.texts[TextName.CLOSING]  # type: ignore[index]
    with pytest.raises(TypeError):
        base.texts[TextName.STOP].wordings["en"] = base.texts[TextName.STOP].wordings["es"]  # type: ignore[index]
