"""The way in from the homeserver: `/sync` as one of our identities, one response in one commit.

Rules of this module: the cursor is the last thing a commit writes, so a response that was not committed comes again whole;
a gap is filled before the commit; no answer of the homeserver ends the loop, except that it does not know us.

Sources: facts-matrix, section 4; https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3sync
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused, Transient, Wire, note_failure
from bridge.matrix.api.json_fields import Json, inner, objects
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_inbox import Inbox, Opened
from bridge.matrix.sync.key_upload import Upkeep
from bridge.matrix.sync.sync_response import KEPT_STATE, STATE_AFTER, Gaps
from bridge.runtime import log
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection

POLL_SECONDS: Final = 30
LONGEST_WAIT: Final = 2.0
"""Seconds between tries: the homeserver is the agency's own, and people wait for it."""
BREATH: Final = 0.02
LONGEST_BREATH: Final = 1.0
"""Seconds between two questions, per event that came: see `_breath`."""
HURRIED: Final = 0.25
"""The most while somebody may still take words back: a redaction that waits here must not come too late."""
PAGE: Final = 100
MOST_PAGES: Final = 500

_NOTHING: Final[Json] = {"types": []}
_QUIET: Final = {"presence": _NOTHING, "account_data": _NOTHING}
WITH_ROOMS: Final = {
    **_QUIET,
    "room": {
        "timeline": {"limit": PAGE},
        "state": {"types": [*KEPT_STATE], "lazy_load_members": False},
        "ephemeral": {"types": ["m.receipt"]},
        "account_data": _NOTHING,
    },
}
"""What the policy bot asks for. Of what passes only who read what: a text's lifetime begins when its voice has seen it."""

WITHOUT_ROOMS: Final = {**_QUIET, "room": {"rooms": []}}
"""What the line voice asks for: its key counts and its to-device inbox."""

SETTLED: Final = {f"{name.removesuffix('state_after')}use_state_after": "true" for name in STATE_AFTER}
"""Asks to be told which state holds after the timeline, in place of which held before it."""

Take: TypeAlias = Callable[[Connection, Json, Opened, Gaps], Awaitable[None]]
"""Writes what a response tells, inside its commit."""


async def never() -> bool:
    """Say that nobody is in a hurry."""
    return False


class Sync:
    """The loop of one identity. `run` until cancelled; raises :class:`TokenRefused` and nothing else of the wire."""

    def __init__(
        self,
        *,
        identity: Identity,
        what: Json,
        inbox: Inbox,
        upkeep: Upkeep,
        take: Take,
        committed: Callable[[], None],
        crash: Crash,
        hurried: Callable[[], Awaitable[bool]] = never,
        every: float = 0.0,
    ) -> None:
        """Make the loop. `hurried` tells whether words wait that may still be taken back.

        `every`: ask every so many seconds instead of waiting at the homeserver for something to happen.

        A waiting question is worked out anew for each event in each room of the identity, whatever its filter says.
        """
        self._every, self._hurried = every, hurried
        self._identity = identity
        self._what = json.dumps(what)
        self._inbox = inbox
        self._upkeep = upkeep
        self._take = take
        self._committed = committed
        self._crash = crash
        self._since: str | None = None
        self._failures = 0
        self._breath = 0.0
        self.caught_up = asyncio.Event()
        """Set while the homeserver answers: what is not here then will not come by waiting a little longer."""

    async def run(self) -> None:
        """Sync until cancelled."""
        while True:
            try:
                await self.turn()
            except TokenRefused:
                raise
            except (HomeserverError, sqlite3.OperationalError, OSError) as error:
                await self._back_off(error)
            else:
                self._failures = 0
                self.caught_up.set()
                await asyncio.sleep(self._every or self._breath)

    async def turn(self) -> None:
        """Ask once, and commit what comes. Raises what the wire and the store raise, with nothing committed."""
        if self._since is None:
            self._since = await self._identity.store.fetchval(
                "SELECT cursor FROM matrix_identity WHERE user_id=$1", self._identity.user_id
            )
        since = self._since or ""
        response = await self._poll(since)
        gaps = await self._gaps(response, since)
        self._crash(CrashPoint.SYNC_RECEIVED)
        opened, cursor = await self._identity.store.commit(lambda conn: self._write(conn, response, gaps))
        self._crash(CrashPoint.SYNC_COMMITTED)
        self._since = cursor
        self._breath = _breath(response)
        if self._breath > HURRIED and await self._hurried():
            self._breath = HURRIED
        if opened.dropped:
            log.event("matrix.dropped", count=opened.dropped)
        self._committed()
        self._upkeep.after(response, opened)

    async def _poll(self, since: str) -> Json:
        # the first answer after a start comes at once, so that we know where we are
        patience = POLL_SECONDS if since and self.caught_up.is_set() and not self._every else 0
        query = {"filter": self._what, "timeout": str(patience * 1000), "set_presence": "offline", **SETTLED}
        if since:
            query["since"] = since
        return await self._identity.wire.request("GET", "sync", query=query, seconds=patience + 60)

    async def _gaps(self, response: Json, since: str) -> Gaps:
        """Fetch what limited timelines left out, of rooms that are ours."""
        gaps: dict[str, Sequence[Json]] = {}
        for room_id in inner(response, "rooms", "join"):
            timeline = inner(response, "rooms", "join", room_id, "timeline")
            if since and timeline.get("limited") is True and isinstance(timeline.get("prev_batch"), str):
                known: Any = await self._identity.store.fetchval("SELECT 1 FROM matrix_room WHERE room_id=$1", room_id)
                if known is not None:
                    gaps[room_id] = await _between(self._identity.wire, room_id, since, timeline["prev_batch"])
        return gaps

    async def _write(self, conn: Connection, response: Json, gaps: Gaps) -> tuple[Opened, str]:
        opened = await self._inbox.take(conn, response)
        await self._take(conn, response, opened, gaps)
        cursor = response.get("next_batch")
        if not isinstance(cursor, str) or not cursor:
            raise Transient(0, "QUIETLINE_NO_CURSOR")
        await conn.execute("UPDATE matrix_identity SET cursor=$2 WHERE user_id=$1", self._identity.user_id, cursor)
        return opened, cursor

    async def _back_off(self, error: Exception) -> None:
        self.caught_up.clear()
        self._failures += 1
        wait = min(0.05 * 2.0 ** min(self._failures, 10), LONGEST_WAIT)
        if isinstance(error, Transient):
            wait = max(wait, error.after)
        note_failure("matrix.sync_waits", error, attempt=self._failures)
        await asyncio.sleep(wait)


def _breath(response: Json) -> float:
    """Return for how many seconds not to ask again.

    To answer costs the homeserver a third of what a send costs it, for each room with something new. Where little happens
    this is nothing; in a rush, in which most of what comes are our own words, many events share one answer.
    """
    rooms = inner(response, "rooms", "join")
    count = sum(len(list(objects(inner(rooms, room_id, "timeline").get("events")))) for room_id in rooms)
    return min(count * BREATH, LONGEST_BREATH)


async def _between(wire: Wire, room_id: str, since: str, until: str) -> list[Json]:
    """Page back from `until` to `since`; oldest first. A room that we may not read (any more) has nothing to tell."""
    found: list[Json] = []
    start = until
    for _ in range(MOST_PAGES):
        query = {"dir": "b", "from": start, "to": since, "limit": str(PAGE)}
        try:
            answer = await wire.request("GET", "rooms", room_id, "messages", query=query)
        except TokenRefused:
            raise
        except Permanent:
            break
        chunk = list(objects(answer.get("chunk")))
        found += chunk
        end = answer.get("end")
        if not chunk or not isinstance(end, str) or end == start:
            break
        start = end
    else:
        log.event("matrix.gap_cut", count=len(found))
    return found[::-1]
