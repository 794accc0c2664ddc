"""What nearly every part of the bridge uses: database, vault, clock, crash points, wake-ups, measurements.

Rules of this module: `Services` is made once at the start and handed to every part; it holds no state of a part. A wake-up
says that rows were committed for a part; it carries no content, because the rows are the truth. A part puts its own call
into `WakeUps` when it is put together; a call before that does nothing, because each part reads its rows at the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import CrashHook, never_crash
from bridge.runtime.measurements import Measurements
from bridge.storage.database import Database
from bridge.storage.vault import Vault


def _do_nothing(*_arguments: object) -> None:
    """Wake nobody."""


@dataclass
class WakeUps:
    """The calls that wake a part, by part."""

    engine: Callable[[str], None] = _do_nothing
    """An owner's inbox has rows."""
    screening: Callable[[str], None] = _do_nothing
    """A new thread's phone is to be looked up."""
    outbox: Callable[[int, str, str, str], None] = _do_nothing
    """A row of the outbox was committed: its number, owner, lane and transport."""
    waiting_outbox: Callable[[str], None] = _do_nothing
    """An owner's outbox rows that waited may be tried: its room is there, or it is no longer held."""
    rooms: Callable[[], None] = _do_nothing
    """A room or a member may be missing."""
    timers: Callable[[], None] = _do_nothing
    """A timer was set."""
    carrier_copies: Callable[[], None] = _do_nothing
    """A carrier's copy may be due."""
    shown_text: Callable[[str, str], None] = _do_nothing
    """A texter's words are in their room, which is committed: the thread, and our name of the message."""
    erasure_jobs: Callable[[], None] = _do_nothing
    """An erasure job may be due."""
    uploads: Callable[[], None] = _do_nothing
    """A message that links an upload was noted."""
    device_lists: Callable[[], None] = _do_nothing
    """A user's devices may have changed, or are confirmed."""

    def erasure(self) -> None:
        """Wake both parts that erase: a conversation has ended, or what was waited for has come."""
        self.carrier_copies()
        self.erasure_jobs()


@dataclass(frozen=True, kw_only=True)
class Services:
    """Made once. `crash` is called at each crash point, and does nothing but in tests."""

    database: Database
    puppet_database: Database | None = None
    """The texter puppet's store, where something is sealed under passing keys as well. None only in tests without one."""
    vault: Vault
    clock: Clock
    crash: CrashHook = never_crash
    wake: WakeUps = field(default_factory=WakeUps)
    measurements: Measurements = field(default_factory=Measurements)
