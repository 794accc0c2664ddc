"""A flood: more new texters than people can look at. Who waits without a card, and the incident's state at the desk.

Rules of this module: data and order, no action. A thread that waits without a card is in `crowd` and nowhere else, with no
more data than the order needs, because there may be tens of thousands. `!claim` takes them in the order of `urgency`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Final

PAGE_INTERVAL: Final = 900.0
"""Seconds between two calls outside because texters wait, during an incident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdEntry:
    """A thread that waits without a card and without a room. `texts`: how many of its texts the desk has heard of.

    `asks`: the texter said a word that asks for a person; `closing`: its conversation is being closed by `!close-rest`. The
    other fields: as in `QueueEntry`.
    """

    thread: str
    designation: str
    since: float
    texts: int = 1
    danger: bool = False
    asks: bool = False
    duress: bool = False
    closing: bool = False
    language: str = ""
    other_hands_at: float = 0.0

    @property
    def in_danger(self) -> bool:
        """Whether there is a sign of danger, of duress or of other hands."""
        return self.danger or self.duress or bool(self.other_hands_at)

    @property
    def stands_out(self) -> bool:
        """Whether this texter surely needs an answer: a sign of danger, a word that asks, a second text."""
        return self.in_danger or self.asks or self.texts > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RestClosing:
    """A supervisor wants to close the conversations of those who wrote once. `before`: threads that came later stay.

    `until`: when the question expires; `due`: when it is done, 0 until a person confirms it (seconds since the epoch).
    """

    before: float
    until: float
    due: float = 0.0
    closed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """The state of the flood. `crowd`: who waits without a card, by thread, in the order in which they came.

    `card`: its card as it was last written, empty while there is no incident.

    `active`: new threads get no card of their own; it ends at fewer arrivals than it begins at (`flood_begins`,
    `flood_ends` of the pack). `arrivals`: new threads of the last minute while it is not active; `came`:
    threads without a card since the incident began, and `came_before` at the last look; `calm_since`: since when few come.
    Times in seconds since the epoch, 0: never.
    """

    crowd: Mapping[str, CrowdEntry] = field(default_factory=dict)
    active: bool = False
    arrivals: tuple[float, ...] = ()
    begun_at: float = 0.0
    came: int = 0
    came_before: int = 0
    calm_since: float = 0.0
    card: str = ""
    reminded: bool = False
    paged_at: float = 0.0
    closing: RestClosing | None = None

    def find_by_designation(self, designation: str) -> CrowdEntry | None:
        """Return the entry of a thread that waits without a card, by its designation."""
        return next((entry for entry in self.crowd.values() if entry.designation == designation), None)

    def with_entry(self, entry: CrowdEntry) -> Flood:
        """Return the flood with this entry, in place of an older one of its thread."""
        crowd = dict(self.crowd)
        crowd[entry.thread] = entry
        return replace(self, crowd=crowd)

    def without(self, thread: str) -> Flood:
        """Return the flood without a thread's entry."""
        crowd = dict(self.crowd)
        crowd.pop(thread, None)
        return replace(self, crowd=crowd)

    def first(self, most: int) -> list[CrowdEntry]:
        """Return the first of the crowd by `urgency`, at most so many."""
        return nsmallest(most, self.crowd.values(), key=urgency)

    def may_page(self, now: float) -> bool:
        """Whether a person may be called outside because of the crowd: at most once in a while during an incident."""
        return not self.card or not self.paged_lately(now)

    def paged_lately(self, now: float, within: float = PAGE_INTERVAL) -> bool:
        """Whether a person was called outside because texters wait, in the last `within` seconds."""
        return self.paged_at > 0 and 0 <= now - self.paged_at < within


def urgency(entry: CrowdEntry) -> tuple[bool, bool, bool, float]:
    """Return the sort key of a waiting thread: signs of danger, words that ask, more than one text, the longest wait."""
    return not entry.in_danger, not entry.asks, entry.texts <= 1, entry.since


def rest_of(flood: Flood, before: float) -> list[CrowdEntry]:
    """Return the threads that `!close-rest` may close: those who wrote once until then, and that do not stand out."""
    return [entry for entry in flood.crowd.values() if entry.since <= before and not entry.stands_out and not entry.closing]


def is_flooding(arrivals: tuple[float, ...], now: float, *, begins: int) -> bool:
    """Whether so many new threads within a minute begin a flood. `arrivals`: of the last minute, with the new one."""
    return len(recent(arrivals, now)) >= begins


def recent(arrivals: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Return the arrivals of the last minute; none in the future, as after the clock was set back."""
    return tuple(at for at in arrivals if 0 <= now - at < 60)


def calm_since(before: float, now: float, *, came: int, ends: int) -> float:
    """Return since when it is calm; 0 while more than `ends` threads came since the last look, a minute ago."""
    return 0.0 if came > ends else before or now
