"""Seeing the number: two people, a reason, sixty seconds (DESIGN section 5; practices.md, conflicts).

Rules of this module: whoever asks does not confirm; whoever confirms is a supervisor; both say so in encrypted words from
trusted devices, never by a tap. The number is in no aggregate, no action and no thread's room: the bridge shows it in the
two offices and takes it back (bridge/reveal). The reason stays where it was said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import answer, noted, says
from bot.display.thread_card import short
from bot.model.actions import DESK, THREAD, Post, Reveal
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Asked, Desk, Facts, Role, Thread
from bot.model.events import Said
from bot.model.feature import Step
from bot.model.thread_desk_events import RevealAsked, RevealConfirmed
from bot.model.transactional_actions import Audit, Tell
from policies.pack import Pack

STANDS: Final = 600.0
"""Seconds for which a question stands."""


def ask(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!reveal reason` asks, `!reveal yes` confirms, `!reveal no` drops the question."""
    if (words := says(event, "reveal")) is None:
        return Step(thread)
    match words.casefold():
        case "":
            return _refuse(facts, thread, event, "Say why: !reveal and the reason. It stays in this room.")
        case "yes":
            thread, out, why = _confirm(facts, thread, event.sender)
            return Step(thread, (noted(event), *(out or answer(facts, event, why))), consumed=True)
        case "no":
            told = "The question is dropped." if thread.asked else "Nobody asked to see the number."
            return Step(replace(thread, asked=None), (noted(event), *answer(facts, event, told)), consumed=True)
    others = [user for user in facts.supervisors if user != event.sender]
    if not any(seat.role is Role.SUPERVISOR and seat.user != event.sender for seat in facts.roster):
        return _refuse(facts, thread, event, "It takes a second person, a supervisor, and there is none at the desk.")
    if thread.asked and facts.now < thread.asked.until and thread.asked.by != event.sender:
        return _refuse(facts, thread, event, f"{short(thread.asked.by)} has asked: a supervisor says !reveal yes or no.")
    asked = Asked(by=event.sender, until=facts.now + STANDS)
    told = f"{short(event.sender)} asks to see the number. Another supervisor says !reveal yes, here or at the desk."
    desk = RevealAsked(thread=thread.id, designation=thread.designation, by=event.sender)
    return Step(
        replace(thread, asked=asked),
        (
            noted(event),
            Audit(kind=AuditKind.REVEAL_ASKED),
            Tell(owner=DESK, event=desk),
            Post(place=THREAD, body=told, mentions=tuple(user for user in others if user in thread.voice.members)),
        ),
        consumed=True,
    )


def asked(pack: Pack, facts: Facts, desk: Desk, event: RevealAsked) -> Step[Desk]:
    """Tell the supervisors that somebody asks, and how to answer."""
    others = tuple(user for user in facts.supervisors if user != event.by)
    body = (
        f"⚠️ {event.designation}: {short(event.by)} asks to see the number. The reason is in its room. A supervisor other "
        f"than {short(event.by)} says !reveal yes {event.designation} within ten minutes, or nothing."
    )
    return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=others),))


def at_desk(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!reveal yes designation`: the second person need not be in the room."""
    if (words := says(event, "reveal")) is None:
        return Step(desk)
    yes, _, name = words.casefold().partition(" ")
    line = next((line for line in desk.threads if line.designation == name.strip()), None)
    if yes != "yes" or line is None:
        why = "Here it is !reveal yes and a designation. Asking is done in the thread's room, with a reason."
        return Step(desk, answer(facts, event, why), consumed=True)
    told = RevealConfirmed(user=event.sender, designation=line.designation)
    return Step(desk, (Tell(owner=line.thread, event=told),), consumed=True)


def confirmed(pack: Pack, facts: Facts, thread: Thread, event: RevealConfirmed) -> Step[Thread]:
    """Take a yes from the desk; what speaks against it is said in the room, where both questions stand."""
    if event.designation != thread.designation:
        return Step(thread)
    thread, out, why = _confirm(facts, thread, event.user)
    return Step(thread, out or (Post(place=THREAD, body=f"{short(event.user)} said yes at the desk. {why}"),))


def _confirm(facts: Facts, thread: Thread, second: str) -> tuple[Thread, tuple[Audit | Reveal | Post, ...], str]:
    """Return what shows the number, or why it is not shown."""
    question = thread.asked
    if question is None or facts.now > question.until:
        return replace(thread, asked=None), (), "Nobody asks to see the number, or it was too long ago: !reveal and why."
    if facts.role(second) is not Role.SUPERVISOR:
        return thread, (), "Only a supervisor can say yes."
    if second == question.by:
        return thread, (), "Somebody else has to say yes: it takes two."
    if question.by != thread.voice.holder and facts.role(question.by) is not Role.SUPERVISOR:
        return replace(thread, asked=None), (), "Whoever asked is not the voice any more. !reveal and why asks again."
    told = f"The number is shown for a minute in the offices of {short(question.by)} and {short(second)}."
    out = (
        Audit(kind=AuditKind.REVEAL_GRANTED),
        Reveal(users=(question.by, second), designation=thread.designation),
        Post(place=THREAD, body=told),
    )
    return replace(thread, asked=None), out, ""


def _refuse(facts: Facts, thread: Thread, event: Said, why: str) -> Step[Thread]:
    return Step(thread, (noted(event), *answer(facts, event, why)), consumed=True)
