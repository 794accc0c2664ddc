"""Collects the facts for one decision.

Rule of this module: it reads and decides nothing; expensive facts are read only for the events that need them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from bot.lifecycle.retention import DESTRUCTIVE
from bot.model.actions import DESK, SendMessage, Speaker
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import MessageSent, TextArrived, TimerDue
from bot.model.thread import ThreadState
from bridge.engine.codeword_matching import MatchedEvent
from bridge.engine.cold_outreach import ColdOutreach
from bridge.runtime.clock import Clock, system_clock_offset
from bridge.storage import serialization
from bridge.storage.database import Database
from bridge.storage.vault import CannotOpen, Vault
from policies.pack import Pack

DEAD_LETTER_WAIT: Final = 7 * 86_400
"""Seconds for which words that could not be shown are waited for where nobody can drop them."""


class FactsLookup:
    """Looks facts up. `fresh` gives two words that no conversation bears."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        pack: Pack,
        clock: Clock,
        fresh: Callable[[], str],
        on_call: bool,
        cold_outreach: ColdOutreach | None,
    ) -> None:
        self._database, self._vault, self._pack, self._new_designation, self._cold_outreach = (
            database,
            vault,
            pack,
            fresh,
            cold_outreach,
        )
        self._clock, self._on_call = clock, on_call

    async def facts(
        self, *, owner: str, seq: int, matched: MatchedEvent, aggregate: Thread | Desk, desk: Desk, frozen: bool, now: float
    ) -> Facts:
        """Return the facts for the event of that inbox row."""
        event = matched.event
        asks = owner != DESK and (
            isinstance(event, MessageSent) or (isinstance(event, TimerDue) and event.key in DESTRUCTIVE)
        )
        begins = (
            isinstance(aggregate, Thread)
            and aggregate.lifecycle.state is ThreadState.PARKED
            and isinstance(event, TextArrived)
        )
        return Facts(
            now=now,
            roster=desk.roster,
            designations=frozenset(line.designation for line in desk.threads if line.thread != owner),
            load=Counter(line.assignee for line in desk.threads if line.assignee is not None),
            outage=desk.outage,
            on_call=self._on_call,
            codeword_match=matched.word,
            partly_compared=matched.partly,
            enrolment_answer=matched.taken,
            dialled_number=await self._cold_outreach.classify_number(self._pack, event) if self._cold_outreach else None,
            on_legal_hold=frozen,
            display_pending=asks and await self._has_unshown_words(owner),
            has_dead_letters=asks and await self._has_retryable_dead_letter(owner, aggregate, now),
            inbound_pending=asks and await has_queued_text(self._database, owner, seq),
            outbound_pending=asks and await has_outgoing_text(self._database, owner),
            new_designation=self._new_designation() if begins else "",
            clock_ahead=system_clock_offset(self._clock),
        )

    async def _has_unshown_words(self, owner: str) -> bool:
        """Whether words of the texter are still on their way into the room."""
        for row in await self._database.fetch(
            "SELECT kind, txn, body FROM outbox WHERE owner = $1 AND kind = 'SendMessage'", owner
        ):
            post: SendMessage = serialization.decode(
                row["kind"], await self._vault.open(owner, f"outbox {row['txn']}", row["body"])
            )
            if post.speaker is Speaker.TEXTER:
                return True
        return False

    async def _has_retryable_dead_letter(self, owner: str, aggregate: Thread | Desk, now: float) -> bool:
        """Whether words of the texter lie in a dead letter that `!retry` can still bring into the room.

        Where there is no room, nobody can say that they are to be dropped: there they are waited for as long as the desk's.
        """
        parked = isinstance(aggregate, Thread) and aggregate.lifecycle.state is ThreadState.PARKED
        query = """SELECT kind, txn, body FROM dead_letter WHERE owner = $1 AND at >= $2
                   AND (kind = 'TextArrived' AND way = '' OR kind = 'SendMessage' AND way = 'matrix')"""
        for row in await self._database.fetch(query, owner, now - DEAD_LETTER_WAIT if parked else 0):
            if not row["body"]:
                continue  # an agreed word may have stood in it, and it was not kept
            if row["kind"] == TextArrived.__name__ or await self._is_texter_message(owner, row):
                return True
        return False

    async def _is_texter_message(self, owner: str, row: Any) -> bool:
        try:
            post: SendMessage = serialization.decode(
                row["kind"], await self._vault.open(owner, f"outbox {row['txn']}", row["body"])
            )
        except (CannotOpen, ValueError):
            return False  # nothing could show it
        return post.speaker is Speaker.TEXTER


async def has_queued_text(conn: Any, owner: str, seq: int) -> bool:
    """Whether a text of this texter stands behind that row in the inbox. `conn`: a connection or the store."""
    query = "SELECT 1 FROM inbox WHERE owner = $1 AND seq > $2 AND kind = 'TextArrived' LIMIT 1"
    return await conn.fetchval(query, owner, seq) is not None


async def has_outgoing_text(conn: Any, owner: str) -> bool:
    """Whether a text to this phone waits for its turn, or is just being sent. `conn`: a connection or the store."""
    return await conn.fetchval("SELECT 1 FROM outbox WHERE owner = $1 AND kind = 'SendSms' LIMIT 1", owner) is not None
