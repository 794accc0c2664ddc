"""What is looked up for one decision.

Rule of this module: it reads, and decides nothing; what is dear to know is asked only for the events that turn on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from bot.lifecycle.retention import DESTRUCTIVE
from bot.model.actions import DESK, Post, Speaker
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Said, TextArrived, TimerDue
from bot.model.thread import State
from bridge.engine.codeword_matching import Found
from bridge.engine.cold_outreach import FirstTexts
from bridge.runtime.clock import Clock, ahead
from bridge.storage import serialization
from bridge.storage.database import Store
from bridge.storage.vault import Sealed, Vault
from policies.pack import Pack

DEAD: Final = 7 * 86_400
"""Seconds for which words that could not be shown are waited for where nobody can drop them."""


class Lookup:
    """Looks facts up. `fresh` gives two words that no conversation bears."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        pack: Pack,
        clock: Clock,
        fresh: Callable[[], str],
        on_call: bool,
        first_texts: FirstTexts | None,
    ) -> None:
        self._store, self._vault, self._pack, self._fresh, self._first_texts = store, vault, pack, fresh, first_texts
        self._clock, self._on_call = clock, on_call

    async def facts(
        self, *, owner: str, seq: int, found: Found, aggregate: Thread | Desk, desk: Desk, frozen: bool, now: float
    ) -> Facts:
        """Return the facts for the event of that inbox row."""
        event = found.event
        asks = owner != DESK and (isinstance(event, Said) or (isinstance(event, TimerDue) and event.key in DESTRUCTIVE))
        begins = isinstance(aggregate, Thread) and aggregate.life.state is State.PARKED and isinstance(event, TextArrived)
        return Facts(
            now=now,
            roster=desk.roster,
            designations=frozenset(line.designation for line in desk.threads if line.thread != owner),
            load=Counter(line.voice for line in desk.threads if line.voice is not None),
            outage=desk.outage,
            on_call=self._on_call,
            word=found.word,
            partly=found.partly,
            taken=found.taken,
            number=await self._first_texts.number(self._pack, event) if self._first_texts else None,
            frozen=frozen,
            showing=asks and await self._showing(owner),
            buried=asks and await self._buried(owner, aggregate, now),
            arriving=asks and await arriving(self._store, owner, seq),
            leaving=asks and await leaving(self._store, owner),
            fresh=self._fresh() if begins else "",
            ahead=ahead(self._clock),
        )

    async def _showing(self, owner: str) -> bool:
        """Whether words of the texter are still on their way into the room."""
        for row in await self._store.fetch("SELECT kind, txn, body FROM outbox WHERE owner = $1 AND kind = 'Post'", owner):
            post: Post = serialization.decode(
                row["kind"], await self._vault.open(owner, f"outbox {row['txn']}", row["body"])
            )
            if post.speaker is Speaker.VOICE:
                return True
        return False

    async def _buried(self, owner: str, aggregate: Thread | Desk, now: float) -> bool:
        """Whether words of the texter lie in a dead letter that `!retry` can still bring into the room.

        Where there is no room, nobody can say that they are to be dropped: there they are waited for as long as the desk's.
        """
        parked = isinstance(aggregate, Thread) and aggregate.life.state is State.PARKED
        query = """SELECT kind, txn, body FROM dead_letter WHERE owner = $1 AND at >= $2
                   AND (kind = 'TextArrived' AND way = '' OR kind = 'Post' AND way = 'matrix')"""
        for row in await self._store.fetch(query, owner, now - DEAD if parked else 0):
            if not row["body"]:
                continue  # an agreed word may have stood in it, and it was not kept
            if row["kind"] == TextArrived.__name__ or await self._is_voice(owner, row):
                return True
        return False

    async def _is_voice(self, owner: str, row: Any) -> bool:
        try:
            post: Post = serialization.decode(
                row["kind"], await self._vault.open(owner, f"outbox {row['txn']}", row["body"])
            )
        except (Sealed, ValueError):
            return False  # nothing could show it
        return post.speaker is Speaker.VOICE


async def arriving(conn: Any, owner: str, seq: int) -> bool:
    """Whether a text of this texter stands behind that row in the inbox. `conn`: a connection or the store."""
    query = "SELECT 1 FROM inbox WHERE owner = $1 AND seq > $2 AND kind = 'TextArrived' LIMIT 1"
    return await conn.fetchval(query, owner, seq) is not None


async def leaving(conn: Any, owner: str) -> bool:
    """Whether a text to this phone waits for its turn, or is just being sent. `conn`: a connection or the store."""
    return await conn.fetchval("SELECT 1 FROM outbox WHERE owner = $1 AND kind = 'Text' LIMIT 1", owner) is not None
