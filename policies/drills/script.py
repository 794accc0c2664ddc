"""A drill: a texter written beforehand, whose next words depend on what the advocate did.

Rules of this module: a script branches on facts that the line knows by itself (`DrillFact`), never on the words that an
advocate chose. It never goes back to an earlier scene, so every drill ends. Words are by language code, and exist in each
of `LANGUAGES`. All times are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, TypeAlias

LANGUAGES: Final = ("en", "es")
"""The languages that every sentence of a script has to be in: those in which the software speaks to staff."""
FIRST_SCENE: Final = "begin"
TAKEN: Final = "taken"
"""The mark of the moment at which another person takes the phone: the debrief says what that person would have read."""
DISCLOSURE: Final = "disclosure"
"""The mark of a disclosure: the debrief says whether the limits were told before it."""


@unique
class DrillFact(StrEnum):
    """What the line knows that happened to the texter's thread. The values are the words of scripts."""

    ANSWERED = "answered"
    """Words of a person reached the phone."""
    CLAIMED = "claimed"
    TRANSFERRED = "transferred"
    """Another person became the advocate of the thread."""
    RELEASED = "released"
    HELD = "held"
    """Words of a person were held until they say once more that they should leave."""
    LIMITS = "limits"
    """The limits were told, by the agency's text or in the advocate's own words (`!told limits`)."""
    TIPS = "tips"
    RIGHTS = "rights"
    OPTIONS = "options"
    SAFE_CHECK = "safe_check"
    SWITCH = "switch"
    LATER = "later"
    URGENT = "urgent"
    DIFFERENT = "different"
    HANDOVER = "handover"
    CLOSING = "closing"
    UNSAFE = "unsafe"
    SAFE = "safe"
    OTHER_HANDS = "other_hands"
    """The line itself has seen a sign that another person has the phone."""
    ESCALATED = "escalated"
    REVEAL = "reveal"
    """A person asked to see the number."""
    STOPPED = "stopped"
    RESUMED = "resumed"
    REPLIED = "replied"
    """The one reply after a STOP reached the phone."""
    BLOCKED = "blocked"
    CODEWORD = "codeword"
    """A word is agreed for this phone."""
    CHALLENGED = "challenged"
    VERIFIED = "verified"
    DURESS = "duress"
    COVER = "cover"
    LANGUAGE = "language"
    """The agency's texts leave in another language than the line's first."""
    CLOSED = "closed"
    """The conversation is over, or will be when the undo time of `!close` is."""


Words: TypeAlias = Mapping[str, str]
"""The same sentence by language code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The texter texts. `second`: from the second handset of the script. `picture`: a picture comes with it."""

    words: Words = field(repr=False)
    second: bool = False
    picture: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing is texted for a while, whatever the advocate does."""

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Go on as soon as one of the facts has come true since the texter's last text.

    `otherwise`: the scene to go to when none has within `seconds`; empty: the next step.
    """

    facts: frozenset[DrillFact]
    seconds: int
    otherwise: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Go to `then` if one of the facts has ever come true in this drill, else to `otherwise`."""

    facts: frozenset[DrillFact]
    then: str
    otherwise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Remember when the script reached this step, for the points of the debrief."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Tell the person in their office what they would learn by another way, such as a telephone call."""

    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Go to that scene."""

    scene: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The drill is over."""


Step: TypeAlias = Text | Pause | Wait | Branch | Mark | Brief | Go | End


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether one of the facts came true, between two marks or within `within` seconds after the first.

    `after` empty: the beginning; `before` empty: the end. `never`: it is well when none did. If the script did not reach a
    mark, the point is left out of the debrief.
    """

    facts: frozenset[DrillFact]
    after: str = ""
    before: str = ""
    within: int = 0
    never: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of the debrief: what to look at, which of the 41 practices it is, and the words for either result."""

    practice: int
    check: Check
    well: Words
    next_time: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillScript:
    """One scripted texter. `scenes`: steps by name; the drill begins with `FIRST_SCENE`."""

    name: str
    title: Words
    about: Words
    scenes: Mapping[str, tuple[Step, ...]] = field(repr=False)
    points: tuple[Point, ...] = field(repr=False)

    def steps(self, scene: str) -> tuple[Step, ...]:
        """Return the steps of a scene; none for a scene that the script does not have (any more)."""
        return self.scenes.get(scene, ())


def targets(step: Step) -> tuple[str, ...]:
    """Return the scenes to which a step may lead."""
    match step:
        case Wait(otherwise=scene) if scene:
            return (scene,)
        case Branch(then=one, otherwise=other):
            return (one, other)
        case Go(scene=scene):
            return (scene,)
    return ()


def in_words(words: Words, language: str) -> str:
    """Return a sentence in a language; in the first of `LANGUAGES` if it has none in that language."""
    return words.get(language) or words[LANGUAGES[0]]
