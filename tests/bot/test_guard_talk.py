"""Words that speak about the texter, as colleagues do, are held; words to them about another person leave."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bot.language.colleague_talk import speaks_about_texter
from bot.model.actions import DeliveryReceipt
from bot.model.hold_signs import Doubt
from policies.lint import lint
from policies.load import PackError, load
from tests.bot.examples import due, edit, held, marks, said, texts, then, words
from tests.bot.strategies import UNDO
from tests.bot.talk_table import CORPUS, PACK, PAGES, is_held, measure, table, written
from tests.bot.test_guard_doubts import found

FIGURES = measure()


@pytest.mark.practice(24)
@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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


def test_the_page_says_what_is_measured_about_talk() -> None:
    """The table of what is missed and what is held by mistake, in the pages, is what the lists do today."""
    for page, said_there in PAGES.items():
        assert written(page) == table(*said_there)


def test_the_corpus_of_talk_is_large_and_each_sentence_stands_once() -> None:
    """At least 80 to hold and 200 to leave, in both languages."""
    bodies = [
        body for languages in CORPUS.values() for kinds in languages.values() for each in kinds.values() for body in each
    ]
    assert [body for body, times in Counter(bodies).items() if times > 1] == []
    for kind, least in (("hold", 80), ("leave", 200)):
        assert sum(count for (_, _, which), (_, count) in FIGURES.items() if which == kind) >= least
    assert all(count >= 20 for _, count in FIGURES.values())


@pytest.mark.parametrize(("part", "language", "kind"), list(FIGURES))
def test_talk_is_told_from_words_to_the_texter(part: str, language: str, kind: str) -> None:
    """Sentences by which the lists were corrected are all right; of others, at least six in ten that must be held are.

    Of what may leave at most one in twenty is asked about: more questions would be answered blindly.
    """
    wrong, count = FIGURES[part, language, kind]
    assert len(wrong) <= {"known": 0.0, "fresh": 0.4 if kind == "hold" else 0.05}[part] * count, wrong


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
    told = [f for f in lint(load(["base", "own.yaml"], near=tmp_path)) if f.rule == "signs"]
    assert {f.path for f in told} == {"words.en.about_texter.phrases"}
    assert len(told) == 2


def test_what_is_held_is_measured_by_the_guard() -> None:
    """The figures come from the whole guard, not from the lists alone: a colleague's name counts as well."""
    assert is_held("ben can you look")
    assert not is_held("are you ok?")
