"""Signs over five hundred sentences, typed as people type: what is found, and what is found by mistake."""

from __future__ import annotations

from collections import Counter

import pytest

from policies.signs import Sign
from tests.every_row import every_row
from tests.policies.signs_figures import cases, measure


def test_the_corpus_is_large_and_holds_every_sign() -> None:
    """Five hundred different sentences; each sign in each language, and ordinary sentences beside them."""
    texts = [text for _, _, text, _ in cases()]
    assert len(texts) >= 500
    assert [text for text, times in Counter(texts).items() if times > 1] == []
    assert all(row.there for row in measure().values())
    ordinary = Counter((part, language) for part, language, _, signs in cases() if not signs)
    assert min(ordinary.values()) >= 12


@every_row("sign", Sign)
def test_what_must_be_found_is(sign: Sign) -> None:
    """Of the sentences by which the lists were corrected, each is found; of others, at least four in ten for each sign."""
    for (part, language, which), row in measure().items():
        if which is sign:
            floor = 1.0 if part == "known" else 0.4
            assert row.hits >= floor * row.there, (part, language)


@pytest.mark.practice(39)
def test_signs_in_unseen_sentences_are_found_more_often_than_not() -> None:
    """Over all signs, seven in ten of the sentences that the lists have never met are found."""
    fresh = [row for (part, _, _), row in measure().items() if part == "fresh"]
    assert sum(row.hits for row in fresh) >= 0.7 * sum(row.there for row in fresh)


@pytest.mark.practice(39)
def test_false_alarms_stay_rare() -> None:
    """No false alarm in the sentences by which the lists were corrected; of others, less than one sentence in twenty."""
    assert not any(row.false_alarms for (part, _, _), row in measure().items() if part == "known")
    fresh = sum(row.false_alarms for (part, _, _), row in measure().items() if part == "fresh")
    assert fresh <= sum(1 for part, *_ in cases() if part == "fresh") / 20
