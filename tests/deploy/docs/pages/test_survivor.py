"""The sheet for survivors: plain, true of the pack, and without a word that the line would not understand."""

from __future__ import annotations

import re

import pytest

from deploy.docs.pages.survivor import WORDS, survivor_page
from policies.keywords import Meaning, classify
from policies.readability import grade
from tests.packs import shipped

HIGHEST = 8.0
"""School years."""


def prose(language: str) -> list[str]:
    """Return the paragraphs and points of the sheet, without marks."""
    return re.findall(r"^(?:- |# |## )?(\w.+)$", re.sub(r"\*\*", "", survivor_page(language)), re.MULTILINE)


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_can_be_read_by_a_child_of_eight_school_years(language: str) -> None:
    """As a whole, and each point that is long enough to be measured."""
    whole = grade(" ".join(prose(language)), language)
    assert whole is not None
    assert whole <= HIGHEST
    for point in prose(language):
        years = grade(point, language)
        assert len(point.split()) < 12 or (years is not None and years <= HIGHEST), point
    assert (
        grade("Notwithstanding institutional confidentiality, disclosures necessitate documentation.", "en") or 0
    ) > HIGHEST


@pytest.mark.parametrize("language", ["en", "es"])
def test_each_word_to_text_does_what_the_sheet_says(language: str) -> None:
    """STOP stops, START begins again, two ways out end or wait in silence; each is named in the sheet."""
    pack = shipped("base")
    meant = {name: classify(word, pack).meaning for name, word in WORDS[language].items()}
    assert meant == {
        "stop": Meaning.STOP,
        "start": Meaning.START,
        "bye": Meaning.EXIT_PARK,
        "later": Meaning.EXIT_ALERT,
    }
    assert all(f"**{word}**" in survivor_page(language) for word in WORDS[language].values())


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_names_nobody(language: str) -> None:
    """A sheet that is found says no name of an agency, of the product or of staff, and no number but the emergency's."""
    page = survivor_page(language).partition("-->")[2]
    assert not re.search(r"quietline|matrix|element|@|https?:|\d{3}-\d{4}", page, re.IGNORECASE)
