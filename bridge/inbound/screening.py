"""Looks up who a new texter is, before anything is decided about them.

Rules of this module: no carrier and no other thread waits for the look-up, which is slow on purpose
(`bridge/tables/suppression.py`); a few run at a time, beside the engine. Nothing is decided, shown or sent for a thread
that was not looked up, and it takes no room. A phone that said STOP in an earlier thread begins stopped. What a blocked
phone sent is deleted as if it had never come, and counted at the desk. Look-ups that are still to do are in the database;
memory is only a wake-up, so a crash repeats a look-up and loses none.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from bot.model.actions import DESK
from bot.model.desk import Thread
from bot.model.events import TextArrived
from bot.model.line_incidents import DeadLetterRecorded
from bot.model.thread import Consent
from bot.model.thread_desk_events import TextDropped
from bot.model.transactional_actions import SuppressionReason
from bridge.inbound.new_thread_rate_limit import NewThreadRateLimit
from bridge.outbound.sms_sender import PHONE_CONTEXT
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import CrashHook, CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.storage import serialization
from bridge.storage.database import Database, Transaction
from bridge.storage.errors import Unavailable
from bridge.storage.vault import Vault
from bridge.tables import inbox
from bridge.tables.inbox import InboxRow
from bridge.tables.suppression import Suppression

MAX_IN_FLIGHT: Final = 2
"""Look-ups under way. A STOP that has to be remembered meanwhile waits for one of them to end, and no longer."""
TEXT: Final = TextArrived.__name__


class Screening:
    """Looks up new texters. `wake` after the commit that made a thread; `load` once, then `run` until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        suppression: Suppression,
        rate_limit: NewThreadRateLimit,
        new_designation: Callable[[], str],
        wake_engine: Callable[[str], None],
        wake_rooms: Callable[[], None],
        crash: CrashHook,
    ) -> None:
        self._database, self._vault, self._clock, self._crash = database, vault, clock, crash
        self._suppression, self._rate_limit, self._new_designation = suppression, rate_limit, new_designation
        self._wake_engine, self._wake_rooms = wake_engine, wake_rooms
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()

    async def load(self) -> None:
        """Queue what stands from before."""
        for row in await self._database.fetch("SELECT id FROM thread WHERE NOT screened"):
            self.wake(row["id"])

    def wake(self, owner: str) -> None:
        """Say that this thread is still to be looked up."""
        if owner not in self._queued:
            self._queued.add(owner)
            self._ready.put_nowait(owner)

    async def run(self) -> None:
        """Look up until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_IN_FLIGHT):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            owner = await self._ready.get()
            try:
                try:
                    await self.screen(owner)
                except (Unavailable, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a bug raises, other texters are looked up
                    await self._record_dead_letters(owner, error)
                self._queued.discard(owner)
            except (Unavailable, OSError) as error:
                # The disk is full, or there is no memory to hash with: that is so for everybody, and nothing is lost.
                log.failure("screening.retry", error)
                await asyncio.sleep(1)
                self._ready.put_nowait(owner)

    async def screen(self, owner: str) -> None:
        """Look one up, if nobody did, and settle what follows. Raises what the database raises, OSError without memory."""
        row = await self._database.fetchrow("SELECT phone, phone_hash, screened FROM thread WHERE id = $1", owner)
        if row is None:
            # It was turned away, and its key could not go then.
            await self._vault.destroy(owner)
            return
        if not row["screened"]:
            now = self._clock.now()
            phone = Phone((await self._vault.open(owner, PHONE_CONTEXT, row["phone"])).decode("utf-8", "surrogatepass"))
            # Nothing is added meanwhile: only a thread of this phone could do that, and this one decides nothing yet.
            muted = await self._suppression.lookup(self._database, phone, now=now)
            if SuppressionReason.BLOCK in muted:
                await self._drop_blocked(owner, now)
                return
            await self._admit(owner, phone, bytes(row["phone_hash"]), now, stopped=SuppressionReason.STOP in muted)
        self._wake_engine(owner)

    async def _admit(self, owner: str, phone: Phone, phone_hash: bytes, now: float, *, stopped: bool) -> None:
        """Let a thread begin: in a warm room if there is one; otherwise its room is made for it, in a flood later."""
        first: Any = await self._database.fetchrow(
            "SELECT seq, kind, body FROM inbox WHERE owner = $1 ORDER BY seq LIMIT 1", owner
        )
        # Counted here, so that a blocked phone cannot make a flood of which others would bear the wait.
        flood = first is not None and first["kind"] == TEXT and self._rate_limit.record_and_check(phone_hash, now)
        resealed = await self._seal_as_rate_limited(owner, first) if flood else None

        async def commit(conn: Transaction) -> None:
            if await conn.fetchval("SELECT 1 FROM thread WHERE id = $1 AND NOT screened", owner) is None:
                return
            warm = None if flood else await conn.fetchrow("SELECT room_id, designation FROM warm_room LIMIT 1")
            room_id, designation = (warm["room_id"], warm["designation"]) if warm else (None, self._new_designation())
            if warm:
                await conn.execute("DELETE FROM warm_room WHERE room_id = $1", room_id)
                await conn.execute("UPDATE matrix_room SET owner = $1 WHERE room_id = $2", owner, room_id)
            thread = replace(_new_thread(owner, phone), designation=designation, consent=Consent(stopped=stopped))
            await conn.execute(
                """UPDATE thread SET screened = TRUE, room_id = $2, designation = $3, aggregate = $4, crowded = $5
                   WHERE id = $1""",
                owner,
                room_id,
                designation,
                await self._vault.seal(owner, "aggregate", serialization.encode(thread)),
                int(flood),
            )
            if resealed is not None:
                await conn.execute("UPDATE inbox SET body = $2 WHERE seq = $1", first["seq"], resealed.body)

        await self._database.commit(commit)
        self._crash(CrashPoint.SCREENED)
        self._wake_rooms()

    async def _seal_as_rate_limited(self, owner: str, first: Any) -> InboxRow:
        """Seal a first text anew, as one that came in a flood."""
        event: TextArrived = serialization.decode(TEXT, await self._vault.open(owner, inbox.CONTEXT, first["body"]))
        return await inbox.seal(self._vault, owner, replace(event, rate_limited=True))

    async def _drop_blocked(self, owner: str, now: float) -> None:
        """Keep nothing of a blocked phone: its row goes, then its key; the desk counts each text."""
        dropped = await inbox.seal(self._vault, DESK, TextDropped())

        async def commit(conn: Transaction) -> None:
            query = "SELECT COUNT(*) FROM inbox WHERE owner = $1 AND kind = $2"
            texts = int(await conn.fetchval(query, owner, TEXT))
            await conn.execute("DELETE FROM inbox WHERE owner = $1", owner)
            await conn.execute("DELETE FROM thread WHERE id = $1", owner)
            # Nor is anything left at the carrier, as far as it deletes; whose it was is not known any more.
            query = "UPDATE carrier_copy SET owner = '', ref = '', due = $2 WHERE owner = $1"
            await conn.execute(query, owner, now)
            for _ in range(texts):
                await inbox.append(conn, dropped)

        await self._database.commit(commit)
        self._crash(CrashPoint.TURNED_AWAY)
        await self._vault.destroy(owner)
        self._wake_engine(DESK)

    async def _record_dead_letters(self, owner: str, error: Exception) -> None:
        """Put aside, loudly and without content, what came of somebody who cannot be looked up."""
        for row in await self._database.fetch("SELECT seq, kind, body FROM inbox WHERE owner = $1 ORDER BY seq", owner):
            short_id = secrets.token_hex(4)
            log.failure("screening.dead_letter", error, short_id=short_id, kind=row["kind"])
            inbox_row, notice = (
                InboxRow(owner, row["kind"], row["body"]),
                DeadLetterRecorded(short_id=short_id, new_texter=row["kind"] == TEXT),
            )
            await self._move_to_dead_letters(row["seq"], inbox_row, short_id, await inbox.seal(self._vault, DESK, notice))
        self._wake_engine(DESK)

    async def _move_to_dead_letters(self, seq: int, inbox_row: InboxRow, short_id: str, notice: InboxRow) -> None:
        async def commit(conn: Transaction) -> None:
            await inbox.record_dead_letter(
                conn, inbox_row, inbox.DeadLetter(short_id), at=self._clock.now(), notices=[notice]
            )
            await conn.execute("DELETE FROM inbox WHERE seq = $1", seq)

        await self._database.commit(commit)


async def insert_thread(
    conn: Transaction, vault: Vault, *, owner: str, phone_hash: bytes, sealed: bytes, phone: Phone
) -> None:
    """Make a thread that is still to be looked up, inside a commit. `sealed`: the phone under the thread's key."""
    await conn.execute(
        "INSERT INTO thread (id, phone_hash, phone, designation, aggregate) VALUES ($1, $2, $3, '', $4)",
        owner,
        phone_hash,
        sealed,
        await vault.seal(owner, "aggregate", serialization.encode(_new_thread(owner, phone))),
    )


def _new_thread(owner: str, phone: Phone) -> Thread:
    return Thread(id=owner, designation="", answerable=phone.answerable)
