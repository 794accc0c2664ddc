"""The voice's words on their way to the phone: what is a note, what waits, what leaves (DESIGN section 3).

Rules of this module: only the voice is relayed and anything doubtful is a note; words wait their undo window in the order
in which they were said; a later word never overtakes an earlier one; words too old when they could leave are held and
their author is told.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from bot import guard
from bot.actions import THREAD, Action, DropTimer, Mark, Origin, Post, Receipt, SetTimer, Text
from bot.events import Content, Relation, Said, TimerDue, Unsaid
from bot.model import Facts, Pending, Sending, Sent, Thread
from bot.step import Step
from policies.pack import Pack

TIMER = "send"
MENTION = re.compile(r"(?<!\w)@\w")
"""A word that begins with @; an e-mail address does not."""
BLANK = "".join(chr(n) for n in range(0x3001) if chr(n).isspace() or unicodedata.category(chr(n)) == "Cf") + "\ufeff"
"""What may stand before a note's mark without being seen: spaces, and the invisible marks that some keyboards put there."""
KEPT = 50
GONE = "whoever said it is not at the desk any more."


def relay(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Take the voice's words into the undo window; mark everything else as a note."""
    event = replace(event, body=without_quote(event))
    if event.sender != thread.voice.holder or _is_note(event):
        note: Action = Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOTE)
        if event.content is Content.FILE and event.sender == thread.voice.holder:
            return Step(thread, (note, _say(event.event_id, "Not sent: pictures and files do not go to the phone.")))
        return Step(thread, (note,))
    if (why := _refusal(pack, facts, thread, event.body)) is not None:
        refused = Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOT_SENT)
        return Step(thread, (refused, _say(event.event_id, f"Not sent: {why}")))
    pending = Pending(
        event_id=event.event_id,
        body=event.body,
        author=event.sender,
        said_at=event.at,
        leave_at=facts.now + _window(pack, facts, thread),
    )
    thread = _with_pending(thread, (*thread.sending.pending, pending))
    return Step(thread, (Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.LEAVING), *_timer(thread)))


def edits(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Let an author replace their own words while they wait; say so when it is too late."""
    if event.relation is not Relation.EDIT:
        return Step(thread)
    old = next((p for p in thread.sending.pending if p.event_id == event.target), None)
    if old is None or old.author != event.sender:
        if any(sent.event_id == event.target for sent in thread.sending.sent) and event.sender == thread.voice.holder:
            told = _say(event.target, "That text has left the undo window: the edit changes nothing on the phone.")
            return Step(thread, (told,), consumed=True)
        return Step(thread, consumed=True)
    if _is_note(replace(event, relation=Relation.NONE)):
        why: str | None = "it has become a note."
    else:
        why = _refusal(pack, facts, thread, event.body)
    if why is not None:
        thread = _with_pending(thread, tuple(p for p in thread.sending.pending if p is not old))
        refused = Mark(place=THREAD, event_id=event.target, receipt=Receipt.NOT_SENT)
        return Step(thread, (refused, _say(event.target, f"Not sent: {why}"), *_timer(thread)), consumed=True)
    new = replace(old, body=event.body, leave_at=facts.now + _window(pack, facts, thread))
    thread = _with_pending(thread, tuple(new if p is old else p for p in thread.sending.pending))
    return Step(thread, _timer(thread), consumed=True)


def unsay(pack: Pack, facts: Facts, thread: Thread, event: Unsaid) -> Step[Thread]:
    """Stop words whose author took them back; say so when they have left already."""
    pending = thread.sending.pending
    mine = next((p for p in pending if p.event_id == event.target and p.author == event.sender), None)
    if mine is not None:
        thread = _with_pending(thread, tuple(p for p in pending if p is not mine))
        return Step(thread, (Mark(place=THREAD, event_id=event.target, receipt=Receipt.UNSAID), *_timer(thread)))
    if any(sent.event_id == event.target for sent in thread.sending.sent) and event.sender == thread.voice.holder:
        return Step(thread, (Post(place=THREAD, body="That text has left already: it stays on the phone."),))
    return Step(thread)


def leave(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Let the words leave whose undo window is over, in order; hold those that are too old by now."""
    if event.key != TIMER:
        return Step(thread)
    actions: list[Action] = []
    waiting = list(thread.sending.pending)
    sent = list(thread.sending.sent)
    while waiting and waiting[0].leave_at <= facts.now:
        words = waiting.pop(0)
        text = Text(
            ref=f"say:{words.event_id}",
            body=words.body,
            origin=Origin.VOICE,
            epoch=thread.voice.epoch,
            since=words.said_at,
        )
        why = GONE if facts.role(words.author) is None else guard.may_send(pack, thread, text, facts.now)
        if why is None:
            actions.append(text)
            sent.append(Sent(event_id=words.event_id, receipt=Receipt.LEAVING.name))
            continue
        mark = Receipt.HELD if why is guard.LATE else Receipt.NOT_SENT
        actions += [
            Mark(place=THREAD, event_id=words.event_id, receipt=mark),
            _say(words.event_id, f"Not sent: {why}"),
        ]
    thread = replace(thread, sending=Sending(pending=tuple(waiting), sent=tuple(sent[-KEPT:])))
    return Step(thread, (*actions, *_timer(thread)))


def drop_pending(thread: Thread, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel what has not left, and say so on each of the messages."""
    if not thread.sending.pending:
        return thread, ()
    marks = tuple(Mark(place=THREAD, event_id=p.event_id, receipt=Receipt.NOT_SENT) for p in thread.sending.pending)
    told = Post(place=THREAD, body=f"Not sent: {len(marks)} message(s) still in the undo window, because {why}.")
    return _with_pending(thread, ()), (*marks, told, DropTimer(key=TIMER))


def without_quote(event: Said) -> str:
    """Take the quoted lines off that older clients put before a reply: earlier words never go back onto the phone."""
    if event.relation is not Relation.TEXTER_REPLY or not event.body.startswith("> <"):
        return event.body
    _, _, rest = event.body.partition("\n\n")
    return rest


def _is_note(event: Said) -> bool:
    return (
        event.content is not Content.TEXT
        or event.relation in (Relation.THREAD, Relation.OTHER_REPLY)
        or event.mentions
        or event.body.lstrip(BLANK).startswith(("!", "/"))
        or MENTION.search(event.body) is not None
    )


def _refusal(pack: Pack, facts: Facts, thread: Thread, body: str) -> str | None:
    if not thread.answerable:
        return guard.UNANSWERABLE
    if thread.consent.stopped:
        return guard.STOPPED
    if not body.strip():
        return "it is empty."
    return guard.leaks(pack, body, facts.designations)


def _window(pack: Pack, facts: Facts, thread: Thread) -> float:
    slow = facts.now < thread.voice.slow_until
    return float(pack.settings.undo_after_join_seconds if slow else pack.settings.undo_seconds)


def _with_pending(thread: Thread, pending: tuple[Pending, ...]) -> Thread:
    return replace(thread, sending=replace(thread.sending, pending=pending))


def _timer(thread: Thread) -> tuple[Action, ...]:
    pending = thread.sending.pending
    return (SetTimer(key=TIMER, due=pending[0].leave_at) if pending else DropTimer(key=TIMER),)


def _say(event_id: str, body: str) -> Post:
    return Post(place=THREAD, body=body, reply_to=event_id)
