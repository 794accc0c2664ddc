"""Deletes uploads for our rooms: our key bundles, and uploads that a person's message links.

Rules of this module: a bundle is deleted minutes after its use, and after a day in any case. An upload that a message links
is deleted once the message is redacted. Nothing of a thread on legal hold is deleted, and each deletion looks for a hold
again. A row stays until the homeserver has confirmed that its upload is gone. A failed deletion is tried later and does not
stop the others. (The remaining uploads of an ended thread are deleted with its room.)

Source: facts-matrix.md, "Key bundles": clients accept a bundle within 24 h of the invite, so not after the invite but the
join.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.module_api import STILL_THERE, HomeserverUnreachable, ModuleClient, ModuleRequestRejected
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.storage.database import Database, Reader, Transaction

DELAY_AFTER_JOIN: Final = 300.0
"""Seconds after the join: slow clients fetch a bundle when they first show the room."""
MAX_AGE: Final = 86_400.0
"""Seconds after the upload; then no client accepts the bundle any more."""
INVITE_GRACE: Final = 60.0
"""Seconds after the upload; until then the invitation of a person who had left may not be noted yet."""
INTERVAL: Final = 60.0
DUE: Final = """
    FROM matrix_upload u
    WHERE (due_ms <= $1 OR due_ms IS NULL AND NOT EXISTS (SELECT 1 FROM event e WHERE e.event_id = u.event_id))
    AND NOT EXISTS (SELECT 1 FROM thread t WHERE t.room_id = u.room_id AND t.legal_hold)
    AND NOT EXISTS (SELECT 1 FROM erasure e WHERE e.subject = u.room_id)
"""
RETRY_SECONDS: Final = 600.0
"""Seconds until the next try to delete an upload that the homeserver refused to delete."""


async def record_upload(transaction: Transaction, mxc: str, *, room_id: str, user_id: str, at_ms: int) -> bool:
    """Note an upload before it is made, for whom it is, and when it is due at the latest.

    Return False for a room that is being erased, or is not ours any more: then it may not be made.
    """
    query = """
        SELECT 1 FROM matrix_room r WHERE r.room_id = $1
        AND NOT EXISTS (SELECT 1 FROM erasure e WHERE e.subject = r.room_id)
    """
    if await transaction.fetchval(query, room_id) is None:
        return False
    query = """
        INSERT INTO matrix_upload (mxc, room_id, user_id, at_ms, due_ms, joined) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
        """
    await transaction.execute(query, mxc, room_id, user_id, at_ms, at_ms + int(MAX_AGE * 1000), False)
    return True


async def record_linked_media(transaction: Transaction, mxc: str, *, room_id: str, event_id: str, at_ms: int) -> None:
    """Note an upload that a message links, in the commit that puts the message on the deletion index."""
    query = "INSERT INTO matrix_upload (mxc, room_id, event_id, at_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
    await transaction.execute(query, mxc, room_id, event_id, at_ms)


async def uploads_of(reader: Reader, room_id: str) -> list[str]:
    """Return the `mxc` addresses of a room's uploads."""
    rows = await reader.fetch("SELECT mxc FROM matrix_upload WHERE room_id = $1", room_id)
    return [row["mxc"] for row in rows]


async def delete_upload(transaction: Transaction, *, mxc: str) -> None:
    """Delete the row of an upload that is gone, or that is not ours."""
    await transaction.execute("DELETE FROM matrix_upload WHERE mxc = $1", mxc)


async def delete_uploads_of(transaction: Transaction, room_id: str) -> None:
    """Delete the rows of a room's uploads."""
    await transaction.execute("DELETE FROM matrix_upload WHERE room_id = $1", room_id)


class UploadCleanup:
    """Deletes due uploads. `run` until cancelled."""

    def __init__(self, *, database: Database, module_client: ModuleClient, clock: Clock) -> None:
        self._database, self._module_client, self._clock = database, module_client, clock
        self.loop = BackgroundLoop("uploads", self.run_once, max_sleep=INTERVAL, retry=(INTERVAL, INTERVAL))

    async def run_once(self) -> float:
        """Update due times by who has joined or left, and delete due uploads.

        Return the seconds until the next turn.
        """
        await self._database.commit(self._update_due_times)
        now = self._now()
        for row in await self._database.fetch(f"SELECT u.mxc {DUE} ORDER BY u.due_ms", now):
            mxc = row["mxc"]
            # The requests before it may have taken minutes: meanwhile its thread may have been put on legal hold.
            if await self._database.fetchval(f"SELECT 1 {DUE} AND u.mxc = $2", now, mxc) is None:
                continue
            try:
                await self._module_client.delete_media(mxc)
            except (HomeserverUnreachable, ModuleRequestRejected) as error:
                if isinstance(error, HomeserverUnreachable) and error.errcode != STILL_THERE:
                    log.event("uploads.retry", status=error.status)
                    break
                # The refusal concerns this upload alone: the others do not wait for it.
                log.event("uploads.delete_rejected", status=error.status)
                await self._database.commit(partial(_postpone, mxc=mxc, due=now + int(RETRY_SECONDS * 1000)))
                continue
            await self._database.commit(partial(delete_upload, mxc=mxc))
        return INTERVAL

    async def _update_due_times(self, transaction: Transaction) -> None:
        """Make bundles for people who have joined due soon, and those for people who have left due now."""
        rows = await transaction.fetch(
            """
            SELECT u.mxc, m.membership FROM matrix_upload u
            JOIN matrix_member m ON m.room_id = u.room_id AND m.user_id = u.user_id
            WHERE u.event_id = '' AND NOT u.joined
            AND (m.membership = 'join' OR m.membership <> 'invite' AND u.at_ms <= $1)
            """,
            self._now() - int(INVITE_GRACE * 1000),
        )
        for row in rows:
            soon = DELAY_AFTER_JOIN if row["membership"] == "join" else 0.0
            due = self._now() + int(soon * 1000)
            await transaction.execute(
                "UPDATE matrix_upload SET due_ms = $2, joined = $3 WHERE mxc = $1", row["mxc"], due, True
            )

    def _now(self) -> int:
        return int(self._clock.now() * 1000)


async def _postpone(transaction: Transaction, *, mxc: str, due: int) -> None:
    await transaction.execute("UPDATE matrix_upload SET due_ms = $2 WHERE mxc = $1", mxc, due)
