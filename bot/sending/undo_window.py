"""The voice's words on their way to the phone: what waits, what leaves (DESIGN section 3).

Rules of this module: only the voice is relayed; words wait their undo window in the order
in which they were said; a later word never overtakes an earlier one; words too old when they could leave are held and
their author is told.
"""

from __future__ import annotations

from dataclasses import replace

from bot import guard
from bot.commands import canned_texts
from bot.commands.parser import parse
from bot.language.room_notes import ONLY_WORDS, is_note
from bot.model.actions import DESK, THREAD, Action, Mark, Origin, Post, Receipt, Text
from bot.model.codeword_state import Escort, Lock
from bot.model.desk import Facts, Thread
from bot.model.events import Content, Relation, Said, TimerDue, Unsaid
from bot.model.feature import Step
from bot.model.thread import Held, Pending, Reason, Sent
from bot.model.thread_desk_events import Alarm, AlarmRaised, Spoke
from bot.model.transactional_actions import DropTimer, SetTimer, Tell
from bot.sending.held_texts import held_back, hold
from bot.sending.retraction import LEFT, take_back
from policies.pack import Pack, TextName

TIMER = "send"
KEPT = 50
GONE = "whoever said it is not at the desk any more."


def relay(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Take the voice's words into the undo window; mark everything else as a note."""
    if event.sender != thread.voice.holder or is_note(event):
        note: Action = Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOTE)
        if event.content is not Content.TEXT and event.sender == thread.voice.holder:
            return Step(thread, (note, _say(event.event_id, f"Not sent: {ONLY_WORDS[event.content]}")))
        return Step(thread, (note,))
    words = Pending(
        event_id=event.event_id,
        body=event.body,
        author=event.sender,
        said_at=event.at,
        leave_at=facts.now,
        differs=event.differs,
    )
    thread, actions = take(pack, facts, thread, words, quotes=event.quotes)
    return Step(thread, (*actions, *_quoted(event)))


def take(
    pack: Pack, facts: Facts, thread: Thread, words: Pending, *, looked_at: bool = False, quotes: bool = False
) -> tuple[Thread, tuple[Action, ...]]:
    """Take words for the phone: into the undo window, or held, or refused.

    `looked_at`: no second look is needed. `quotes`: what was quoted is left out of them.
    """
    why = guard.refuses(pack, thread, words.body, facts.designations)
    if why is not None and why in guard.LOCKED.values():
        return _locked(pack, facts, thread, words, why, looked_at=looked_at)
    if why is not None:
        why = guard.QUOTED if quotes and why == guard.EMPTY else why
        refused = Mark(place=THREAD, event_id=words.event_id, receipt=Receipt.NOT_SENT)
        return thread, (refused, _say(words.event_id, f"Not sent: {why}"))
    if not looked_at and (doubt := _doubt(pack, words)) is not None:
        reason, why = doubt
        thread = hold(thread, held_back(facts, words, reason))
        held = Mark(place=THREAD, event_id=words.event_id, receipt=Receipt.HELD)
        return thread, (held, _say(words.event_id, f"Held: {why}"))
    return into_window(pack, facts, thread, words)


def into_window(pack: Pack, facts: Facts, thread: Thread, words: Pending) -> tuple[Thread, tuple[Action, ...]]:
    """Let words wait their undo window, behind those that wait already."""
    words = replace(words, leave_at=facts.now + _window(pack, facts, thread))
    thread = _with_pending(thread, (*thread.sending.pending, words))
    seat = facts.seat(words.author)
    moved = seat is not None and seat.spoke != thread.id
    spoke = (Tell(owner=DESK, event=Spoke(thread=thread.id, user=words.author)),) if moved else ()
    return thread, (Mark(place=THREAD, event_id=words.event_id, receipt=Receipt.LEAVING), *_timer(thread), *spoke)


def edits(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Let an author replace their own words while they wait or are held; say so when it is too late."""
    if event.relation is not Relation.EDIT:
        return Step(thread)
    known: tuple[Pending | Held, ...] = (*thread.sending.pending, *thread.sending.held)
    old = next((w for w in known if w.event_id == event.target and w.author == event.sender), None)
    left = any(sent.event_id == event.target for sent in thread.sending.sent)
    if old is None and not left and (parsed := parse(event.body)) is not None and parsed.command is not None:
        return Step(thread)  # No command is taken this way, and its author hears so.
    if old is None or (isinstance(old, Held) and old.reason is Reason.UNKNOWN):
        told = _say(event.target, "That text has left the undo window: the edit changes nothing on the phone.")
        # What the room shows now is not what `!again` would send.
        thread = _without(thread, event.target) if old is not None else thread
        mine = any(sent.event_id == event.target and sent.author == event.sender for sent in thread.sending.sent)
        says = mine or (left and event.sender == thread.voice.holder)
        return Step(thread, (told,) if says else (), consumed=True)
    if event.sender != thread.voice.holder:
        # What waits here of somebody who is not heard is a challenge or a cover line: nothing else may take its place.
        thread = replace(thread, escort=_unasked(thread, event.target))
        why = "a command for a check or a cover line is not changed. Say it once more."
        return _stops(thread, event.target, f"Not sent: {why}")
    thread = replace(thread, escort=_unasked(thread, event.target))
    text = canned_texts.read(pack, facts, thread, event.body, edit=True)
    if (no := _not_this(old, text)) is not None:
        return _stops(thread, event.target, f"Nothing was sent, and what waited is stopped: {no} Say it as a new message.")
    body, name = (text.body, text.stands_for) if isinstance(text, canned_texts.Canned) else (event.body, "")
    words = Pending(
        event_id=event.target,
        body=body,
        author=event.sender,
        said_at=event.at,
        leave_at=facts.now,
        name=name,
        edit=event.event_id,
        differs=event.differs,
    )
    if is_note(replace(event, relation=Relation.NONE, body=body)):
        return _stops(thread, event.target, "Not sent: it has become a note.")
    looked_at = isinstance(text, canned_texts.Canned) and not text.own
    shown: tuple[Action, ...] = (_say(event.target, f"Leaving in a moment: “{body}”"),) if looked_at else ()
    if isinstance(text, canned_texts.Canned) and text.name == TextName.URGENT:
        shown = (*shown, Tell(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=Alarm.URGENT)))
    new, actions = take(pack, facts, _without(thread, event.target), words, looked_at=looked_at, quotes=event.quotes)
    if any(pending.event_id == event.target for pending in new.sending.pending) and isinstance(old, Pending):
        # It keeps its place, so that nothing overtakes it.
        until = facts.now + _window(pack, facts, thread)
        words = replace(old, body=body, name=name, leave_at=until, edit=event.event_id)
        thread = _with_pending(thread, tuple(words if p is old else p for p in thread.sending.pending))
        return Step(thread, (*_timer(thread), *shown, *_quoted(event)), consumed=True)
    marked = Receipt.HELD if isinstance(old, Held) else None
    actions = tuple(a for a in actions if not (isinstance(a, Mark) and a.receipt is marked))
    shown = shown if new.sending.pending else ()
    return Step(new, (*actions, *_timer(new), *shown, *_quoted(event)), consumed=True)


def unsay(pack: Pack, facts: Facts, thread: Thread, event: Unsaid) -> Step[Thread]:
    """Stop words whose author took them back, or their last edit, also where they wait for the carrier.

    Without its edit a message shows earlier words again, and those are not what its author last wanted to leave. What has
    left already stays on the phone, and that is said.
    """
    known: tuple[Pending | Held, ...] = (*thread.sending.pending, *thread.sending.held)
    mine = next((w for w in known if event.target in (w.event_id, w.edit) and w.author == event.sender), None)
    if mine is not None:
        thread = _without(thread, mine.event_id)
        if not isinstance(mine, Held) or mine.reason is not Reason.UNKNOWN:
            unsaid = Mark(place=THREAD, event_id=mine.event_id, receipt=Receipt.UNSAID)
            told = _say(mine.event_id, "Not sent: the edit was taken back. Say it again.")
            return Step(thread, (unsaid, *((told,) if event.target == mine.edit else ()), *_timer(thread)))
    sent = next((s for s in thread.sending.sent if s.event_id == event.target), None)
    if sent is not None and sent.receipt == Receipt.LEAVING.name and sent.author == event.sender:
        return Step(take_back(thread, lambda words: words is sent))
    if sent is not None and event.sender in (thread.voice.holder, sent.author):
        return Step(thread, (Post(place=THREAD, body=LEFT),))
    return Step(thread)


def leave(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Let the words leave whose undo window is over, in order; hold those that are too old by now."""
    if event.key != TIMER:
        return Step(thread)
    actions: list[Action] = []
    waiting = list(thread.sending.pending)
    sent = list(thread.sending.sent)
    held: list[Held] = []
    while waiting and waiting[0].leave_at <= facts.now:
        words = waiting.pop(0)
        why = hinders(pack, facts, thread, words)
        if why is None:
            actions.append(_text(thread, words))
            sent = [known for known in sent if known.event_id != words.event_id]
            leaving = Receipt.LEAVING.name
            sent.append(
                Sent(event_id=words.event_id, receipt=leaving, body=words.body, author=words.author, name=words.name)
            )
            continue
        reason = Reason.LATE if why is guard.LATE else Reason.LOCKED if why in guard.LOCKED.values() else None
        if reason is not None:
            held.append(held_back(facts, words, reason))
        mark = Receipt.NOT_SENT if reason is None else Receipt.HELD
        actions += [
            Mark(place=THREAD, event_id=words.event_id, receipt=mark),
            _say(words.event_id, f"{'Not sent' if reason is None else 'Held'}: {why}"),
        ]
    sending = replace(thread.sending, pending=tuple(waiting), sent=tuple(sent[-KEPT:]))
    thread = replace(thread, sending=sending)
    for each in held:
        thread = hold(thread, each)
    return Step(thread, (*actions, *_timer(thread)))


def hinders(pack: Pack, facts: Facts, thread: Thread, words: Pending) -> str | None:
    """Say why words whose undo window is over may not leave now, or None."""
    if facts.role(words.author) is None:
        return GONE
    return guard.may_send(pack, thread, _text(thread, words), facts.now, facts.designations)


def drop_pending(thread: Thread, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel what has not left, waiting or held, and say so on each of the messages."""
    pending, held = thread.sending.pending, thread.sending.held
    ids = [*(p.event_id for p in pending), *(h.event_id for h in held if h.reason is not Reason.UNKNOWN)]
    thread = replace(thread, sending=replace(thread.sending, pending=(), held=()))
    if not ids:
        return thread, ()
    marks = tuple(Mark(place=THREAD, event_id=event_id, receipt=Receipt.NOT_SENT) for event_id in ids)
    told = Post(place=THREAD, body=f"Not sent: {len(ids)} message(s) still in the undo window or held, because {why}.")
    return thread, (*marks, told, DropTimer(key=TIMER))


def cancel(thread: Thread, event_id: str, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Stop one message that waits its undo window, and say why."""
    if not any(pending.event_id == event_id for pending in thread.sending.pending):
        return thread, ()
    step = _stops(thread, event_id, f"Not sent: {why}")
    return step.aggregate, step.actions


def _locked(
    pack: Pack, facts: Facts, thread: Thread, words: Pending, why: str, *, looked_at: bool
) -> tuple[Thread, tuple[Action, ...]]:
    """Hold words for a phone that is locked: after `!unlock` they are the voice's to send, and never leave by themselves.

    The text that steps back before somebody else waits its undo window as it would after success, for the conversation is
    over when it would leave; it does not leave (`safety.steps_back`).
    """
    if words.name == TextName.DIFFERENT:
        lock = thread.escort.lock
        free = replace(thread, escort=replace(thread.escort, lock=Lock.NONE))
        free, actions = take(pack, facts, free, words, looked_at=looked_at)
        return replace(free, escort=replace(free.escort, lock=lock)), actions
    told = _say(words.event_id, f"Held: {why}")
    return hold(thread, held_back(facts, words, Reason.LOCKED)), (
        Mark(place=THREAD, event_id=words.event_id, receipt=Receipt.HELD),
        told,
    )


def _text(thread: Thread, words: Pending) -> Text:
    ref, epoch = f"say:{words.event_id}", thread.voice.epoch
    return Text(ref=ref, body=words.body, origin=Origin.VOICE, epoch=epoch, since=words.said_at)


def _window(pack: Pack, facts: Facts, thread: Thread) -> float:
    seat = facts.seat(thread.voice.holder or "")
    if facts.now < thread.voice.slow_until:
        return float(pack.settings.undo_after_join_seconds)
    if seat is not None and seat.spoke not in ("", thread.id):
        return float(pack.settings.undo_after_switch_seconds)
    return float(pack.settings.undo_seconds)


def _doubt(pack: Pack, words: Pending) -> tuple[Reason, str] | None:
    """Say why words should be looked at once more before they leave, and which command lets them."""
    if (why := guard.too_long(pack, words.body)) is not None:
        return Reason.LONG, why
    if (why := guard.warns(words.body, differs=words.differs)) is not None:
        return Reason.WARNED, why
    return None


def _stops(thread: Thread, event_id: str, told: str) -> Step[Thread]:
    thread = _without(thread, event_id)
    refused = Mark(place=THREAD, event_id=event_id, receipt=Receipt.NOT_SENT)
    return Step(thread, (refused, _say(event_id, told), *_timer(thread)), consumed=True)


def _not_this(old: Pending | Held, text: canned_texts.Canned | canned_texts.Refused | None) -> str | None:
    """Say why an edit may not take the place of these words, or None.

    Nothing takes the place of the text that steps back before somebody else: they may be reading now.
    """
    if isinstance(text, canned_texts.Refused):
        return text.why
    if old.name == TextName.DIFFERENT and (text is None or text.name != TextName.DIFFERENT):
        return canned_texts.ALONE
    return None


def _unasked(thread: Thread, event_id: str) -> Escort:
    """Take a message for no challenge any more: what is answered to other words proves nothing, nor its absence."""
    escort = thread.escort
    return replace(escort, asked="", asked_at=0.0) if escort.asked == event_id else escort


def _without(thread: Thread, event_id: str) -> Thread:
    pending = tuple(p for p in thread.sending.pending if p.event_id != event_id)
    held = tuple(h for h in thread.sending.held if h.event_id != event_id)
    return replace(thread, sending=replace(thread.sending, pending=pending, held=held))


def _with_pending(thread: Thread, pending: tuple[Pending, ...]) -> Thread:
    return replace(thread, sending=replace(thread.sending, pending=pending))


def _timer(thread: Thread) -> tuple[Action, ...]:
    pending = thread.sending.pending
    return (SetTimer(key=TIMER, due=pending[0].leave_at) if pending else DropTimer(key=TIMER),)


def _quoted(event: Said) -> tuple[Action, ...]:
    """Say that what its author quoted is left out, where something else is left."""
    told = "What is quoted in it does not go to the phone; the rest does, once it leaves."
    reply_to = event.target if event.relation is Relation.EDIT else event.event_id
    return (_say(reply_to, told),) if event.quotes and event.body.strip() else ()


def _say(event_id: str, body: str) -> Post:
    return Post(place=THREAD, body=body, reply_to=event_id)
