"""What became of the voice's words: at most one current receipt on each message, and never none.

Rule of this module: a receipt only moves forward, so that a report out of order changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.actions import DESK, THREAD, Action, Mark, Post, Receipt
from bot.model.desk import Facts, Thread
from bot.model.events import Outcome, TextOutcome
from bot.model.feature import Step
from bot.model.thread import Held, Reason, Sent
from bot.model.thread_desk_events import Alarm, AlarmRaised
from bot.model.transactional_actions import Tell
from bot.sending.held_texts import MOST
from bot.sending.retraction import became
from policies.pack import Pack

SHOWN: Final = {
    Outcome.ACCEPTED: Receipt.SENT,
    Outcome.DELIVERED: Receipt.DELIVERED,
    Outcome.REJECTED: Receipt.NOT_SENT,
    Outcome.OPTED_OUT: Receipt.NOT_SENT,
    Outcome.FAILED: Receipt.NOT_SENT,
    Outcome.UNKNOWN: Receipt.UNKNOWN,
    Outcome.LATE: Receipt.HELD,
    Outcome.REFUSED: Receipt.NOT_SENT,
}
RANK: Final = {
    Receipt.LEAVING: 0,
    Receipt.UNKNOWN: 1,
    Receipt.SENT: 2,
    Receipt.HELD: 3,
    Receipt.NOT_SENT: 3,
    Receipt.UNSAID: 3,
    # A carrier that gave up and then reports delivery was wrong the first time: the phone has it.
    Receipt.DELIVERED: 4,
}
SETTLED: Final = frozenset({Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.OPTED_OUT})
"""After these nothing of a text is held any more: it left after all, or must not leave again."""

WORDS: Final = {
    Outcome.REJECTED: "Not sent: the carrier refused it{code}. Try other words, or another way to reach them.",
    Outcome.OPTED_OUT: "Not sent: the carrier says this phone opted out. It has to text START first.",
    Outcome.FAILED: "Not delivered: the carrier gave up{code}. The phone may be off; you can say it again.",
    Outcome.UNKNOWN: "Unknown: it may or may not be on the phone. It is not sent again by itself; you can say it again.",
    Outcome.LATE: "Held: it could not leave for more than five minutes. !again if it still fits.",
    Outcome.REFUSED: "Not sent: when it was about to leave, it might not any more. Look at the card, and at its words.",
}

BY_ITSELF: Final = "The automatic answer did not leave within five minutes, and does not leave any more."

AGAIN: Final = {Outcome.UNKNOWN: Reason.UNKNOWN, Outcome.LATE: Reason.LATE, Outcome.FAILED: Reason.UNKNOWN}
"""What a person may send once more by one word."""


def message_of(ref: str) -> str:
    """Return the event id of the advocate's message that a text came from, or nothing for an automatic one."""
    kind, _, event_id = ref.partition(":")
    return event_id if kind == "say" else ""


def taken(thread: Thread, event: TextOutcome) -> Sent | None:
    """Return the voice's words that the carrier took just now, as a report says for the first time; else None."""
    return first_heard(thread, event) if event.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED) else None


def first_heard(thread: Thread, event: TextOutcome) -> Sent | None:
    """Return the voice's words of which it was not known yet whether the carrier took them; else None."""
    if not (event_id := message_of(event.ref)):
        return None
    sent = next((sent for sent in thread.sending.sent if sent.event_id == event_id), None)
    return sent if sent is not None and Receipt[sent.receipt] in (Receipt.LEAVING, Receipt.UNKNOWN) else None


def outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Move the receipt forward and say in words what a person has to know."""
    if event.outcome is Outcome.ACCEPTED:
        thread = replace(thread, life=replace(thread.life, last_outbound=facts.now))
    words = WORDS.get(event.outcome, "").format(code=f" (code {event.code})" if event.code else "")
    alarms = tuple(
        Tell(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=alarm))
        for happened, alarm in ((Outcome.UNKNOWN, Alarm.UNKNOWN_SEND), (Outcome.OPTED_OUT, Alarm.OPTED_OUT))
        if event.outcome is happened
    )
    event_id = message_of(event.ref)
    if not event_id:
        words = BY_ITSELF if event.outcome is Outcome.LATE else f"The automatic answer. {words}" if words else ""
        told = (Post(place=THREAD, body=words),) if words else ()
        return Step(thread, (*told, *alarms))
    new = SHOWN[event.outcome]
    old = next((sent for sent in thread.sending.sent if sent.event_id == event_id), None)
    if old is not None and old.taken_back:
        new, words = became(event.outcome, new, words)
    if old is not None and RANK[new] <= RANK[Receipt[old.receipt]]:
        return Step(thread)
    kept = tuple(sent for sent in thread.sending.sent if sent is not old)
    settled = Sent(event_id=event_id, receipt=new.name, name=old.name if old else "", author=old.author if old else "")
    sending = replace(thread.sending, sent=(*kept, settled))
    if event.outcome in SETTLED:
        sending = replace(sending, held=tuple(h for h in sending.held if h.event_id != event_id))
    heard = old is not None and old.author == thread.voice.holder and not old.taken_back
    if old is not None and old.body and heard and (reason := AGAIN.get(event.outcome)) is not None:
        again = Held(event_id=event_id, body=old.body, author=old.author, reason=reason, name=old.name, since=facts.now)
        sending = replace(sending, held=(*(h for h in sending.held if h.event_id != event_id), again)[-MOST:])
    actions: tuple[Action, ...] = (Mark(place=THREAD, event_id=event_id, receipt=new),)
    if words:
        actions += (Post(place=THREAD, body=words, reply_to=event_id),)
    return Step(replace(thread, sending=sending), (*actions, *alarms))
