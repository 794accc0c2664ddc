"""The packs that come with Quietline, and what a pack tells the rest of the house."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.load import PackError, load
from policies.pack import Pack, TextName, samples, unreviewed
from tests.packs import shipped, write_agency


@pytest.fixture(scope="module")
def base() -> Pack:
    return shipped("base")


@pytest.fixture(scope="module")
def rehearsal() -> Pack:
    return shipped("base", "rehearsal")


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
