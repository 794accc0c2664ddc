"""The engine: it takes the oldest inbox row of an owner, calls `decide`, and commits all effects at once.

Rules of this module: one event at a time per owner, many owners at once. Memory is only a wake-up, SQL is the truth. An
event that fails as a bug becomes a dead letter, with an alarm and without content, and its owner continues. When the
database cannot write, the engine waits. A decision that destroys is made again when, inside its commit, a text has come or
the thread is on hold; one that no person made, also when words of a person have come. A thread that has ended gets no more
events. Priority: the desk, then threads with an assignee, then strangers. Each action of a person at the desk is one
decision and one commit. Of the other events of the desk, many are decided one after another and committed together, and of
several edits of one message the last is kept.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from bot.decide import decide
from bot.model.actions import DESK, Action, EditMessage, SendMessage
from bot.model.desk import Desk, Thread
from bot.model.events import Event, TextArrived
from bot.model.feature import Step
from bot.model.transactional_actions import (
    CancelTimer,
    CreateThread,
    EraseTexter,
    ParkThread,
    SendEvent,
    SetTimer,
    Suppress,
)
from bridge.background.loop import OwnerQueue
from bridge.engine import timers
from bridge.engine.codeword_matching import CodewordMatcher, MatchedEvent
from bridge.engine.cold_outreach import OutreachThreads, PendingThread
from bridge.engine.desk_store import DeskStore
from bridge.engine.facts import NO_DRILLS, FactsLookup
from bridge.engine.transactional_actions import TransactionalAction, TransactionalActions, ends_data, is_transactional
from bridge.outbound.designations import Designations
from bridge.outbound.dispatcher import OutboxDispatcher
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.database import Row, Sync, Transaction
from bridge.storage.errors import Unavailable
from bridge.tables import carrier_copies, dead_letters, inbox, outbox, threads
from bridge.tables.dead_letters import DeadLetter
from bridge.tables.inbox import InboxRow, SequencedRow
from bridge.tables.outbox import OutboxRow
from bridge.tables.threads import StoredThread
from policies.drills.script import DrillScript
from policies.pack import Pack, Shifts

MAX_IN_FLIGHT: Final = 32
MAX_TOGETHER: Final = 50
"""Most events of the desk that are committed together: a command may have to wait for as many."""
CROWD: Final = 1_000
"""With so many threads without a card, or more, the desk pauses between commits."""
PAUSE_PER_WAITING, LONGEST_PAUSE = 3e-6, 0.1
"""Seconds of that pause: for each such thread, about ten times its comparison, and the most that a command waits for it."""


class _StaleFacts(Exception):  # noqa: N818 - the name says what happened
    """Between the look-up of the facts and the commit, an event arrived that must be known before data are destroyed."""


class Engine:
    """Runs decisions. `wake` after a commit that put something into an inbox; `run` until cancelled."""

    def __init__(
        self,
        services: Services,
        *,
        pack: Pack,
        outbox: OutboxDispatcher,
        transactional_actions: TransactionalActions,
        designations: Designations,
        numbers: tuple[str, ...],
        on_call: bool = False,
        cold_outreach: OutreachThreads | None = None,
        drills: Mapping[str, DrillScript] = NO_DRILLS,
        calendar: Callable[[], Shifts | None] = lambda: None,
    ) -> None:
        """`numbers`: the line's. `on_call`: whether a person can be called outside Matrix.

        `drills`: of a rehearsal line. `calendar`: its copy.
        """
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._crash, self._pack = services.wake, services.crash, pack
        self._transactional_actions, self._designations = transactional_actions, designations
        self._outbox, self._cold_outreach = outbox, cold_outreach
        self._lookup = FactsLookup(
            services,
            pack=pack,
            designations=designations,
            numbers=numbers,
            on_call=on_call,
            cold_outreach=cold_outreach,
            drills=drills,
            calendar=calendar,
        )
        self._desk_store = DeskStore(services)
        self._codeword_matcher = CodewordMatcher(vault=services.vault, pack=pack)
        self.queue = OwnerQueue("engine", self._work, workers=MAX_IN_FLIGHT, rank=self._rank)
        services.wake.engine = self.queue.wake
        self._desk, self._conversations = Desk(), frozenset[str]()
        # A part of each transaction id: a promoted replica may use numbers again, and then the homeserver would return the
        # earlier event and the new words would count as sent.
        self._run = secrets.token_hex(4)

    @property
    def desk(self) -> Desk:
        """The desk as last committed."""
        return self._desk

    async def load(self) -> None:
        """Read the desk, or make it, and wake every owner with waiting events."""
        self._set_desk(await self._desk_store.load())
        for owner in await inbox.owners(self._database):
            self.queue.wake(owner)

    def _rank(self, owner: str) -> int:
        return 0 if owner == DESK else 1 if owner in self._conversations else 2

    def _set_desk(self, desk: Desk) -> None:
        self._desk = desk
        self._conversations = frozenset(entry.thread for entry in desk.threads if entry.assignee is not None)

    async def _work(self, owner: str) -> None:
        if owner == DESK:
            while rows := await inbox.next_at_desk(self._database, MAX_TOGETHER):
                await self._process_together(rows)
                if rows[0].inbox_row.kind not in inbox.OF_PEOPLE:
                    await self._pause_in_crowd()
            return
        following = True
        while following and (next_event := await inbox.next_to_decide(self._database, owner)) is not None:
            await self._process(next_event.row, next_event.thread)
            # After the last row the inbox is not read again: a newer row has woken its owner again.
            following = next_event.is_followed

    async def _process_together(self, rows: list[SequencedRow]) -> None:
        """Decide several events of the desk and commit them at once; one by one when that fails as a bug."""
        # A person's message may hold a codeword or a number: it is processed alone.
        if len(rows) > 1 and not any(row.inbox_row.kind in inbox.OF_PEOPLE for row in rows):
            try:
                desk, decided = self._desk, list[tuple[SequencedRow, Step[Desk]]]()
                for row in rows:
                    body = await inbox.open_body(self._vault, row.inbox_row)
                    event = serialization.decode(row.inbox_row.kind, body)
                    step = await self._ask(row, desk, MatchedEvent(event), desk=desk, frozen=False)
                    decided.append((row, step))
                    desk = step.aggregate
                self._crash(CrashPoint.ENGINE_DECIDED)
                await self._commit(DESK, self._desk, decided)
            except (Unavailable, OSError):
                raise
            except Exception as error:  # noqa: BLE001 - deciding one by one shows which event it is
                log.failure("engine.batch_failed", error)
            else:
                return
        for row in rows:
            await self._process(row)

    async def _pause_in_crowd(self) -> None:
        """Wait for further news, longer for a larger crowd, because each commit compares the whole crowd."""
        if (crowd := len(self._desk.flood.crowd)) >= CROWD:
            await asyncio.sleep(min(crowd * PAUSE_PER_WAITING, LONGEST_PAUSE))

    async def _process(self, row: SequencedRow, thread: StoredThread | None = None) -> None:
        """Decide an event. `thread`: the thread as read with it; None: it has ended, or the event is the desk's."""
        owner = row.inbox_row.owner
        try:
            stored = thread
            while True:
                if owner != DESK and stored is None:
                    if row.inbox_row.kind == inbox.TEXT:  # an end leaves no text, so the row's owner is damaged
                        await self._record_dead_letter(row, LookupError("no thread"))
                        return
                    # The thread has ended: the desk's event for it is not needed any more.
                    await self._database.commit(lambda transaction: inbox.delete(transaction, row.seq))
                    return
                aggregate: Any = (
                    self._desk if stored is None else await threads.open_aggregate(self._vault, owner, stored.aggregate)
                )
                body = await inbox.open_body(self._vault, row.inbox_row)
                event: Event = serialization.decode(row.inbox_row.kind, body)
                try:
                    matched = await self._codeword_matcher.match(aggregate, event)
                except (Unavailable, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - the event may hold a codeword, and a dead letter is stored
                    await self._record_dead_letter(SequencedRow(row.seq, InboxRow(owner, row.inbox_row.kind, b"")), error)
                    return
                try:
                    frozen = stored is not None and stored.legal_hold
                    await self._decide(row, aggregate, matched, frozen=frozen)
                except _StaleFacts:
                    stored = await threads.get(self._database, owner)
                    continue
                except (Unavailable, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a bug raises, the owner continues without this row
                    await self._record_dead_letter(row, error, without_words=_without_codewords(event, matched))
                finally:
                    await self._designations.settle(owner)
                return
        except (Unavailable, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a row that cannot be read becomes a dead letter as well
            await self._record_dead_letter(row, error)

    async def _decide(self, row: SequencedRow, aggregate: Any, matched: MatchedEvent, *, frozen: bool) -> None:
        step = await self._ask(row, aggregate, matched, desk=self._desk, frozen=frozen)
        self._crash(CrashPoint.ENGINE_DECIDED)
        pending_thread = await self._cold_outreach.prepare(matched.event, step.actions) if self._cold_outreach else None
        unshown = _unshown_text(matched.event, step.actions)
        await self._commit(row.inbox_row.owner, aggregate, [(row, step)], pending_thread, unshown=unshown)
        if unshown:
            self._wake.carrier_copies()

    async def _ask(
        self, row: SequencedRow, aggregate: Any, matched: MatchedEvent, *, desk: Desk, frozen: bool
    ) -> Step[Any]:
        """Look up the facts and decide."""
        facts = await self._lookup.facts(
            owner=row.inbox_row.owner,
            seq=row.seq,
            matched=matched,
            aggregate=aggregate,
            desk=desk,
            frozen=frozen,
            now=self._clock.now(),
        )
        return decide(self._pack, facts, aggregate, matched.event)

    async def _commit(
        self,
        owner: str,
        before: Any,
        decided: Sequence[tuple[SequencedRow, Step[Any]]],
        pending_thread: PendingThread | None = None,
        *,
        unshown: str = "",
    ) -> None:
        """Commit decisions of one owner, each based on the result of the previous one, with all their effects.

        `unshown`: the ref of a text's message, if none is posted, so that the carrier copy does not wait for it.
        """
        after = decided[-1][1].aggregate
        acts = [(row, n, action) for row, step in decided for n, action in enumerate(step.actions)]
        effects = [(row, action) for row, _, action in acts if is_transactional(action)]
        renamed = isinstance(before, Thread) and after.designation != before.designation
        changed = after != before
        sealed_desk = await self._desk_store.seal(before, after) if changed and isinstance(after, Desk) else None
        stays = isinstance(after, Thread) and not any(isinstance(effect, EraseTexter) for _, effect in effects)
        sealed = await threads.seal_aggregate(self._vault, after) if changed and stays else None
        sent_events = [(a.owner, a.event) for _, _, a in acts if isinstance(a, SendEvent)]
        notices = [inbox_row for to in sent_events if (inbox_row := await inbox.try_seal(self._vault, *to)) is not None]
        set_ = [a for _, _, a in acts if isinstance(a, SetTimer | CancelTimer)]
        last_edit = {(a.place, a.ref): a for _, _, a in acts if isinstance(a, EditMessage)}
        rows = [
            await self._outbox.seal(owner, f"q{self._run}.{row.seq}.{n}", action)
            for row, n, action in acts
            if not isinstance(action, SendEvent | SetTimer | CancelTimer | CreateThread)
            and not is_transactional(action)
            and (not isinstance(action, EditMessage) or action.fresh or last_edit[action.place, action.ref] is action)
        ]
        # Before the commit: the digest takes some tens of milliseconds, and a commit must not wait.
        phone = await self._phone_digest(owner) if any(isinstance(effect, Suppress) for _, effect in effects) else b""
        created = int(self._clock.now())

        async def commit(transaction: Transaction) -> list[tuple[list[Row], OutboxRow]]:
            for row, effect in effects:
                await self._perform(transaction, row, effect, phone)
            if renamed:
                await threads.set_designation(transaction, owner, after.designation)
            if sealed_desk is not None:
                await sealed_desk.write(transaction)
            if sealed is not None:
                await threads.set_aggregate(transaction, owner, sealed)
            for inbox_row in notices:
                await inbox.append(transaction, inbox_row)
            for timer in set_:
                await timers.write(transaction, owner, timer)
            placed = [(await self._outbox.put(transaction, owner, item, created), item) for item in rows]
            if pending_thread is not None:
                await pending_thread.write(transaction)
            for row, _ in decided:
                await inbox.delete(transaction, row.seq)
            if unshown:
                await carrier_copies.release_shown(transaction, owner, unshown, self._clock.now())
            return placed

        # The outbox waits for the sync of this commit. Other effects, such as destroying a key, must wait here.
        must_wait = any(ends_data(effect) for _, effect in effects)
        sync = Sync.BEGIN if rows or pending_thread is not None else Sync.DEFER
        placed = await self._database.commit(commit, sync=Sync.AWAIT if must_wait else sync)
        if sealed_desk is not None:
            self._desk_store.record_commit(sealed_desk)
            self._set_desk(after)
            self._wake.rooms()
        self._crash(CrashPoint.ENGINE_COMMITTED)
        self._wake_parts(owner, placed, notices, has_timers=bool(set_), has_ended_data=must_wait)
        if pending_thread is not None:
            await pending_thread.after_commit()
        if renamed:
            # The designation of an ended conversation is free again; a new conversation needs a room.
            self._designations.release(before.designation)
            self._wake.rooms()

    def _wake_parts(
        self,
        owner: str,
        placed: Iterable[tuple[list[Row], OutboxRow]],
        notices: Iterable[InboxRow],
        *,
        has_timers: bool,
        has_ended_data: bool,
    ) -> None:
        for appended, item in placed:
            self._outbox.enqueue(appended, owner, item)
        for to in dict.fromkeys(inbox_row.owner for inbox_row in notices):
            self._wake.engine(to)
        if has_timers:
            self._wake.timers()
        if has_ended_data:
            self._wake.erasure()

    async def _perform(
        self, transaction: Transaction, row: SequencedRow, effect: TransactionalAction, phone: bytes
    ) -> None:
        owner = row.inbox_row.owner
        if isinstance(effect, ParkThread | EraseTexter):
            or_said = row.inbox_row.kind != inbox.SAID
            if await threads.is_on_legal_hold(transaction, owner) or await inbox.has_text_after(
                transaction, owner, row.seq, or_said=or_said
            ):
                raise _StaleFacts
            if isinstance(effect, ParkThread) and not effect.drop_unsent and await outbox.has_sms(transaction, owner):
                raise _StaleFacts
        await self._transactional_actions.perform(transaction, owner, effect, phone=phone)

    async def _phone_digest(self, owner: str) -> bytes:
        """Return the slow digest of a thread's phone."""
        sealed = await threads.sealed_phone(self._database, owner)
        if sealed is None:
            raise LookupError("the thread has ended")
        return await self._transactional_actions.suppression.digest(await threads.open_phone(self._vault, owner, sealed))

    async def _record_dead_letter(self, row: SequencedRow, error: Exception, *, without_words: Event | None = None) -> None:
        """Make an event a dead letter. `without_words`: what is stored, if a codeword was in it; sealed in the commit."""
        letter = DeadLetter(dead_letters.new_short_id(), row.inbox_row)
        log.failure("engine.dead_letter", error, short_id=letter.short_id, kind=row.inbox_row.kind)
        concern = await dead_letters.concern_of(self._database, self._vault, row.inbox_row)
        at = self._clock.now()
        seal = None if without_words is None else partial(inbox.seal, self._vault, row.inbox_row.owner, without_words)
        await dead_letters.move_event(self._database, self._vault, row.seq, letter, at=at, concern=concern, seal=seal)
        self._wake.engine(DESK)


def _without_codewords(event: Event, matched: MatchedEvent) -> Event | None:
    """Return what a dead letter stores of an event in which a codeword was masked; None: the event as it is.

    When a text is tried again, what the codeword means still follows.
    """
    if matched.event is event:
        return None
    if isinstance(matched.event, TextArrived):
        return replace(matched.event, codeword_match=matched.word)
    return matched.event


def _unshown_text(event: Event, actions: Iterable[Action]) -> str:
    """Return the ref of a text's message if none is posted, because the phone is blocked; else empty."""
    if not isinstance(event, TextArrived):
        return ""
    ref = f"in:{event.id}:0"
    return "" if any(isinstance(action, SendMessage) and action.ref == ref for action in actions) else ref
