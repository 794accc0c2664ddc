"""What the two aggregates tell each other: from a thread to the desk, and back.

Rule of this module: it is put into the other's inbox in the same commit, so neither ever waits for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadWaits:
    """From a thread to the desk: nobody is its voice. `again`: it had one before."""

    thread: str
    designation: str
    since: float
    again: bool = False


@unique
class Alarm(Enum):
    """What the desk is told loudly, always in a new message."""

    STOPPED = "stopped"
    TEXT_AFTER_STOP = "text_after_stop"
    RESUMED = "resumed"
    UNKNOWN_SEND = "unknown_send"
    OPTED_OUT = "opted_out"
    ESCALATED = "escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """From a thread to the desk."""

    designation: str
    alarm: Alarm


@unique
class How(Enum):
    """How somebody came to be the voice."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    TOOK = "took"
    BACK = "back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """From the desk to a thread: this person is the voice now."""

    voice: str
    how: How = How.CLAIMED
    designation: str = ""
    """Which of the texter's conversations is meant: another one is none of this answer's business. Empty: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceWanted:
    """From a thread to the desk: this person should be its voice; the desk alone says yes. `beyond`: even over the cap."""

    thread: str
    user: str
    how: How
    beyond: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAssigned:
    """From the desk to a thread: that person is not its voice, for this reason."""

    user: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """From a thread to the desk: its voice offers it to everybody, or does no longer."""

    thread: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoke:
    """From a thread to the desk: this person said something for the phone there."""

    thread: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listens:
    """From the desk to a thread: this supervisor joins as a note-taker."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """From the desk to a thread: this person is not on the roster any more."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadHeld:
    """From a thread to the desk: it is on hold, or not any more. No designation: its conversation is over."""

    thread: str
    designation: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealAsked:
    """From a thread to the desk: this person asks to see the number."""

    thread: str
    designation: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealConfirmed:
    """From the desk to a thread: this supervisor says yes to whoever asks there."""

    user: str
    designation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadGone:
    """From a thread to the desk: the conversation is parked, and nothing of it is left to be claimed."""

    thread: str
