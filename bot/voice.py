"""Who is heard by the texter: exactly one person, or nobody.

Rules of this module: the desk says who the voice is; every change of voice starts a new epoch and cancels what has not
left; whoever is the voice is invited first and heard only once they could read.
"""

from __future__ import annotations

from dataclasses import replace

from bot.actions import DESK, THREAD, Action, Edit, Expel, Invite, Mark, Pin, Post, Receipt, Speaker, Tell
from bot.events import Assigned, Joined, Left, NotHeard, Removed, Said, TextArrived, ThreadWaits, Why
from bot.model import Facts, State, Thread
from bot.relay import drop_pending
from bot.step import Step
from policies.pack import Pack

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
    if thread.life.last_inbound == 0.0:
        posts.append(_queue(thread, facts.now, again=False))
    life = replace(thread.life, last_inbound=facts.now, since=thread.life.since or facts.now)
    return Step(replace(thread, life=life), tuple(posts))


def strangers(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Take nothing from somebody who is not on the roster."""
    return Step(thread, consumed=facts.role(event.sender) is None)


def assigned(pack: Pack, facts: Facts, thread: Thread, event: Assigned) -> Step[Thread]:
    """Make this person the voice: keys, invite, card."""
    first = thread.voice.epoch == 0
    thread, dropped = drop_pending(thread, "the voice changed")
    voice = replace(thread.voice, holder=event.voice, epoch=thread.voice.epoch + 1)
    thread = replace(thread, voice=voice, life=replace(thread.life, state=State.OPEN, since=facts.now))
    shown: tuple[Action, ...] = (
        (Post(place=THREAD, ref="card", body=card(thread)), Pin(place=THREAD, ref="card"))
        if first
        else (Edit(place=THREAD, ref="card", body=card(thread)),)
    )
    return Step(thread, (*dropped, Invite(user=event.voice), *shown))


def joined(pack: Pack, facts: Facts, thread: Thread, event: Joined) -> Step[Thread]:
    """Note a member; when it is not the voice who came, undo windows are longer for a while."""
    voice = replace(thread.voice, members=thread.voice.members | {event.user})
    if event.user != thread.voice.holder:
        voice = replace(voice, slow_until=facts.now + pack.settings.undo_after_join_window)
    return Step(replace(thread, voice=voice))


def left(pack: Pack, facts: Facts, thread: Thread, event: Left) -> Step[Thread]:
    """Note who left; a thread whose voice is gone goes back to the queue."""
    thread = replace(thread, voice=replace(thread.voice, members=thread.voice.members - {event.user}))
    if event.user != thread.voice.holder:
        return Step(thread)
    return Step(*_without_voice(thread, facts))


def removed(pack: Pack, facts: Facts, thread: Thread, event: Removed) -> Step[Thread]:
    """Remove somebody who left the desk; a thread whose voice that was goes back to the queue."""
    out: tuple[Action, ...] = ()
    if event.user in thread.voice.members or event.user == thread.voice.holder:
        out = (Expel(user=event.user),)
    if event.user != thread.voice.holder:
        return Step(thread, out)
    thread, actions = _without_voice(thread, facts)
    return Step(thread, (*out, *actions))


def not_heard(pack: Pack, facts: Facts, thread: Thread, event: NotHeard) -> Step[Thread]:
    """Tell somebody why their message was not taken. Nothing of it leaves."""
    if facts.role(event.sender) is None:
        return Step(thread)
    mark = Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOT_SENT)
    return Step(thread, (mark, Post(place=THREAD, body=EXPLAINED[event.why], reply_to=event.event_id)))


def card(thread: Thread) -> str:
    """Return the thread's card: short lines, no content."""
    holder = short(thread.voice.holder) if thread.voice.holder else "nobody"
    return "\n".join(
        (
            f"{thread.designation} · {thread.life.state.value}",
            f"voice: {holder}",
            f"language: {thread.consent.language}",
            "stopped: nothing leaves" if thread.consent.stopped else "may be answered",
            "What the voice writes here goes to the phone. !help",
        )
    )


def on_card(thread: Thread) -> tuple[Action, ...]:
    """Bring the card up to date; it is there from the first voice on."""
    return (Edit(place=THREAD, ref="card", body=card(thread)),) if thread.voice.epoch else ()


def short(user: str) -> str:
    """Return the local part of a Matrix id, as people say it."""
    return user.removeprefix("@").partition(":")[0]


def _without_voice(thread: Thread, facts: Facts) -> tuple[Thread, tuple[Action, ...]]:
    thread, dropped = drop_pending(thread, "the voice left")
    voice = replace(thread.voice, holder=None, epoch=thread.voice.epoch + 1)
    thread = replace(thread, voice=voice, life=replace(thread.life, state=State.WAITING, since=facts.now))
    return thread, (*dropped, *on_card(thread), _queue(thread, facts.now, again=True))


def _queue(thread: Thread, since: float, *, again: bool) -> Tell:
    event = ThreadWaits(thread=thread.id, designation=thread.designation, since=since, again=again)
    return Tell(owner=DESK, event=event)
