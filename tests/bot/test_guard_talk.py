"""Words that speak about the texter, as colleagues do, are held; words to them about another person leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.language.colleague_talk import speaks_about_texter
from bot.model.actions import DeliveryReceipt
from bot.model.hold_signs import Doubt
from policies.load import PackError, load
from tests.bot.examples import due, edit, held, marks, said, texts, then, words
from tests.bot.strategies import UNDO
from tests.bot.talk_figures import CORPUS, PACK, measure
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


def test_the_agencys_own_texts_are_no_talk() -> None:
    """No text of the base pack would be held for its words, in any language."""
    assert [
        text.name for text, _, wording in PACK.wordings if speaks_about_texter(wording.text, PACK.about_texter.values())
    ] == []


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
