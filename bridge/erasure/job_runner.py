"""The way down: what is over goes step by step, and is looked for when it is gone.

A room:    redact → be heard → empty → censor → uploads → destroy → wait → purge → look → forget → sign → flush
A person:  key → copies → person → flush

Rules of this module: a step is done outside first and noted in the database after it, so every step may be done again, and
a crash between any two lines repeats at most the step it fell into; a step is noted only with what it found, never with
what it hoped; whatever refuses, breaks off or is still there is tried again, and after a while told to the desk. Nobody who
holds the thread waits for more than the step under way. Nothing is signed before everything was looked for, from outside:
events by fetching them, uploads and the room by asking the homeserver, our own rows by asking every table.

Why people are removed before keys are destroyed and the room is purged: a purge is told to nobody. A client keeps what it
had unless it hears of the redactions and of its own removal, so the room stays for `patience` (facts-matrix, section 10).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.engine.transactional_actions import ROOM
from bridge.erasure.corruption import Damage
from bridge.matrix.api.module_api import Away, Refused
from bridge.matrix.room_client import Permanent, TokenRefused, Transient
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.tables import clock_trust

LONGEST_SLEEP: Final = 5.0
LONGEST_WAIT: Final = 300.0
LOUD: Final = (5, 50, 500)
"""Tries of one step after which the desk hears of it."""
AT_ONCE: Final = 3600.0
"""Patience up to which the end was a person's order, and no doubt of the clock holds it back."""
ASTRAY: Final = AT_ONCE + LONGEST_WAIT
"""Seconds ahead that nothing wanted at once can be due, unless the clock was set back since: then it is due now."""
HEARD: Final = 2.0
"""Seconds between the last redaction and the removal of whoever is in the room. A client that is on hears of one after the
other in that time; whoever is removed hears no more, and keeps what a burst that was cut short did not take away."""


@dataclass(slots=True, kw_only=True)
class Case:
    """One thing on its way down. `step` is the next one to do; `counts` what was found gone so far."""

    id: str
    kind: str
    subject: str
    thread: str
    step: str
    due: float
    patience: float
    began: float
    tries: int
    counts: dict[str, int] = field(default_factory=dict)


class NotYet(Exception):  # noqa: N818 - it is an answer
    """It is not gone yet, or cannot be looked at. `what`: in a fixed word, for the desk. `after`: seconds."""

    def __init__(self, what: str, *, after: float = 0.0) -> None:
        super().__init__(what)
        self.what, self.after = what, after


FLUSH: Final = "flush"
"""The last step of every case."""

Step = Callable[[Case], Awaitable[str]]
"""Does one step and returns the next one; empty when a commit of the step's own has noted it. Raises `NotYet`."""


class Erasure:
    """Walks every case down. `wake` after a commit that began one; `run` until cancelled.

    `pause` waits for a pause in what people say, and not for long.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        steps: dict[str, Step],
        pause: Callable[[], Awaitable[None]],
        alarm: Callable[[str, float], Awaitable[None]],
        crash: Crash,
    ) -> None:
        self._store, self._clock, self._pause, self._alarm, self._crash = store, clock, pause, alarm, crash
        self._steps = {**steps, FLUSH: self._flush}
        self._changed = asyncio.Event()
        self._damage = Damage(clock=clock, alarm=alarm)

    def wake(self) -> None:
        """Say that something may be due."""
        self._changed.set()

    async def run(self) -> None:
        """Walk until cancelled. Raises :class:`TokenRefused`."""
        while True:
            self._changed.clear()
            try:
                wait = min(await self.once(), LONGEST_SLEEP)
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("erasure.waits", error)
                wait = 1.0
            except sqlite3.DatabaseError as error:
                wait = await self._damage.met("erasure.damaged", error)
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def once(self) -> float:
        """Do one step of what is due first; return for how many seconds nothing is due."""
        now = self._clock.wall()
        doubted = await clock_trust.doubted(self._store)
        # What somebody wanted at once does not wait behind what is over by itself.
        wanted = f"e.patience <= {AT_ONCE} AND (e.due <= $1 OR e.due > $1 + {ASTRAY})"
        # What waits for its time waits on while the clock is doubted, but for what somebody wanted at once.
        only = f"AND (e.step <> 'purge' OR e.patience <= {AT_ONCE})" if doubted else ""
        row = await self._store.fetchrow(
            f"""SELECT e.* FROM erasure e
                WHERE NOT EXISTS (SELECT 1 FROM thread t WHERE t.id = e.thread AND t.held) {only}
                ORDER BY CASE WHEN {wanted} THEN 0 ELSE 1 END, e.due LIMIT 1""",  # noqa: S608 - constants
            now,
        )
        if row is None:
            return LONGEST_SLEEP
        case = _case(row)
        if now < case.due and not (case.patience <= AT_ONCE and case.due > now + ASTRAY):
            return case.due - now
        await self._step(case)
        return 0.0

    async def _step(self, case: Case) -> None:
        try:
            following = await self._steps[case.step](case)
        except NotYet as not_yet:
            await self._later(case, not_yet.what, not_yet.after)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            # The page of one case need not be everybody's.
            log.failure("erasure.damaged", error, kind=case.step)
            await self._later(case, "our own database is damaged", LONGEST_WAIT)
        except (Transient, Away) as error:
            await self._later(case, "the homeserver does not answer", error.after)
        except TokenRefused:
            raise
        except (Permanent, Refused) as error:
            log.event("erasure.refused", status=error.status, kind=case.step)
            await self._later(case, f"the homeserver refuses the step “{case.step}”", 30.0)
        else:
            if following:
                await self._note(case, following)

    async def _flush(self, case: Case) -> str:
        """Write the database anew, without what is deleted, and then close what was signed before."""
        signed = await self._store.fetch("SELECT id FROM erasure WHERE step = $1", case.step)
        await self._pause()
        if not await self._store.rewrite():
            raise NotYet("the database is in use, or has no room to be written anew")
        self._crash(CrashPoint.DATABASE_REWRITTEN)

        async def commit(conn: Connection) -> None:
            for row in signed:
                await conn.execute("DELETE FROM erasure WHERE id = $1", row["id"])

        await self._store.commit(commit)
        return ""

    async def _note(self, case: Case, following: str) -> None:
        now = self._clock.wall()
        heard = HEARD if (case.step, following) == ("redact", "empty") else 0.0
        due = now + (case.patience if following == "purge" else heard)
        query = "UPDATE erasure SET step = $2, due = $3, tries = $6, counts = $4 WHERE id = $1 AND step = $5"
        counts = json.dumps(case.counts)
        # A step that is done again has not got on yet.
        tries = case.tries if following == case.step else 0
        await self._store.commit(lambda conn: conn.execute(query, case.id, following, due, counts, case.step, tries))

    async def _later(self, case: Case, what: str, after: float) -> None:
        tries = case.tries + 1
        due = self._clock.wall() + min(max(after, 0.2 * 2.0 ** min(tries, 12)), LONGEST_WAIT)
        query = "UPDATE erasure SET tries = $2, due = $3, counts = $4 WHERE id = $1"
        counts = json.dumps(case.counts)
        await self._store.commit(lambda conn: conn.execute(query, case.id, tries, due, counts))
        log.event("erasure.again", kind=case.step, attempt=tries)
        if tries in LOUD:
            noun = "a room" if case.kind == ROOM else "what was kept of a texter"
            await self._alarm(f"{noun} ({what})", case.began)


def _case(row: Any) -> Case:
    return Case(**{**dict(row), "counts": json.loads(row["counts"])})


async def signed(conn: Connection, case: Case, now: float) -> None:
    """Forget what a case was about, inside the commit that keeps its receipt; what is left of it says nothing.

    It is due after those that are due already, so that one copy serves all of them.
    """
    query = "UPDATE erasure SET subject = id, thread = '', step = $2, due = $3, tries = 0 WHERE id = $1"
    await conn.execute(query, case.id, FLUSH, now)
    await conn.execute("DELETE FROM copy_result WHERE owner = $1", case.id)
