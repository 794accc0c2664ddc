"""Texts leave here: at most once each.

Rules of this module: nothing leaves while something stands in the thread's inbox, for it may be a STOP; the guard is
asked, the number's turn is taken and the row is marked `sending` in one commit, and only then the carrier is asked; a row
that still says `sending` when the program starts, or whose request ended in doubt, is `unknown` and is never sent again by
itself, though a report that comes after all settles it; no text leaves late.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from bot import guard
from bot.model.actions import DESK, Text
from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome
from bot.model.line_incidents import LetterDied
from bridge.carriers.adapter import Accepted, Carrier, Rejected, SendOutcome, TryLater, UnknownOutcome
from bridge.carriers.rate_limit import Pace
from bridge.erasure import carrier_copies
from bridge.erasure.carrier_copies import Copies
from bridge.outbound.dispatcher import Impossible, Task, TryAgain
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.storage import serialization
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Sealed, Vault
from bridge.tables import inbox, reply_number
from bridge.tables.inbox import Buried, Letter
from policies.pack import Pack
from policies.segments import segments

PHONE: Final = "phone"
FINISH: Final = 11.0
"""Seconds that an orderly stop waits for requests under way: longer than an adapter's own patience (`carriers/asking`), and
so short that with the requests to us it stays within what the supervision allows (`deploy/up`)."""
SOON: Final = 0.05
"""Seconds until it is looked again whether what stands in the thread's inbox is decided upon."""
HORIZON: Final = 8 * 86_400
"""How long carriers' ids are remembered, in seconds: longer than any of them retries or lists."""


class Texts:
    """Performs `Text` rows through one carrier. `numbers` are the line's, the main one first."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        pack: Pack,
        clock: Clock,
        carrier: Carrier,
        numbers: tuple[str, ...],
        copies: Copies,
        wake_engine: Callable[[str], None],
        crash: Crash,
    ) -> None:
        self._store, self._vault, self._pack, self._clock = store, vault, pack, clock
        self._carrier, self._wake_engine, self._crash = carrier, wake_engine, crash
        self._numbers, self._pace = numbers, Pace(carrier.rate)
        self._copies = copies
        self._sending: set[asyncio.Task[None]] = set()

    async def settle(self) -> None:
        """At the start: what was being sent when the program died is `unknown`."""
        query = "SELECT id, owner, lane, way, txn, kind, body FROM outbox WHERE state = 'sending'"
        for row in await self._store.fetch(query):
            try:
                body = await self._vault.open(row["owner"], f"outbox {row['txn']}", row["body"])
            except Sealed:
                # It may have left all the same, and nobody can be told which text it was.
                await self._bury(row)
                continue
            text: Text = serialization.decode(row["kind"], body)
            await self._conclude(row["id"], row["owner"], TextOutcome(ref=text.ref, outcome=Outcome.UNKNOWN))
            log.event("texts.unknown_after_crash")

    async def perform(self, task: Task) -> None:
        """Send one text, once."""
        text = task.action
        if not isinstance(text, Text):
            raise Impossible("not a text")
        if (wait := text.not_before - self._clock.wall()) > 0:
            raise TryAgain(wait, queued=True)
        ends = await self._mark(task, text)
        if ends is None:
            return
        self._crash(CrashPoint.SMS_MARKED)
        # Once begun it is finished, so that an orderly stop leaves nothing unknown.
        sending = asyncio.create_task(self._send(task, text, *ends))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        await asyncio.shield(sending)

    async def finish(self) -> None:
        """Wait for requests that are under way. For an orderly stop."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=FINISH)

    async def _send(self, task: Task, text: Text, phone: Phone, number: str) -> None:
        outcome = await self._carrier.send(phone, text.body, number=number)
        if isinstance(outcome, TryLater):
            self._pace.hold(number, outcome.after)
        self._crash(CrashPoint.SMS_SENT)
        while True:
            try:
                await self._result(task, text, outcome)
            except (sqlite3.OperationalError, OSError) as error:
                # The carrier has been asked. What is tried again is the note of its answer, never the request.
                log.failure("texts.waits", error)
                await asyncio.sleep(1)
            else:
                return

    async def _mark(self, task: Task, text: Text) -> tuple[Phone, str] | None:
        """Take the turn and mark the row; return whom to text and from which number, or None when it must not leave."""
        cost = float(segments(text.body).count) if self._pace.rate.by_segment else 1.0
        now = self._clock.wall()
        late, refused, unknown = [
            await inbox.seal(self._vault, task.owner, TextOutcome(ref=text.ref, outcome=outcome))
            for outcome in (Outcome.LATE, Outcome.REFUSED, Outcome.UNKNOWN)
        ]

        async def commit(conn: Connection) -> tuple[Phone, str] | float | None:
            row: Any = await conn.fetchrow("SELECT phone, number, aggregate FROM thread WHERE id = $1", task.owner)
            state = await conn.fetchval("SELECT state FROM outbox WHERE id = $1", task.number)
            if row is None or state is None:
                # The conversation is over since this row was read: nothing leaves any more.
                return None
            thread = serialization.read(Thread, await self._vault.open(task.owner, "aggregate", row["aggregate"]))
            number = await self._number(task.owner, row["number"])
            # Marked before by us: a commit that failed may have been kept all the same. Twice is worse than not.
            begun = state == "sending"
            if not begun and await conn.fetchval("SELECT 1 FROM inbox WHERE owner = $1 LIMIT 1", task.owner) is not None:
                return SOON
            others = await conn.fetch("SELECT designation FROM thread WHERE designation <> '' AND id <> $1", task.owner)
            why = guard.may_send(self._pack, thread, text, now, [row["designation"] for row in others])
            if why is not None or begun:
                verdict = late if why is guard.LATE else refused
                await inbox.put(conn, unknown if begun else verdict)
                await conn.execute("DELETE FROM outbox WHERE id = $1", task.number)
                self._pace.leave(number, task.number)
                return None
            if wait := self._pace.turn(number, task.number, cost=cost):
                return wait
            await conn.execute("UPDATE outbox SET state = 'sending' WHERE id = $1", task.number)
            return Phone((await self._vault.open(task.owner, PHONE, row["phone"])).decode()), number

        marked = await self._store.commit(commit)
        if isinstance(marked, float):
            raise TryAgain(marked, queued=True)
        if marked is None:
            self._wake_engine(task.owner)
        return marked

    async def _bury(self, row: Any) -> None:
        short_id = secrets.token_hex(4)
        log.event("texts.dead_letter", kind=row["kind"], short_id=short_id)
        told = await inbox.seal(self._vault, DESK, LetterDied(short_id=short_id))
        letter, at = Letter(row["owner"], row["kind"], row["body"]), self._clock.wall()

        async def commit(conn: Connection) -> None:
            await inbox.bury(conn, letter, Buried(short_id, row["lane"], row["way"], row["txn"]), at=at, told=[told])
            await conn.execute("DELETE FROM outbox WHERE id = $1", row["id"])
            if whose := await carrier_copies.whose(conn, row["owner"]):
                await carrier_copies.count(conn, whose, carrier_copies.UNNAMED, more=1)

        await self._store.commit(commit)

    async def _number(self, owner: str, sealed: bytes | None) -> str:
        """Return the number that the texter texted, if it is still one of the line's; else the main one."""
        number = await reply_number.number(self._vault, owner, sealed)
        if number in self._numbers:
            return number
        if number:
            log.event("texts.number_not_configured")
        return self._numbers[0]

    async def _result(self, task: Task, text: Text, outcome: SendOutcome) -> None:
        match outcome:
            case Accepted():
                result = TextOutcome(ref=text.ref, outcome=Outcome.ACCEPTED)
                await self._conclude(task.number, task.owner, result, message_id=outcome.message_id)
            case Rejected():
                kind = Outcome.OPTED_OUT if outcome.opted_out else Outcome.REJECTED
                result = TextOutcome(ref=text.ref, outcome=kind, code=outcome.code[:20])
                await self._conclude(task.number, task.owner, result)
            case UnknownOutcome():
                result = TextOutcome(ref=text.ref, outcome=Outcome.UNKNOWN)
                await self._conclude(task.number, task.owner, result, message_id=outcome.message_id)
            case TryLater():
                await self._store.commit(
                    lambda conn: conn.execute("UPDATE outbox SET state = 'queued' WHERE id = $1", task.number)
                )
                raise TryAgain(outcome.after)
        self._crash(CrashPoint.SMS_RESULT)
        self._wake_engine(task.owner)

    async def _conclude(self, number: int, owner: str, result: TextOutcome, *, message_id: str = "") -> None:
        try:
            letter = await inbox.seal(self._vault, owner, result)
        except Sealed:
            letter = None
        digest = self.digest(message_id)
        copy = await self._copies.seal(message_id)
        now = self._clock.wall()
        until = int(now) + HORIZON

        async def commit(conn: Connection) -> None:
            over = await conn.fetchval("DELETE FROM outbox WHERE id = $1 RETURNING id", number) is None
            # Also of a text whose conversation ended while it was under way: then nothing needs its copy any more.
            whose = await carrier_copies.whose(conn, owner)
            if message_id:
                due = now + (0.0 if over else carrier_copies.UNREPORTED)
                ref = "" if over else result.ref
                await carrier_copies.note(conn, hash_=digest, owner=whose, ref=ref, sealed=copy, due=due, now=now)
            unnamed = result.outcome is Outcome.UNKNOWN and not message_id
            if whose and unnamed is not over:
                # What was under way at the end was counted as without an id then.
                await carrier_copies.count(conn, whose, carrier_copies.UNNAMED, more=1 if unnamed else -1)
            if over or letter is None:
                return
            await inbox.put(conn, letter)
            if message_id:
                await conn.execute(
                    """INSERT INTO sent_text (hash, owner, ref, unknown, until) VALUES ($1, $2, $3, $4, $5)
                       ON CONFLICT DO NOTHING""",
                    digest,
                    owner,
                    result.ref,
                    int(result.outcome is Outcome.UNKNOWN),
                    until,
                )
                early = await conn.fetchrow("DELETE FROM early_report WHERE hash = $1 RETURNING outcome, code", digest)
                if early is not None:
                    if early["outcome"] != Outcome.ACCEPTED.value:
                        await carrier_copies.reported(conn, digest, now)
                    report = TextOutcome(ref=result.ref, outcome=Outcome(early["outcome"]), code=early["code"])
                    await inbox.put(conn, await inbox.seal(self._vault, owner, report))

        await self._store.commit(commit)
        self._copies.wake()

    def digest(self, message_id: str) -> bytes:
        """Return what stands for a carrier's id in our tables."""
        return self._vault.keyed_hash(f"carrier {self._carrier.kind}", message_id)
