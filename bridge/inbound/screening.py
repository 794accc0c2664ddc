"""Looks up who a new texter is, before anything is decided about them.

Rules of this module: no carrier and no other thread waits for the look-up, which is slow on purpose
(`bridge/tables/suppression.py`); a few run at a time, beside the engine. Nothing is decided, shown or sent for a thread
that was not looked up, and it takes no room. A phone that sent STOP in an earlier thread begins stopped. What a blocked
phone sent is deleted as if it had never come, and counted at the desk; a STOP among it is remembered, also when an earlier
look-up failed and made it a dead letter. While its thread is on legal hold it stays, and the thread stays unscreened.
Look-ups that are still to do are in the database; memory is only a wake-up, so a crash repeats a look-up and loses none. A
texter beyond the limit of new threads gets a thread without a room until the desk shows the card (practices.md,
"Defaults"), and no automatic reply before a person has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from bot.model.actions import DESK
from bot.model.desk import Thread
from bot.model.events import TextArrived
from bot.model.thread import Consent
from bot.model.thread_desk_events import TextDropped
from bot.model.transactional_actions import Suppress, SuppressionReason
from bridge.background.loop import OwnerQueue
from bridge.matrix.rooms.room_state import set_owner
from bridge.outbound.designations import Designations
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.database import Reader, Sync, Transaction
from bridge.storage.errors import Unavailable
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import carrier_copies, clock_trust, dead_letters, inbox, threads, warm_rooms
from bridge.tables.dead_letters import Concern, DeadLetter
from bridge.tables.inbox import InboxRow, SequencedRow
from bridge.tables.suppression import Suppression

MAX_IN_FLIGHT: Final = 2
"""Look-ups at the same time. A STOP that must be remembered meanwhile waits for one of them at most."""
HOUR: Final = 3600.0
MINUTE: Final = 60.0
MAX_PHONES: Final = 10_000
"""When there are so many numbers, those older than an hour are deleted."""


class Screening:
    """Screens new texters. `wake` after the commit that made a thread; `load` once, then `run` until cancelled."""

    def __init__(
        self,
        services: Services,
        *,
        suppression: Suppression,
        is_stop: Callable[[str], bool],
        stop_seconds: float,
        rate_limit: NewThreadRateLimit,
        designations: Designations,
    ) -> None:
        """`is_stop`: whether a blocked phone's text is a STOP; `stop_seconds`: how long it is remembered."""
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._crash = services.wake, services.crash
        self._is_stop, self._stop_seconds = is_stop, stop_seconds
        self._suppression, self._rate_limit, self._designations = suppression, rate_limit, designations
        self.queue = OwnerQueue("screening", self._work, workers=MAX_IN_FLIGHT)
        services.wake.screening = self.queue.wake

    async def load(self) -> None:
        """Queue the rows that exist at the start."""
        for owner in await threads.unscreened_threads(self._database):
            self.queue.wake(owner)

    async def _work(self, owner: str) -> None:
        try:
            await self.screen(owner)
        except (Unavailable, OSError):
            raise  # disk or memory is full: that concerns every texter, and nothing is lost
        except Exception as error:  # noqa: BLE001 - whatever a bug raises, other look-ups continue
            await self._record_dead_letters(owner, error)

    async def screen(self, owner: str) -> None:
        """Look up one texter, once, and commit the result. Raises what the database raises, OSError without memory."""
        stored = await threads.get_phone(self._database, owner)
        if stored is None:
            # The thread was deleted as blocked, but its key could not be destroyed then.
            await self._vault.destroy(owner)
            return
        if not stored.screened:
            now = self._clock.now()
            phone = await threads.open_phone(self._vault, owner, stored.phone)
            thread = await self._open_thread(owner)
            if thread.canary:
                # Its number belongs to nobody and is never suppressed, so the slow look-up is not needed.
                await self._admit(thread, stored.phone_hash, now)
                self._wake.engine(owner)
                return
            # Nothing is added meanwhile: only a thread of this phone could do that, and this one has no decision yet.
            digest = await self._suppression.digest(phone, background=True)
            muted = await self._suppression.reasons(
                self._database, digest, now=await clock_trust.expiry_time(self._database, now)
            )
            if SuppressionReason.BLOCK in muted:
                await self._drop_blocked(owner, digest, now)
                return
            # A STOP among texts for which an earlier look-up failed: until people try it again, nothing else knows of it.
            failed = await self._texts_of_dead_letters(self._database, owner)
            stop = SuppressionReason.STOP in muted or await self._has_stop(failed)
            stopped = replace(thread, consent=Consent(stopped=stop))
            await self._admit(stopped, stored.phone_hash, now)
        self._wake.engine(owner)

    async def _open_thread(self, owner: str) -> Thread:
        stored = await threads.get(self._database, owner)
        if stored is None:
            raise LookupError("the thread has ended")
        return await threads.open_aggregate(self._vault, owner, stored.aggregate)

    async def _admit(self, new_thread: Thread, phone_hash: bytes, now: float) -> None:
        """Admit a thread, in a warm room if there is one; otherwise a room is made for it, in a flood later."""
        owner = new_thread.id
        first = await inbox.oldest(self._database, owner)
        # Counted here, so that a blocked phone or the canary cannot cause a flood in which others must wait.
        is_text = first is not None and first.inbox_row.kind == inbox.TEXT and not new_thread.canary
        flood = is_text and self._rate_limit.record_and_check(phone_hash, now)
        resealed = await self._seal_as_rate_limited(first) if first is not None and flood else None

        async def commit(transaction: Transaction) -> None:
            if not await threads.is_unscreened(transaction, owner):
                return
            warm = None if flood else await warm_rooms.take(transaction)
            designation = warm.designation if warm is not None else self._designations.offer(owner)
            if warm is not None:
                await set_owner(transaction, warm.room_id, owner)
            thread = replace(new_thread, designation=designation)
            await threads.admit(
                transaction,
                owner,
                room_id=warm.room_id if warm is not None else None,
                designation=designation,
                aggregate=await threads.seal_aggregate(self._vault, thread),
                in_flood=flood,
            )
            if resealed is not None:
                await inbox.set_body(transaction, resealed.seq, resealed.inbox_row.body)

        # The engine may decide before this commit is on the disk: the outbox waits for both.
        try:
            await self._database.commit(commit, sync=Sync.BEGIN)
        finally:
            await self._designations.settle(owner)
        self._crash(CrashPoint.SCREENED)
        self._wake.engine(owner)
        await self._database.synced()
        self._wake.rooms()

    async def _seal_as_rate_limited(self, first: SequencedRow) -> SequencedRow:
        """Seal a first text again, as one that came in a flood."""
        owner, body = first.inbox_row.owner, first.inbox_row.body
        event = serialization.decode_as(TextArrived, await self._vault.open(owner, inbox.CONTEXT, body))
        return SequencedRow(first.seq, await inbox.seal(self._vault, owner, replace(event, rate_limited=True)))

    async def _drop_blocked(self, owner: str, digest: bytes, now: float) -> None:
        """Delete everything of a blocked phone: its row, then its key; the desk counts each text. A STOP is remembered.

        On legal hold nothing changes: it is looked up again with the phone's next text, and at each start.
        """
        dropped = await inbox.seal(self._vault, DESK, TextDropped())
        stop = Suppress(reason=SuppressionReason.STOP, until=now + self._stop_seconds)

        async def commit(transaction: Transaction) -> bool:
            if await threads.is_on_legal_hold(transaction, owner):
                return False
            rows = [row.inbox_row for row in await inbox.events_of(transaction, owner)]
            texts = [row for row in rows if row.kind == inbox.TEXT]
            if await self._has_stop((*texts, *await self._texts_of_dead_letters(transaction, owner))):
                await self._suppression.write(transaction, digest, stop, now=now)
            await inbox.delete_all(transaction, owner)
            await dead_letters.delete_all(transaction, owner)  # of texts for which an earlier look-up failed
            await threads.delete(transaction, owner)
            # The carrier's copies are deleted as well; their rows no longer name the thread.
            await carrier_copies.disown(transaction, owner, now)
            for _ in texts:
                await inbox.append(transaction, dropped)
            return True

        if not await self._database.commit(commit):
            return
        self._crash(CrashPoint.TURNED_AWAY)
        await self._vault.destroy(owner)
        self._wake.engine(DESK)

    async def _has_stop(self, texts: Iterable[InboxRow]) -> bool:
        """Whether one of these texts is a STOP."""
        for text in texts:
            try:
                event = serialization.decode_as(TextArrived, await inbox.open_body(self._vault, text))
            except (CannotOpen, ValueError):
                continue
            if self._is_stop(event.body):
                return True
        return False

    async def _texts_of_dead_letters(self, reader: Reader, owner: str) -> list[InboxRow]:
        """Return the texts of a thread that are dead letters."""
        return [letter.row for letter in await dead_letters.retryable(reader, owner, since=0) if letter.is_text]

    async def _record_dead_letters(self, owner: str, error: Exception) -> None:
        """Make dead letters, with an alarm and without content, of the texts of a person who cannot be looked up."""
        for row in await inbox.events_of(self._database, owner):
            letter = DeadLetter(dead_letters.new_short_id(), row.inbox_row)
            log.failure("screening.dead_letter", error, short_id=letter.short_id, kind=row.inbox_row.kind)
            at, new = self._clock.now(), letter.is_text
            await dead_letters.move_event(
                self._database, self._vault, row.seq, letter, at=at, concern=Concern(new_texter=new)
            )
        self._wake.engine(DESK)


async def insert_thread(
    transaction: Transaction,
    vault: Vault,
    *,
    owner: str,
    phone_hash: bytes,
    sealed: bytes,
    phone: Phone,
    canary: str = "",
    number: bytes | None = None,
) -> None:
    """Make a thread that is still to be screened, inside a commit. `sealed`: the phone under the thread's key.

    `canary`: see `Thread`; `number`: see `threads.insert`.
    """
    thread = Thread(id=owner, designation="", answerable=phone.answerable, canary=canary)
    aggregate = await threads.seal_aggregate(vault, thread)
    await threads.insert(transaction, owner, phone_hash=phone_hash, phone=sealed, aggregate=aggregate, number=number)


class NewThreadRateLimit:
    """Counts new threads, by number and overall, and reports when there are too many; both limits come from the pack.

    It refuses nothing. The counts are in memory only: after the end of a thread the disk must not show that its number
    texted.
    """

    def __init__(self, *, per_number_per_hour: int, per_minute: int) -> None:
        self._per_number = per_number_per_hour
        self._times: deque[float] = deque(maxlen=per_minute)
        self._times_by_phone: dict[bytes, tuple[float, ...]] = {}
        self._looked_through = 0.0

    def record_and_check(self, phone_hash: bytes, now: float) -> bool:
        """Count a new thread of this phone; return whether it exceeds a limit. `now` in seconds."""
        # At most once a minute: in a flood nearly all numbers are newer than an hour, and each new texter would scan all.
        if len(self._times_by_phone) >= MAX_PHONES and not 0 <= now - self._looked_through < MINUTE:
            self._looked_through = now
            self._times_by_phone = {phone: times for phone, times in self._times_by_phone.items() if now - times[-1] < HOUR}
        own = deque(self._times_by_phone.get(phone_hash, ()), maxlen=self._per_number)
        full = _record_and_check(own, now, HOUR) | _record_and_check(self._times, now, MINUTE)
        self._times_by_phone[phone_hash] = tuple(own)  # a tenth of a deque's memory
        return bool(full)


def _record_and_check(times: deque[float], now: float, span: float) -> bool:
    """Record a time; return whether the limit was reached within `span` seconds before it."""
    full = len(times) == times.maxlen and now - times[0] < span
    times.append(now)
    return full
