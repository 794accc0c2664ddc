"""Asking for a codeword in somebody's office.

Rules of this module: what is said there while it is asked for is redacted at once, whatever it was; the desk knows that
somebody is asked and never what they said; whatever interrupts it, nothing is kept. The words themselves are in the
bridge's memory, between the first and the second, and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.codeword.check import SEEN
from bot.commands.parser import parse, tells_a_word
from bot.language.codeword_forms import Flaw
from bot.model.actions import OFFICE, Post, RedactSaid
from bot.model.codeword_state import Asking
from bot.model.desk import Desk, Facts
from bot.model.events import Content, Left, NotHeard, Relation, Said, TimerDue, Why
from bot.model.feature import Step
from bot.model.thread_desk_events import WordChosen, WordWanted
from bot.model.transactional_actions import DropTimer, SetTimer, Tell
from policies.pack import Pack

TIMER: Final = "word:"
STANDS: Final = 300.0
"""Seconds in which each of the two answers has to come."""
LINGERS: Final = 600.0
"""Seconds after that in which what is said there is still redacted: people answer late, and it is no word any more."""
KEPT: Final = 20
SECOND: Final = (
    "Redacted and taken. Now the duress word, which they would text when somebody makes them: unlike the first. "
    "Or say - if there is none."
)
DONE: Final = "Redacted and taken. It is kept once I say so here."
ALONE: Final = "here a word is written alone, when I ask for it. !codeword in the thread makes me ask."
PLAIN: Final = (Relation.NONE, Relation.TEXTER_REPLY, Relation.OTHER_REPLY)


def asked(desk: Desk, event: Said) -> Asking | None:
    """Return what is being asked for where this was said, if it counts as an answer: what is, or seems, no command."""
    command = parse(event.body) is not None and event.relation is not Relation.EDIT
    return None if command else _asking(desk, event)


def is_plain(event: Said) -> bool:
    """Tell whether a message could be a codeword: new, text, and addressed to nobody."""
    return event.content is Content.TEXT and event.relation in PLAIN and not event.named


def wanted(pack: Pack, facts: Facts, desk: Desk, event: WordWanted) -> Step[Desk]:
    """Ask; whatever that person was being asked for before is forgotten."""
    if desk.seat(event.user) is None:
        return Step(desk)
    until = facts.now + STANDS
    asking = Asking(user=event.user, thread=event.thread, designation=event.designation, until=until)
    body = (
        f"Codeword for {event.designation}. Only one that they chose by voice or in person, never by text. Tell them: it "
        "is heard alone or between other words of one text; not with letters added (cherry is not heard in cherries), nor "
        "parted over two texts. Write it here now, within five minutes, and nothing else; I redact it at once."
    )
    actions = (Post(place=OFFICE + event.user, body=body), SetTimer(key=TIMER + event.user, due=until))
    return Step(_with(desk, event.user, asking), actions)


def spoken(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Take out what was said behind a command about words, at the desk or in an office: it may be one.

    So may what looks like a mistyped command, where a word is being asked for.
    """
    parsed = parse(event.body)
    seems = parsed is not None and parsed.command is None and event.relation is not Relation.EDIT
    if not tells_a_word(event.body) and not (seems and _asking(desk, event) is not None):
        return Step(desk)
    own = event.place == OFFICE + event.sender
    told = f"Redacted, and not taken: {ALONE if own else SEEN}"
    redacted = RedactSaid(place=event.place, event_id=event.event_id)
    return Step(desk, (redacted, Post(place=event.place, body=told)), consumed=True)


def taken(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Redact what was said, and go on: to the duress word, to the thread, or back with a reason."""
    redacted = RedactSaid(place=event.place, event_id=event.event_id)
    if event.relation is Relation.EDIT and event.target in desk.worded:
        # Whoever changes a word that was taken meant another one.
        user = event.place.removeprefix(OFFICE)
        why = Post(place=event.place, body="Redacted as well. A word that is taken is not changed: say !codeword again.")
        return Step(_with(desk, user, None), (redacted, DropTimer(key=TIMER + user), why), consumed=True)
    asking = asked(desk, event)
    if asking is None or facts.taken is None:
        return Step(desk)
    desk = replace(desk, worded=(*desk.worded, event.event_id)[-KEPT:])
    user, over = asking.user, DropTimer(key=TIMER + asking.user)
    if facts.now > asking.until:
        why = Post(place=event.place, body="Redacted, and not taken: it came too late. Say !codeword in the thread again.")
        return Step(_with(desk, user, None), (redacted, over, why), consumed=True)
    flaw, digests = facts.taken.flaw, facts.taken.digests
    if flaw is Flaw.LOST:
        why = Post(place=event.place, body=f"Redacted. {flaw.value} Nothing is kept. Say !codeword in the thread again.")
        return Step(_with(desk, user, None), (redacted, over, why), consumed=True)
    if digests is not None:
        chosen = Tell(owner=asking.thread, event=WordChosen(user=user, digests=digests))
        done = Post(place=event.place, body=DONE)
        return Step(_with(desk, user, None), (redacted, over, chosen, done), consumed=True)
    asking = replace(asking, until=facts.now + STANDS, second=asking.second or flaw is None)
    body = SECOND if flaw is None else f"Redacted, and not taken. {flaw.value} Another one, please."
    told = (redacted, Post(place=event.place, body=body), SetTimer(key=over.key, due=asking.until))
    return Step(_with(desk, user, asking), told, consumed=True)


def not_heard(pack: Pack, facts: Facts, desk: Desk, event: NotHeard) -> Step[Desk]:
    """Redact what could not be taken while a word was asked for; what was sent in clear is no codeword any more."""
    asking = _asking(desk, event)
    if asking is None:
        return Step(desk)
    redacted = RedactSaid(place=event.place, event_id=event.event_id)
    if event.why is not Why.UNENCRYPTED:
        return Step(desk, (redacted,))
    why = Post(place=event.place, body="Redacted. It was not encrypted: if that was the word, agree on another one.")
    return Step(_with(desk, asking.user, None), (redacted, DropTimer(key=TIMER + asking.user), why))


def over(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Forget an enrolment that was not finished in time."""
    if not event.key.startswith(TIMER):
        return Step(desk)
    asking = next((a for a in desk.asking if a.user == event.key.removeprefix(TIMER)), None)
    if asking is None or facts.now < asking.until:
        return Step(desk, consumed=True)
    if facts.now >= asking.until + LINGERS:
        return Step(_with(desk, asking.user, None), consumed=True)
    body = (
        f"Five minutes are over: no codeword is kept for {asking.designation}. What you write here in the next ten minutes "
        "I redact all the same, for it may be the word."
    )
    again = SetTimer(key=event.key, due=asking.until + LINGERS)
    return Step(desk, (Post(place=OFFICE + asking.user, body=body), again), consumed=True)


def gone(pack: Pack, facts: Facts, desk: Desk, event: Left) -> Step[Desk]:
    """Forget what somebody was being asked who has left the desk, or the office."""
    return Step(_with(desk, event.user, None))


def _asking(desk: Desk, event: Said | NotHeard) -> Asking | None:
    return next((a for a in desk.asking if event.place == OFFICE + a.user and event.sender == a.user), None)


def _with(desk: Desk, user: str, asking: Asking | None) -> Desk:
    others = tuple(other for other in desk.asking if other.user != user)
    return replace(desk, asking=(*others, asking) if asking is not None else others)
