"""Signs in a text of what staff should look at now: danger, a phone in other hands, a person who has to go.

Rules of this module: a sign is a phrase of the pack's lists (`policies.phrases` has their syntax) and a guess. It sends
nothing and answers nothing: people are told, and a sign of `BREAKS_OFF` stops words of ours that wait. The lists of every
language count in every text, because people mix languages.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum, unique
from typing import Final

from policies.phrase_matcher import Matcher
from policies.phrases import typed_sentences


@unique
class Sign(StrEnum):
    """What a text may be a sign of. The values are the keys of the lists."""

    DANGER_NOW = "danger_now"
    SUICIDE = "suicide"
    STRANGLED = "strangled"
    WEAPON = "weapon"
    OTHER_HANDS = "other_hands"
    THIRD_PARTY = "third_party"
    LEAVING = "leaving"


DANGERS: Final = frozenset({Sign.DANGER_NOW, Sign.SUICIDE, Sign.STRANGLED, Sign.WEAPON, Sign.OTHER_HANDS})
"""Signs for which a waiting thread is marked and comes first. A texter who only asks who we are may have a wrong number."""
BREAKS_OFF: Final = frozenset({Sign.OTHER_HANDS, Sign.THIRD_PARTY, Sign.LEAVING})
"""Signs after which words of ours should not light up the phone by themselves."""


def find_signs(text: str, matchers: Iterable[Matcher]) -> frozenset[Sign]:
    """Return the signs that have a phrase in a text, in any language that has lists."""
    sentences = typed_sentences(text)
    return frozenset(Sign(label) for matcher in matchers for label in matcher.find_typed(sentences))
