"""Follows the agency's calendar of shifts: it looks at its source, keeps a copy, and tells the desk what changed.

Rules of this module: whatever the source does, the line goes on: a look is bounded, the file is read in a thread beside the
loop, and what cannot be used leaves the copy as it is. A copy counts until the weeks are over that it was read for. What
the desk hears is committed with what it is about, so it is told once over any restart: that the calendar is another one,
and, when it could not be used for so long as its source says (`alert_after`), that it is so, with the age of the copy.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Self

from bot.model.actions import DESK
from bot.model.line_incidents import CalendarRead, CalendarUnread
from bridge.background.loop import BackgroundLoop
from bridge.runtime import log
from bridge.services import Services
from bridge.shift_calendar.source import Mark, Source
from bridge.storage.database import Reader, Transaction
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import inbox, line_state
from policies.pack import PersonShifts, Shifts
from policies.shifts import calendar_file
from policies.shifts.calendar_file import CalendarShifts
from policies.shifts.content_lines import CalendarError, CalendarProblem

CONTEXT: Final = "calendar"
NO_WEEK: Final = ((),) * 7
NO_DATES: Final[Mapping[Any, Any]] = MappingProxyType({})


RENEW: Final = 3600.0
"""Seconds after which a file that has not changed is read again: other weeks are coming then."""
MOST_TIMES: Final = 5
"""How many entries that name nobody are named by their time; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCopy:
    """What was read. `source`, `file`: what tells the source and its bytes from others; `odd` as in `CalendarShifts`."""

    source: str
    file: str
    odd: frozenset[str]
    read_at: float
    shifts: Shifts = field(repr=False)

    async def seal(self, vault: Vault) -> str:
        """Return it as the table keeps it. Raises `CannotOpen` where the desk has no key."""
        fields = {
            "source": self.source,
            "file": self.file,
            "odd": sorted(self.odd),
            "read_at": self.read_at,
            "timezone": self.shifts.timezone,
            "until": self.shifts.until,
            "people": [[person.who, person.spans] for person in self.shifts.people],
        }
        return base64.b64encode(await vault.seal(DESK, CONTEXT, json.dumps(fields).encode())).decode()

    @classmethod
    async def load(cls, reader: Reader, vault: Vault) -> Self | None:
        """Return the copy that is kept; None without one, and for one that this line did not write."""
        text = await line_state.get(reader, line_state.CALENDAR)
        if text is None:
            return None
        try:
            fields = json.loads(await vault.open(DESK, CONTEXT, base64.b64decode(text, validate=True)))
            people = tuple(
                PersonShifts(
                    who=str(who), week=NO_WEEK, dates=NO_DATES, spans=tuple((float(a), float(b)) for a, b in spans)
                )
                for who, spans in fields.pop("people")
            )
            shifts = Shifts(timezone=fields.pop("timezone"), until=float(fields.pop("until")), people=people)
            return cls(shifts=shifts, odd=frozenset(map(str, fields.pop("odd"))), **fields)
        except (CannotOpen, binascii.Error, ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarState:
    """How the calendar stands: when it was last read well, since when it cannot be used, and whether that was told.

    `source`: as in the copy, of what it is about.
    """

    source: str = ""
    read_at: float = 0.0
    failing_since: float = 0.0
    told: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read what :meth:`text` wrote; nothing is a calendar that was never looked at."""
        return cls(**json.loads(text or "{}"))

    def text(self) -> str:
        """Return it as the table keeps it."""
        return json.dumps(asdict(self))


async def delete_copy(transaction: Transaction) -> None:
    """Delete both: the line has no calendar of its own any more."""
    await line_state.delete(transaction, line_state.CALENDAR)
    await line_state.delete(transaction, line_state.CALENDAR_STATE)


class CalendarFollower:
    """Has the shifts of the calendar. `load`, then `loop` until cancelled. `zone`, `server`: as in `calendar_file.read`."""

    def __init__(self, services: Services, *, source: Source, zone: str, server: str) -> None:
        self._services, self._source, self._zone, self._server = services, source, zone, server
        self._source_hash = services.vault.keyed_hash("calendar source", source.name).hex()
        self._copy: KeptCopy | None = None
        self._state = CalendarState(source=self._source_hash)
        self._last_mark: tuple[Mark, float] = (None, 0.0)
        self._problem: CalendarProblem | None = None
        self.loop = BackgroundLoop("calendar", self.run_once, max_sleep=max(source.every, source.retry_seconds))

    @property
    def shifts(self) -> Shifts | None:
        """The last good copy; None without one."""
        return None if self._copy is None else self._copy.shifts

    async def load(self) -> None:
        """Take up what is kept; what is of another source is deleted."""
        services = self._services
        state = CalendarState.parse(await line_state.get(services.database, line_state.CALENDAR_STATE))
        if state.source != self._source_hash:
            await forget(services)
            return
        copy = await KeptCopy.load(services.database, services.vault)
        self._copy, self._state = copy if copy is not None and copy.source == state.source else None, state

    async def run_once(self) -> float:
        """Look once; return the seconds until the next look."""
        now = self._services.clock.system_time()
        try:
            mark = await self._source.mark()
            if mark is not None and mark == self._last_mark[0] and 0 <= now - self._last_mark[1] < RENEW:
                return self._source.every if self._problem is None else await self._fail(self._problem, now)
            self._last_mark = (mark, now)
            data = await self._source.read()
            calendar = await asyncio.to_thread(calendar_file.read, data, zone=self._zone, server=self._server, now=now)
        except CalendarError as error:
            return await self._fail(error.problem, now)
        except Exception as error:  # noqa: BLE001 - a bug that a file of others brings out must not end the line
            log.failure("calendar.failed", error)
            return await self._fail(CalendarProblem.NOT_A_CALENDAR, now)
        self._problem = None
        await self._keep(calendar, hashlib.sha256(data).hexdigest(), now)
        return self._source.every

    async def _keep(self, calendar: CalendarShifts, file: str, now: float) -> None:
        services, before, recovered = self._services, self._copy, self._state.told
        copy = KeptCopy(source=self._source_hash, file=file, odd=calendar.odd, read_at=now, shifts=calendar.shifts)
        changed = before is None or before.file != file
        fresh = not calendar.odd <= (frozenset() if before is None else before.odd)
        event = CalendarRead(
            nameless=calendar.nameless[:MOST_TIMES] if fresh else (),
            more=max(0, len(calendar.nameless) - MOST_TIMES) if fresh else 0,
            unread=calendar.unread if fresh else 0,
            recovered=recovered,
        )
        row = await inbox.seal(services.vault, DESK, event)
        # The decision about the event has to see the copy that it is about.
        self._copy, self._state = copy, CalendarState(source=self._source_hash, read_at=now)
        sealed, state = await copy.seal(services.vault), self._state.text()

        async def commit(transaction: Transaction) -> None:
            await line_state.put(transaction, line_state.CALENDAR, sealed)
            await line_state.put(transaction, line_state.CALENDAR_STATE, state)
            if changed or recovered:
                await inbox.append(transaction, row)

        await services.database.commit(commit)
        if changed or recovered:
            log.event("calendar.read", count=len(calendar.shifts.people))
            services.wake.engine(DESK)

    async def _fail(self, problem: CalendarProblem, now: float) -> float:
        services, before = self._services, self._state
        since = min(before.failing_since or now, now)
        tells = not before.told and now - since >= self._source.alert_after
        state = replace(before, failing_since=since, told=before.told or tells)
        if problem is not self._problem:
            log.event("calendar.unusable", kind=problem.value)
        self._problem = problem
        if state == before:
            return self._source.retry_seconds
        counts = self._copy is not None and now < self._copy.shifts.until
        hours = max(0, int(now - before.read_at) // 3600) if counts else None
        row = await inbox.seal(services.vault, DESK, CalendarUnread(problem=problem, hours=hours))

        async def commit(transaction: Transaction) -> None:
            await line_state.put(transaction, line_state.CALENDAR_STATE, state.text())
            if tells:
                await inbox.append(transaction, row)

        await services.database.commit(commit)
        self._state = state
        if tells:
            services.wake.engine(DESK)
        return self._source.retry_seconds


async def forget(services: Services) -> None:
    """Delete the copy of a line whose configuration names no calendar any more."""
    if await line_state.get(services.database, line_state.CALENDAR_STATE) is not None:
        await services.database.commit(delete_copy)
