"""What a conversation is called: two plain words that say nothing about anybody.

Rule of this module: a designation comes from chance and from what is taken, never from a phone, a name or a time. Two open
conversations never share one, and as long as there are first words left theirs are unlike, because advocates speak and
type the first word only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from policies.designation_words import FIRST, SECOND


class Chooser(Protocol):
    """Chance, given from outside: `random.SystemRandom()` in production, a seeded `random.Random` in tests."""

    def choice(self, seq: Sequence[str], /) -> str:
        """Return one of them."""


def are_alike(one: str, other: str) -> bool:
    """Tell whether two words are the same but for one letter changed, added or left out: easily mistaken."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at:] == long[at + 1 :] or short[at + 1 :] == long[at + 1 :]


def choose_designation(
    rng: Chooser, taken_first_words: Collection[str] | Mapping[str, int], *, taken: Collection[str] = ()
) -> str:
    """Return two words such as `tawny heron`, for a new conversation.

    `taken_first_words`: one for each open conversation (repetitions count), or how many each has. `taken`: whole
    designations that must not come again; a set is not copied, so that a choice costs the same however many there are.
    While there are first words unlike all that are taken, it is one of those; after that (more than two hundred open
    conversations) one of those used least. Raises ValueError when each of the some 80,000 pairs is taken.
    """
    used, gone = Counter(taken_first_words), taken if isinstance(taken, AbstractSet) else frozenset(taken)
    strange = used.keys() - set(FIRST)  # our own words are unlike each other, which a test holds
    free = [word for word in FIRST if word not in used and not any(are_alike(word, other) for other in strange)]
    while True:
        if not free:
            fewest = min((used[word] for word in FIRST if used[word] >= 0), default=None)
            if fewest is None:
                raise ValueError("every designation is taken")
            free = [word for word in FIRST if used[word] == fewest]
        first = rng.choice(free)
        seconds = [word for word in SECOND if f"{first} {word}" not in gone and not are_alike(first, word)]
        if seconds:
            return f"{first} {rng.choice(seconds)}"
        free.remove(first)
        used[first] = -1
