"""A masked text means what it would with any other word in the place of the mask (practice 10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.language.codeword_forms import MASK, meaning
from policies.keywords import classify
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
