"""The steps by which a room goes; their order and their rules are in `erasure`.

Rules of this module: the deletion index says what to redact, and the homeserver is asked what it has beside that, before
anybody is removed and once more before the purge; what is redacted stays on the index until it was looked for, also outside
of a room's way down; redacting yields to every conversation, and asks before each event whether somebody holds its thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from bot.model.actions import THREAD
from bridge.erasure.certificate import LEFT, Receipt, Signer
from bridge.erasure.job_runner import Case, NotYet, Step, signed
from bridge.matrix.api.module_api import House, Refused, RoomState
from bridge.matrix.room_client import Edge, Permanent, TokenRefused
from bridge.matrix.rooms.erasure_probe import OUTSIDE, Forgetting
from bridge.matrix.rooms.room_state import destroy_keys, forget_room
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.runtime.priority_gate import Talk
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import room_events
from bridge.tables.leftovers import OF_ROOM, left

BATCH: Final = 48
POLL: Final = 0.3
AGAIN: Final = "redacted again"
ALREADY: Final = frozenset({"M_NOT_FOUND"})
NOT_OURS: Final = "QUIETLINE_NOT_OURS"
"""The homeserver's module: neither we made that upload nor anybody who is or was at the desk."""


class RoomSteps:
    """Performs the steps of rooms."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        edge: Edge,
        house: House,
        forgetting: Forgetting,
        signer: Signer,
        retention: int,
        talk: Talk,
        keys_gone: Callable[[str], None],
        crash: Crash,
    ) -> None:
        self._store, self._vault, self._clock = store, vault, clock
        self._edge, self._house, self._forgetting = edge, house, forgetting
        self._signer, self._retention, self._talk = signer, retention, talk
        self._keys_gone, self._crash = keys_gone, crash

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

    async def redact(self, case: Case) -> str:
        """Redact a batch of what is on the index; when nothing is, ask the homeserver what it still has."""
        room_id = case.subject
        rows = await self._store.fetch(
            f"""SELECT n, event_id FROM event WHERE room_id = $1 AND NOT gone AND NOT state
                ORDER BY n LIMIT {BATCH}""",  # noqa: S608 - a constant
            room_id,
        )
        if not rows:
            return "redact" if await self._find(case) else "empty"
        redacted = await self.redact_all(room_id, rows, again=case.counts.get(AGAIN, 0))
        self._crash(CrashPoint.ROOM_REDACTED)

        async def commit(conn: Connection) -> None:
            for row in redacted:
                await conn.execute("UPDATE event SET gone = $2 WHERE n = $1", row["n"], True)

        await self._store.commit(commit)
        return "redact"

    async def redact_all(self, room_id: str, rows: list[Any], *, again: int = 0) -> list[Any]:
        """Redact these events (`n`, `event_id`), some at once when nobody talks. What is not there is redacted.

        `again`: for the so manieth time, because the homeserver took it before and did not do it. Returns those that are
        redacted: not the ones that somebody holds by now.
        """

        async def one(row: Any) -> bool:
            if not await room_events.free(self._store, row["n"]):
                return False
            try:
                await self._edge.redact(room_id, row["event_id"], f"x{row['n']}.{again}")
            except TokenRefused:
                raise
            except Permanent as error:
                if error.errcode not in ALREADY:
                    raise
            return True

        return await self._each(one, rows)

    async def let_go(self, room_id: str, rows: list[Any], *, again: int) -> list[Any]:
        """Redact events and look for each; return those that were found gone. For what goes by its age."""
        redacted = await self.redact_all(room_id, rows, again=again)
        return await self._each(lambda row: self._forgetting.event_gone(room_id, row["event_id"]), redacted)

    async def overwrite(self, room_id: str) -> int:
        """Have the homeserver overwrite what was redacted in a room; returns how much it did not come to."""
        async with self._talk.turn():
            return await self._house.censor(room_id)

    async def _each(self, one: Callable[[Any], Awaitable[bool]], rows: list[Any]) -> list[Any]:
        """Do it for every row, some at once, yielding to conversations; return those for which it was true."""

        async def in_turn(row: Any) -> bool:
            async with self._talk.turn():
                return await one(row)

        results = await asyncio.gather(*(in_turn(row) for row in rows), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [row for row, result in zip(rows, results, strict=True) if result]

    async def empty(self, case: Case) -> str:
        """Remove everybody, so that their clients hear that the room is gone; done when a look finds nobody."""
        removed = await self._forgetting.empty(case.subject)
        self._crash(CrashPoint.ROOM_EMPTIED)
        return "empty" if removed else "censor"

    async def censor(self, case: Case) -> str:
        """Have what is redacted overwritten now: the homeserver's own loop would keep it for a while (DESIGN section 5)."""
        left = await self.overwrite(case.subject)
        self._crash(CrashPoint.ROOM_CENSORED)
        return "censor" if left else "uploads"

    async def uploads(self, case: Case) -> str:
        """Delete what was uploaded for the room; what somebody else uploaded, and was only pointed to here, is not ours."""
        for address in await self._uploads(case.subject):
            try:
                await self._house.delete_media(address)
            except Refused as error:
                # Refused for any other reason it may be ours, and the receipt must not say otherwise.
                if error.errcode != NOT_OURS:
                    raise
                _count(case, LEFT, 1)
                await self._store.commit(partial(_forget_upload, address=address))
        self._crash(CrashPoint.UPLOADS_DELETED)
        return "destroy"

    async def destroy(self, case: Case) -> str:
        """Destroy the room's key, and with it every sealed session; then the sessions."""
        await self._vault.destroy(f"room:{case.subject}")
        self._keys_gone(case.subject)
        self._crash(CrashPoint.ROOM_KEY_DESTROYED)
        await self._store.commit(lambda conn: destroy_keys(conn, case.subject))
        return "purge"

    async def purge(self, case: Case) -> str:
        """Look once more for words, then have the homeserver purge the room until nothing is left of it."""
        room = await self._house.room(case.subject)
        if room.state is RoomState.PRESENT and await self._unredacted(case.subject, removed=True):
            return "redact"
        if await self._house.purge(case.subject) is not RoomState.GONE:
            raise NotYet("the homeserver still purges it", after=POLL)
        room = await self._house.room(case.subject)
        if room.state is not RoomState.GONE or room.events or room.leftovers:
            raise NotYet("the homeserver still has something of it", after=POLL)
        self._crash(CrashPoint.ROOM_PURGED)
        return "look"

    async def look(self, case: Case) -> str:
        """Look for everything from outside: the room, each event, each upload, the key."""
        room_id = case.subject
        room = await self._house.room(room_id)
        if room.state is not RoomState.GONE or room.events or room.leftovers:
            return "purge"
        rows = await self._store.fetch("SELECT event_id FROM event WHERE room_id = $1 AND NOT state", room_id)
        if len(await self._each(lambda row: self._forgetting.event_gone(room_id, row["event_id"]), rows)) < len(rows):
            raise NotYet("an event can still be fetched")
        uploads = await self._uploads(room_id)
        for address in uploads:
            if not await self._house.media_gone(address):
                await self._house.delete_media(address)
                raise NotYet("an upload is still there")
        if await self._vault.has(f"room:{room_id}"):
            return "destroy"
        case.counts.pop(AGAIN, None)
        case.counts.update({"rooms": 1, "events": len(rows), "uploads": len(uploads), "keys": 1})
        self._crash(CrashPoint.ROOM_LOOKED)
        return "forget"

    async def forget(self, case: Case) -> str:
        """Delete our own rows of the room, and empty the log that still holds them."""

        async def commit(conn: Connection) -> None:
            for table in ("event", "matrix_upload"):
                await conn.execute(f"DELETE FROM {table} WHERE room_id = $1", case.subject)  # noqa: S608 - one of two words
            await forget_room(conn, case.subject)

        await self._store.commit(commit)
        if not await self._store.checkpoint():
            raise NotYet("the database's log is in use", after=POLL)
        return "sign"

    async def sign(self, case: Case) -> str:
        """Look into every table; then keep the receipt, and with it forget that there was a room."""
        done = self._clock.wall()
        receipt = self._signer.sign(
            id_=case.id, what="conversation", began=case.began, done=done, counts=case.counts, carrier={}
        )
        self._crash(CrashPoint.ERASURE_SIGNED)
        until = int(done) + self._retention

        async def commit(conn: Connection) -> int:
            if count := await left(conn, OF_ROOM, case.subject):
                return count
            await keep(conn, receipt, until)
            await signed(conn, case, done)
            return 0

        if await self._store.commit(commit):
            raise NotYet("rows of our own database")
        return ""

    async def _find(self, case: Case) -> bool:
        """Put what the homeserver has beside the index onto it; return whether there was anything."""
        room_id = case.subject
        found = await self._unredacted(room_id)
        now = self._clock.wall()

        async def commit(conn: Connection) -> bool:
            known = False
            for event_id, at in found:
                known |= not await room_events.note(
                    conn, event_id=event_id, room_id=room_id, owner="", place=THREAD, at=at, now=now, lifetime=0
                )
                await conn.execute("UPDATE event SET gone = $2 WHERE event_id = $1", event_id, False)
            return known

        again = bool(found) and await self._store.commit(commit)
        if again:
            _count(case, AGAIN, 1)
            raise NotYet("a message was redacted and can still be read")
        return bool(found)

    async def _unredacted(self, room_id: str, *, removed: bool = False) -> list[tuple[str, int]]:
        """Return what still says something. `removed`: a purge that failed may have removed us; only another one helps."""
        try:
            return await self._forgetting.readable(room_id)
        except TokenRefused:
            raise
        except Permanent as error:
            # Where we were removed nobody can read, and the purge goes on.
            if (removed and error.errcode in OUTSIDE) or (await self._house.room(room_id)).state is RoomState.GONE:
                return []
            raise

    async def _uploads(self, room_id: str) -> list[str]:
        rows = await self._store.fetch("SELECT mxc FROM matrix_upload WHERE room_id = $1", room_id)
        return [row["mxc"] for row in rows]


async def keep(conn: Connection, receipt: Receipt, until: int) -> None:
    """Keep a receipt, inside the commit that ends what it is about."""
    await conn.execute(
        "INSERT INTO receipt (id, body, signature, until) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        receipt.id,
        receipt.body,
        receipt.signature,
        until,
    )


async def _forget_upload(conn: Connection, *, address: str) -> None:
    await conn.execute("DELETE FROM matrix_upload WHERE mxc = $1", address)


def _count(case: Case, name: str, more: int) -> None:
    case.counts[name] = case.counts.get(name, 0) + more
