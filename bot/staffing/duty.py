"""Duty, trust, and listening in: what people say at the desk about themselves and each other.

Rules of this module: nobody goes off duty with a thread in their hands; what changes whom we trust takes an encrypted
command from a trusted device of a supervisor, and confirms exactly the identity that was shown.
"""

from __future__ import annotations

from dataclasses import replace

from bot.commands.parser import NOBODY, answer, answer_ref, fades, person, says
from bot.display.thread_card import short
from bot.model.actions import DESK, Confirm, Post, SignOut, TellDevices
from bot.model.desk import Desk, Facts, Seat
from bot.model.events import IdentityChanged, Said
from bot.model.feature import Step
from bot.model.thread_desk_events import Listens, OffWanted, Spoke
from bot.model.transactional_actions import Tell
from policies.pack import Pack


def duty(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!on` and `!off`."""
    on = says(event, "on") is not None
    if not on and says(event, "off") is None:
        return Step(desk)
    held = desk.held(event.sender)
    if not on and held:
        names = ", ".join(line.designation for line in held)
        why = f"First hand over (!transfer) or !release: {names}."
        return Step(desk, answer(facts, event, why), consumed=True)
    roster = tuple(_goes(seat, facts.now, on=on) if seat.user == event.sender else seat for seat in desk.roster)
    told = "You are on duty." if on else "You are off duty: nobody calls you here until you say !on."
    return Step(replace(desk, roster=roster), answer(facts, event, told), consumed=True)


def off_wanted(pack: Pack, facts: Facts, desk: Desk, event: OffWanted) -> Step[Desk]:
    """Let somebody go who said `!off` in a thread's room, unless a thread came into their hands meanwhile."""
    if held := desk.held(event.user):
        why = f"{short(event.user)} stays on duty: first hand over (!transfer) or !release {held[0].designation}."
        return Step(desk, (Post(place=DESK, body=why),))
    roster = tuple(replace(seat, duty=False) if seat.user == event.user else seat for seat in desk.roster)
    return Step(replace(desk, roster=roster))


def _goes(seat: Seat, now: float, *, on: bool) -> Seat:
    """Return somebody on or off duty; a shift begins when they were off before it."""
    begins = on and not seat.duty
    return replace(seat, duty=on, since=now, heavy=0) if begins else replace(seat, duty=on)


def sign_out(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!signout @who`: sign somebody out everywhere, because a device is lost or they have gone (practice 13)."""
    if (who := says(event, "signout")) is None:
        return Step(desk)
    if (user := person(facts, event, who)) is None:
        why = f"{NOBODY} Whoever has left the desk receives nothing any more."
        return Step(desk, answer(facts, event, why), consumed=True)
    told = f"{short(user)} is being signed out everywhere, at the word of {short(event.sender)}."
    return Step(desk, (Post(place=DESK, body=told, notice=False), SignOut(user=user)), consumed=True)


def trust(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!trust @who [fingerprint]` confirms the identity that was last reported; `!devices` lists somebody's devices."""
    if (who := says(event, "devices")) is not None:
        user = person(facts, event, who) if who else event.sender
        if user is None:
            return Step(desk, answer(facts, event, NOBODY), consumed=True)
        tell = TellDevices(place=DESK, user=user, reply_to=event.event_id, ref=answer_ref(event))
        return Step(desk, (tell, fades(facts, event)), consumed=True)
    if (who := says(event, "trust")) is None:
        return Step(desk)
    waiting = dict(desk.identities)
    who, _, fingerprint = who.partition(" ")
    user = person(facts, event, who)
    if user is None or user not in waiting:
        why = "Nobody of that name waits for it. A new identity is reported here when it is first seen."
        return Step(desk, answer(facts, event, why), consumed=True)
    if user == event.sender:
        return Step(desk, answer(facts, event, "Another supervisor has to confirm yours."), consumed=True)
    if fingerprint and "".join(fingerprint.split()) != waiting[user]:
        why = f"That is NOT the fingerprint that was reported. Nothing is confirmed. Ask {short(user)} in person."
        return Step(desk, answer(facts, event, why), consumed=True)
    if not fingerprint and event.at < dict(desk.reported).get(user, 0.0):
        why = f"{short(user)}'s identity changed while you wrote. Nothing is confirmed. Look at the newer report first."
        return Step(desk, answer(facts, event, why), consumed=True)
    desk = _reported(desk, user)
    told = f"{short(user)}'s identity is confirmed by {short(event.sender)}."
    return Step(desk, (Confirm(user=user, master_key=waiting[user]), Post(place=DESK, body=told)), consumed=True)


def identity_changed(pack: Pack, facts: Facts, desk: Desk, event: IdentityChanged) -> Step[Desk]:
    """Say loudly that somebody's identity is a new one; it receives nothing until a supervisor confirms it."""
    desk = _reported(desk, event.user)
    desk = replace(
        desk,
        identities=(*desk.identities, (event.user, event.master_key)),
        reported=(*desk.reported, (event.user, facts.now)),
    )
    new = "has a cryptographic identity that nobody confirmed yet" if event.first else "has a NEW cryptographic identity"
    body = (
        f"⚠️ {short(event.user)} {new}. It receives nothing until a supervisor has asked them in person and says "
        f"!trust @{short(event.user)}. Fingerprint: {' '.join(fours(event.master_key))}"
    )
    return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=facts.supervisors),))


def _reported(desk: Desk, user: str) -> Desk:
    """Forget what was reported of somebody."""
    return replace(
        desk,
        identities=tuple(known for known in desk.identities if known[0] != user),
        reported=tuple(known for known in desk.reported if known[0] != user),
    )


def fours(key: str) -> list[str]:
    """Cut a key into pieces that people can read to each other."""
    return [key[n : n + 4] for n in range(0, len(key), 4)]


def listen(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!listen designation`: a supervisor joins a thread as a note-taker."""
    if (name := says(event, "listen")) is None:
        return Step(desk)
    line = next((line for line in desk.threads if line.designation == name.casefold()), None)
    if line is None:
        return Step(desk, answer(facts, event, "Say !listen and a designation. !board shows them."), consumed=True)
    told = answer(facts, event, f"Accept the invitation to {line.designation}: you read, and what you write is a note.")
    return Step(desk, (Tell(owner=line.thread, event=Listens(user=event.sender)), *told), consumed=True)


def spoke(pack: Pack, facts: Facts, desk: Desk, event: Spoke) -> Step[Desk]:
    """Remember in which thread somebody last spoke: the next one elsewhere gets a longer undo window."""
    roster = tuple(replace(s, spoke=event.thread) if s.user == event.user else s for s in desk.roster)
    return Step(replace(desk, roster=roster))
