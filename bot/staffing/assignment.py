"""Who is heard by the texter: exactly one person, or nobody.

Rules of this module: the desk says who the voice is; every change of voice starts a new epoch and cancels what has not
left; whoever is the voice is invited first and heard only once they could read.
"""

from __future__ import annotations

from dataclasses import replace

from bot.display.thread_card import pinned, short
from bot.model.actions import DESK, THREAD, Action, Expel, GiveKeys, Invite, Mark, Pin, Post, Receipt, Speaker
from bot.model.codeword_state import Lock
from bot.model.desk import Facts, Thread
from bot.model.events import Joined, Left, NotHeard, Said, TextArrived, Why
from bot.model.feature import Step
from bot.model.text_order import Order, length, moment, newest, order
from bot.model.thread import State
from bot.model.thread_desk_events import Alarm, AlarmRaised, Assigned, How, Marked, Offered, Removed, ThreadWaits
from bot.model.transactional_actions import DropTimer, Tell
from bot.sending.undo_window import drop_pending
from policies.pack import Pack

OFFER = "offer"
"""The message that makes an offer known, and the timer that ends it."""
PIECE = 7_000
"""Characters of one room message: an event may have 65,536 bytes, a control character takes six of them (an escape in JSON)
and encryption makes four out of three."""

EXPLAINED = {
    Why.UNTRUSTED: "This device is not verified, so nothing it says is taken. Verify it in your client's settings.",
    Why.UNREADABLE: "This message could not be read here: its key never came. Please send it again.",
    Why.UNENCRYPTED: "This message was not encrypted, so it is not taken. Please send it again, encrypted.",
}


def show(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Put a text into the room, word for word, and a new thread onto the desk's queue."""
    pieces = [event.body[i : i + PIECE] for i in range(0, len(event.body), PIECE)]
    posts: list[Action] = [
        Post(place=THREAD, body=piece, speaker=Speaker.VOICE, notice=False, ref=f"in:{event.id}:{n}")
        for n, piece in enumerate(pieces)
    ]
    if event.media:
        posts.append(Post(place=THREAD, body=f"{event.media} picture(s) or file(s) came with it and were not fetched."))
    elif not pieces:
        posts.append(Post(place=THREAD, body="A text without words arrived."))
    if (late := _late(pack, facts, thread, event)) is not None:
        posts.append(Post(place=THREAD, body=late))
    # A thread that we began is with its voice already.
    if thread.life.last_inbound == 0.0 and thread.voice.epoch == 0:
        posts.append(_queue(thread, facts.now, again=False, flood=event.flood))
        posts += _still_locked(thread)
    life = replace(
        thread.life,
        last_inbound=facts.now,
        since=thread.life.since or facts.now,
        unseen=thread.life.unseen + 1,
        newest=newest(moment(event), thread.life.newest),
    )
    return Step(replace(thread, life=life), tuple(posts))


def strangers(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Take nothing from somebody who is not on the roster."""
    return Step(thread, consumed=facts.role(event.sender) is None)


def assigned(pack: Pack, facts: Facts, thread: Thread, event: Assigned) -> Step[Thread]:
    """Make this person the voice: keys, invite, card. What the one before had not sent does not leave."""
    if event.designation not in ("", thread.designation):
        return Step(thread)
    first = thread.voice.epoch == 0
    before, offer = thread.voice.holder, thread.voice.offer
    if event.how is not How.CLAIMED and before is None:
        # Its voice left while the desk decided; the desk learns of it next, and puts it on the queue.
        why = f"{short(event.voice)} is not the voice: the thread went back to the queue first. !claim it at the desk."
        return Step(thread, (Post(place=THREAD, body=why),))
    thread, dropped = drop_pending(thread, "the voice changed")
    voice = replace(
        thread.voice,
        holder=event.voice,
        epoch=thread.voice.epoch + 1,
        before=before if event.how is How.TOOK else None,
        offer=None,
        interpreters=thread.voice.interpreters - {event.voice},
    )
    thread = replace(thread, voice=voice, life=replace(thread.life, state=State.OPEN, since=facts.now))
    shown: tuple[Action, ...]
    if first:
        shown = (Post(place=THREAD, ref="card", body=pinned(pack, thread)), Pin(place=THREAD, ref="card"))
    else:
        told = f"{short(event.voice)} is the voice now: the phone hears them, and nobody else."
        shown = (Post(place=THREAD, body=told, mentions=(event.voice,)),)
    invited = () if event.voice in voice.members else (Invite(user=event.voice),)
    closed = (Tell(owner=DESK, event=Offered(thread=thread.id, open=False)),) if offer and not offer.to else ()
    return Step(thread, (*dropped, *invited, DropTimer(key=OFFER), *closed, *shown))


def joined(pack: Pack, facts: Facts, thread: Thread, event: Joined) -> Step[Thread]:
    """Note a member and give them the keys once more; when it is not the voice who came, undo windows are longer a while.

    The device that they accepted on may be younger than the invitation, or had not met us yet when keys came with it.
    Whoever is not at the desk has no seat here, whatever invitation they still had.
    """
    if facts.role(event.user) is None:
        return Step(thread, (Expel(user=event.user),), consumed=True)
    voice = replace(thread.voice, members=thread.voice.members | {event.user})
    if event.user != thread.voice.holder:
        voice = replace(voice, slow_until=facts.now + pack.settings.undo_after_join_window)
    return Step(replace(thread, voice=voice), (GiveKeys(place=THREAD, user=event.user),))


def left(pack: Pack, facts: Facts, thread: Thread, event: Left) -> Step[Thread]:
    """Note who left; a thread whose voice is gone goes back to the queue."""
    thread = replace(thread, voice=replace(thread.voice, members=thread.voice.members - {event.user}))
    thread, forgotten = _forget(thread, event.user)
    if event.user != thread.voice.holder:
        return Step(thread, forgotten)
    return Step(*release_to_queue(thread, facts, "the voice left"))


def removed(pack: Pack, facts: Facts, thread: Thread, event: Removed) -> Step[Thread]:
    """Remove somebody who left the desk; a thread whose voice that was goes back to the queue.

    They may have been asked in and not have come yet, and only the homeserver knows: so they are removed in any case.
    """
    out = Expel(user=event.user)
    thread, forgotten = _forget(thread, event.user)
    if event.user != thread.voice.holder:
        return Step(thread, (out, *forgotten))
    thread, actions = release_to_queue(thread, facts, "the voice left the desk")
    return Step(thread, (out, *actions))


def not_heard(pack: Pack, facts: Facts, thread: Thread, event: NotHeard) -> Step[Thread]:
    """Tell somebody why their message was not taken. Nothing of it leaves."""
    if facts.role(event.sender) is None:
        return Step(thread)
    mark = Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOT_SENT)
    return Step(thread, (mark, Post(place=THREAD, body=EXPLAINED[event.why], reply_to=event.event_id)))


def release_to_queue(thread: Thread, facts: Facts, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Leave a thread without a voice: what has not left does not leave, and the thread waits at the desk again."""
    thread, dropped = drop_pending(thread, why)
    voice = replace(thread.voice, holder=None, epoch=thread.voice.epoch + 1, before=None, offer=None, answer_by=0.0)
    thread = replace(thread, voice=voice, life=replace(thread.life, state=State.WAITING, since=facts.now))
    told = Post(place=THREAD, body="This thread is in the queue again: nobody is heard until somebody claims it.")
    return thread, (*dropped, told, DropTimer(key=OFFER), _queue(thread, facts.now, again=True))


def withdraw(thread: Thread, how: str) -> tuple[Thread, tuple[Action, ...]]:
    """End an offer that nobody took, and say so where it is known."""
    offer = thread.voice.offer
    if offer is None:
        return thread, ()
    told = Post(place=THREAD, body=f"The offer {how}. {short(thread.voice.holder or 'Nobody')} is still heard.")
    closed = () if offer.to else (Tell(owner=DESK, event=Offered(thread=thread.id, open=False)),)
    return replace(thread, voice=replace(thread.voice, offer=None)), (told, DropTimer(key=OFFER), *closed)


def _late(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> str | None:
    """Say that a text came late, so that nobody takes it for their last word, or for news; None when it did not."""
    when = f"{length(round((facts.now - event.at) / 60))} ago"
    if order(moment(event), thread.life.newest) is Order.BEFORE:
        return f"⏱ This came late: it was texted {when}, before what stands above it."
    return f"⏱ This came late: it was texted {when}." if facts.now - event.at > pack.settings.late_after_seconds else None


def _forget(thread: Thread, user: str) -> tuple[Thread, tuple[Action, ...]]:
    """Nobody who is gone can be given the voice back, or accept it."""
    told: tuple[Action, ...] = ()
    if thread.voice.offer is not None and user in (thread.voice.offer.to, thread.voice.offer.by):
        thread, told = withdraw(thread, f"is over: {short(user)} has gone")
    before = None if thread.voice.before == user else thread.voice.before
    voice = replace(thread.voice, before=before, interpreters=thread.voice.interpreters - {user})
    return replace(thread, voice=voice), told


def _still_locked(thread: Thread) -> tuple[Action, ...]:
    """Tell the desk of a lock that a phone brings along from an earlier conversation, as when it came."""
    duress = thread.escort.lock is Lock.DURESS
    if thread.escort.lock is Lock.NONE:
        return ()
    alarm = AlarmRaised(designation=thread.designation, alarm=Alarm.DURESS if duress else Alarm.UNVERIFIED)
    mark = (Tell(owner=DESK, event=Marked(thread=thread.id, duress=True)),) if duress else ()
    return (*mark, Tell(owner=DESK, event=alarm))


def _queue(thread: Thread, since: float, *, again: bool, flood: bool = False) -> Tell:
    event = ThreadWaits(thread=thread.id, designation=thread.designation, since=since, again=again, flood=flood)
    return Tell(owner=DESK, event=event)
