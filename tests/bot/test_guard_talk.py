"""Words that speak about the texter, as colleagues do, are held; words to them about another person leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bot.language.colleague_talk import speaks_about_texter
from bot.model.actions import DeliveryReceipt
from bot.model.hold_signs import Doubt
from policies.lint import lint
from policies.load import PackError, load
from policies.pack import AboutTexter
from policies.phrase_matcher import make_matcher
from tests.bot.examples import due, edit, held, marks, said, texts, then, words
from tests.bot.strategies import UNDO
from tests.bot.talk_figures import CORPUS, PACK, is_held, measure
from tests.bot.test_guard_doubts import found
from tests.every_row import every_row


@pytest.mark.practice(24)
@every_row(
    "body",
    [
        "she's lying",
        "she is lying again",
        "I don\u2019t believe her",
        "she sounds drunk",
        "does anyone know her?",
        "SHES LYING",
        "ok. shes lying",
        "está mintiendo",
        "no le creo",
        "¿alguien la conoce?",
        "poor thing, her kids",
    ],
)
def test_talk_about_the_texter_is_held_and_leaves_by_one_more_word(body: str) -> None:
    """Nobody else has written in the room: it is held all the same, new or as an edit, and leaves by `!anyway` alone."""
    assert found(held(), 5, body) == (Doubt.TEAM,)
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.HELD}
    assert words(step) == "Held: it reads like words for a colleague. If you are sure: !anyway"
    assert texts(due(step.aggregate, UNDO)) == []
    changed = then(then(held(), said("hello")).aggregate, edit(body))
    assert texts(due(changed.aggregate, UNDO)) == []
    sure = then(step.aggregate, said("!anyway", event_id="$s"))
    assert texts(due(sure.aggregate, UNDO)) == [body]


@every_row(
    "body",
    [
        "is she in the house with you?",
        "does he know you are texting?",
        "she can call us too",
        "your sister, is she safe?",
        "is she lying down?",
        "he is lying to you",
        "she left him too?",
        "he has a gun, right?",
        "el te está mintiendo",
        "ella puede llamarnos también",
    ],
)
def test_words_to_the_texter_about_somebody_else_leave(body: str) -> None:
    """A third woman or man in a sentence to the texter holds nothing."""
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.LEAVING}
    assert texts(due(step.aggregate, UNDO)) == [body]


def test_the_agencys_own_texts_are_no_talk() -> None:
    """No text of the base pack would be held for its words, in any language."""
    assert [
        text.name for text, _, wording in PACK.wordings if speaks_about_texter(wording.text, PACK.about_texter.values())
    ] == []


def test_the_corpus_of_talk_is_large_and_each_sentence_stands_once() -> None:
    """At least 800 to hold and 1200 to leave, in both languages."""
    bodies = [
        body for languages in CORPUS.values() for kinds in languages.values() for each in kinds.values() for body in each
    ]
    assert [body for body, times in Counter(bodies).items() if times > 1] == []
    for kind, least in (("hold", 800), ("leave", 1200)):
        assert sum(count for (_, _, which), (_, count) in measure().items() if which == kind) >= least
    assert all(count >= 20 for _, count in measure().values())


WORST = {
    ("known", "hold"): 0.05,
    ("known", "leave"): 0.02,
    ("fresh", "hold"): 0.15,
    ("fresh", "leave"): 0.03,
    ("blind", "hold"): 0.27,
    ("blind", "leave"): 0.06,
    ("common", "leave"): 0.01,
}
"""By part, and what should become of words: of which share the opposite may become."""


@every_row(
    ("part", "language", "kind"),
    [
        (part, language, kind)
        for part, languages in CORPUS.items()
        for language, kinds in languages.items()
        for kind in kinds
    ],
)
def test_talk_is_told_from_words_to_the_texter(part: str, language: str, kind: str) -> None:
    """Of talk that nothing was corrected by, at least 85 in 100 is asked about; of words to the texter at most three.

    Of what another person wrote at least 73, and six. Of what is said most, at most one: more questions would be answered
    blindly.
    """
    wrong, count = measure()[part, language, kind]
    assert len(wrong) <= WORST[part, kind] * count, wrong


def test_an_agency_adds_what_its_people_say(tmp_path: Path) -> None:
    """A pack adds phrases and words of address to those of the base pack; a mistake is named by its path."""
    own = tmp_path / "own.yaml"
    own.write_text(
        "name: own\nwords:\n  en:\n    about_texter:\n      phrases: [tall tale]\n      statements: [a stray]\n"
        "      unless: [tall tale of]\n      reader: [thou]\n",
        encoding="utf-8",
    )
    lists = load(["base", "own.yaml"], near=tmp_path).about_texter.values()
    for body, held_there in (
        ("a tall tale", True),
        ("a tall tale of old", False),
        ("a stray i guess", True),
        ("a stray, thou", False),
        ("a stray?", False),
        ("she is lying", True),
    ):
        assert speaks_about_texter(body, lists) is held_there, body
    own.write_text("name: own\nwords: {en: {about_texter: {statements: [<nobody> has], reader: [x]}}}\n", encoding="utf-8")
    with pytest.raises(PackError) as error:
        load(["base", "own.yaml"], near=tmp_path)
    assert "words.en.about_texter.statements" in error.value.problems[0]


def test_lint_looks_at_the_lists_of_talk(tmp_path: Path) -> None:
    """A phrase that is there twice, and one that can never match, are told."""
    assert [finding for finding in lint(PACK) if finding.rule == "signs"] == []
    listed = "{phrases: [one two, one two, three four], unless: [three four five?]}"
    (tmp_path / "own.yaml").write_text(f"name: own\nwords: {{en: {{about_texter: {listed}}}}}\n", encoding="utf-8")
    findings = [f for f in lint(load(["base", "own.yaml"], near=tmp_path)) if f.rule == "signs"]
    assert {f.path for f in findings} == {"words.en.about_texter.phrases"}
    assert len(findings) == 2


def test_what_is_held_is_measured_by_the_guard() -> None:
    """The figures come from the whole guard, not from the lists alone: a colleague's name counts as well."""
    assert is_held("ben can you look")
    assert not is_held("are you ok?")


WEAK = """
name: own
words:
  en:
    about_texter:
      enough: 4
      reader_score: -5
      reader: [thou]
      cues:
        first: {score: 2, phrases: [one stray], statements: [one mule], unless: [one stray of]}
        second: {score: 2, statements: [two strays]}
        third: {score: 2, questions: [three strays]}
        idiom: {score: 5, phrases: [thou knowest]}
  es:
    about_texter:
      enough: 4
      cues:
        otra: {score: 2, phrases: [cuatro strays]}
"""


@every_row(
    ("body", "held_there"),
    [
        ("one stray", False),
        ("one stray one mule", False),
        ("one stray and two strays", True),
        ("one stray of old and two strays", False),
        ("one stray, two strays?", False),
        ("one stray. three strays?", True),
        ("one stray. three strays", False),
        ("one stray and two strays, thou", False),
        ("one stray and two strays, thou knowest", True),
        ("one stray and cuatro strays", False),
    ],
)
def test_weak_signs_are_added_up(tmp_path: Path, body: str, *, held_there: bool) -> None:
    """Two cues hold what one does not; a cue counts once, where it should, and not across languages.

    A word that addresses the reader takes away what the pack says, and an idiom with such a word gives it back.
    """
    (tmp_path / "own.yaml").write_text(WEAK, encoding="utf-8")
    own = {language: alone(about) for language, about in load(["base", "own.yaml"], near=tmp_path).about_texter.items()}
    assert speaks_about_texter(body, own.values()) is held_there


def alone(about: AboutTexter) -> AboutTexter:
    """Return lists without what comes from the base pack: the cues and the word of address of `WEAK`."""
    own = {"first", "second", "third", "idiom", "otra"}
    lists = [
        replace(each, phrases=tuple(p for p in each.phrases if each.label != "reader" or p.source == "thou"))
        for each in about.matcher.lists
        if each.label == "reader" or each.label.removeprefix("cues.").partition(".")[0] in own
    ]
    return replace(about, matcher=make_matcher(lists, about.matcher.spelling))


def test_a_later_pack_has_the_last_word_on_scores(tmp_path: Path) -> None:
    """It sets what is enough and what a cue counts; a cue without a score, or with nought, is refused with its path."""
    own = tmp_path / "own.yaml"

    def written(words: str) -> Mapping[str, AboutTexter]:
        own.write_text(f"name: own\nwords: {{en: {{about_texter: {words}}}}}\n", encoding="utf-8")
        return load(["base", "own.yaml"], near=tmp_path).about_texter

    assert speaks_about_texter("texter has a cat", written("{cues: {}}").values())
    assert not speaks_about_texter("texter has a cat", written("{cues: {desk_words: {score: 1}}}").values())
    assert not speaks_about_texter("texter has a cat", written("{enough: 5}").values())
    for cue in ("{phrases: [a stray]}", "{score: 0, phrases: [a stray]}"):
        with pytest.raises(PackError) as error:
            written(f"{{cues: {{stray: {cue}}}}}")
        assert error.value.problems == ["words.en.about_texter.cues.stray.score: needs a number other than nought"]


@every_row(("language", "cue"), [(key, cue) for key, about in PACK.about_texter.items() for cue in about.scores])
def test_each_cue_of_the_base_pack_holds_something(language: str, cue: str) -> None:
    """Without it, words of the corpus that are held would leave unasked."""
    about = PACK.about_texter[language]
    less = {**PACK.about_texter, language: replace(about, scores={**about.scores, cue: 0})}
    bodies = (body for part in CORPUS.values() for body in part[language].get("hold", ()))
    assert any(
        not speaks_about_texter(body, less.values())
        for body in bodies
        if speaks_about_texter(body, PACK.about_texter.values())
    )


def test_lint_looks_at_cues(tmp_path: Path) -> None:
    """A phrase of a cue that is there twice, or can never match, is told with its path."""
    cue = "{score: 2, phrases: [one two, one two], statements: [three four], unless: [three four five?]}"
    (tmp_path / "own.yaml").write_text(
        f"name: own\nwords: {{en: {{about_texter: {{cues: {{stray: {cue}}}}}}}}}\n", encoding="utf-8"
    )
    paths = [f.path for f in lint(load(["base", "own.yaml"], near=tmp_path)) if f.rule == "signs"]
    assert paths == [f"words.en.about_texter.cues.stray.{kind}" for kind in ("phrases", "statements")]
