"""The cards at the desk: a message for each thread that can be claimed, and one for a flood; counts and no content.

Rules of this module: an edit must reach the message it was meant for, so each message that becomes a thread's card has its
own `card_ref`. A card that can be claimed has the raised hand as a reaction already, so one tap claims it. A card that a
person redacted is posted again, because nobody may wait unseen. The card of a flood is edited once a minute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.thread_card import localpart
from bot.model.actions import DESK, Action, EditMessage, SendMessage
from bot.model.desk import Desk, Facts, QueueEntry
from bot.model.events import MessageRedacted
from bot.model.feature import Step
from bot.model.flood import Flood
from bot.model.transactional_actions import ExpireMessage
from bot.wording.durations import describe_minutes
from bot.wording.notice import join_notices, notice_for_all, notice_of
from policies.pack import Pack

FLOOD: Final = "flood:"
CLAIM_REACTION: Final = "✋"
CARD: Final = "card:"
REMINDERS: Final = 4
"""Kinds of reminders of a thread that waits: to people on duty, to supervisors, to the person on call, and those again."""
WAIT: Final = "wait:"
"""Refs of reminders that a texter waits, and of their timers: `wait:`, the thread, a colon, the number of the reminder."""
EDIT: Final = "edit:"
"""What the bridge puts before the `card_ref` of a message to name its newest edit."""
WAITING: Final = notice_of("state.waiting")


def card_ref(entry: QueueEntry) -> str:
    """Return the ref of the message that is the thread's card now."""
    return f"{CARD}{entry.thread}{f':{entry.past_cards}' if entry.past_cards else ''}"


def thread_of(name: str) -> str:
    """Return the thread of a card or reminder of ours at the desk; empty for any other message."""
    kind = next((kind for kind in (CARD, WAIT) if name.startswith(kind)), None)
    return "" if kind is None else name.removeprefix(kind).partition(":")[0]


def claim_card(facts: Facts, entry: QueueEntry, how: str = WAITING) -> SendMessage:
    """Return the card of a thread that can be claimed."""
    name = entry.designation
    how = (
        notice_of("queue_cards.offers_it_to_everybody", assignee=localpart(entry.assignee))
        if entry.assignee is not None
        else how
    )
    hands = describe_minutes(round((facts.now - entry.other_hands_at) / 60))
    how += notice_of("queue_cards.other_hands_ago", hands=hands) if entry.other_hands_at else ""
    body = notice_of("queue_cards.tap_or_say_claim", tap=CLAIM_REACTION, name=name, how=how, marks=marks(entry))
    return SendMessage(place=DESK, ref=card_ref(entry), body=body, reactions=(CLAIM_REACTION,), formatted=True)


def edited_card(facts: Facts, entry: QueueEntry) -> EditMessage:
    """Bring the card of a thread up to date, whether it can be claimed or has an assignee."""
    free = entry.assignee is None or entry.offered
    body = claim_card(facts, entry).body if free else assigned_card(entry)
    reactions = (CLAIM_REACTION,) if free else ()
    return EditMessage(place=DESK, ref=card_ref(entry), body=body, formatted=True, reactions=reactions)


def marks(entry: QueueEntry) -> str:
    """Return the marks beside a thread's designation: danger, an unanswered word for help, a language.

    The first language of the line is not shown. A thread with an assignee has an answer to its word for help.
    """
    warns = entry.danger or (entry.asks and entry.assignee is None)
    return f"{' ⚠️' if warns else ''}{f' · {entry.language}' if entry.language else ''}"


def assigned_card(entry: QueueEntry) -> str:
    """Return what a card says once its thread has an assignee."""
    return notice_of("queue_cards.with", designation=entry.designation, assignee=localpart(entry.assignee or ""))


def next_card(entry: QueueEntry) -> tuple[QueueEntry, tuple[Action, ...]]:
    """Make the thread's next card a new message; the earlier card may expire."""
    return (
        (replace(entry, past_cards=entry.past_cards + 1), (ExpireMessage(ref=card_ref(entry)),))
        if entry.has_card
        else (entry, ())
    )


def expire_cards(entry: QueueEntry) -> tuple[Action, ...]:
    """Expire every card of a thread, and every call and reminder: their refs hold the thread's id."""
    numbers = range(entry.past_cards + 1)
    calls = (*(f"{WAIT}{entry.thread}:new{number}" for number in numbers), f"{WAIT}{entry.thread}:danger")
    reminders = (f"{WAIT}{entry.thread}:{rung}" for rung in range(REMINDERS))
    refs = (*(card_ref(replace(entry, past_cards=number)) for number in numbers), *calls, *reminders)
    return tuple(ExpireMessage(ref=ref) for ref in refs)


def restore_card(pack: Pack, facts: Facts, desk: Desk, event: MessageRedacted) -> Step[Desk]:
    """Show a card, or its newest edit, again when a person redacted it: of a thread that can be claimed, or of a flood."""
    name = event.ref.removeprefix(EDIT)
    if desk.flood.card and name == flood_ref(desk.flood):
        show = EditMessage if name != event.ref else SendMessage
        return Step(desk, (show(place=DESK, ref=name, body=flood_card(desk.flood), reactions=(CLAIM_REACTION,)),))
    entry = next((entry for entry in desk.threads if entry.has_card and card_ref(entry) == name), None)
    if entry is None:
        return Step(desk)
    if name != event.ref:
        return Step(desk, (edited_card(facts, entry),))
    if entry.assignee is not None and not entry.offered:
        return Step(desk)
    again, actions = next_card(entry)
    threads = tuple(again if known is entry else known for known in desk.threads)
    return Step(replace(desk, threads=threads), (*actions, claim_card(facts, again)))


def flood_ref(flood: Flood) -> str:
    """Return the ref of the incident's card."""
    return f"{FLOOD}{flood.begun_at:.0f}"


def flood_card(flood: Flood) -> str:
    """Return the text of the incident's card."""
    danger = sum(entry.in_danger for entry in flood.crowd.values())
    more = sum(entry.stands_out and not entry.in_danger for entry in flood.crowd.values())
    marks = [f"{danger} ⚠️"] if danger else []
    marks += [notice_of("flood_card.stand_out", more=more)] if more else []
    if not flood.crowd and not flood.active:
        return notice_for_all(notice_of("flood_card.over", came=flood.came))
    card = notice_of(
        "flood_card.many",
        begun=notice_of("flood_card.come") if flood.active else notice_of("flood_card.came"),
        came=flood.came,
        waiting=len(flood.crowd),
        marks=join_notices("", (": ", join_notices(", ", marks))) if marks else "",
        rest="" if flood.active else notice_of("flood_card.close_rest"),
    )
    # It calls people on duty, so everybody has to understand it.
    return notice_for_all(card)
