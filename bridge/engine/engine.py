"""The engine: takes the smallest sequence per owner, asks `decide`, and commits everything that follows at once.

Rules of this module: one event at a time per owner, many owners at once; memory is only a wake-up, SQL is the truth; an
event that fails as a bug is kept as a dead letter, loudly and without content, and its owner goes on; a database that
cannot write now is waited for. What destroys is decided again when, inside its commit, a text has come or somebody holds
the thread; whoever has ended hears nothing more.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bot.decide import decide
from bot.model.actions import DESK
from bot.model.desk import Desk, Thread
from bot.model.events import Event, TextArrived
from bot.model.line_incidents import LetterDied
from bot.model.transactional_actions import DropTimer, End, Park, SetTimer, Suppress, Tell, TextFirst
from bridge.engine import timers
from bridge.engine.codeword_matching import Found, Words
from bridge.engine.cold_outreach import FirstTexts
from bridge.engine.facts import Lookup, arriving, leaving
from bridge.engine.transactional_actions import Act, Acts, is_act
from bridge.outbound.dispatcher import Outbox, Sealed
from bridge.outbound.room_keeper import Designations
from bridge.outbound.sms_sender import PHONE
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.storage import serialization
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import inbox
from bridge.tables.inbox import Letter
from policies.pack import Pack

AGGREGATE: Final = "aggregate"
AT_ONCE: Final = 32
FEW: Final = 4
"""Owners that wait for a decision while what has time may go on."""


@dataclass(frozen=True, slots=True)
class Row:
    """One inbox row."""

    seq: int
    letter: Letter


class _Overtaken(Exception):  # noqa: N818 - it says what happened
    """Something came between the facts and the commit that must be known before anything is destroyed."""


class Engine:
    """Runs decisions. `wake` after a commit that put something into an inbox; `run` until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        pack: Pack,
        clock: Clock,
        outbox: Outbox,
        acts: Acts,
        designations: Designations,
        timers_changed: Callable[[], None],
        desk_changed: Callable[[], None],
        crash: Crash,
        on_call: bool = False,
        first_texts: FirstTexts | None = None,
    ) -> None:
        """Make it. `on_call`: somebody can be called outside Matrix."""
        self._store, self._vault, self._pack, self._clock = store, vault, pack, clock
        self._outbox, self._timers_changed, self._desk_changed, self._crash = outbox, timers_changed, desk_changed, crash
        self._acts, self._designations = acts, designations
        self._first_texts = first_texts
        self._lookup = Lookup(
            store=store,
            vault=vault,
            pack=pack,
            clock=clock,
            fresh=designations.new,
            on_call=on_call,
            first_texts=first_texts,
        )
        self._words = Words(vault=vault, pack=pack)
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._rested = asyncio.Event()
        self._rested.set()
        self._desk = Desk()

    @property
    def desk(self) -> Desk:
        """The desk as last committed."""
        return self._desk

    async def load(self) -> None:
        """Read the desk, or make it, and wake everybody who has something waiting."""
        await self._vault.create(DESK)
        sealed = await self._store.fetchval("SELECT aggregate FROM desk WHERE id = $1", DESK)
        if sealed is None:
            body = await self._vault.seal(DESK, AGGREGATE, serialization.encode(self._desk))

            async def make(conn: Connection) -> None:
                await conn.execute("INSERT INTO desk (id, aggregate) VALUES ($1, $2)", DESK, body)

            await self._store.commit(make)
        else:
            self._desk = serialization.read(Desk, await self._vault.open(DESK, AGGREGATE, sealed))
        for row in await self._store.fetch("SELECT DISTINCT owner FROM inbox"):
            self.wake(row["owner"])

    def wake(self, owner: str) -> None:
        """Say that this owner's inbox may hold something."""
        if owner not in self._queued:
            self._queued.add(owner)
            self._ready.put_nowait(owner)
            if len(self._queued) > FEW:
                self._rested.clear()

    async def rested(self) -> None:
        """Wait until hardly anybody waits for a decision."""
        await self._rested.wait()

    async def run(self) -> None:
        """Decide until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            owner = await self._ready.get()
            try:
                while (row := await self._next(owner)) is not None:
                    await self._handle(row)
                self._done_with(owner)
                if await self._next(owner) is not None:
                    self.wake(owner)
            except (sqlite3.OperationalError, OSError) as error:
                # The disk is full or the file is busy: nothing is lost, the row still stands.
                log.failure("engine.waits", error)
                await asyncio.sleep(1)
                self._done_with(owner)
                self.wake(owner)

    def _done_with(self, owner: str) -> None:
        self._queued.discard(owner)
        if len(self._queued) <= FEW:
            self._rested.set()

    async def _next(self, owner: str) -> Row | None:
        # Of a thread whose phone was not looked up yet nothing is decided: `screening` wakes it.
        query = """SELECT seq, kind, body FROM inbox WHERE owner = $1
                   AND NOT EXISTS (SELECT 1 FROM thread WHERE id = $1 AND NOT screened) ORDER BY seq LIMIT 1"""
        row = await self._store.fetchrow(query, owner)
        return None if row is None else Row(row["seq"], Letter(owner, row["kind"], row["body"]))

    async def _handle(self, row: Row) -> None:
        owner = row.letter.owner
        try:
            while True:
                query = "SELECT aggregate, held FROM thread WHERE id = $1"
                stored = None if owner == DESK else await self._store.fetchrow(query, owner)
                if owner != DESK and stored is None:
                    # It has ended: what the desk still had to tell it concerns nobody.
                    await self._store.commit(lambda conn: conn.execute("DELETE FROM inbox WHERE seq = $1", row.seq))
                    return
                aggregate: Any = self._desk if stored is None else await self._thread(owner, stored)
                body = await self._vault.open(owner, inbox.CONTEXT, row.letter.body)
                event: Event = serialization.decode(row.letter.kind, body)
                try:
                    found = await self._words.look(aggregate, event)
                except (sqlite3.OperationalError, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - a word may stand in it, and a dead letter is kept
                    await self._bury(Row(row.seq, Letter(owner, row.letter.kind, b"")), error)
                    return
                # A dead letter is kept; the word that stood in it is not.
                letter = row.letter if found.event is event else await inbox.seal(self._vault, owner, found.event)
                try:
                    await self._decide(row, aggregate, found, frozen=stored is not None and bool(stored["held"]))
                except _Overtaken:
                    continue
                except (sqlite3.OperationalError, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a bug raises, the owner goes on without this row
                    await self._bury(Row(row.seq, letter), error)
                return
        except (sqlite3.OperationalError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a row that cannot be read is put aside as well
            await self._bury(row, error)

    async def _decide(self, row: Row, aggregate: Any, found: Found, *, frozen: bool) -> None:
        owner = row.letter.owner
        now = self._clock.wall()
        facts = await self._lookup.facts(
            owner=owner, seq=row.seq, found=found, aggregate=aggregate, desk=self._desk, frozen=frozen, now=now
        )
        step = decide(self._pack, facts, aggregate, found.event)
        self._crash(CrashPoint.ENGINE_DECIDED)
        acts = [action for action in step.actions if is_act(action)]
        renamed = isinstance(aggregate, Thread) and step.aggregate.designation != aggregate.designation
        changed = step.aggregate != aggregate
        sealed = await self._vault.seal(owner, AGGREGATE, serialization.encode(step.aggregate)) if changed else None
        table = "desk" if owner == DESK else "thread"
        tells = [(a.owner, a.event) for a in step.actions if isinstance(a, Tell)]
        letters = [letter for to in tells if (letter := await inbox.seal_if(self._vault, *to)) is not None]
        set_ = [a for a in step.actions if isinstance(a, SetTimer | DropTimer)]
        rows = [
            await self._outbox.seal(owner, f"q{row.seq}.{n}", action)
            for n, action in enumerate(step.actions)
            if not isinstance(action, Tell | SetTimer | DropTimer | TextFirst) and not is_act(action)
        ]
        # Before the commit: it takes some tens of milliseconds, and a commit waits for nothing.
        suppresses = any(isinstance(act, Suppress) for act in acts)
        phone = await self._acts.suppression.digest(await self._phone(owner)) if suppresses else b""
        begins = await self._first_texts.prepare(found.event, step.actions) if self._first_texts else None
        created = int(facts.now)

        async def commit(conn: Connection) -> list[tuple[int, Sealed]]:
            for act in acts:
                await self._perform(conn, row, act, phone)
            if renamed:
                await conn.execute("UPDATE thread SET designation = $1 WHERE id = $2", step.aggregate.designation, owner)
            if sealed is not None:
                await conn.execute(f"UPDATE {table} SET aggregate = $1 WHERE id = $2", sealed, owner)  # noqa: S608 - one of two words
            for letter in letters:
                await inbox.put(conn, letter)
            for timer in set_:
                await timers.put(conn, owner, timer)
            placed = [(await self._outbox.put(conn, owner, item, created), item) for item in rows]
            if begins is not None:
                await begins.commit(conn)
            await conn.execute("DELETE FROM inbox WHERE seq = $1", row.seq)
            return placed

        # The outbox lets nothing out before this is synced. Acts do not go through it: a key, say, is gone at once.
        placed = await self._store.commit(commit, synced=bool(acts))
        if isinstance(step.aggregate, Desk):
            self._desk = step.aggregate
            if changed:
                self._desk_changed()
        self._crash(CrashPoint.ENGINE_COMMITTED)
        for number, item in placed:
            self._outbox.wake(number, owner, item.lane, item.way)
        for letter in letters:
            self.wake(letter.owner)
        if set_:
            self._timers_changed()
        if begins is not None:
            await begins.settle()
        if acts:
            self._acts.wake()
        if renamed:
            # The words of one that is over are free again; one that begins needs a room.
            self._designations.release(aggregate.designation)
            self._desk_changed()

    async def _thread(self, owner: str, stored: Any) -> Thread:
        return serialization.read(Thread, await self._vault.open(owner, AGGREGATE, stored["aggregate"]))

    async def _perform(self, conn: Connection, row: Row, act: Act, phone: bytes) -> None:
        owner = row.letter.owner
        if isinstance(act, Park | End):
            frozen = await conn.fetchval("SELECT held FROM thread WHERE id = $1", owner)
            if bool(frozen) or await arriving(conn, owner, row.seq):
                raise _Overtaken
            if isinstance(act, Park) and not act.drops and await leaving(conn, owner):
                raise _Overtaken
        await self._acts.perform(conn, owner, act, phone=phone)

    async def _phone(self, owner: str) -> Phone:
        sealed = await self._store.fetchval("SELECT phone FROM thread WHERE id = $1", owner)
        return Phone((await self._vault.open(owner, PHONE, sealed)).decode())

    async def _bury(self, row: Row, error: Exception) -> None:
        short_id = secrets.token_hex(4)
        log.failure("engine.dead_letter", error, short_id=short_id, kind=row.letter.kind)
        # When the desk cannot hear of a death, telling it would only make the next one, without end.
        mute = row.letter.kind == LetterDied.__name__
        unread = row.letter.kind == TextArrived.__name__
        named = await inbox.named(self._store, row.letter.owner) if unread else ""
        told = [] if mute else [await inbox.seal(self._vault, DESK, LetterDied(short_id=short_id, designation=named))]
        at = self._clock.wall()

        async def commit(conn: Connection) -> None:
            await inbox.bury(conn, row.letter, inbox.Buried(short_id), at=at, told=told)
            await conn.execute("DELETE FROM inbox WHERE seq = $1", row.seq)

        await self._store.commit(commit)
        self.wake(DESK)
