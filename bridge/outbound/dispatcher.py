"""The one way out: durable rows, performed in order within owner, lane and way; conversation goes first.

Rules of this module: a row stands until a commit holds what came of it; performing it again after a crash must not show
(transaction ids, reading first), except a text, whose performer marks it before the request (see `texts`). What the other
side certainly did not take is tried again; what it refuses for good becomes a dead letter, loudly and without content.
What belongs to nobody any more, because its thread has ended, is dropped.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeAlias

from bot.model.actions import DESK, Action, Invite, Lane, Post, Speaker, Text
from bot.model.events import Left, Outcome, TextOutcome
from bot.model.line_incidents import LetterDied
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.priority_gate import Talk
from bridge.storage import serialization
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Sealed as NoKey
from bridge.storage.vault import Vault
from bridge.tables import inbox
from bridge.tables.inbox import Buried, Letter
from bridge.tables.routing import way_of

AT_ONCE: Final = {"matrix": 32, "carrier": 16, "page": 2}
"""Requests in flight, by way. The homeserver answers no faster with more."""

PRIORITY: Final = {lane.value: n for n, lane in enumerate(Lane)}
"""By what stands before the colon of a row's lane: each office has a lane of its own, and its name after the colon."""
TALK: Final = frozenset({Lane.CONVERSATION.value, Lane.RECEIPTS.value})
LONGEST_WAIT: Final = 30.0
ASK_AGAIN: Final = 15.0
"""Seconds after which a row that waits for its room looks for it by itself."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One row to be. `way` is `matrix` or `carrier`; `txn` is unique for ever."""

    lane: str
    way: str
    kind: str
    txn: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One row, opened. `created` in seconds since the epoch."""

    number: int
    owner: str
    txn: str
    created: int
    action: Action = field(repr=False)


class TryAgain(Exception):  # noqa: N818 - it is an instruction
    """The other side certainly did not take it now. `after` seconds; None: when woken (there is no room yet).

    `queued`: nothing went wrong, its turn has not come. Then it is asked again exactly when it said, without backing off.
    """

    def __init__(self, after: float | None, *, queued: bool = False) -> None:
        super().__init__()
        self.after, self.queued = after, queued


class Impossible(Exception):  # noqa: N818 - it is a verdict
    """The other side refuses it for good. `code` is the other side's, and no more than that."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


Perform: TypeAlias = Callable[[Task], Awaitable[None]]
"""Do it and commit what came of it, the row's removal included. Raises :class:`TryAgain` or :class:`Impossible`."""

Key: TypeAlias = tuple[str, str, str]


class Outbox:
    """Performs rows. `load` once, then `run` until cancelled; `wake` after the commit that put a row in."""

    def __init__(self, *, store: Store, vault: Vault, clock: Clock, wake_engine: Callable[[str], None]) -> None:
        self._store, self._vault, self._clock, self._wake_engine = store, vault, clock, wake_engine
        self._rows: defaultdict[Key, deque[int]] = defaultdict(deque)
        self._queues: dict[str, asyncio.PriorityQueue[tuple[int, int, Key]]] = {
            way: asyncio.PriorityQueue() for way in AT_ONCE
        }
        self._attempts: defaultdict[Key, int] = defaultdict(int)
        self._parked: defaultdict[str, set[Key]] = defaultdict(set)
        self._order = count()
        self.talk = Talk()

    async def load(self) -> None:
        """Queue what stands from before."""
        for row in await self._store.fetch("SELECT id, owner, lane, way FROM outbox ORDER BY id"):
            self.wake(row["id"], row["owner"], row["lane"], row["way"])

    async def seal(self, owner: str, txn: str, action: Action) -> Sealed:
        """Seal an action for its owner. Before the commit, which waits for nothing."""
        lane, way = way_of(action)
        body = await self._vault.seal(owner, f"outbox {txn}", serialization.encode(action))
        return Sealed(lane, way, type(action).__name__, txn, body)

    async def put(self, conn: Connection, owner: str, item: Sealed, created: int) -> int:
        """Put a row in and return its number."""
        number: int = await conn.fetchval(
            """INSERT INTO outbox (owner, lane, way, kind, txn, body, created)
               VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id""",
            owner,
            item.lane,
            item.way,
            item.kind,
            item.txn,
            item.body,
            created,
        )
        return number

    def wake(self, number: int, owner: str, lane: str, way: str) -> None:
        """Say that this row was committed."""
        key = (owner, lane, way)
        self._rows[key].append(number)
        if len(self._rows[key]) == 1:
            self._push(key)

    def room_ready(self, owner: str) -> None:
        """Say that an owner's room is there now: rows that waited for it go on."""
        for key in self._parked.pop(owner, set()):
            self._push(key)

    async def run(self, way: str, perform: Perform) -> None:
        """Perform the rows of one way until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE[way]):
                group.create_task(self._work(self._queues[way], perform))

    def _push(self, key: Key) -> None:
        self._queues[key[2]].put_nowait((PRIORITY[key[1].partition(":")[0]], next(self._order), key))

    async def _work(self, queue: asyncio.PriorityQueue[tuple[int, int, Key]], perform: Perform) -> None:
        while True:
            _, _, key = await queue.get()
            number = self._rows[key][0]
            talks = key[2] == "matrix" and key[1] in TALK
            try:
                with self.talk.under_way() if talks else nullcontext():
                    await self._perform(number, key, perform)
            except TryAgain as again:
                self._later(key, again.after, queued=again.queued)
                continue
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("outbox.waits", error)
                self._later(key, 1.0)
                continue
            self._attempts.pop(key, None)
            self._rows[key].popleft()
            if self._rows[key]:
                self._push(key)
            else:
                del self._rows[key]

    def _later(self, key: Key, after: float | None, *, queued: bool = False) -> None:
        loop = asyncio.get_running_loop()
        if after is None:
            self._parked[key[0]].add(key)
            # The room may have come between the question and this line, and nobody calls twice.
            loop.call_later(ASK_AGAIN, self._unpark, key)
            return
        if queued:
            loop.call_later(min(after, LONGEST_WAIT), self._push, key)
            return
        self._attempts[key] += 1
        wait = max(after, min(0.2 * 2.0 ** min(self._attempts[key], 10), LONGEST_WAIT / 10))
        loop.call_later(min(wait, LONGEST_WAIT), self._push, key)

    def _unpark(self, key: Key) -> None:
        if key in self._parked.get(key[0], ()):
            self._parked[key[0]].discard(key)
            self._push(key)

    async def _perform(self, number: int, key: Key, perform: Perform) -> None:
        row = await self._store.fetchrow("SELECT kind, txn, body, created FROM outbox WHERE id = $1", number)
        if row is None:
            return
        letter = Letter(key[0], row["kind"], row["body"])
        action: Action | None = None
        try:
            body = await self._vault.open(key[0], f"outbox {row['txn']}", row["body"])
            action = serialization.decode(row["kind"], body)
            await self._store.synced()
            await perform(Task(number=number, owner=key[0], txn=row["txn"], created=row["created"], action=action))
        except (TryAgain, sqlite3.OperationalError, OSError):
            raise
        except NoKey as error:
            if await self._vault.has(key[0]):
                short_id = secrets.token_hex(4)
                log.failure("outbox.dead_letter", error, kind=row["kind"], short_id=short_id)
                await self._bury(number, letter, action, Buried(short_id, *key[1:], row["txn"]))
                return
            await self._store.commit(lambda conn: conn.execute("DELETE FROM outbox WHERE id = $1", number))
        except Impossible as verdict:
            short_id = secrets.token_hex(4)
            log.event("outbox.impossible", kind=row["kind"], status=verdict.code, short_id=short_id)
            await self._bury(number, letter, action, Buried(short_id, *key[1:], row["txn"]))
        except Exception as error:  # noqa: BLE001 - whatever a bug raises, the lane goes on without this row
            short_id = secrets.token_hex(4)
            log.failure("outbox.dead_letter", error, kind=row["kind"], short_id=short_id)
            await self._bury(number, letter, action, Buried(short_id, *key[1:], row["txn"]))

    async def _bury(self, number: int, letter: Letter, action: Action | None, buried: Buried) -> None:
        unread = isinstance(action, Post) and action.speaker is Speaker.VOICE
        named = await inbox.named(self._store, letter.owner) if unread else ""
        died = LetterDied(short_id=buried.short_id, designation=named)
        told = [await inbox.seal(self._vault, DESK, died)]
        try:
            if isinstance(action, Text):
                # Nobody knows how far it came, and its receipt must not say "leaving" for ever.
                outcome = TextOutcome(ref=action.ref, outcome=Outcome.UNKNOWN)
                told.append(await inbox.seal(self._vault, letter.owner, outcome))
            if isinstance(action, Invite):
                # Somebody who cannot be invited is not there: a thread whose voice that was goes back to the queue.
                gone = Left(place=action.place, user=action.user)
                told.append(await inbox.seal(self._vault, letter.owner, gone))
        except NoKey:
            told = []
        at = self._clock.wall()

        async def commit(conn: Connection) -> None:
            # A row that was cleared away meanwhile, because its conversation is over, leaves no letter behind.
            if await conn.fetchval("DELETE FROM outbox WHERE id = $1 RETURNING id", number) is None or not told:
                return
            await inbox.bury(conn, letter, buried, at=at, told=told)

        await self._store.commit(commit)
        for each in told:
            self._wake_engine(each.owner)
