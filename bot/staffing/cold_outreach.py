"""Texting somebody first, because they asked for it (`!text`, in one's office; practice 15). Off unless the pack allows it.

Rules of this module: it is asked for in private; somebody says that she asked; the number is typed twice and each time
redacted at once; it is in no state, only whether both were the same; nothing leaves by itself, the first words are typed.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Final

from bot.commands.parser import parse, says
from bot.display.queue_cards import ref
from bot.display.thread_card import short
from bot.model.actions import DESK, OFFICE, Action, Post, RedactSaid
from bot.model.desk import Desk, Facts, Line, Thread
from bot.model.dialed_number import Cold, NumberKind
from bot.model.events import NotHeard, Relation, Said, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned, TextedFirst, ThreadBegun, ThreadWaits
from bot.model.transactional_actions import SetTimer, Tell, TextFirst
from bot.staffing.claim_queue import may_not, waits
from policies.keywords import words
from policies.pack import Pack

STANDS: Final = 600.0
"""Seconds that the questions stand."""
TIMER: Final = "cold:"
ASKED: Final = frozenset({"she asked", "he asked", "they asked"})
NO: Final = frozenset({"cancel", "no", "stop", "nobody"})

ASK: Final = (
    "Texting somebody first is for those who asked for it, and told you that this phone is safe now. If so, say:"
    " she asked. Anything else begins nothing; “cancel” ends it."
)
ONCE: Final = "Now type the number, with its area code. What you type here is removed at once."
TWICE: Final = "Once more, to be sure that it is right."
DIFFER: Final = "The two are not the same. Type it twice again, from the beginning."
OPENS: Final = (
    "A room is being made: accept the invitation and type the first words yourself; nothing is sent until you do."
    " If no invitation comes, they have texted us meanwhile: see !board."
)
WHY: Final = {
    NumberKind.UNREADABLE: "That is no telephone number that can be texted. Type it again, with its area code.",
    NumberKind.EMERGENCY: "That is an emergency number. It is not texted from here: call it.",
    NumberKind.SHORT: "That is a short code, not somebody's phone.",
    NumberKind.FOREIGN: "That number is in another country. It is not texted from here.",
    NumberKind.SPECIAL: "That is a toll-free or paid number, not somebody's phone.",
    NumberKind.OURS: "That is this line's own number.",
    NumberKind.TAKEN: "That phone has a conversation here already, or had one lately. Ask a supervisor.",
    NumberKind.BARRED: "That phone may not be texted: it said STOP, is blocked, or nobody can tell now.",
}
ENDS: Final = frozenset({NumberKind.EMERGENCY, NumberKind.TAKEN, NumberKind.BARRED})


def cold(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Begin, or take the next answer. Only somebody's own office is listened to."""
    if event.place != OFFICE + event.sender:
        return Step(desk)
    if (said := says(event, "text")) is not None:
        return _begin(pack, facts, desk, event, typed=bool(said))
    mine = next((one for one in desk.cold if one.user == event.sender), None)
    number = facts.number is not None and facts.number.kind is not NumberKind.UNREADABLE
    if mine is None or mine.until < facts.now:
        # Too late to mean anything, and still a number in a room.
        late = mine is not None and number
        return Step(_with(desk, event.sender, None), (_gone(event),) if late else (), consumed=late)
    known = parse(event.body)
    if known is not None and known.command is not None:
        return Step(desk)
    if event.relation is not Relation.NONE:
        return Step(desk, (_gone(event),), consumed=True)
    if words(event.body) in NO:
        return Step(_with(desk, event.sender, None), (_say(event, "Nothing was begun."),), consumed=True)
    if not mine.asked:
        asked = words(event.body) in ASKED
        desk = _with(desk, event.sender, replace(mine, asked=True)) if asked else desk
        gone = (_gone(event),) if number else ()
        return Step(desk, (*gone, _say(event, ONCE if asked else ASK)), consumed=True)
    return _number(pack, facts, desk, event, mine)


def not_heard(pack: Pack, facts: Facts, desk: Desk, event: NotHeard) -> Step[Desk]:
    """Remove what was not taken as well, while a number is waited for: it may be one."""
    waits = any(one.user == event.sender and one.until >= facts.now for one in desk.cold)
    return Step(desk, (RedactSaid(place=event.place, event_id=event.event_id),) if waits and event.place != DESK else ())


def over(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Forget what was not finished in time: of a number that was typed once, a digest would stay."""
    if not event.key.startswith(TIMER):
        return Step(desk)
    mine = next((one for one in desk.cold if one.user == event.key.removeprefix(TIMER)), None)
    stands = mine is not None and mine.until > facts.now
    return Step(desk if mine is None or stands else _with(desk, mine.user, None), consumed=True)


def texted_first(pack: Pack, facts: Facts, thread: Thread, event: TextedFirst) -> Step[Thread]:
    """Begin a thread that no text began: the desk is told whose it is."""
    if thread.life.since:
        return Step(thread)
    consent = replace(thread.consent, language=thread.consent.language or pack.languages[0])
    thread = replace(thread, life=replace(thread.life, since=facts.now), consent=consent)
    begun = ThreadBegun(thread=thread.id, designation=thread.designation, voice=event.voice)
    return Step(thread, (Tell(owner=DESK, event=begun),))


def begun(pack: Pack, facts: Facts, desk: Desk, event: ThreadBegun) -> Step[Desk]:
    """Show at the desk that somebody texts first, without a word of whom, and make them the voice."""
    if any(line.thread == event.thread for line in desk.threads):
        return Step(desk)
    seat = desk.seat(event.voice)
    if seat is None or not seat.duty:
        # They have gone since they said the number: it waits for somebody else, who asks them what it was about.
        return waits(pack, facts, desk, ThreadWaits(thread=event.thread, designation=event.designation, since=facts.now))
    line = Line(
        thread=event.thread,
        designation=event.designation,
        since=facts.now,
        begun=facts.now,
        voice=event.voice,
        theirs=False,
    )
    body = f"{event.designation} · with {short(event.voice)}, who texts first: it was asked for"
    post = Post(place=DESK, ref=ref(line), body=body)
    desk = replace(desk, threads=(*desk.threads, line))
    return Step(desk, (post, Tell(owner=event.thread, event=Assigned(voice=event.voice))))


def _begin(pack: Pack, facts: Facts, desk: Desk, event: Said, *, typed: bool) -> Step[Desk]:
    gone = (_gone(event),) if typed else ()
    if not pack.settings.cold_outbound:
        why = "This line texts nobody first (cold_outbound in its pack). Whoever texts us is answered."
        return Step(desk, (*gone, _say(event, why)), consumed=True)
    if (refused := may_not(pack, desk, event.sender)) is not None:
        return Step(desk, (*gone, _say(event, refused)), consumed=True)
    until = facts.now + STANDS
    desk = _with(desk, event.sender, Cold(user=event.sender, until=until))
    return Step(desk, (*gone, SetTimer(key=TIMER + event.sender, due=until), _say(event, ASK)), consumed=True)


def _number(pack: Pack, facts: Facts, desk: Desk, event: Said, mine: Cold) -> Step[Desk]:
    """Take the number, typed for the first or for the second time. The message goes, whatever it was."""
    gone, number = _gone(event), facts.number
    if number is None or number.kind is not NumberKind.GOOD:
        kind = NumberKind.UNREADABLE if number is None else number.kind
        left = None if kind in ENDS else replace(mine, digest="")
        return Step(_with(desk, event.sender, left), (gone, _say(event, WHY[kind])), consumed=True)
    if not mine.digest:
        desk = _with(desk, event.sender, replace(mine, digest=number.digest))
        return Step(desk, (gone, _say(event, TWICE)), consumed=True)
    if not hmac.compare_digest(mine.digest, number.digest):
        return Step(_with(desk, event.sender, replace(mine, digest="")), (gone, _say(event, DIFFER)), consumed=True)
    desk = _with(desk, event.sender, None)
    if (refused := may_not(pack, desk, event.sender)) is not None:
        return Step(desk, (gone, _say(event, refused)), consumed=True)
    return Step(desk, (gone, TextFirst(voice=event.sender), _say(event, OPENS)), consumed=True)


def _with(desk: Desk, user: str, mine: Cold | None) -> Desk:
    others = tuple(one for one in desk.cold if one.user != user)
    return replace(desk, cold=others if mine is None else (*others, mine))


def _gone(event: Said) -> Action:
    return RedactSaid(place=event.place, event_id=event.event_id)


def _say(event: Said, body: str) -> Action:
    return Post(place=event.place, body=body)
