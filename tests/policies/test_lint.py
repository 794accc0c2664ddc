"""What lint finds in words, and what it leaves alone."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from bot.wording.notice import READ
from policies.agency_words import find_leak
from policies.lint import lint
from policies.load import PACKS, load
from policies.pack import LANGUAGE_OFFER, Pack, TextName, samples
from policies.readability import grade
from policies.segments import segments
from tests.every_row import every_row
from tests.packs import shipped

STATES = sorted(path.stem for path in (PACKS / "us").glob("*.yaml"))
SHIPPED = [["base"], ["base", "rehearsal"], ["base", "uk"], *(["base", f"us/{state}"] for state in STATES)]


def pack(folder: Path, *after: str, **own: object) -> Pack:
    """Return the base pack with an agency's own after it."""
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"name": "own"} | own, allow_unicode=True), encoding="utf-8")
    return load(["base", *after, str(path)])


def said(name: str, text: str, language: str = "en", **more: object) -> dict[str, object]:
    """Return the `texts` of a pack that words one text."""
    return {name: {"wordings": {language: {"text": text} | more}}}


def rules(pack: Pack, path: str) -> set[str]:
    """Return the rules that found something at a path."""
    return {finding.rule for finding in lint(pack) if finding.path == path}


@every_row("names", SHIPPED)
@pytest.mark.practice(28)
def test_what_comes_with_quietline_waits_for_counsel_and_for_numbers_only(names: list[str]) -> None:
    """Every shipped pack: nothing but reviews and examples is left, and each text is one GSM-7 segment and easy to read."""
    assert {finding.rule for finding in lint(shipped(*names)) if finding.path != "leak_words"} == {"sample", "review"}


def test_there_is_a_template_for_each_state() -> None:
    """Fifty states and the District: legal, an example, unreviewed in both languages, naming a statute of its own."""
    assert len(STATES) == 51
    statutes = []
    for state in STATES:
        text = shipped("base", f"us/{state}").texts[TextName.LIMITS]
        assert text.legal
        assert all(wording.sample and not wording.is_reviewed for wording in text.wordings.values())
        assert text.wordings.keys() == {"en", "es"}
        assert "§" in text.statute or state in ("il", "la")
        statutes.append(text.statute)
    assert len(set(statutes)) == 51


def test_the_united_kingdom_has_its_own_numbers() -> None:
    """No American number, no American holiday, no offer of a language that the line does not speak."""
    uk = shipped("base", "uk")
    books = [each for b in uk.playbooks.values() for each in (b, *b.translations.values())]
    every = " ".join(w.text for _, _, w in uk.wordings) + " ".join(s for b in books for s in b.steps)
    for foreign in ("911", "555-555", "988", "1-800", "Español", "relay 711"):
        assert foreign not in every, foreign
    assert "999" in every
    assert uk.languages == ("en",)
    assert (uk.hours.timezone, uk.hours.holidays, uk.hours.clock) == ("Europe/London", ("uk_england_wales",), 24)
    assert "999" in uk.keywords.help


@every_row(
    ("name", "language", "text", "rule"),
    [
        ("clarify", "en", "word " * 40 + "end.", "segments"),
        ("clarify", "es", "¿Puedes contarme más?", "encoding"),
        ("clarify", "en", "Take care \U0001f642", "encoding"),
        (
            "clarify",
            "en",
            "Institutional confidentiality obligations necessitate comprehensive deliberation beforehand, always.",
            "grade",
        ),
        (
            *("clarify", "es"),
            "Nuestras obligaciones institucionales extraordinarias imposibilitan responderle hoy inmediatamente.",
            "grade",
        ),
        ("clarify", "en", "This is Harbor House.", "names"),
        ("clarify", "en", "Come to 12 ELM street, side door.", "names"),
        ("clarify", "en", "Ask for ms. o'neill there.", "names"),
        ("closing", "en", "Take care. Was it good to talk?", "question"),
        ("stop", "es", "Listo. ¿Algo más?", "question"),
        ("verified", "en", "Thanks. Anything else?", "question"),
        ("safe_check", "en", "Is it safe? Reply YES.", "yes"),
        ("safe_check", "en", "Is it safe? Answer with yes or no.", "yes"),
        ("safe_check", "en", "Text Y if it is.", "yes"),
        ("safe_check", "es", "¿Puedes hablar? Responde SI o NO.", "yes"),
        ("safe_check", "es", "¿Puedes hablar? Contesta sí o no.", "yes"),
        ("cover_1", "en", "The shelter is full today.", "innocent"),
        ("cover_2", "en", "Call 555-0123 for your book.", "innocent"),
        ("challenge", "en", "What is the code word?", "innocent"),
        ("verified", "es", "Gracias por el premio.", "filtered"),
        ("different", "es", "Perdona, buscaba el refugio.", "innocent"),
        ("clarify", "en", "He has a gun, then?", "filtered"),
        ("clarify", "en", "See https://example.org for more.", "filtered"),
        ("clarify", "en", "PLEASE LISTEN NOW TO THIS FIRST", "filtered"),
        ("clarify", "en", "We are [agency name].", "unfilled"),
        ("greeting", "en", "Hi, thanks for texting. Français: FR", "offer"),
        ("clarify", "en", "We open at <time>.", "unfilled"),
    ],
)
@pytest.mark.practice(28)
def test_each_rule_finds_what_it_is_for(tmp_path: Path, name: str, language: str, text: str, rule: str) -> None:
    """One wording, one fault, found at its path."""
    own = pack(tmp_path, leak_words=["Harbor House", "Elm Street", "O'Neill"], texts=said(name, text.strip(), language))
    assert rule in rules(own, f"texts.{name}.wordings.{language}")


def test_a_line_offers_no_language_that_it_does_not_speak(tmp_path: Path) -> None:
    """The base pack's texts name the other one of its two languages: a line that speaks one of them says it otherwise."""
    english = pack(tmp_path, languages=["en"])
    assert {f.path for f in lint(english) if f.rule == "offer"} == {
        f"texts.{name}.wordings.en" for name in ("greeting", "after_hours", "unavailable", "outage")
    }
    assert not [finding for finding in lint(pack(tmp_path)) if finding.rule == "offer"]


def test_canned_texts_are_looked_at_too(tmp_path: Path) -> None:
    """The agency's own texts stand under the same rules, and wait for counsel when they are legal."""
    wordings = {language: {"text": "This is Harbor House."} for language in ("en", "es")}
    own = pack(tmp_path, leak_words=["harbor house"], canned={"bus": {"legal": True, "wordings": wordings}})
    assert rules(own, "canned.bus.wordings.en") == {"names", "review"}


@pytest.mark.parametrize(
    ("words", "telling"),
    [
        ("This is a crisis line for survivors.", True),
        ("Shelter line: call back", True),
        ("Support: call (206) 555-0123 for help.", False),
    ],
)
def test_an_answer_to_help_tells_nothing(tmp_path: Path, words: str, telling: bool) -> None:
    """The answer to HELP goes to whoever holds the phone; it may name a number, which carriers ask for."""
    wordings = {language: {"text": words} for language in ("en", "es")}
    own = pack(
        tmp_path, settings={"help_answer": "info"}, canned={"info": {"wordings": wordings}, "bus": {"wordings": wordings}}
    )
    assert ("innocent" in rules(own, "canned.info.wordings.en")) == telling
    assert "innocent" not in rules(own, "canned.bus.wordings.en")


def ours(text: str) -> str:
    """Put a number in place of the example's that is not set aside for examples, nor anybody's, and offer no language."""
    return LANGUAGE_OFFER.sub("", text.replace("555-555-0123", "555-867-5309"))


@pytest.mark.parametrize("words", ["To talk now: (206) 555-0123.", "Write to help@example.org.", "Call XXX-XXX-XXXX."])
def test_an_example_is_found_in_a_pack_that_calls_it_none(tmp_path: Path, words: str) -> None:
    """Reviewed, in the agency's own pack, in a text of the house or in one of its own: the line must not say it."""
    review = {"text": words, "reviewed_by": "Counsel", "reviewed_on": date(2026, 3, 1)}
    wordings = {"wordings": dict.fromkeys(("en", "es"), review)}
    own = pack(tmp_path, texts={"urgent": wordings}, canned={"bus": wordings})
    paths = {f.path for f in lint(own) if f.rule == "sample" and f.must}
    assert {"texts.urgent.wordings.en", "texts.urgent.wordings.es", "canned.bus.wordings.en"} <= paths
    assert {"urgent.en", "urgent.es", "bus.en", "bus.es"} <= set(samples(own))


def test_a_pack_that_is_ready_has_nothing_to_hear(tmp_path: Path) -> None:
    """With own hours, own numbers, own words and counsel's name, lint is silent."""
    base = shipped("base")
    review = {"reviewed_by": "Counsel", "reviewed_on": "2026-03-01"}
    texts: dict[str, object] = {
        str(text.name): {"wordings": {language: {"text": ours(w.text)} | (review if text.legal else {})}}
        for text, language, w in base.wordings
        if text.legal or w.text != ours(w.text)
        if language == "en"
    }
    path = tmp_path / "own.yaml"
    body = yaml.safe_dump({"name": "own", "languages": ["en"], "leak_words": ["Harbor House"], "texts": texts})
    hours = "hours: {timezone: America/New_York, week: {mon: ['08:00-20:00']}}\n"
    path.write_text(body.replace("'2026-03-01'", "2026-03-01") + hours, encoding="utf-8")
    assert lint(load(["base", str(path)])) == ()


@every_row(
    ("text", "word"),
    [
        ("Welcome to HARBOR  HOUSE!", "harbor house"),
        ("harbor-house", "harbor house"),
        ("Hárbor Hou\u200bse", "harbor house"),
        ("Ｈａｒｂｏｒ House", "harbor house"),  # noqa: RUF001 - wide letters are what is tried
        ("the harbor house's door", "harbor house"),
        ("the harborhouses", "harbor house"),
        ("the harbor of our house", None),
        ("harborhouse", "harbor house"),
        ("www.harborhouse.org", "harbor house"),
        ("hаrbоr house", "harbor house"),  # noqa: RUF001 - two letters are Cyrillic
        ("harbor%20house", "harbor house"),
        ("harborhousing", None),
        ("safeharborhouse", None),
        ("O'Neill", "oneill"),
        ("o’neill", "oneill"),  # noqa: RUF001 - the apostrophe that phones write
        ("ONEILL", "oneill"),
    ],
)
def test_the_agencys_words_are_found_as_a_reader_sees_them(tmp_path: Path, text: str, word: str | None) -> None:
    """Case, accents, spaces, marks, codes and strange letters change nothing; a longer word is another word."""
    own = pack(tmp_path, leak_words=["Harbor House", "O'Neill"])
    assert find_leak(own, text) == word


def test_the_formula_is_the_published_one() -> None:
    """Seven words of fourteen syllables, and two Spanish sentences of five words and eight syllables, counted by hand."""
    text = "Another person will answer your message tomorrow."
    assert grade(text, "en") == pytest.approx(0.39 * 7 + 11.8 * 14 / 7 - 15.59)
    points = 206.84 - 60 * 8 / 5 - 1.02 * 5 / 2
    assert points > 90
    assert grade("La casa es grande. Ven.", "es") == 4.0


def test_no_verdict_can_be_told_from_the_other_by_its_shape() -> None:
    """What is said after a right word and after a wrong one: one segment each, no question, no number (invariant 5)."""
    base = shipped("base")
    for language in base.languages:
        for name in (TextName.VERIFIED, TextName.UNVERIFIED):
            assert segments(base.say(name, language)).count == 1
            assert not set("?¿0123456789") & set(base.say(name, language))
        assert base.say(TextName.VERIFIED, language) == base.say(TextName.UNVERIFIED, language)


def test_a_verdict_that_can_be_told_from_the_other_is_told(tmp_path: Path) -> None:
    """An agency that changes one of the two has to change the other: else a guess shows that something was expected."""
    own = pack(tmp_path, texts=said("unverified", "Sorry, say that again.", "en"))
    assert "alike" in rules(own, "texts.unverified.wordings.en")
    assert "alike" not in rules(own, "texts.unverified.wordings.es")


@every_row("names", SHIPPED)
def test_every_playbook_is_in_every_language_of_staff(names: list[str]) -> None:
    """What a shipped pack tells people to do is there in each language, step by step, with the same commands."""
    for name, playbook in shipped(*names).playbooks.items():
        assert playbook.translations.keys() == {language for language in READ if language != READ[0]}, name
        for other in playbook.translations.values():
            commands = [[set(re.findall(r"![a-z]+", step)) for step in steps] for steps in (playbook.steps, other.steps)]
            assert commands[0] == commands[1], name
