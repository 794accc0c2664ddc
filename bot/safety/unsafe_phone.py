"""Safety moves: the phone is in other hands, it is safe again, it is urgent, it is somebody else (practices 9, 12, 31, 39).

Rules of this module: whoever is in the room may stop everything for a phone; only the line that the texter chose beforehand
leaves then, once, by the voice; nothing here calls anybody outside the agency.
"""

from __future__ import annotations

from dataclasses import replace

from bot import guard
from bot.commands import canned_texts
from bot.commands.parser import answer, noted, says
from bot.lifecycle.retention import park_now
from bot.model.actions import DESK, THREAD, Action, Post
from bot.model.audit_kinds import AuditKind
from bot.model.codeword_state import Lock
from bot.model.desk import Facts, Thread
from bot.model.events import Outcome, Said, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.thread import Flags, Pending, Silence
from bot.model.thread_desk_events import Alarm, AlarmRaised
from bot.model.transactional_actions import Audit, DropTimer, Tell
from bot.safety.inbound_cues import ask
from bot.safety.silence_reminders import TIMER
from bot.sending.delivery_receipts import first_heard
from bot.sending.retraction import take_back
from bot.sending.undo_window import TIMER as UNDONE
from bot.sending.undo_window import drop_pending, hinders, into_window
from policies.pack import Pack, TextName


def unsafe(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!unsafe`: nothing leaves for this phone any more, but the line that the texter chose, if they did."""
    if says(event, "unsafe") is None:
        return Step(thread)
    actions: tuple[Action, ...] = ()
    if not thread.flags.unsafe:
        thread, dropped = drop_pending(thread, "the phone is unsafe")
        thread = replace(thread, flags=replace(thread.flags, unsafe=True, line_ref=""))
        told = Post(
            place=THREAD,
            body="UNSAFE: nothing leaves for the phone until its voice or a supervisor says !safe. "
            "Nothing was sent. !playbook abuser_on_the_line says what can be done.",
            notice=False,
        )
        actions = (*dropped, DropTimer(key=TIMER), told, _alarm(thread, Alarm.UNSAFE), Audit(kind=AuditKind.UNSAFE))
    line = thread.flags.line
    if line and not canned_texts.stands(pack, line):
        gone = Post(place=THREAD, body="The line that they chose for this is not among the agency's texts any more.")
        return Step(thread, (noted(event), *actions, gone), consumed=True)
    if not line or _line_is_out(thread):
        already = () if actions else answer(facts, event, "It is marked unsafe already: nothing leaves.")
        return Step(thread, (noted(event), *actions, *already), consumed=True)
    words = canned_texts.wording(pack, facts, thread, line)
    if event.sender != thread.voice.holder:
        shown = f"They chose a line for this: “{words}” It leaves when the voice says !unsafe as well."
        return Step(thread, (noted(event), *actions, Post(place=THREAD, body=shown)), consumed=True)
    ref = f"say:{event.event_id}"
    chosen = replace(thread, flags=replace(thread.flags, line_ref=ref))
    if not thread.answerable or thread.consent.stopped:
        why = guard.UNANSWERABLE if not thread.answerable else guard.STOPPED
        return Step(thread, (noted(event), *actions, *answer(facts, event, f"Not sent: {why}")), consumed=True)
    pending = Pending(
        event_id=event.event_id, body=words, author=event.sender, said_at=event.at, leave_at=facts.now, name=line
    )
    thread, taken_in = into_window(pack, facts, chosen, pending)
    shown = f"Leaving in a moment, because they chose it for this: “{words}” Redact your command to stop it."
    return Step(thread, (*actions, *taken_in, Post(place=THREAD, body=shown, reply_to=event.event_id)), consumed=True)


def safe(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!safe`: the phone may be texted again. A person has found out, by a way that is not this phone."""
    if says(event, "safe") is None:
        return Step(thread)
    if not thread.flags.unsafe:
        return Step(thread, (noted(event), *answer(facts, event, "It was not marked unsafe.")), consumed=True)
    flags = replace(thread.flags, unsafe=False, line_ref="")
    thread = replace(thread, flags=flags, silence=replace(thread.silence, ask=True))
    told = ask("Texts may leave again.")
    return Step(thread, (noted(event), told, _alarm(thread, Alarm.SAFE), Audit(kind=AuditKind.SAFE)), consumed=True)


def urgent(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!urgent`: tell the desk. The text with the voice number goes the way of every other text of the agency's."""
    if says(event, "urgent") is None and says(event, "say") is None:
        return Step(thread)
    text = canned_texts.read(pack, facts, thread, event.body)
    if not isinstance(text, canned_texts.Canned) or text.name != TextName.URGENT:
        return Step(thread)  # Nothing is sent that asks them to call.
    return Step(thread, (_alarm(thread, Alarm.URGENT),))


def different(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!different`: what has not left does not leave; the text that names nobody goes the way of the others."""
    if says(event, "different") is None:
        return Step(thread)
    # What waits for its turn at the carrier was for whoever had the phone before.
    return Step(*drop_pending(take_back(thread, lambda _words: True), "somebody else has the phone"))


def outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Once the text that names nobody is out, the conversation that was before is not this person's any more.

    Where an agreed word came it is over whatever became of that text, as it is under duress, when the text does not leave.
    """
    sent = first_heard(thread, event)
    over = thread.escort.came or event.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED)
    if sent is None or sent.name != TextName.DIFFERENT or not over:
        return Step(thread)
    return Step(*anew(thread, facts))


def steps_back(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """End a conversation under a lock at the moment at which the text that names nobody would leave without one."""
    lock = thread.escort.lock
    if event.key != UNDONE or lock is Lock.NONE:
        return Step(thread)
    free = replace(thread, escort=replace(thread.escort, lock=Lock.NONE))
    due = [w for w in thread.sending.pending if w.name == TextName.DIFFERENT and w.leave_at <= facts.now]
    if all(hinders(pack, facts, free, words) is not None for words in due):
        return Step(thread)
    return Step(*anew(thread, facts))


def anew(thread: Thread, facts: Facts) -> tuple[Thread, tuple[Action, ...]]:
    """Begin again with whoever has the phone now: nothing that was agreed before is theirs.

    The conversation ends here, and the next text of this phone gets a room and a designation of its own. What was chosen
    for `!unsafe`, and that the phone is unsafe, belong to the phone and stay.
    """
    flags = Flags(line=thread.flags.line, unsafe=thread.flags.unsafe, line_ref=thread.flags.line_ref)
    told = Post(
        place=THREAD,
        body="Somebody else has the phone: this conversation is over, and their next text begins one of its own. Nothing "
        "here is for them, and nothing on the card was agreed with them.",
        notice=False,
    )
    # What came was burned, so it could not prove anything again; what is locked stays so.
    escort = replace(thread.escort, verified=0.0)
    thread = replace(thread, flags=flags, silence=Silence(heard=thread.silence.heard), escort=escort)
    thread, closing = park_now(facts, thread)
    return thread, (told, DropTimer(key=TIMER), *closing)


def _line_is_out(thread: Thread) -> bool:
    """Tell whether the chosen line left, or is about to. Taken back, or of an earlier voice, it may be said again."""
    pending = [words.event_id for words in thread.sending.pending]
    left = [words.event_id for words in thread.sending.sent if not words.taken_back]
    return thread.flags.line_ref in {f"say:{event_id}" for event_id in (*pending, *left)}


def _alarm(thread: Thread, alarm: Alarm) -> Tell:
    return Tell(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=alarm))
