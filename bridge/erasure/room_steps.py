"""The steps that erase a room; `job_runner` has their order and their rules.

Rules of this module: the deletion index says what to redact, and the homeserver is asked what it has beside that, before
anybody is removed and once more before the purge. A redacted event stays on the index until it was looked for, also outside
of an erasure job. Redacting yields to every conversation, and asks before each event whether its thread is on legal hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from bot.model.actions import THREAD
from bridge.erasure.certificate import FOREIGN_UPLOADS, CertificateSigner, ErasureCertificate
from bridge.erasure.job_runner import ErasureJob, Step, StepNotDone, close_job
from bridge.matrix.api.module_api import ModuleClient, ModuleRequestRejected, RoomState
from bridge.matrix.room_client import Permanent, RoomClient, TokenRefused
from bridge.matrix.rooms.erasure_probe import NOT_ACCESSIBLE, ErasureProbe
from bridge.matrix.rooms.room_state import delete_room, destroy_keys
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import CrashHook, CrashPoint
from bridge.runtime.priority_gate import PriorityGate
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import Vault
from bridge.tables import room_events
from bridge.tables.leftovers import ROOM_COLUMNS, count_leftovers

BATCH: Final = 48
POLL: Final = 0.3
REDACTED_AGAIN: Final = "redacted again"
ALREADY_GONE: Final = frozenset({"M_NOT_FOUND"})
NOT_OURS: Final = "QUIETLINE_NOT_OURS"
"""The homeserver's module: neither we made that upload nor anybody who is or was at the desk."""


class RoomSteps:
    """Performs the steps of rooms."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        room_client: RoomClient,
        module_client: ModuleClient,
        erasure_probe: ErasureProbe,
        signer: CertificateSigner,
        retention: int,
        priority_gate: PriorityGate,
        on_keys_destroyed: Callable[[str], None],
        crash: CrashHook,
    ) -> None:
        self._database, self._vault, self._clock = database, vault, clock
        self._room_client, self._module_client, self._erasure_probe = room_client, module_client, erasure_probe
        self._signer, self._retention, self._priority_gate = signer, retention, priority_gate
        self._on_keys_destroyed, self._crash = on_keys_destroyed, crash

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
        """Redact a batch of what is on the index; when nothing is, ask the homeserver what it still has."""
        room_id = job.subject
        rows = await self._database.fetch(
            f"""SELECT n, event_id FROM event WHERE room_id = $1 AND NOT gone AND NOT state
                ORDER BY n LIMIT {BATCH}""",  # noqa: S608 - a constant
            room_id,
        )
        if not rows:
            return "redact" if await self._record_unredacted(job) else "empty"
        redacted = await self.redact_all(room_id, rows, again=job.counts.get(REDACTED_AGAIN, 0))
        self._crash(CrashPoint.ROOM_REDACTED)

        async def commit(conn: Transaction) -> None:
            for row in redacted:
                await conn.execute("UPDATE event SET gone = $2 WHERE n = $1", row["n"], True)

        await self._database.commit(commit)
        return "redact"

    async def redact_all(self, room_id: str, rows: list[Any], *, again: int = 0) -> list[Any]:
        """Redact these events (`n`, `event_id`), some at once when nobody talks. What is not there is redacted.

        `again`: for the so manieth time, because the homeserver took it before and did not do it. Returns those that are
        redacted: not the ones that somebody holds by now.
        """

        async def one(row: Any) -> bool:
            if not await room_events.may_expire(self._database, row["n"]):
                return False
            try:
                await self._room_client.redact(room_id, row["event_id"], f"x{row['n']}.{again}")
            except TokenRefused:
                raise
            except Permanent as error:
                if error.errcode not in ALREADY_GONE:
                    raise
            return True

        return await self._for_each(one, rows)

    async def redact_and_verify(self, room_id: str, rows: list[Any], *, again: int) -> list[Any]:
        """Redact events and look for each; return those that were found gone. For what goes by its age."""
        redacted = await self.redact_all(room_id, rows, again=again)
        return await self._for_each(lambda row: self._erasure_probe.event_gone(room_id, row["event_id"]), redacted)

    async def overwrite_redacted(self, room_id: str) -> int:
        """Have the homeserver overwrite what was redacted in a room; returns how much it did not come to."""
        async with self._priority_gate.background():
            return await self._module_client.censor(room_id)

    async def _for_each(self, one: Callable[[Any], Awaitable[bool]], rows: list[Any]) -> list[Any]:
        """Do it for every row, some at once, yielding to conversations; return those for which it was true."""

        async def in_turn(row: Any) -> bool:
            async with self._priority_gate.background():
                return await one(row)

        results = await asyncio.gather(*(in_turn(row) for row in rows), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [row for row, result in zip(rows, results, strict=True) if result]

    async def empty(self, job: ErasureJob) -> str:
        """Remove everybody, so that their clients hear that the room is gone; done when a look finds nobody."""
        removed = await self._erasure_probe.empty(job.subject)
        self._crash(CrashPoint.ROOM_EMPTIED)
        return "empty" if removed else "censor"

    async def censor(self, job: ErasureJob) -> str:
        """Have what is redacted overwritten now: the homeserver's own loop would keep it for a while.

        Rule: design.md, "The life of a thread".
        """
        left = await self.overwrite_redacted(job.subject)
        self._crash(CrashPoint.ROOM_CENSORED)
        return "censor" if left else "uploads"

    async def uploads(self, job: ErasureJob) -> str:
        """Delete what was uploaded for the room; what somebody else uploaded, and was only pointed to here, is not ours."""
        for address in await self._upload_uris(job.subject):
            try:
                await self._module_client.delete_media(address)
            except ModuleRequestRejected as error:
                # Refused for any other reason it may be ours, and the receipt must not say otherwise.
                if error.errcode != NOT_OURS:
                    raise
                _count(job, FOREIGN_UPLOADS, 1)
                await self._database.commit(partial(_forget_upload, address=address))
        self._crash(CrashPoint.UPLOADS_DELETED)
        return "destroy"

    async def destroy(self, job: ErasureJob) -> str:
        """Destroy the room's key, and with it every sealed session; then the sessions."""
        await self._vault.destroy(f"room:{job.subject}")
        self._on_keys_destroyed(job.subject)
        self._crash(CrashPoint.ROOM_KEY_DESTROYED)
        await self._database.commit(lambda conn: destroy_keys(conn, job.subject))
        return "purge"

    async def purge(self, job: ErasureJob) -> str:
        """Look once more for words, then have the homeserver purge the room until nothing is left of it."""
        room = await self._module_client.room(job.subject)
        if room.state is RoomState.PRESENT and await self._unredacted(job.subject, removed=True):
            return "redact"
        if await self._module_client.purge(job.subject) is not RoomState.GONE:
            raise StepNotDone("the homeserver still purges it", after=POLL)
        room = await self._module_client.room(job.subject)
        if room.state is not RoomState.GONE or room.events or room.leftovers:
            raise StepNotDone("the homeserver still has something of it", after=POLL)
        self._crash(CrashPoint.ROOM_PURGED)
        return "look"

    async def look(self, job: ErasureJob) -> str:
        """Look for everything from outside: the room, each event, each upload, the key."""
        room_id = job.subject
        room = await self._module_client.room(room_id)
        if room.state is not RoomState.GONE or room.events or room.leftovers:
            return "purge"
        rows = await self._database.fetch("SELECT event_id FROM event WHERE room_id = $1 AND NOT state", room_id)
        if len(await self._for_each(lambda row: self._erasure_probe.event_gone(room_id, row["event_id"]), rows)) < len(
            rows
        ):
            raise StepNotDone("an event can still be fetched")
        uploads = await self._upload_uris(room_id)
        for address in uploads:
            if not await self._module_client.media_gone(address):
                await self._module_client.delete_media(address)
                raise StepNotDone("an upload is still there")
        if await self._vault.has_key(f"room:{room_id}"):
            return "destroy"
        job.counts.pop(REDACTED_AGAIN, None)
        job.counts.update({"rooms": 1, "events": len(rows), "uploads": len(uploads), "keys": 1})
        self._crash(CrashPoint.ROOM_LOOKED)
        return "forget"

    async def forget(self, job: ErasureJob) -> str:
        """Delete our own rows of the room, and empty the log that still holds them."""

        async def commit(conn: Transaction) -> None:
            for table in ("event", "matrix_upload"):
                await conn.execute(f"DELETE FROM {table} WHERE room_id = $1", job.subject)  # noqa: S608 - one of two words
            await delete_room(conn, job.subject)

        await self._database.commit(commit)
        if not await self._database.checkpoint():
            raise StepNotDone("the database's log is in use", after=POLL)
        return "sign"

    async def sign(self, job: ErasureJob) -> str:
        """Look into every table; then keep the receipt, and with it forget that there was a room."""
        done = self._clock.now()
        certificate = self._signer.sign(
            id_=job.id, what="conversation", began=job.began, done=done, counts=job.counts, carrier={}
        )
        self._crash(CrashPoint.ERASURE_SIGNED)
        until = int(done) + self._retention

        async def commit(conn: Transaction) -> int:
            if count := await count_leftovers(conn, ROOM_COLUMNS, job.subject):
                return count
            await store_certificate(conn, certificate, until)
            await close_job(conn, job, done)
            return 0

        if await self._database.commit(commit):
            raise StepNotDone("rows of our own database")
        return ""

    async def _record_unredacted(self, job: ErasureJob) -> bool:
        """Put what the homeserver has beside the index onto it; return whether there was anything."""
        room_id = job.subject
        found = await self._unredacted(room_id)
        now = self._clock.now()

        async def commit(conn: Transaction) -> bool:
            known = False
            for event_id, at in found:
                known |= not await room_events.record(
                    conn, event_id=event_id, room_id=room_id, owner="", place=THREAD, at=at, now=now, lifetime=0
                )
                await conn.execute("UPDATE event SET gone = $2 WHERE event_id = $1", event_id, False)
            return known

        again = bool(found) and await self._database.commit(commit)
        if again:
            _count(job, REDACTED_AGAIN, 1)
            raise StepNotDone("a message was redacted and can still be read")
        return bool(found)

    async def _unredacted(self, room_id: str, *, removed: bool = False) -> list[tuple[str, int]]:
        """Return what still says something. `removed`: a purge that failed may have removed us; only another one helps."""
        try:
            return await self._erasure_probe.readable(room_id)
        except TokenRefused:
            raise
        except Permanent as error:
            # Where we were removed nobody can read, and the purge goes on.
            if (removed and error.errcode in NOT_ACCESSIBLE) or (
                await self._module_client.room(room_id)
            ).state is RoomState.GONE:
                return []
            raise

    async def _upload_uris(self, room_id: str) -> list[str]:
        rows = await self._database.fetch("SELECT mxc FROM matrix_upload WHERE room_id = $1", room_id)
        return [row["mxc"] for row in rows]


async def store_certificate(conn: Transaction, certificate: ErasureCertificate, until: int) -> None:
    """Keep a receipt, inside the commit that ends what it is about."""
    await conn.execute(
        "INSERT INTO receipt (id, body, signature, until) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        certificate.id,
        certificate.body,
        certificate.signature,
        until,
    )


async def _forget_upload(conn: Transaction, *, address: str) -> None:
    await conn.execute("DELETE FROM matrix_upload WHERE mxc = $1", address)


def _count(job: ErasureJob, name: str, more: int) -> None:
    job.counts[name] = job.counts.get(name, 0) + more
