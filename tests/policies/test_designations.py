"""Two plain words."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.designations import FIRST, SECOND, are_alike, choose_designation

LETTERS = st.text("abc", max_size=5)

# Given names that are also plants, birds, stones, colours, places or seasons.
NAMES = """
amber apple april ash aspen aster autumn basil berry beryl birch blossom brook brooke bryony camellia carmine
carnation cedar cherry cicely clay clementine cliff clover colt coral crystal dahlia daisy dale dawn dean delta
diamond dove drake ebony eden ember emerald fawn felix fern flint flora forest forrest fox garnet gale ginger glen
goldie grant gray grey hale hazel heath heather holly honey hope hyacinth indigo iris ivory ivy jade jasmine jasper
jay jewel juniper kit lark laurel lavender leif lily linden linnet lotus magnolia marigold marina marlin martin mason
meadow merle merlin myrtle nova olive opal orchid pansy pearl penny petra petunia phoenix piper poppy primrose prince
rain raven reed river robin rock rocky rod rose rosemary rowan ruby rusty saffron sage sandy sapphire savannah scarlet
sierra sienna silvia skye sky starr stone storm summer sunny sylvan tansy teddy tiger violet viola ward willow winter
wren zinnia
""".split()  # noqa: SIM905

# Words that can wound here: a body, a blow, a weapon, a confinement, a slur, a drug, the law, a feeling put on a person.
WOUNDING = """
adder arrow bare bat battered beaver belt black bleak blind blood blow blue blunt bow broken brown bruised buck bull
bush bust cane chain choke club cock cold copper court cow cuckoo dark dead dirty dumb fat flat frail gun hammer hard
hawk hidden hollow hook hot hunter hush hushed jail knife lame leash lonely lost lonesome meek mute naked numb pale
pipe plump pussy quail quiet rattle razor red rope rough scar scared secret shady shadow shag shy sick silent slap
slave small soft spade spear spider spike stab stick still strap swallow switch tame tart tender tiny tit trap twisted
viper vulture weak weed wet whip white wild wolf yellow young old elder dry drunk loose easy cheap crazy mad nuts crab
leech slug snail snake rat pig dog bitch hen chick
""".split()  # noqa: SIM905

INSIDE = (
    "fuck",
    "cock",
    "dick",
    "sex",
    "slut",
    "whore",
    "rape",
    "kill",
    "gun",
    "blood",
    "bruis",
    "beat",
    "hurt",
    "anal",
    "nazi",
    "gyp",
)


class First:
    """Chance that always takes the first."""

    def choice(self, seq: Sequence[str], /) -> str:
        return seq[0]


def edits(one: str, other: str) -> int:
    """Count the edits between two words by the textbook table (Wagner and Fischer, 1974)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b)))
    return row[-1]


@given(LETTERS, LETTERS)
def test_alike_is_at_most_one_edit(one: str, other: str) -> None:
    """`are_alike` agrees with the textbook distance, both ways round."""
    assert are_alike(one, other) == are_alike(other, one) == (edits(one, other) <= 1)


def test_no_word_is_a_name_or_can_wound() -> None:
    """None is on the two lists of what was struck out, and none contains a word that nobody wants to read here."""
    assert [w for w in FIRST + SECOND if w in NAMES] == []
    assert [w for w in FIRST + SECOND if w in WOUNDING] == []
    assert [w for w in FIRST + SECOND if any(part in w for part in INSIDE)] == []


@pytest.mark.parametrize("words", [FIRST, SECOND])
def test_words_of_a_list_are_unlike(words: tuple[str, ...]) -> None:
    """No two first words, and no two second words, are one edit apart."""
    assert [(a, b) for i, a in enumerate(words) for b in words[i + 1 :] if are_alike(a, b)] == []


@given(
    seed=st.integers(),
    others=st.sets(st.sampled_from(FIRST), max_size=len(FIRST) - 1),
    strange=st.sets(LETTERS, max_size=5),
)
def test_first_words_are_unlike_while_there_are_any(seed: int, others: set[str], strange: set[str]) -> None:
    """Two words from the lists; the first more than one edit from all that are taken, also from words that are not ours."""
    first, second = choose_designation(random.Random(seed), others | strange).split(" ")  # noqa: S311
    assert first in FIRST
    assert second in SECOND
    assert not any(are_alike(first, word) for word in others | strange)
    assert not are_alike(first, second)


def test_a_thousand_open_threads() -> None:
    """With more threads than first words, none is given twice and first words are spread as evenly as can be."""
    rng = random.Random(3)  # noqa: S311
    designations: list[str] = []
    for _ in range(1000):
        words = [t.split()[0] for t in designations]
        again = random.Random(len(designations))  # noqa: S311
        # How many each has says the same as one for each, and a set the same as a list.
        counted = choose_designation(again, Counter(words), taken=set(designations))
        assert counted == choose_designation(random.Random(len(designations)), words, taken=designations)  # noqa: S311
        designations.append(choose_designation(rng, words, taken=designations))
    assert len(set(designations)) == 1000
    counts = Counter(t.split()[0] for t in designations)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == len(FIRST)


def test_the_last_pair_and_then_none() -> None:
    """With all but one pair taken it is that one; with all taken it is a plain error and not an endless search."""
    pairs = {f"{a} {b}" for a in FIRST for b in SECOND if not are_alike(a, b)}
    last = f"{FIRST[100]} {SECOND[100]}"
    assert choose_designation(First(), FIRST, taken=pairs - {last}) == last
    with pytest.raises(ValueError, match="every designation is taken"):
        choose_designation(First(), FIRST, taken=pairs)
