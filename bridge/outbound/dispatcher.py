"""The one way out: durable outbox rows, performed in order within owner, lane and transport; conversation goes first.

Rules of this module: a row leaves when its commit, and every earlier one, is on the disk; it waits for no later commit. It
stays until a commit holds its result. Performing a row again after a crash must have no visible effect (transaction ids,
reading first), except for a text, whose performer marks it before the request (`sms_sender`). A request that the other side
certainly did not take is repeated; a permanent refusal makes a dead letter, with an alarm and without content. A row of a
thread that has ended is dropped; one that does not open although its thread stands is a dead letter. The commit of the next
edit of a message deletes the edit that still waits: nobody would read it. An edit of which a part may have been done stays
until it is done whole: it may have posted a message, which nothing else would redact.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final, TypeAlias

from bot.display.queue_cards import thread_of
from bot.model.actions import DESK, Action, EditMessage, Invite, Lane, PageOnCall, SendMessage, SendSms, Speaker
from bot.model.events import MemberLeft, Outcome, TextOutcome
from bot.model.line_incidents import DEAD_LETTER
from bridge.outbound.routing import route
from bridge.runtime import log
from bridge.runtime.priority_gate import PriorityGate
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.database import Row, Sync, Transaction
from bridge.storage.errors import Unavailable
from bridge.storage.vault import CannotOpen
from bridge.tables import dead_letters, inbox, outbox, threads
from bridge.tables.dead_letters import NO_CONVERSATION, Concern, DeadLetter
from bridge.tables.inbox import InboxRow
from bridge.tables.outbox import OutboxRow

MAX_IN_FLIGHT: Final = {"matrix": 32, "carrier": 16, "page": 2, "handset": 1}
"""Most requests in flight, by transport. With more, the homeserver answers no faster."""

PRIORITY: Final = {lane.value: n for n, lane in enumerate(Lane)}
"""By the part of a row's lane before the colon: each office has a lane of its own, with its name after the colon."""
CONVERSATION_LANES: Final = frozenset({Lane.ANSWERS.value, Lane.CONVERSATION.value, Lane.RECEIPTS.value})
MAX_WAIT: Final = 30.0
RECHECK_SECONDS: Final = 15.0
"""Seconds after which a row that waits for its room checks for it; doubled each time that there is none."""
MAX_RECHECKS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxTask:
    """One row, opened. `created` in seconds since the epoch.

    `room`: of its owner, a thread, as it was when the row was read; None if there was none, or it was not read.
    """

    number: int
    owner: str
    txn: str
    created: int
    action: Action = field(repr=False)
    room: str | None = None


class RetryLater(Exception):  # noqa: N818 - the name is an instruction
    """The other side certainly did not accept it now. `after` seconds; None: when woken (there is no room yet).

    `in_turn`: nothing failed, but its turn has not come. Then it is tried again exactly after that time, without backoff.
    In these two cases this try has made no request.
    """

    def __init__(self, after: float | None, *, in_turn: bool = False) -> None:
        super().__init__()
        self.after, self.in_turn = after, in_turn


class PermanentFailure(Exception):  # noqa: N818 - the name is a verdict
    """The other side refuses it for good. `code`: the other side's code, and nothing else."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def _wait_for_earlier_commits(_transaction: Transaction) -> None:
    """Change nothing: commits are made one after another."""


Perform: TypeAlias = Callable[[OutboxTask], Awaitable[None]]
"""Performs a row and commits the result and the row's removal. Raises :class:`RetryLater` or :class:`PermanentFailure`."""

LaneKey: TypeAlias = tuple[str, str, str]


class OutboxDispatcher:
    """Performs rows. `load` once, then `run` until cancelled; `wake` after the commit that put a row in."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake = services.wake
        self._rows: defaultdict[LaneKey, deque[tuple[int, int]]] = defaultdict(deque)
        """Rows by their numbers, each with how many commits have to be on the disk before it leaves."""
        self._queues: dict[str, asyncio.PriorityQueue[tuple[int, int, LaneKey]]] = {
            transport: asyncio.PriorityQueue() for transport in MAX_IN_FLIGHT
        }
        self._attempts: defaultdict[LaneKey, int] = defaultdict(int)
        self._waiting_for_room: defaultdict[str, set[LaneKey]] = defaultdict(set)
        self._rechecks: defaultdict[LaneKey, int] = defaultdict(int)
        self._begun_numbers: set[int] = set()
        """Rows of which a try may have made a request, until they are done; the next edit does not replace them.

        After a start no row that stood before it is replaced, as `_newest_edit` has none of them.
        """
        self._replaced_numbers: set[int] = set()
        """Edits whose rows a commit deletes that is not known to have succeeded."""
        self._newest_edit: dict[tuple[str, str], int] = {}
        """The last edit of a message that was put in and not performed yet, by its owner and `OutboxRow.edited`."""
        self._edited_by: dict[int, tuple[str, str]] = {}
        self._order = count()
        self.priority_gate = PriorityGate()
        services.wake.outbox, services.wake.waiting_outbox = self.wake, self.room_ready

    async def load(self) -> None:
        """Queue the rows that exist at the start."""
        for row in await outbox.queued_rows(self._database):
            self.wake(*row)

    async def seal(self, owner: str, txn: str, action: Action) -> OutboxRow:
        """Seal an action for its owner. Runs before the commit, which must not wait."""
        lane, transport = route(action)
        body = await self._vault.seal(owner, f"outbox {txn}", serialization.encode(action))
        edited = ""
        if isinstance(action, EditMessage):
            # A fresh edit is replaced by a fresh one only: clients may show no edit in place.
            edited = f"{'fresh ' if action.fresh else ''}{action.place}|{action.ref}"
        return OutboxRow(lane, transport, serialization.kind_name(type(action)), txn, body, edited)

    async def put(self, transaction: Transaction, owner: str, item: OutboxRow, created: int) -> list[Row]:
        """Append a row, as `outbox.append` does. An edit replaces a waiting edit of the same message."""
        before = self._newest_edit.get((owner, item.edited)) if item.edited else None
        if before is not None and before not in self._begun_numbers:
            self._replaced_numbers.add(before)
            await outbox.drop(transaction, before)
        return await outbox.append(transaction, owner, item, created=created)

    def enqueue(self, appended: list[Row], owner: str, item: OutboxRow) -> None:
        """Queue a committed row; `appended`: what `put` returned."""
        number = outbox.number_of(appended)
        if item.edited:
            self._replaced_numbers.discard(self._newest_edit.get((owner, item.edited), number))
            self._newest_edit[owner, item.edited] = number
            self._edited_by[number] = (owner, item.edited)
        self.wake(number, owner, item.lane, item.transport)

    def wake(self, number: int, owner: str, lane: str, transport: str) -> None:
        """Queue a committed row."""
        key = (owner, lane, transport)
        self._rows[key].append((number, self._database.last_commit))
        if len(self._rows[key]) == 1:
            self._push(key)

    def room_ready(self, owner: str) -> None:
        """Queue the rows that waited for an owner's room, which exists now."""
        for key in self._waiting_for_room.pop(owner, set()):
            self._rechecks.pop(key, None)
            self._push(key)

    async def run(self, transport: str, perform: Perform) -> None:
        """Perform the rows of one transport until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_IN_FLIGHT[transport]):
                group.create_task(self._work(self._queues[transport], perform))

    def _push(self, key: LaneKey) -> None:
        priority = PRIORITY[key[1].partition(":")[0]]
        self._queues[key[2]].put_nowait((priority, next(self._order), key))

    async def _work(self, queue: asyncio.PriorityQueue[tuple[int, int, LaneKey]], perform: Perform) -> None:
        while True:
            _, _, key = await queue.get()
            number, commits = self._rows[key][0]
            is_conversation = key[2] == "matrix" and key[1] in CONVERSATION_LANES
            begun_before = number in self._begun_numbers
            self._begun_numbers.add(number)
            try:
                with self.priority_gate.foreground() if is_conversation else nullcontext():
                    await self._perform(number, commits, key, perform)
            except RetryLater as again:
                if not begun_before and (again.in_turn or again.after is None):
                    self._begun_numbers.discard(number)
                self._retry_later(key, again.after, in_turn=again.in_turn)
                continue
            except (Unavailable, OSError) as error:
                log.failure("outbox.database_retry", error)
                self._retry_later(key, 1.0)
                continue
            self._begun_numbers.discard(number)
            self._attempts.pop(key, None)
            self._rechecks.pop(key, None)
            self._forget_edit(number)
            self._rows[key].popleft()
            if self._rows[key]:
                self._push(key)
            else:
                del self._rows[key]

    def _forget_edit(self, number: int) -> None:
        self._replaced_numbers.discard(number)
        edited = self._edited_by.pop(number, None)
        if edited is not None and self._newest_edit.get(edited) == number:
            del self._newest_edit[edited]

    def _retry_later(self, key: LaneKey, after: float | None, *, in_turn: bool = False) -> None:
        loop = asyncio.get_running_loop()
        if after is None:
            self._waiting_for_room[key[0]].add(key)
            # The room may have been made just before this line, and `room_ready` is not called twice. The wait doubles,
            # because thousands may wait: a flood has no rooms.
            loop.call_later(RECHECK_SECONDS * 2.0 ** min(self._rechecks[key], MAX_RECHECKS), self._recheck_room, key)
            self._rechecks[key] += 1
            return
        if in_turn:
            loop.call_later(min(after, MAX_WAIT), self._push, key)
            return
        self._attempts[key] += 1
        wait = max(after, min(0.2 * 2.0 ** min(self._attempts[key], 10), MAX_WAIT / 10))
        loop.call_later(min(wait, MAX_WAIT), self._push, key)

    def _recheck_room(self, key: LaneKey) -> None:
        if key in self._waiting_for_room.get(key[0], ()):
            self._waiting_for_room[key[0]].discard(key)
            self._push(key)

    async def _perform(self, number: int, commits: int, key: LaneKey, perform: Perform) -> None:
        # Read only when the commits are on the disk: then one query also gives the room.
        await self._database.synced(commits)
        if number in self._replaced_numbers:
            # The commit that deletes it may be under way: the row can still be read, but not tried again afterwards.
            await self._database.commit(_wait_for_earlier_commits, sync=Sync.DEFER)
        row = await outbox.sealed_action(self._database, number)
        if row is None:
            return
        # For the case that the row cannot be performed.
        dead_letter_row = InboxRow(key[0], row.kind, row.body)
        letter = DeadLetter(dead_letters.new_short_id(), dead_letter_row, *key[1:], row.txn)
        action: Action | None = None
        try:
            body = await self._vault.open(key[0], f"outbox {row.txn}", row.body)
            action = serialization.decode(row.kind, body)
            task = OutboxTask(number=number, owner=key[0], txn=row.txn, created=row.created, action=action, room=row.room)
            await perform(task)
        except (RetryLater, Unavailable, OSError):
            raise
        except CannotOpen as error:
            # While the thread stands without its key, the newest `keys.db` may still be restored, and `!retry` work then.
            if await self._vault.has_key(key[0]) or await threads.get(self._database, key[0]) is not None:
                log.failure("outbox.dead_letter", error, kind=row.kind, short_id=letter.short_id)
                await self._record_dead_letter(number, action, letter)
                return
            await self._database.commit(lambda transaction: outbox.delete(transaction, number))
        except PermanentFailure as verdict:
            log.event("outbox.rejected", kind=row.kind, status=verdict.code, short_id=letter.short_id)
            await self._record_dead_letter(number, action, letter)
        except Exception as error:  # noqa: BLE001 - whatever a bug raises, the lane continues without this row
            log.failure("outbox.dead_letter", error, kind=row.kind, short_id=letter.short_id)
            await self._record_dead_letter(number, action, letter)

    async def _record_dead_letter(self, number: int, action: Action | None, letter: DeadLetter) -> None:
        owner = letter.row.owner
        others = []
        try:
            if isinstance(action, SendSms):
                # It is unknown whether the text left, and its receipt must not say "leaving" for ever.
                outcome = TextOutcome(ref=action.ref, outcome=Outcome.UNKNOWN)
                others.append(await inbox.seal(self._vault, owner, outcome))
            if isinstance(action, Invite):
                # A person who cannot be invited counts as gone: their thread goes back to the queue.
                member_left = MemberLeft(place=action.place, user=action.user)
                others.append(await inbox.seal(self._vault, owner, member_left))
        except CannotOpen:  # its conversation has ended
            await self._database.commit(partial(outbox.drop, number=number))
            return
        owners = await dead_letters.move_row(
            self._database,
            self._vault,
            letter,
            remove=partial(outbox.delete, number=number),
            at=self._clock.now(),
            concern=await self._concern_of(owner, action),
            others=others,
        )
        for to in owners:
            self._wake.engine(to)

    async def _concern_of(self, owner: str, action: Action | None) -> Concern:
        """Return whom a row concerns that cannot be performed: words nobody reads, or people who are not called.

        `action`: None if the row does not open, or is of an unknown kind: it may have been either.
        """
        match action:
            case SendMessage(speaker=speaker, ref=ref) if speaker is Speaker.TEXTER or ref.startswith("in:"):
                designation = await threads.designation_of(self._database, owner)
                return Concern(designation=designation, new_texter=not designation)
            case SendMessage(place=place, ref=ref) if place == DESK and ref.startswith(DEAD_LETTER):
                return Concern(untold=True)
            case SendMessage(place=place, ref=ref, mentions=called, reactions=taps) if place == DESK and (called or taps):
                return Concern(designation=await threads.designation_of(self._database, thread_of(ref)), uncalled=True)
            case None | PageOnCall():
                return Concern(designation=await threads.designation_of(self._database, owner), uncalled=True)
        return NO_CONVERSATION
