"""Handing a thread over, asking others in, and giving the voice back.

Rules of this module: an offer changes nothing until it is accepted; the desk alone makes somebody the voice, so there is
exactly one at any time; whoever is asked in is given what they need to read before they are invited.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import NOBODY, answer, noted, person, says
from bot.display.thread_card import short
from bot.model.actions import DESK, OFFICE, THREAD, Action, Expel, Invite, Post
from bot.model.desk import Facts, Role, Thread
from bot.model.events import Said, Tapped, TimerDue, Unsaid
from bot.model.feature import Step
from bot.model.thread import Offer
from bot.model.thread_desk_events import Alarm, AlarmRaised, How, Listens, NotAssigned, Offered, OffWanted, VoiceWanted
from bot.model.transactional_actions import DropTimer, SetTimer, Tell
from bot.staffing.assignment import OFFER, release_to_queue, withdraw
from policies.pack import Pack, TextName

SEAT: Final = "seat:"
INTERPRETS: Final = 7_200.0
"""Seconds after which an interpreter's seat ends."""
YES, NO = "✅", "❌"


def transfer(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Offer the thread to one person or to all, or take an offer back."""
    if (words := says(event, "transfer")) is None:
        return Step(thread)
    first, _, note = words.partition(" ")
    holder = thread.voice.holder
    if holder is None:
        return _refuse(facts, thread, event, "Nobody is its voice: it is in the queue, and anybody may claim it.")
    if first.casefold() == "nobody":
        if thread.voice.offer is None:
            return _refuse(facts, thread, event, "Nothing is offered here, so there is nothing to take back.")
        thread, actions = withdraw(thread, "was taken back")
        return Step(thread, (noted(event), *actions), consumed=True)
    everybody = first.casefold() in {"all", "everybody"}
    to = "" if everybody else person(facts, event, first)
    if to is None:
        return _refuse(facts, thread, event, NOBODY)
    if to and (why := _cannot_take(pack, facts, thread, event.sender, to)):
        return _refuse(facts, thread, event, why)
    thread, before = withdraw(thread, "was replaced") if thread.voice.offer else (thread, ())
    offer = Offer(to=to, by=event.sender, until=facts.now + pack.settings.offer_stands, event_id=event.event_id)
    thread = replace(thread, voice=replace(thread.voice, offer=offer))
    whom = short(to) if to else "everybody at the desk"
    how = f"{YES} or !accept takes it, {NO} or !decline does not" if to else "at the desk, ✋ on its card takes it"
    heard = short(holder)
    body = f"{short(event.sender)} offers this thread to {whom}: {how}. Until then {heard} is heard."
    told: list[Action] = [noted(event), *before]
    told += [Invite(user=to)] if to else [Tell(owner=DESK, event=Offered(thread=thread.id, open=True))]
    whom_too, taps = ((to,), (YES, NO)) if to else ((), ())
    told.append(Post(place=THREAD, ref=OFFER, body=body, notice=False, mentions=whom_too, taps=taps))
    if note.casefold().split()[:1] != ["quiet"]:
        handover = pack.say(TextName.HANDOVER, thread.consent.language)
        told.append(Post(place=THREAD, body=f"Ready for the phone: “{handover}” Say !say handover to send it."))
    return Step(thread, (*told, SetTimer(key=OFFER, due=offer.until)), consumed=True)


def accept(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Take, or do not take, the thread that one is offered."""
    yes = says(event, "accept") is not None
    if not yes and says(event, "decline") is None:
        return Step(thread)
    if (why := _not_for(facts, thread, event.sender)) is not None:
        return _refuse(facts, thread, event, why)
    thread, actions = _take_or_not(facts, thread, event.sender, yes=yes)
    return Step(thread, (noted(event), *actions), consumed=True)


def tapped(pack: Pack, facts: Facts, thread: Thread, event: Tapped) -> Step[Thread]:
    """Take, or do not take, an offer by a tap on it. A tap never releases a text."""
    yes = event.key.startswith(YES)
    if event.target != OFFER or not (yes or event.key.startswith(NO)):
        return Step(thread)
    if facts.role(event.sender) is None:
        return Step(thread)
    if (why := _not_for(facts, thread, event.sender)) is not None:
        return Step(thread, answer(facts, event, f"{short(event.sender)}: {_lower(why)}"))
    if not event.trusted:
        return Step(thread, answer(facts, event, f"{short(event.sender)}: verify your device first, then tap again."))
    return Step(*_take_or_not(facts, thread, event.sender, yes=yes))


def over(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Let an offer, or an interpreter's seat, end."""
    if event.key == OFFER and thread.voice.offer is not None and thread.voice.offer.until <= facts.now:
        return Step(*withdraw(thread, "has run out"), consumed=True)
    if event.key.startswith(SEAT) and (user := event.key.removeprefix(SEAT)) in thread.voice.interpreters:
        voice = replace(thread.voice, interpreters=thread.voice.interpreters - {user})
        told = Post(place=THREAD, body=f"{short(user)}'s seat as interpreter has ended.")
        return Step(replace(thread, voice=voice), (Expel(user=user), told), consumed=True)
    return Step(thread)


def unsaid(pack: Pack, facts: Facts, thread: Thread, event: Unsaid) -> Step[Thread]:
    """Take an offer back when its author redacts what made it known."""
    offer = thread.voice.offer
    if offer is None or event.target != offer.event_id or event.sender != offer.by:
        return Step(thread)
    return Step(*withdraw(thread, "was taken back"))


def company(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Ask somebody in (`!with`), or the supervisors on duty (`!escalate`)."""
    if (words := says(event, "with")) is not None:
        who, _, rest = words.partition(" ")
        user = person(facts, event, who)
        if user is None or user == event.sender:
            return _refuse(
                facts, thread, event, NOBODY if user is None else "You are here already. Say !with and who else."
            )
        if user == thread.voice.holder:
            return _refuse(facts, thread, event, f"{short(user)} is the voice, and stays: nobody has to ask them in.")
        if not _is_on(facts, user):
            return _refuse(facts, thread, event, f"{short(user)} is off duty. Say !with and who else.")
        actions: tuple[Action, ...] = (noted(event), Invite(user=user))
        others = thread.voice.interpreters - {user}
        seat: Action = DropTimer(key=SEAT + user)
        if rest.strip().casefold() == "interpreter":
            others, seat = others | {user}, SetTimer(key=SEAT + user, due=facts.now + INTERPRETS)
        thread = replace(thread, voice=replace(thread.voice, interpreters=others))
        actions += (seat,)
        told = f"{short(user)} is asked in, to read and to write notes; the phone does not hear them."
        return Step(thread, (*actions, *answer(facts, event, told)), consumed=True)
    if says(event, "escalate") is not None:
        called = [user for user in facts.supervisors if user != event.sender]
        alarm = Tell(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=Alarm.ESCALATED))
        body = (
            f"Called: {', '.join(short(user) for user in called)}. They read everything from the first word once they join."
            if called
            else "You are the only supervisor on duty; the desk was told."
            if facts.supervisors
            else "No supervisor is on duty. Whoever is on call is being called; the desk was told."
            if facts.on_call
            else "No supervisor is on duty, and this line calls nobody outside. The desk was told: please phone somebody."
        )
        invited = tuple(Invite(user=user) for user in called)
        return Step(thread, (noted(event), *invited, alarm, *answer(facts, event, body)), consumed=True)
    return Step(thread)


def claim(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!claim` in a thread's own room: this thread, if it waits or is offered to everybody; the desk decides."""
    if says(event, "claim") is None:
        return Step(thread)
    holder, offer = thread.voice.holder, thread.voice.offer
    if holder == event.sender:
        return _refuse(facts, thread, event, "You are the voice already.")
    if holder is not None and (offer is None or offer.to):
        return _refuse(facts, thread, event, f"{short(holder)} is its voice. Ask for !transfer; supervisors: !take.")
    return _want(facts, thread, event, event.sender, How.CLAIMED)


def off(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!off` in a thread's room: the desk lets nobody go who has a thread in their hands."""
    if says(event, "off") is None:
        return Step(thread)
    if count := facts.load.get(event.sender, 0):
        why = f"First hand over (!transfer) or !release: you are the voice of {count}, !board at the desk says which."
        return _refuse(facts, thread, event, why)
    told = answer(facts, event, "You are off duty: nobody calls you at the desk until you say !on there.")
    wanted = Tell(owner=DESK, event=OffWanted(user=event.sender))
    return Step(thread, (noted(event), wanted, *told), consumed=True)


def seats(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!take`, `!speak`, `!listen`, `!release`: who of those in the room is heard."""
    voice, sender = thread.voice, event.sender
    if says(event, "take") is not None:
        if sender == voice.holder:
            return _refuse(facts, thread, event, "You are the voice already.")
        return _want(facts, thread, event, sender, How.TOOK)
    if says(event, "speak") is not None:
        if sender == voice.holder:
            return _refuse(facts, thread, event, "You are the voice already.")
        if sender != voice.before:
            return _refuse(facts, thread, event, "Your voice was not taken here. !claim at the desk, or ask for !transfer.")
        return _want(facts, thread, event, sender, How.BACK)
    if says(event, "listen") is not None:
        if sender != voice.holder or voice.before is None:
            return _refuse(facts, thread, event, "You are here to read and to write notes already.")
        if not _is_on(facts, voice.before):
            why = f"{short(voice.before)} is off duty: !transfer it, or !release it to the queue."
            return _refuse(facts, thread, event, why)
        return _want(facts, thread, event, voice.before, How.BACK)
    if (words := says(event, "release")) is not None:
        to_queue = words.casefold() == "queue"
        if sender != voice.holder and (voice.holder is None or not to_queue):
            why = "!release queue takes it from its voice and lets it wait." if voice.holder else "It is in the queue."
            return _refuse(facts, thread, event, why)
        if to_queue:
            thread, actions = release_to_queue(thread, facts, f"{short(sender)} put the thread back into the queue")
            return Step(thread, (noted(event), *actions), consumed=True)
        if voice.before is not None and _is_on(facts, voice.before):
            return _want(facts, thread, event, voice.before, How.BACK)
        thread, actions = release_to_queue(thread, facts, "the voice was released")
        return Step(thread, (noted(event), *actions), consumed=True)
    return Step(thread)


def care(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!debrief` offers a talk, where colleagues do not see it."""
    if says(event, "debrief") is not None:
        offer = "Some conversations stay with one. A supervisor can take a quiet quarter of an hour with you: just ask."
        return Step(thread, (noted(event), Post(place=OFFICE + event.sender, body=offer)), consumed=True)
    return Step(thread)


def listens(pack: Pack, facts: Facts, thread: Thread, event: Listens) -> Step[Thread]:
    """Invite a supervisor who wants to read along."""
    return Step(thread, (Invite(user=event.user),))


def not_assigned(pack: Pack, facts: Facts, thread: Thread, event: NotAssigned) -> Step[Thread]:
    """Say why somebody is not the voice."""
    return Step(thread, (Post(place=THREAD, body=f"{short(event.user)} is not the voice: {event.why}"),))


def _refuse(facts: Facts, thread: Thread, event: Said, why: str) -> Step[Thread]:
    return Step(thread, (noted(event), *answer(facts, event, why)), consumed=True)


def _want(facts: Facts, thread: Thread, event: Said, user: str, how: How) -> Step[Thread]:
    beyond = facts.role(event.sender) is Role.SUPERVISOR
    wanted = Tell(owner=DESK, event=VoiceWanted(thread=thread.id, user=user, how=how, beyond=beyond))
    return Step(thread, (noted(event), wanted), consumed=True)


def _cannot_take(pack: Pack, facts: Facts, thread: Thread, by: str, to: str) -> str | None:
    if to == thread.voice.holder:
        return f"{short(to)} is the voice already."
    if not _is_on(facts, to):
        return f"{short(to)} is off duty. Say !transfer and who else, or !transfer all."
    if facts.load.get(to, 0) >= pack.settings.cap and facts.role(by) is not Role.SUPERVISOR:
        return f"{short(to)} has {pack.settings.cap} threads open, the most. A supervisor may all the same: !escalate."
    return None


def _not_for(facts: Facts, thread: Thread, user: str) -> str | None:
    offer = thread.voice.offer
    if offer is None or offer.until <= facts.now:
        return "Nothing is offered here, or it has run out. Ask for !transfer again."
    if not offer.to:
        return "It is offered to everybody: ✋ on its card at the desk takes it, and nobody has to decline."
    return None if offer.to == user else "It is offered to somebody else."


def _take_or_not(facts: Facts, thread: Thread, user: str, *, yes: bool) -> tuple[Thread, tuple[Action, ...]]:
    offer = thread.voice.offer
    if not yes or offer is None:
        return withdraw(thread, f"was declined by {short(user)}")
    # What is accepted is no longer an offer: nobody accepts it twice, and it cannot be taken back any more.
    thread = replace(thread, voice=replace(thread.voice, offer=None))
    beyond = facts.role(offer.by) is Role.SUPERVISOR
    wanted = VoiceWanted(thread=thread.id, user=user, how=How.ACCEPTED, beyond=beyond)
    return thread, (Tell(owner=DESK, event=wanted), DropTimer(key=OFFER))


def _lower(why: str) -> str:
    return why[0].lower() + why[1:]


def _is_on(facts: Facts, user: str) -> bool:
    seat = facts.seat(user)
    return seat is not None and seat.duty
