"""The page for counsel: the pack's own legal words, times and steps."""

from __future__ import annotations

import pytest

from deploy.docs.pages.counsel import LEGAL_TEXTS, counsel_page
from deploy.docs.pages.markdown import duration_text
from tests.packs import shipped

PACK = shipped("base")


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_words_to_be_read_are_the_legal_words_of_the_pack(language: str) -> None:
    """All of them, in every language of the pack, and no other text."""
    assert {name.value for name in LEGAL_TEXTS} == {text.name for text in PACK.texts.values() if text.legal}
    rows = [line for line in counsel_page(language).splitlines() if line.startswith("| ")]
    for text in PACK.texts.values():
        for wording in text.wordings.values():
            assert any(wording.text in row for row in rows) is text.legal, text.name


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_steps_are_those_of_the_playbook(language: str) -> None:
    """What staff read after `!subpoena` is what counsel reads here, in the same order."""
    book = PACK.playbooks["subpoena"]
    steps = (book if language == "en" else book.translations[language]).steps
    page = counsel_page(language)
    assert all(f"\n{number}. {step}" in page for number, step in enumerate(steps, 1))


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_times_are_those_of_the_pack(language: str) -> None:
    """Each thing that is kept, with the time after which it goes."""
    settings, page = PACK.settings, counsel_page(language)
    for seconds in (
        *(settings.message_ttl, settings.close_undo, settings.grace, settings.continuing, settings.suppression_ttl),
        *(settings.audit_retention, settings.receipt_retention, settings.client_grace),
    ):
        assert duration_text(seconds, language) in page
