"""The steps that erase a room; `job_runner` has their order and their rules.

Rules of this module: the deletion index says what to redact, and the homeserver is asked for further events, before anybody
is removed and once more before the purge. A redacted event stays on the index until it was found gone, also outside of an
erasure job. Redacting yields to every conversation, and asks before each event whether its thread is on legal hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from bot.model.actions import THREAD
from bridge.erasure.carrier_copies import GONE
from bridge.erasure.certificate import FOREIGN_UPLOADS, KEPT_PAGES, OWN_PAGES, CertificateSigner
from bridge.erasure.expiry import destroy_passing_keys
from bridge.erasure.job_runner import Step, StepNotDone, close_job
from bridge.matrix.api.http_client import Permanent, TokenRefused
from bridge.matrix.api.module_api import (
    STILL_THERE,
    HomeserverUnreachable,
    ModuleClient,
    ModuleRequestRejected,
    RoomState,
)
from bridge.matrix.olm import identity_table
from bridge.matrix.room_client import NOT_ACCESSIBLE, ErasureProbe, RoomClient
from bridge.matrix.room_keys.sealing import destroy_keys
from bridge.matrix.rooms import media
from bridge.matrix.rooms.room_state import Room, delete_room, record_room
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.priority_gate import PriorityGate
from bridge.services import Services
from bridge.storage.database import Dialect, Transaction
from bridge.tables import carrier_copies, erasure_jobs, room_events
from bridge.tables.erasure_jobs import ErasureJob
from bridge.tables.room_events import IndexedEvent

T = TypeVar("T")

BATCH: Final = 48
POLL: Final = 0.3
REDACTED_AGAIN: Final = "redacted again"
NOT_OURS: Final = "QUIETLINE_NOT_OURS"
"""The module's error for an upload that neither we nor anybody who is or was at the desk made."""


COPIES_GONE: Final = "copies deleted, confirmed"


class RoomSteps:
    """Performs the steps of rooms."""

    def __init__(
        self,
        services: Services,
        *,
        room_client: RoomClient,
        module_client: ModuleClient,
        erasure_probe: ErasureProbe,
        signer: CertificateSigner,
        retention: int,
        priority_gate: PriorityGate,
        on_keys_destroyed: Callable[[str], None],
    ) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._room_client, self._module_client, self._erasure_probe = room_client, module_client, erasure_probe
        self._signer, self._retention, self._priority_gate = signer, retention, priority_gate
        self._on_keys_destroyed, self._crash = on_keys_destroyed, services.crash

    def steps(self) -> dict[str, Step]:
        """Return the steps by their names."""
        return {
            "redact": self.redact,
            "empty": self.empty,
            "censor": self.censor,
            "uploads": self.uploads,
            "destroy": self.destroy,
            "purge": self.purge,
            "look": self.look,
            "forget": self.forget,
            "sign": self.sign,
        }

    async def redact(self, job: ErasureJob) -> str:
        """Redact a batch of the events on the index; if there are none, ask the homeserver for further events."""
        room_id = job.subject
        events = await room_events.to_redact(self._database, room_id, BATCH)
        if not events:
            return "redact" if await self._record_unredacted(job) else "empty"
        try:
            redacted = await self.redact_all(room_id, events, again=job.counts.get(REDACTED_AGAIN, 0))
        except Permanent as error:
            if not await self._is_lost(room_id, error):
                raise
            return "empty"
        self._crash(CrashPoint.ROOM_REDACTED)
        numbers = [event.n for event in redacted]
        await self._database.commit(lambda transaction: room_events.mark_redacted(transaction, numbers))
        return "redact"

    async def redact_all(self, room_id: str, events: Sequence[IndexedEvent], *, again: int) -> list[IndexedEvent]:
        """Redact these events, several at once while there is no conversation.

        An event that does not exist counts as redacted. `again`: how often they were redacted before, because the
        homeserver accepted the redaction and did not do it. Returns the redacted events, without those of a thread that is
        on legal hold by now.
        """

        async def redact_event(event: IndexedEvent) -> bool:
            if not await room_events.may_expire(self._database, event.n):
                return False
            await self._room_client.redact(room_id, event.event_id, f"x{event.n}.{again}")
            return True

        return await self._for_each(redact_event, events)

    async def redact_and_verify(self, room_id: str, events: Sequence[IndexedEvent], *, again: int) -> list[IndexedEvent]:
        """Redact events and check each; return those that were found gone. For events that expire."""
        redacted = await self.redact_all(room_id, events, again=again)
        return await self._for_each(lambda event: self._erasure_probe.is_event_gone(room_id, event.event_id), redacted)

    async def overwrite_redacted(self, room_id: str) -> int:
        """Have the homeserver overwrite redacted events in a room; return how many it did not reach."""
        async with self._priority_gate.background():
            return await self._module_client.censor(room_id)

    async def _for_each(self, one: Callable[[T], Awaitable[bool]], events: Sequence[T]) -> list[T]:
        """Call `one` for every event, several at once, yielding to conversations.

        Return the events for which it was true.
        """

        async def in_background(event: T) -> bool:
            async with self._priority_gate.background():
                return await one(event)

        results = await asyncio.gather(*(in_background(event) for event in events), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [event for event, result in zip(events, results, strict=True) if result]

    async def empty(self, job: ErasureJob) -> str:
        """Remove everybody, so that their clients learn that the room is gone; done when a check finds nobody."""
        try:
            removed = await self._erasure_probe.empty(job.subject)
        except Permanent as error:
            if not await self._is_lost(job.subject, error):
                raise
            removed = 0
        self._crash(CrashPoint.ROOM_EMPTIED)
        return "empty" if removed else "censor"

    async def censor(self, job: ErasureJob) -> str:
        """Overwrite redacted events now, because the homeserver's own loop would keep them for a while.

        Rule: design.md, "The life of a thread".
        """
        remaining_count = await self.overwrite_redacted(job.subject)
        self._crash(CrashPoint.ROOM_CENSORED)
        return "censor" if remaining_count else "uploads"

    async def uploads(self, job: ErasureJob) -> str:
        """Delete the uploads for the room, but not foreign uploads that a message of this room only links."""
        for address in await media.uploads_of(self._database, job.subject):
            try:
                await self._delete_upload(address)
            except ModuleRequestRejected as error:
                # After any other refusal it may be ours, and the certificate must not say otherwise.
                if error.errcode != NOT_OURS:
                    raise
                _count(job, FOREIGN_UPLOADS)
                await self._database.commit(partial(_forget_foreign, job=job, address=address))
        self._crash(CrashPoint.UPLOADS_DELETED)
        return "destroy"

    async def _delete_upload(self, address: str) -> None:
        try:
            await self._module_client.delete_media(address)
        except HomeserverUnreachable as error:
            # The homeserver does answer: the desk is told what still exists, not that the homeserver is unreachable.
            if error.errcode != STILL_THERE:
                raise
            raise StepNotDone("upload") from None

    async def destroy(self, job: ErasureJob) -> str:
        """Destroy the room's key, and with it every sealed session; then the sessions.

        A room that is gone already, as when a later look found the key, is not waited for: clients learn no more of it.
        """
        await self._vault.destroy(f"room:{job.subject}")
        self._on_keys_destroyed(job.subject)
        self._crash(CrashPoint.ROOM_KEY_DESTROYED)
        await self._database.commit(lambda transaction: destroy_keys(transaction, job.subject))
        room = await self._module_client.room(job.subject)
        return "look" if room.state is RoomState.GONE else "purge"

    async def purge(self, job: ErasureJob) -> str:
        """Check once more for messages, then purge the room until the homeserver has nothing left of it."""
        room = await self._module_client.room(job.subject)
        if room.state is RoomState.PRESENT and await self._readable_events(job.subject):
            return "redact"
        if await self._module_client.purge(job.subject) is not RoomState.GONE:
            raise StepNotDone("being_purged", after=POLL)
        room = await self._module_client.room(job.subject)
        if room.state is not RoomState.GONE or room.events or room.leftovers:
            raise StepNotDone("leftovers", after=POLL)
        self._crash(CrashPoint.ROOM_PURGED)
        return "look"

    async def look(self, job: ErasureJob) -> str:
        """Check everything from outside: the room, each event, each upload, the key."""
        room_id = job.subject
        room = await self._module_client.room(room_id)
        if room.state is not RoomState.GONE or room.events or room.leftovers:
            return "purge"
        event_ids = await room_events.ids_of_room(self._database, room_id)
        removed_ids = await self._for_each(lambda event_id: self._erasure_probe.is_event_gone(room_id, event_id), event_ids)
        if len(removed_ids) < len(event_ids):
            raise StepNotDone("event_readable")
        uploads = await media.uploads_of(self._database, room_id)
        for address in uploads:
            if not await self._module_client.is_media_deleted(address):
                await self._delete_upload(address)
                raise StepNotDone("upload")
        if await self._vault.has_key(f"room:{room_id}"):
            return "destroy"
        job.counts.pop(REDACTED_AGAIN, None)
        # When the erasure is repeated (`erasure_jobs.redo_rooms`) our own rows are gone, so the earlier counts are kept.
        counts = {"events": len(event_ids), "uploads": len(uploads)}
        job.counts.update({name: max(count, job.counts.get(name, 0)) for name, count in counts.items()})
        job.counts.update({"rooms": 1, "keys": 1})
        if (count_name := KEPT_PAGES.get(room.database)) is not None:
            job.counts[count_name] = 1
        if self._database.dialect is Dialect.POSTGRESQL:
            job.counts[OWN_PAGES] = 1
        self._crash(CrashPoint.ROOM_LOOKED)
        return "forget"

    async def forget(self, job: ErasureJob) -> str:
        """Delete our own rows of the room, and empty the write-ahead log that still holds them."""

        async def commit(transaction: Transaction) -> None:
            await room_events.delete_room(transaction, job.subject)
            await media.delete_uploads_of(transaction, job.subject)
            await delete_room(transaction, job.subject)

        await self._database.commit(commit)
        if not await self._database.checkpoint():
            raise StepNotDone("log_in_use", after=POLL)
        return "sign"

    async def sign(self, job: ErasureJob) -> str:
        """Check every table; then store the certificate, and in the same commit delete that there was a room."""
        done = self._clock.now()
        certificate = self._signer.sign(
            id_=job.id, what="conversation", began=job.began, done=done, counts=job.counts, carrier={}
        )
        self._crash(CrashPoint.ERASURE_SIGNED)
        until = int(done) + job.certificate_seconds(self._retention)

        async def commit(transaction: Transaction) -> int:
            if not await erasure_jobs.is_at_step(transaction, job):
                return 0  # a rollback of the homeserver was noted meanwhile: the room is erased once more, and then signed
            # A sync response from before the purge may have been committed since `forget`.
            await identity_table.forget_room(transaction, job.subject)
            if count := await erasure_jobs.count_leftovers(transaction, erasure_jobs.ROOM_COLUMNS, job.subject):
                return count
            await close_job(transaction, job, certificate, now=done, until=until)
            return 0

        if await self._database.commit(commit):
            if await media.uploads_of(self._database, job.subject):
                # One was noted after the room was forgotten: it is deleted like the others.
                return "look"
            raise StepNotDone("rows")
        return ""

    async def _record_unredacted(self, job: ErasureJob) -> bool:
        """Put events that the homeserver has and the index does not on the index; return whether there were any."""
        room_id = job.subject
        events = await self._readable_events(room_id)
        now = self._clock.now()
        room = Room(room_id=room_id, kind="thread", owner="", key_owner=f"room:{room_id}")

        async def commit(transaction: Transaction) -> bool:
            known = False
            # Our own rows of it may be gone since before the rollback (`erasure_jobs.redo_rooms`).
            await record_room(transaction, room, members={}, levels={})
            for event_id, at in events:
                known |= not await room_events.record(
                    transaction, event_id=event_id, room_id=room_id, owner="", place=THREAD, at=at, now=now, lifetime=0
                )
                await room_events.mark_readable(transaction, event_id)
            return known

        again = bool(events) and await self._database.commit(commit)
        if again:
            _count(job, REDACTED_AGAIN)
            raise StepNotDone("message_readable")
        return bool(events)

    async def _is_lost(self, room_id: str, error: Permanent) -> bool:
        """Whether a step is refused because we are not in the room, so that only the purge remains.

        Either the homeserver does not have the room, as after a rollback; or a purge that did not end has removed us. A
        purge begins only when the room's key is destroyed, so nobody can read the room then.
        """
        if isinstance(error, TokenRefused):
            return False
        if error.errcode in NOT_ACCESSIBLE and not await self._vault.has_key(f"room:{room_id}"):
            return True
        return (await self._module_client.room(room_id)).state is RoomState.GONE

    async def _readable_events(self, room_id: str) -> list[tuple[str, int]]:
        """Return the events that still have content."""
        try:
            return await self._erasure_probe.readable(room_id)
        except Permanent as error:
            if not await self._is_lost(room_id, error):
                raise
            return []


async def _forget_foreign(transaction: Transaction, *, job: ErasureJob, address: str) -> None:
    """Delete the row of a foreign upload, and count it in the same commit, so that a crash loses no count."""
    await erasure_jobs.note_counts(transaction, job)
    await media.delete_upload(transaction, mxc=address)


def _count(job: ErasureJob, name: str) -> None:
    job.counts[name] = job.counts.get(name, 0) + 1


class PersonSteps:
    """Performs the steps of people."""

    def __init__(self, services: Services, *, signer: CertificateSigner, retention: int) -> None:
        self._services = services
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._signer, self._retention, self._crash = signer, retention, services.crash

    def steps(self) -> dict[str, Step]:
        """Return the steps by their names."""
        return {"key": self.key, "copies": self.copies, "person": self.person}

    async def key(self, job: ErasureJob) -> str:
        """Destroy the texter's key, so that number and flags are unreadable in every copy.

        The keys of words about the texter at the desk and in offices are destroyed as well.
        """
        await self._vault.destroy(job.subject)
        await destroy_passing_keys(self._services)
        self._crash(CrashPoint.PERSON_KEY_DESTROYED)
        return "copies"

    async def copies(self, job: ErasureJob) -> str:
        """Wait until each of the carrier's copies is settled."""
        if await carrier_copies.has_copies(self._database, job.id):
            raise StepNotDone("copies", after=POLL)
        if not await self._database.checkpoint():
            raise StepNotDone("log_in_use", after=POLL)
        return "person"

    async def person(self, job: ErasureJob) -> str:
        """Check that key and rows are gone; then store the certificate, and in the same commit delete whom it was about."""
        if await self._vault.has_key(job.subject):
            return "key"
        results = await carrier_copies.results_of(self._database, job.id)
        carrier_results = {COPIES_GONE if result == GONE else result: count for result, count in results.items()}
        done = self._clock.now()
        counts = {"people": 1, "keys": 1}
        if self._database.dialect is Dialect.POSTGRESQL:
            counts[OWN_PAGES] = 1
        certificate = self._signer.sign(
            id_=job.id, what="person", began=job.began, done=done, counts=counts, carrier=carrier_results
        )
        self._crash(CrashPoint.ERASURE_SIGNED)
        until = int(done) + job.certificate_seconds(self._retention)

        async def commit(transaction: Transaction) -> int:
            if count := await erasure_jobs.count_leftovers(transaction, erasure_jobs.PERSON_COLUMNS, job.subject):
                return count
            await room_events.forget_thread(transaction, job.subject)
            await close_job(transaction, job, certificate, now=done, until=until)
            return 0

        if await self._database.commit(commit):
            raise StepNotDone("rows")
        return ""
