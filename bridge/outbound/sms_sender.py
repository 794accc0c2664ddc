"""Sends texts: at most once each.

Rules of this module: nothing leaves while an event of the thread is in the inbox, because it may be a STOP. One commit asks
the guard, takes the number's turn and marks the row `sending`; only then is the request made. A row that is still `sending`
when the program starts, or whose request had no clear result, is `unknown` and is never sent again by itself; a report that
names its reference settles it, whether it comes before or after that. So is a text for words from before the start that
found a promoted replica, which may lack that it was sent. No text leaves late. The canary's number gets no text over a
telephone network, whoever texts from it, and a thread of the canary has no other number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from bot import guard
from bot.model.actions import SendSms
from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome
from bridge.background.loop import retry_until_done
from bridge.carriers.adapter import Accepted, Carrier, Rejected, SendOutcome, TryLater, UnknownOutcome
from bridge.carriers.rate_limit import RateLimiter
from bridge.erasure.carrier_copies import CarrierCopies, id_digest
from bridge.outbound import reply_number
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.runtime import log
from bridge.runtime.canary_keys import CANARY_PHONE
from bridge.runtime.clock import system_clock_offset
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.storage.vault import CannotOpen
from bridge.tables import carrier_copies, dead_letters, inbox, line_state, outbox, sent_texts, threads
from bridge.tables.dead_letters import Concern, DeadLetter
from bridge.tables.inbox import InboxRow
from bridge.tables.outbox import RowState, StoredRow
from bridge.tables.sent_texts import SentTextRow
from policies.pack import Pack
from policies.segments import segments

STOP_TIMEOUT: Final = 11.0
"""Seconds for which an orderly stop waits for requests under way: longer than an adapter's time-out
(`carriers/http_request.py`), and short enough that the whole stop stays within the limit of the supervision
(`deploy/stack/up.py`)."""
RECHECK_CLOCK_SECONDS: Final = 1.0
"""Seconds between two checks whether the machine's clock is far ahead of the line's time."""
RECHECK_SECONDS: Final = 0.05
"""Seconds between two checks whether the thread's inbox is empty."""


class SmsSender:
    """Performs `SendSms` rows through one carrier. `numbers` are the line's, the main one first."""

    def __init__(
        self,
        services: Services,
        *,
        pack: Pack,
        carrier: Carrier,
        numbers: tuple[str, ...],
        carrier_copies: CarrierCopies,
        canary: Callable[[Phone, str], Awaitable[SendOutcome]] | None = None,
    ) -> None:
        """`canary`: called with the texts for the canary's phone, which no carrier gets; None: there is no such route."""
        self._canary = canary
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._crash, self._pack = services.wake, services.crash, pack
        self._measurements = services.measurements
        self._carrier, self._numbers, self._rate_limiter = carrier, numbers, RateLimiter(carrier.rate)
        self._carrier_copies = carrier_copies
        self._sending: set[asyncio.Task[None]] = set()
        self._promoted_at = 0.0

    async def recover(self) -> None:
        """At the start: texts that were being sent when the process died become `unknown`."""
        self._promoted_at = await line_state.history_changed_at(self._database)
        for stored in await outbox.rows_being_sent(self._database):
            row = stored.row
            try:
                body = await self._vault.open(stored.owner, f"outbox {row.txn}", row.body)
                text = serialization.decode_as(SendSms, body)
            except (CannotOpen, ValueError):
                # The text may have left, and nobody can be told which one it was.
                await self._record_dead_letter(stored)
                continue
            result = TextOutcome(ref=text.ref, outcome=Outcome.UNKNOWN)
            await self._commit_unknown(stored.number, stored.owner, result, reference=self.reference(row.txn))
            log.event("sms.unknown_after_crash")

    async def perform(self, task: OutboxTask) -> None:
        """Send one text, once."""
        text = task.action
        if not isinstance(text, SendSms):
            raise PermanentFailure("not a text")
        # A text whose time is further ahead than possible, because of a wrong clock, is judged by the guard now.
        if 0 < (wait := text.not_before - self._clock.now()) <= self._pack.settings.late_after_seconds:
            raise RetryLater(wait, in_turn=True)
        if system_clock_offset(self._clock) > self._pack.settings.late_after_seconds:
            # The machine may have been paused, and the text be hours old: `Timers` is about to end this run.
            raise RetryLater(RECHECK_CLOCK_SECONDS, in_turn=True)
        ends = await self._claim_row(task, text)
        if ends is None:
            return
        self._crash(CrashPoint.SMS_MARKED)
        # A request that has begun is finished, so that an orderly stop leaves no unknown outcome.
        sending = asyncio.create_task(self._send(task, text, *ends))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        await asyncio.shield(sending)

    async def wait_for_requests(self) -> None:
        """Wait for requests that are under way. For an orderly stop."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=STOP_TIMEOUT)

    async def _send(self, task: OutboxTask, text: SendSms, phone: Phone, number: str) -> None:
        if phone == CANARY_PHONE and self._canary is not None:
            outcome = await self._canary(phone, text.body)
        else:
            outcome = await self._carrier.send(phone, text.body, number=number, reference=self.reference(task.txn))
            self._measurements.record_carrier_request(answered=isinstance(outcome, Accepted | Rejected))
        if isinstance(outcome, TryLater):
            self._rate_limiter.pause(number, outcome.retry_after)
        self._crash(CrashPoint.SMS_SENT)
        # The request was made. Only the note of its outcome is retried, never the request.
        await retry_until_done("sms", partial(self._record_outcome, task, text, outcome))

    async def _claim_row(self, task: OutboxTask, text: SendSms) -> tuple[Phone, str] | None:
        """Take the number's turn and mark the row; return phone and number, or None when the text must not leave."""
        cost = float(segments(text.body).count) if self._rate_limiter.rate.by_segment else 1.0
        now = self._clock.now()
        late, refused = [
            await inbox.seal(self._vault, task.owner, TextOutcome(ref=text.ref, outcome=outcome))
            for outcome in (Outcome.LATE, Outcome.REFUSED)
        ]

        async def commit(transaction: Transaction) -> tuple[Phone, str] | float | Outcome | None:
            sealed = await threads.sealed_thread(transaction, task.owner)
            state = await outbox.state_of(transaction, task.number)
            if sealed is None or state is None:
                # The conversation has ended since this row was read: nothing leaves any more.
                return None
            thread = await threads.open_aggregate(self._vault, task.owner, sealed.aggregate)
            texted = await reply_number.read(self._vault, task.owner, sealed.number)
            number = texted if texted in self._numbers else self._numbers[0]
            if texted not in ("", number):
                log.event("sms.number_not_configured")
            phone = await threads.open_phone(self._vault, task.owner, sealed.phone)
            # Already marked by us: a commit that reported a failure may have succeeded. Or it left, and a promoted replica
            # lacks that. Twice is worse than not.
            if state is RowState.SENDING or text.since <= self._promoted_at <= now:
                self._rate_limiter.cancel(number, task.number)
                return Outcome.UNKNOWN
            if await inbox.has_rows(transaction, task.owner):
                return RECHECK_SECONDS
            why = guard.may_send(self._pack, thread, text, now, await threads.other_designations(transaction, task.owner))
            if why is None and texted not in ("", number):
                why = guard.other_number_reason(self._pack, thread, text)
            if why is None and (thread.canary or phone == CANARY_PHONE) and not self._may_answer_canary(thread, phone):
                why = guard.UNANSWERABLE
            if why is not None:
                await inbox.append(transaction, late if why is guard.LATE else refused)
                await outbox.delete(transaction, task.number)
                self._rate_limiter.cancel(number, task.number)
                return None
            beside = thread.canary and self._canary is not None
            if not beside and (wait := self._rate_limiter.acquire(number, task.number, cost=cost)):
                return wait
            await outbox.set_state(transaction, task.number, RowState.SENDING)
            return phone, number

        marked = await self._database.commit(commit)
        if isinstance(marked, float):
            raise RetryLater(marked, in_turn=True)
        if isinstance(marked, Outcome):
            result = TextOutcome(ref=text.ref, outcome=marked)
            await self._commit_unknown(task.number, task.owner, result, reference=self.reference(task.txn))
            marked = None
        if marked is None:
            self._wake.engine(task.owner)
        return marked

    def _may_answer_canary(self, thread: Thread, phone: Phone) -> bool:
        """Whether a thread is the canary's with the canary's phone, which is reached without a telephone network."""
        is_rehearsal = self._carrier.kind == "rehearsal"
        return bool(thread.canary) and phone == CANARY_PHONE and (self._canary is not None or is_rehearsal)

    async def _record_dead_letter(self, stored: StoredRow) -> None:
        row, short_id, at = stored.row, dead_letters.new_short_id(), self._clock.now()
        inbox_row = InboxRow(stored.owner, row.kind, row.body)
        letter = DeadLetter(short_id, inbox_row, row.lane, row.transport, row.txn)
        log.event("sms.dead_letter", kind=row.kind, short_id=short_id)

        async def remove(transaction: Transaction) -> bool:
            await outbox.drop(transaction, stored.number)
            if whose := await carrier_copies.owner_of_copies(transaction, stored.owner):
                await carrier_copies.count_without_id(transaction, whose, more=1)
            return True

        concern = Concern(designation=await threads.designation_of(self._database, stored.owner), uncalled=True)
        await dead_letters.move_row(self._database, self._vault, letter, remove=remove, at=at, concern=concern)

    async def _record_outcome(self, task: OutboxTask, text: SendSms, outcome: SendOutcome) -> None:
        match outcome:
            case Accepted():
                result = TextOutcome(ref=text.ref, outcome=Outcome.ACCEPTED)
                await self._commit_outcome(task.number, task.owner, result, message_id=outcome.message_id)
            case Rejected():
                kind = Outcome.OPTED_OUT if outcome.opted_out else Outcome.REJECTED
                result = TextOutcome(ref=text.ref, outcome=kind, code=outcome.code[:20])
                await self._commit_outcome(task.number, task.owner, result)
            case UnknownOutcome():
                result = TextOutcome(ref=text.ref, outcome=Outcome.UNKNOWN)
                await self._commit_unknown(task.number, task.owner, result, reference=self.reference(task.txn))
            case TryLater():
                await self._database.commit(partial(self._queue_again, task=task))
                raise RetryLater(outcome.retry_after)
        self._crash(CrashPoint.SMS_RESULT)
        self._wake.engine(task.owner)

    async def _queue_again(self, transaction: Transaction, *, task: OutboxTask) -> None:
        if await outbox.state_of(transaction, task.number) is not None:
            await outbox.set_state(transaction, task.number, RowState.QUEUED)
        elif whose := await carrier_copies.owner_of_copies(transaction, task.owner):
            # The conversation ended during the request, and counted this text as one that the carrier may have.
            await carrier_copies.count_without_id(transaction, whose, more=-1)

    async def _commit_unknown(self, number: int, owner: str, result: TextOutcome, *, reference: str) -> None:
        """Commit that nobody knows whether a text left; a report on it settles that, as it names the reference."""
        message_id = reference if self._carrier.reference_is_id else ""
        await self._commit_outcome(number, owner, result, message_id=message_id, reference=reference)

    async def _commit_outcome(
        self, number: int, owner: str, result: TextOutcome, *, message_id: str = "", reference: str = ""
    ) -> None:
        try:
            inbox_row = await inbox.seal(self._vault, owner, result)
        except CannotOpen:
            inbox_row = None
        digest = id_digest(self._vault, self._carrier.kind, message_id or reference)
        copy = await self._carrier_copies.seal(message_id)
        now = self._clock.now()
        until = int(now) + sent_texts.ID_RETENTION

        async def commit(transaction: Transaction) -> None:
            over = not await outbox.delete(transaction, number)
            # Also for a text whose conversation ended during the request: then its copy is not needed any more.
            whose = await carrier_copies.owner_of_copies(transaction, owner)
            if message_id:
                due = now + (0.0 if over else carrier_copies.REPORT_WAIT)
                ref = "" if over else result.ref
                await carrier_copies.record(transaction, hash_=digest, owner=whose, ref=ref, sealed=copy, due=due, now=now)
            unnamed = result.outcome is Outcome.UNKNOWN and not message_id
            if whose and unnamed is not over:
                # At the end of the conversation a text under way was counted as without an id.
                await carrier_copies.count_without_id(transaction, whose, more=1 if unnamed else -1)
            if over or inbox_row is None:
                return
            row_to_append, early, unknown = inbox_row, None, result.outcome is Outcome.UNKNOWN
            if message_id or reference:
                early = await sent_texts.take_early_report(transaction, digest)
                row = SentTextRow(owner, result.ref, unknown=unknown and early is None)
                await sent_texts.record(transaction, digest, row, until=until)
            if unknown and early is not None:
                # Whatever it reports, the carrier has taken the text.
                acceptance = TextOutcome(ref=result.ref, outcome=Outcome.ACCEPTED)
                row_to_append = await inbox.seal(self._vault, owner, acceptance)
            await inbox.append(transaction, row_to_append)
            if early is not None and early.outcome is not Outcome.ACCEPTED:
                await carrier_copies.release_after_report(transaction, digest, now)
                report = TextOutcome(ref=result.ref, outcome=early.outcome, code=early.code)
                await inbox.append(transaction, await inbox.seal(self._vault, owner, report))

        await self._database.commit(commit)
        self._wake.carrier_copies()

    def reference(self, txn: str) -> str:
        """Return our word for a text at the carrier: it can be had again after a crash, and only with our key."""
        return self._vault.keyed_hash("text reference", txn)[:16].hex()
