"""A masked text means what it would with any other word in the place of the mask (practice 10)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.language import codeword_forms
from bot.language.codeword_forms import MASK, meaning, reading_cache
from policies.keywords import Meaning, MessageMeaning, classify
from policies.pack import Pack
from tests.bot.strategies import PACK

KEYS = PACK.keywords
KEYWORDS = sorted({*KEYS.stop, *KEYS.start, *KEYS.call, *KEYS.exit, *KEYS.help, *KEYS.language, *KEYS.wish_to_stop})
OTHERS = ("pineapple", "mango juice", "qwerty")


@pytest.mark.practice(10)
@given(
    keyword=st.sampled_from((*KEYWORDS, 'to "you"', "liked")),
    between=st.sampled_from((" ", ", ", ". ", "\n", "! ", "")),
    first=st.booleans(),
    other=st.sampled_from(OTHERS),
)
def test_a_mask_means_what_any_word_means(keyword: str, between: str, first: bool, other: str) -> None:
    """Beside a keyword, before it and behind it: no guess can be told from the agreed word by what follows."""
    masked = f"{MASK}{between}{keyword}" if first else f"{keyword}{between}{MASK}"
    assert meaning(masked, PACK) == classify(masked.replace(MASK, other), PACK)


def test_pictures_behind_a_keyword_are_still_pictures() -> None:
    """What people put behind a word for leaving is taken off; the agreed word there makes it conversation."""
    assert meaning("later 👋", PACK).meaning is Meaning.EXIT_ALERT
    assert meaning(f"later {MASK}", PACK).meaning is Meaning.CONVERSATION


def test_a_text_is_read_once_in_a_decision_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many features ask; what it means under another pack is another question; after it nothing of it is kept."""
    texts: list[str] = []

    def classified(text: str, pack: Pack) -> MessageMeaning:
        texts.append(text)
        return classify(text, pack)

    monkeypatch.setattr(codeword_forms, "classify", classified)
    other = replace(PACK)
    with reading_cache():
        assert [meaning("STOP", pack).meaning for pack in (PACK, PACK, other, other)] == [Meaning.STOP] * 4
        assert [meaning(words, PACK).meaning for words in ("hello", "hello")] == [Meaning.CONVERSATION] * 2
        assert texts == ["STOP", "STOP", "hello"]
    assert codeword_forms._READINGS.by_text is None
    meaning("hello", PACK)
    meaning("hello", PACK)
    assert texts == ["STOP", "STOP", "hello", "hello", "hello"]
