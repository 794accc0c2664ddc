"""`!text`: texts a person first, because they asked for it (practice 15). Off unless the pack allows it.

Rules of this module: the command is for an office only. A person confirms that the texter asked. The number is typed twice
and each time redacted at once; the state holds only whether both were the same. Nothing leaves by itself: a person types
the first words.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, is_taken
from bot.display.queue_cards import card_ref
from bot.display.thread_card import localpart
from bot.model.actions import DESK, OFFICE, Action, RedactEvent, SendMessage
from bot.model.desk import Desk, Facts, QueueEntry, Thread
from bot.model.dialled_number import ColdOutreach, NumberKind
from bot.model.events import MessageIgnored, MessageSent, Relation, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned, OutreachStarted, ThreadCreated, ThreadQueued
from bot.model.transactional_actions import CreateThread, SendEvent, SetTimer
from bot.staffing.claim_queue import cannot_claim, queue_thread
from bot.wording.notice import notice_of
from policies.keywords import normalize_words
from policies.pack import Pack

ANSWER_WITHIN: Final = 600.0
"""Seconds in which the questions can be answered."""
TIMER: Final = "cold:"
CONFIRMATIONS: Final = frozenset({"she asked", "he asked", "they asked"})
CANCEL_WORDS: Final = frozenset({"cancel", "no", "stop", "nobody"})

ASK_CONSENT: Final = notice_of("cold_outreach.texting_somebody_first_is_for")
ASK_NUMBER: Final = notice_of("cold_outreach.now_type_the_number_with")
ASK_AGAIN: Final = notice_of("cold_outreach.once_more_to_be_sure")
NUMBERS_DIFFER: Final = notice_of("cold_outreach.the_two_are_not_the")
ROOM_OPENS: Final = notice_of("cold_outreach.a_room_is_being_made")
REFUSALS: Final = {
    NumberKind.UNREADABLE: notice_of("cold_outreach.that_is_no_telephone_number"),
    NumberKind.EMERGENCY: notice_of("cold_outreach.that_is_an_emergency_number"),
    NumberKind.SHORT: notice_of("cold_outreach.that_is_a_short_code"),
    NumberKind.FOREIGN: notice_of("cold_outreach.that_number_is_in_another"),
    NumberKind.SPECIAL: notice_of("cold_outreach.that_is_a_toll_free"),
    NumberKind.OURS: notice_of("cold_outreach.that_is_this_lines_own"),
    NumberKind.TAKEN: notice_of("cold_outreach.that_phone_has_a_conversation"),
    NumberKind.BARRED: notice_of("cold_outreach.that_phone_may_not_be"),
}
ENDS: Final = frozenset({NumberKind.EMERGENCY, NumberKind.TAKEN, NumberKind.BARRED})


def begin(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!text`, in one's own office: ask what must be known before a text. The words behind it may be a number."""
    if event.place != OFFICE + event.sender:
        return Step(desk)
    redaction = (_redact(event),) if command.arguments else ()
    if not pack.settings.cold_outbound:
        why = notice_of("cold_outreach.this_line_texts_nobody_first")
        return Step(desk, (*redaction, _say(event, why)), consumed=True)
    if (refused := cannot_claim(pack, desk, event.sender)) is not None:
        return Step(desk, (*redaction, _say(event, refused)), consumed=True)
    until = facts.now + ANSWER_WITHIN
    desk = _with(desk, event.sender, ColdOutreach(user=event.sender, until=until))
    return Step(desk, (*redaction, SetTimer(key=TIMER + event.sender, due=until), _say(event, ASK_CONSENT)), consumed=True)


def answer_outreach(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Step[Desk]:
    """Take the next answer. Only the person's own office counts."""
    if event.place != OFFICE + event.sender:
        return Step(desk)
    if command is not None and command.name == "text" and is_taken(event):
        return Step(desk)  # It begins again, whatever was being asked: `begin`.
    outreach = next((one for one in desk.outreach if one.user == event.sender), None)
    number = facts.dialled_number is not None and facts.dialled_number.kind is not NumberKind.UNREADABLE
    if outreach is None or outreach.until < facts.now:
        # Too late to have an effect, but still a number in a room.
        late = outreach is not None and number
        return Step(_with(desk, event.sender, None), (_redact(event),) if late else (), consumed=late)
    if command is not None and command.command is not None:
        return Step(desk)
    if event.relation is not Relation.NONE:
        return Step(desk, (_redact(event),), consumed=True)
    if normalize_words(event.body) in CANCEL_WORDS:
        return Step(
            _with(desk, event.sender, None), (_say(event, notice_of("cold_outreach.nothing_was_begun")),), consumed=True
        )
    if not outreach.confirmed:
        is_confirmation = normalize_words(event.body) in CONFIRMATIONS
        desk = _with(desk, event.sender, replace(outreach, confirmed=True)) if is_confirmation else desk
        redaction = (_redact(event),) if number else ()
        return Step(desk, (*redaction, _say(event, ASK_NUMBER if is_confirmation else ASK_CONSENT)), consumed=True)
    return _take_number(pack, facts, desk, event, outreach)


def redact_ignored(pack: Pack, facts: Facts, desk: Desk, event: MessageIgnored) -> Step[Desk]:
    """Redact messages that were not accepted as well, while a number is expected: they may hold it."""
    waits = any(one.user == event.sender and one.until >= facts.now for one in desk.outreach)
    return Step(desk, (RedactEvent(place=event.place, event_id=event.event_id),) if waits and event.place != DESK else ())


def end_outreach(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Forget an outreach that was not finished in time: a digest of the number typed once would stay."""
    if not event.key.startswith(TIMER):
        return Step(desk)
    outreach = next((one for one in desk.outreach if one.user == event.key.removeprefix(TIMER)), None)
    if outreach is None:
        return Step(desk, consumed=True)
    if outreach.until > facts.now:
        return Step(desk, (SetTimer(key=event.key, due=outreach.until),), consumed=True)
    return Step(_with(desk, outreach.user, None), consumed=True)


def begin_thread(pack: Pack, facts: Facts, thread: Thread, event: ThreadCreated) -> Step[Thread]:
    """Begin a thread without a text: the desk is told who its assignee is."""
    if thread.lifecycle.since:
        return Step(thread)
    consent = replace(thread.consent, language=thread.consent.language or pack.languages[0])
    thread = replace(thread, lifecycle=replace(thread.lifecycle, since=facts.now), consent=consent)
    start = OutreachStarted(thread=thread.id, designation=thread.designation, assignee=event.assignee)
    return Step(thread, (SendEvent(owner=DESK, event=start),))


def show_outreach(pack: Pack, facts: Facts, desk: Desk, event: OutreachStarted) -> Step[Desk]:
    """Show at the desk that a person texts first, without naming the texter, and make them the assignee."""
    if any(entry.thread == event.thread for entry in desk.threads):
        return Step(desk)
    member = desk.member(event.assignee)
    if member is None or not member.on_duty:
        # They have gone since they said the number: it waits for another person, who asks them what it was about.
        return queue_thread(
            pack, facts, desk, ThreadQueued(thread=event.thread, designation=event.designation, since=facts.now)
        )
    entry = QueueEntry(
        thread=event.thread,
        designation=event.designation,
        since=facts.now,
        opened_at=facts.now,
        assignee=event.assignee,
        last_was_inbound=False,
    )
    body = notice_of(
        "cold_outreach.with_who_texts_first_it", designation=event.designation, assignee=localpart(event.assignee)
    )
    post = SendMessage(place=DESK, ref=card_ref(entry), body=body, formatted=True)
    desk = replace(desk, threads=(*desk.threads, entry))
    return Step(desk, (post, SendEvent(owner=event.thread, event=Assigned(assignee=event.assignee))))


def _take_number(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, outreach: ColdOutreach) -> Step[Desk]:
    """Take the number, typed for the first or for the second time. The message is redacted, whatever it was."""
    redaction, number = _redact(event), facts.dialled_number
    if number is None or number.kind is not NumberKind.GOOD:
        kind = NumberKind.UNREADABLE if number is None else number.kind
        next_outreach = None if kind in ENDS else replace(outreach, digest="")
        return Step(_with(desk, event.sender, next_outreach), (redaction, _say(event, REFUSALS[kind])), consumed=True)
    if not outreach.digest:
        desk = _with(desk, event.sender, replace(outreach, digest=number.digest))
        return Step(desk, (redaction, _say(event, ASK_AGAIN)), consumed=True)
    if not hmac.compare_digest(outreach.digest, number.digest):
        return Step(
            _with(desk, event.sender, replace(outreach, digest="")), (redaction, _say(event, NUMBERS_DIFFER)), consumed=True
        )
    desk = _with(desk, event.sender, None)
    if (refused := cannot_claim(pack, desk, event.sender)) is not None:
        return Step(desk, (redaction, _say(event, refused)), consumed=True)
    return Step(desk, (redaction, CreateThread(assignee=event.sender), _say(event, ROOM_OPENS)), consumed=True)


def _with(desk: Desk, user: str, outreach: ColdOutreach | None) -> Desk:
    others = tuple(one for one in desk.outreach if one.user != user)
    return replace(desk, outreach=others if outreach is None else (*others, outreach))


def _redact(event: MessageSent) -> Action:
    return RedactEvent(place=event.place, event_id=event.event_id)


def _say(event: MessageSent, body: str) -> Action:
    return SendMessage(place=event.place, body=body)
