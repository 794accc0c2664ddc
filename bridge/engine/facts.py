"""Collects the facts for one decision.

Rule of this module: it reads and decides nothing; expensive facts are read only for the events that need them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from bot import canary
from bot.lifecycle.retention import DESTRUCTIVE
from bot.model.actions import DESK, SendMessage, Speaker
from bot.model.desk import Desk, DeskMember, Facts, Thread
from bot.model.events import Event, MemberJoined, MessageRead, MessageSent, ReactionAdded, TextArrived, TimerDue
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import UnreadClosed
from bot.staffing import waiting_time
from bridge.engine.codeword_matching import MatchedEvent
from bridge.engine.cold_outreach import OutreachThreads
from bridge.matrix.rooms import room_state
from bridge.outbound import reply_number
from bridge.outbound.designations import Designations
from bridge.runtime.clock import system_clock_offset
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.vault import CannotOpen
from bridge.tables import clock_trust, dead_letters, inbox, outbox, room_events, threads
from bridge.tables.dead_letters import DeadLetter
from policies.drills.script import DrillScript
from policies.pack import Pack, Shifts

NO_DRILLS: Final[Mapping[str, DrillScript]] = MappingProxyType({})
DEAD_LETTER_WAIT: Final = 7 * 86_400
"""Seconds for which a parked thread waits for words that could not be shown, because nobody can drop them there."""
_OF_PEOPLE: Final = (MessageSent, ReactionAdded, MemberJoined, TimerDue)
"""The events by which people act, and the timers at which their words leave."""


class FactsLookup:
    """Looks up facts. `calendar` returns the copy of the calendar file."""

    def __init__(
        self,
        services: Services,
        *,
        pack: Pack,
        designations: Designations,
        numbers: tuple[str, ...],
        on_call: bool,
        cold_outreach: OutreachThreads | None,
        drills: Mapping[str, DrillScript],
        calendar: Callable[[], Shifts | None],
    ) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._pack, self._designations, self._cold_outreach = pack, designations, cold_outreach
        self._numbers, self._on_call, self._drills, self._calendar = numbers, on_call, drills, calendar

    async def facts(
        self, *, owner: str, seq: int, matched: MatchedEvent, aggregate: Thread | Desk, desk: Desk, frozen: bool, now: float
    ) -> Facts:
        """Return the facts for the event of that inbox row. What `designations` offers has to be settled by the caller."""
        event = matched.event
        asks = owner != DESK and (
            isinstance(event, MessageSent | UnreadClosed)
            or (isinstance(event, TimerDue) and event.key in {*DESTRUCTIVE, canary.TIMER})
        )
        begins = (
            isinstance(aggregate, Thread)
            and aggregate.lifecycle.state is ThreadState.PARKED
            and isinstance(event, TextArrived)
        )
        blocked = isinstance(aggregate, Thread) and bool(aggregate.consent.blocked_until)
        return Facts(
            now=now,
            roster=await self._roster(desk, event),
            designations=frozenset(line.designation for line in desk.threads if line.thread != owner),
            load=Counter(line.assignee for line in desk.threads if line.assignee is not None),
            outage=desk.outage,
            usual_wait=waiting_time.usual_minutes(desk, now),
            on_call=self._on_call,
            codeword_match=matched.word,
            partly_compared=matched.partly,
            enrolment_answer=matched.enrolment_answer,
            dialled_number=await self._cold_outreach.classify_number(self._pack, event) if self._cold_outreach else None,
            on_legal_hold=frozen,
            display_pending=asks and await self._has_unshown_words(owner),
            has_dead_letters=asks and await self._has_retryable_dead_letter(owner, aggregate, now),
            texts_after=await self._count_texts_after(owner, aggregate, event),
            inbound_pending=asks
            and await inbox.has_text_after(self._database, owner, seq, or_said=not isinstance(event, MessageSent)),
            outbound_pending=asks and await outbox.has_sms(self._database, owner),
            new_designation=self._designations.offer(owner) if begins else "",
            clock_ahead=system_clock_offset(self._clock),
            number_gone=_is_about_words(aggregate, event) and await self._is_number_gone(owner),
            clock_distrusted=blocked and await clock_trust.is_distrusted(self._database),
            drills=self._drills if owner == DESK else NO_DRILLS,
            calendar=self._calendar() if owner == DESK else None,
        )

    async def _roster(self, desk: Desk, event: Event) -> tuple[DeskMember, ...]:
        """Return the desk's roster, for what people do and for words that may leave without those who left the desk.

        Threads and the desk decide at the same time: the desk may not have decided yet that a person left.
        """
        if not isinstance(event, _OF_PEOPLE) or not desk.roster:
            return desk.roster
        former = await room_state.gone_from_desk(self._database)
        return tuple(member for member in desk.roster if member.user not in former) if former else desk.roster

    async def _is_number_gone(self, owner: str) -> bool:
        """Whether the number that this texter texted last is known, and none of the line's."""
        sealed = await threads.sealed_thread(self._database, owner)
        try:
            number = "" if sealed is None else await reply_number.read(self._vault, owner, sealed.number)
        except CannotOpen:
            return False
        return bool(number) and number not in self._numbers

    async def _has_unshown_words(self, owner: str) -> bool:
        """Whether words of the texter are still on their way into the room. An unreadable row counts as such."""
        for row in await outbox.messages_of(self._database, owner):
            try:
                if await self._is_of_texter(owner, row.txn, row.body):
                    return True
            except (CannotOpen, ValueError):
                return True
        return False

    async def _count_texts_after(self, owner: str, aggregate: Thread | Desk, event: Event) -> int:
        """Return how many texts are in the room behind the event that was said or read, or on their way into it."""
        if not isinstance(aggregate, Thread) or not isinstance(event, MessageSent | MessageRead):
            return 0
        if not aggregate.lifecycle.unseen:
            return 0  # nothing is unread
        shown = await room_events.count_texts_after(self._database, owner, event.event_id)
        if shown is None:
            return 0  # an event of the last moments: clients report the newest one that they show
        count = 0
        for row in await outbox.messages_of(self._database, owner):
            with suppress(CannotOpen, ValueError):
                count += await self._is_of_texter(owner, row.txn, row.body)
        return shown + count

    async def _has_retryable_dead_letter(self, owner: str, aggregate: Thread | Desk, now: float) -> bool:
        """Whether words of the texter are in a dead letter that `!retry` can still bring into the room.

        In a parked thread nobody can drop them: then only dead letters of the last `DEAD_LETTER_WAIT` seconds count.
        """
        parked = isinstance(aggregate, Thread) and aggregate.lifecycle.state is ThreadState.PARKED
        since = now - DEAD_LETTER_WAIT if parked else 0
        for letter in await dead_letters.retryable(self._database, owner, since=since):
            if not letter.row.body:
                continue  # it may have held a codeword, so its body was not stored
            if letter.is_text or await self._is_unshown_message_of_texter(letter):
                return True
        return False

    async def _is_unshown_message_of_texter(self, letter: DeadLetter) -> bool:
        try:
            return await self._is_of_texter(letter.row.owner, letter.txn, letter.row.body)
        except (CannotOpen, ValueError):
            return False  # it can never be shown

    async def _is_of_texter(self, owner: str, txn: str, sealed: bytes) -> bool:
        """Whether a message of the outbox has words of the texter. Raises `CannotOpen` and `ValueError`."""
        opened = await self._vault.open(owner, f"outbox {txn}", sealed)
        return serialization.decode_as(SendMessage, opened).speaker is Speaker.TEXTER


def _is_about_words(aggregate: Thread | Desk, event: Event) -> bool:
    """Whether an event may let a person's words leave."""
    if not isinstance(aggregate, Thread):
        return False
    waits = bool(aggregate.sending.pending) or aggregate.consent.reply is not None
    return isinstance(event, MessageSent) or (waits and isinstance(event, TimerDue))
