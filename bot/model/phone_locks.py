"""Locks that keep texts from a phone until a person or the texter lifts them, and which codewords of it were texted.

No rollback may undo this part of a thread.

Rule of this module: two sets of locks are merged into the stricter of both, whichever is newer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bot.model.codeword_state import SendLock
from bot.model.desk import Thread

_BY_STRICTNESS: Final = (SendLock.NONE, SendLock.UNVERIFIED, SendLock.DURESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneLocks:
    """The locks of one phone. `blocked_until` in seconds since the epoch, 0 without a block.

    `spent_words`: the salts of codewords that were texted; such a word verifies nobody, whatever the thread says of it.
    """

    stopped: bool = False
    blocked_until: float = 0.0
    lock: SendLock = SendLock.NONE
    unsafe: bool = False
    spent_words: tuple[str, ...] = ()

    def union(self, other: PhoneLocks) -> PhoneLocks:
        """Return the stricter of both in each part."""
        return PhoneLocks(
            stopped=self.stopped or other.stopped,
            blocked_until=max(self.blocked_until, other.blocked_until),
            lock=max(self.lock, other.lock, key=_BY_STRICTNESS.index),
            unsafe=self.unsafe or other.unsafe,
            spent_words=tuple(sorted({*self.spent_words, *other.spent_words})),
        )


UNLOCKED: Final = PhoneLocks()
DOUBTED: Final = PhoneLocks(lock=SendLock.UNVERIFIED)
"""Locks of a phone whose state nobody knows: a supervisor says `!unlock`."""


def locks_of(thread: Thread) -> PhoneLocks:
    """Return the phone's locks as the thread has them."""
    return PhoneLocks(
        stopped=thread.consent.stopped,
        blocked_until=thread.consent.blocked_until,
        lock=thread.codeword.lock,
        unsafe=thread.flags.unsafe,
        spent_words=thread.codeword.spent_salts,
    )


def with_locks(thread: Thread, locks: PhoneLocks) -> Thread:
    """Return the thread with these locks joined to its own; the same thread if that changes nothing."""
    if locks is UNLOCKED:  # of nearly every thread, and asked for each event
        return thread
    own = locks_of(thread)
    all_locks = own.union(locks)
    if all_locks == own:
        return thread
    digests, spent = thread.codeword.digests, set(all_locks.spent_words)
    is_spent = thread.codeword.spent or (digests is not None and digests.salt in spent)
    before = tuple(sorted(spent - ({digests.salt} if digests is not None else set())))
    return replace(
        thread,
        consent=replace(thread.consent, stopped=all_locks.stopped, blocked_until=all_locks.blocked_until),
        codeword=replace(thread.codeword, lock=all_locks.lock, spent=is_spent, spent_before=before),
        flags=replace(thread.flags, unsafe=all_locks.unsafe),
    )
