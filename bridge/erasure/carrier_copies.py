"""Deletes the carrier's copies of texts: each by itself, as soon as it may be, until the carrier has confirmed it.

Rules of this module: an inbound copy may go once the text is kept here and shown, or is not kept at all. An outbound copy
may go after its final report; when none came, an hour after it was taken, and then the carrier is asked first what became
of it. An id that only a report names is a copy as well, though nobody knows whose. A text whose id is unknown is counted
and never called gone. Deleting yields to people's words, and a legal hold waits for no more than the request under way.

A copy is called gone only when the carrier says so; one that the carrier keeps is called kept, with the carrier's words for
how long; one at another carrier than the configured one is called left there, because this carrier's "no such text" proves
nothing. The carrier's id is sealed under a key of the copies' own, which is not the texter's: it must still open when the
texter's is destroyed, and the row is deleted when the copy is settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bridge.carriers.adapter import (
    CannotDelete,
    Carrier,
    Deleted,
    DeleteLater,
    DeletionUnconfirmed,
    DeliveryReport,
    RetainedByCarrier,
)
from bridge.erasure.corruption import CorruptionPolicy
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import CrashHook, CrashPoint
from bridge.storage.database import Database, Transaction
from bridge.storage.errors import DatabaseError, Unavailable
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import clock_trust

COPIES: Final = "copies"
"""The vault's owner of the copies' key."""
REPORT_WAIT: Final = 3600.0
SHOW_WAIT: Final = 86_400.0
"""Seconds after which a copy is no longer kept for what has not come: a report, or a room to show the text in."""
BATCH: Final = 20
EARLY_REPORT_WAIT: Final = 30.0
"""Seconds in which the result of a text may follow its last report: then the copy has an owner."""
MAX_SLEEP: Final = 5.0
MAX_WAIT: Final = 6 * 3600.0
ALERT_AFTER_TRIES: Final = (6, 30, 100)
"""Tries after which the desk hears of a copy that does not go."""

MAX_UNCONFIRMED_TRIES: Final = 10
"""Tries after which a deletion that the carrier accepts and never confirms is called so."""

GONE: Final = "gone"
UNCONFIRMED: Final = "deletion asked for, which the carrier does not confirm"
UNKNOWN_ID: Final = "its id could not be opened"
ELSEWHERE: Final = "left at another carrier, which cannot be asked any more"
WITHOUT_ID: Final = "texts that may have reached the carrier, which told us no id"

# Of a copy without an owner nobody knows that it is not a held thread's, as long as that thread has texts without an id.
NOT_ON_HOLD: Final = f"""NOT EXISTS (
    SELECT 1 FROM thread t WHERE t.held AND (t.id = c.owner OR c.owner = '' AND EXISTS (
        SELECT 1 FROM copy_result r WHERE r.owner = t.id AND r.result = '{WITHOUT_ID}')))"""  # noqa: S608 - a constant

AlertCallback = Callable[[str, float], Awaitable[None]]
"""Says what is not gone, and since when."""


class CarrierCopies:
    """Notes copies, and deletes them: `run` until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        carrier: Carrier,
        alert: AlertCallback,
        on_finished: Callable[[], None],
        accept_report: Callable[[DeliveryReport], Awaitable[None]],
        yield_to_foreground: Callable[[], Awaitable[None]],
        crash: CrashHook,
    ) -> None:
        """Make it. `yield_to_foreground` waits for one in what people say, and not for long."""
        self._database, self._vault, self._clock, self._carrier = database, vault, clock, carrier
        self._alert, self._on_finished, self._accept_report, self._yield_to_foreground, self._crash = (
            alert,
            on_finished,
            accept_report,
            yield_to_foreground,
            crash,
        )
        self._changed = asyncio.Event()
        self._corruption = CorruptionPolicy(clock=clock, alert=alert)

    def wake(self) -> None:
        """Say that a copy may be due."""
        self._changed.set()

    async def seal(self, message_id: str) -> bytes:
        """Seal a carrier's id, before the commit that notes its copy."""
        raw = message_id.encode("utf-8", "surrogatepass")
        try:
            return await self._vault.seal(COPIES, COPIES, raw)
        except CannotOpen:
            await self._vault.create(COPIES)
            return await self._vault.seal(COPIES, COPIES, raw)

    async def run(self) -> None:
        """Delete what is due, until cancelled."""
        while True:
            self._changed.clear()
            more, wait = False, MAX_SLEEP
            try:
                more = await self.run_once()
            except (Unavailable, OSError) as error:
                log.failure("carrier_copies.database_retry", error)
            except DatabaseError as error:
                wait = await self._corruption.record("carrier_copies.database_corrupt", error)
            if not more:
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def run_once(self) -> bool:
        """Try a batch of what is due; return whether there was anything."""
        doubted = await clock_trust.is_distrusted(self._database)
        # With a clock that is doubted only those go for which an end waits: a person asked for it, or it came before.
        ended = "EXISTS (SELECT 1 FROM erasure x WHERE x.id = c.owner)"
        only = f" AND {ended}" if doubted else ""
        # One of those is never due so far ahead, unless the clock was set back since: then it is due now.
        due = f"(due <= $1 OR due > $1 + {MAX_WAIT} AND {ended})"
        rows = await self._database.fetch(
            f"""SELECT n, owner, hash, id, due, tries, noted FROM carrier_copy c WHERE {due}{only} AND {NOT_ON_HOLD}
                ORDER BY due LIMIT {BATCH}""",  # noqa: S608 - constants
            self._clock.now(),
        )
        for row in rows:
            await self._yield_to_foreground()
            await self._delete_one(row)
        return bool(rows)

    async def _delete_one(self, row: Any) -> None:
        try:
            message_id = (await self._vault.open(COPIES, COPIES, row["id"])).decode("utf-8", "surrogatepass")
        except CannotOpen:
            await self._finish(row, UNKNOWN_ID)
            return
        # The others of this batch took their time: somebody may hold it by now.
        if await self._database.fetchval(f"SELECT 1 FROM carrier_copy c WHERE n = $1 AND {NOT_ON_HOLD}", row["n"]) is None:  # noqa: S608
            return
        if bytes(row["hash"]) != id_digest(self._vault, self._carrier.kind, message_id):
            await self._finish(row, ELSEWHERE)
            return
        if await self._is_report_missing(row) and (told := await self._carrier.status(message_id)) is not None:
            await self._accept_report(told)
            self._crash(CrashPoint.STATUS_TAKEN)
        outcome = await self._carrier.delete_copy(message_id)
        self._crash(CrashPoint.COPY_DELETED)
        match outcome:
            case Deleted():
                await self._finish(row, GONE)
            case RetainedByCarrier():
                await self._finish(row, f"carrier keeps it: {outcome.until}")
            case CannotDelete():
                await self._finish(row, f"carrier cannot delete it: {outcome.reason}")
            case DeletionUnconfirmed(retry_after=None):
                await self._finish(row, UNCONFIRMED)
            case DeletionUnconfirmed() if row["tries"] >= MAX_UNCONFIRMED_TRIES:
                await self._finish(row, UNCONFIRMED)
            case DeletionUnconfirmed() | DeleteLater():
                await self._retry_later(row, outcome.retry_after or 0.0)

    async def _is_report_missing(self, row: Any) -> bool:
        """Whether it is a text of ours whose last report never came: once the copy is gone nobody can be asked."""
        waited = row["due"] - row["noted"] > REPORT_WAIT - 1 and not row["tries"]
        query = "SELECT 1 FROM sent_text WHERE hash = $1"
        return waited and await self._database.fetchval(query, row["hash"]) is not None

    async def _retry_later(self, row: Any, after: float) -> None:
        tries = row["tries"] + 1
        wait = min(max(after, 2.0 ** min(tries, 14)), MAX_WAIT)
        due = self._clock.now() + wait
        query = "UPDATE carrier_copy SET tries = $2, due = $3 WHERE n = $1"
        await self._database.commit(lambda conn: conn.execute(query, row["n"], tries, due))
        if tries in ALERT_AFTER_TRIES:
            await self._alert("a copy of a text at the carrier", row["noted"])

    async def _finish(self, row: Any, result: str) -> None:
        async def commit(conn: Transaction) -> None:
            # Whose it is may have changed while the carrier was asked.
            owner = await conn.fetchval("DELETE FROM carrier_copy WHERE n = $1 RETURNING owner", row["n"])
            if owner:
                await count_result(conn, owner, result)

        await self._database.commit(commit)
        self._on_finished()


def id_digest(vault: Vault, kind: str, message_id: str) -> bytes:
    """Return what stands in our tables for an id of a carrier of that kind."""
    return vault.keyed_hash(f"carrier {kind}", message_id)


async def record(conn: Transaction, *, hash_: bytes, owner: str, ref: str, sealed: bytes, due: float, now: float) -> None:
    """Note a copy inside a commit. `due`: when it goes at the latest; what needs it no longer says so before.

    `owner` may be empty: nobody's, or nobody knows whose yet; noted again with one, it is theirs.
    """
    await conn.execute(
        """INSERT INTO carrier_copy (hash, owner, ref, id, due, noted) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (hash) DO UPDATE SET owner = excluded.owner, ref = excluded.ref WHERE carrier_copy.owner = ''""",
        hash_,
        owner,
        ref,
        sealed,
        due,
        now,
    )


async def release_shown(conn: Transaction, owner: str, ref: str, now: float) -> None:
    """Let the copy of a text go that is in its room now. `ref` is `in:`, the text's id, and the number of its piece."""
    text = ref.rpartition(":")[0]
    await conn.execute(
        "UPDATE carrier_copy SET due = $3 WHERE owner = $1 AND ref = $2 AND due > $3 AND tries = 0", owner, text, now
    )


async def release_reported(conn: Transaction, hash_: bytes, now: float) -> None:
    """Let the copy of a text go of which the carrier has said its last."""
    await conn.execute("UPDATE carrier_copy SET due = $2 WHERE hash = $1 AND due > $2 AND tries = 0", hash_, now)


async def count_result(conn: Transaction, owner: str, result: str, *, more: int = 1) -> None:
    """Count what became of a copy, for the receipt of whom it concerns."""
    await conn.execute(
        """INSERT INTO copy_result (owner, result, count) VALUES ($1, $2, $3)
           ON CONFLICT (owner, result) DO UPDATE SET count = copy_result.count + excluded.count""",
        owner,
        result,
        more,
    )
    await conn.execute("DELETE FROM copy_result WHERE owner = $1 AND result = $2 AND count <= 0", owner, result)


async def owner_of_copies(conn: Transaction, thread: str) -> str:
    """Return who a thread's copies belong to now: it, what waits for them when it has ended, or nobody."""
    query = "SELECT id FROM thread WHERE id = $1 UNION ALL SELECT id FROM erasure WHERE subject = $1 AND kind = 'person'"
    return str(await conn.fetchval(query, thread) or "")
