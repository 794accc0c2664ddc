"""Duty, trust, and listening in: commands at the desk about oneself and each other.

Rules of this module: nobody goes off duty while they are the assignee of a thread. A change of trust takes an encrypted
command from a trusted device of a supervisor, and confirms exactly the identity that was shown.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bot.commands.parser import UNKNOWN_MEMBER, ParsedCommand, answer, answer_ref, find_member
from bot.display.ringing import who_decides
from bot.display.thread_card import localpart
from bot.model.actions import DESK, ConfirmIdentity, SendMessage, ShowDevices, SignOut
from bot.model.desk import Desk, DeskMember, Facts
from bot.model.events import IdentityChanged, IdentityConfirmed, MessageSent
from bot.model.feature import Step
from bot.model.thread_desk_events import AssigneeSpoke, ListenRequested, OffDutyRequested
from bot.model.transactional_actions import SendEvent
from policies.pack import Pack

LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
MOST_LANGUAGES: Final = 6
NO_LANGUAGES: Final = "none"


def duty(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!on` and `!off`."""
    on = command.name == "on"
    threads = desk.assigned_to(event.sender)
    if not on and threads:
        names = ", ".join(entry.designation for entry in threads)
        why = f"First hand over (!transfer) or !release: {names}."
        return Step(desk, answer(facts, event, why), consumed=True)
    roster = tuple(_on_duty(member, facts.now, on=on) if member.user == event.sender else member for member in desk.roster)
    notice = "You are on duty." if on else "You are off duty: nobody calls you here until you say !on."
    return Step(replace(desk, roster=roster), answer(facts, event, notice), consumed=True)


def languages(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!languages es`: what its sender speaks, so that the board shows who can take whom (practice 25)."""
    codes = tuple(dict.fromkeys(command.arguments.casefold().replace(",", " ").split()))
    spoken = () if codes == (NO_LANGUAGES,) else codes
    if not codes or len(codes) > MOST_LANGUAGES or not all(LANGUAGE.fullmatch(code) for code in spoken):
        why = f"Say !languages and their codes, such as !languages es fr; !languages {NO_LANGUAGES} takes them back."
        return Step(desk, answer(facts, event, why), consumed=True)
    roster = tuple(replace(member, languages=spoken) if member.user == event.sender else member for member in desk.roster)
    notice = f"Noted, and on the board: {', '.join(spoken) or 'none'}."
    return Step(replace(desk, roster=roster), answer(facts, event, notice), consumed=True)


def go_off_duty(pack: Pack, facts: Facts, desk: Desk, event: OffDutyRequested) -> Step[Desk]:
    """Let somebody go who said `!off` in a thread's room, unless a thread came into their hands meanwhile."""
    if threads := desk.assigned_to(event.user):
        why = f"{localpart(event.user)} stays on duty: first hand over (!transfer) or !release {threads[0].designation}."
        return Step(desk, (SendMessage(place=DESK, body=why),))
    roster = tuple(replace(member, on_duty=False) if member.user == event.user else member for member in desk.roster)
    return Step(replace(desk, roster=roster))


def _on_duty(member: DeskMember, now: float, *, on: bool) -> DeskMember:
    """Return somebody on or off duty; a shift begins when they were off before it."""
    begins = on and not member.on_duty
    return replace(member, on_duty=on, on_duty_since=now, heavy_threads=0) if begins else replace(member, on_duty=on)


def sign_out(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!signout @who`: sign somebody out everywhere, because a device is lost or they have gone (practice 13)."""
    if (user := find_member(facts, event, command.arguments)) is None:
        why = f"{UNKNOWN_MEMBER} Whoever has left the desk receives nothing any more."
        return Step(desk, answer(facts, event, why), consumed=True)
    notice = f"{localpart(user)} is being signed out everywhere, at the word of {localpart(event.sender)}."
    return Step(desk, (SendMessage(place=DESK, body=notice), SignOut(user=user)), consumed=True)


def devices(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!devices [@who]` lists somebody's devices, or one's own."""
    user = find_member(facts, event, command.arguments) if command.arguments else event.sender
    if user is None:
        return Step(desk, answer(facts, event, UNKNOWN_MEMBER), consumed=True)
    tell = ShowDevices(place=DESK, user=user, reply_to=event.event_id, ref=answer_ref(event))
    return Step(desk, (tell,), consumed=True)


def trust(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!trust @who [fingerprint]` confirms the identity that was last reported."""
    waiting = dict(desk.unconfirmed_identities)
    who, _, fingerprint = command.arguments.partition(" ")
    user = find_member(facts, event, who)
    if user is None or user not in waiting:
        why = "Nobody of that name waits for it. A new identity is reported here when it is first seen."
        return Step(desk, answer(facts, event, why), consumed=True)
    if user == event.sender:
        return Step(desk, answer(facts, event, "Another supervisor has to confirm yours."), consumed=True)
    if fingerprint and "".join(fingerprint.split()) != waiting[user]:
        why = f"That is NOT the fingerprint that was reported. Nothing is confirmed. Ask {localpart(user)} in person."
        return Step(desk, answer(facts, event, why), consumed=True)
    if not fingerprint and event.at < dict(desk.reported).get(user, 0.0):
        why = f"{localpart(user)}'s identity changed while you wrote. Nothing is confirmed. Look at the newer report first."
        return Step(desk, answer(facts, event, why), consumed=True)
    desk = _forget_report(desk, user)
    notice = f"{localpart(user)}'s identity is confirmed by {localpart(event.sender)}."
    return Step(
        desk, (ConfirmIdentity(user=user, master_key=waiting[user]), SendMessage(place=DESK, body=notice)), consumed=True
    )


def report_identity(pack: Pack, facts: Facts, desk: Desk, event: IdentityChanged) -> Step[Desk]:
    """Say loudly that somebody's identity is a new one; it receives nothing until a supervisor confirms it."""
    desk = _forget_report(desk, event.user)
    desk = replace(
        desk,
        unconfirmed_identities=(*desk.unconfirmed_identities, (event.user, event.master_key)),
        reported=(*desk.reported, (event.user, facts.now)),
    )
    new = "has a cryptographic identity that nobody confirmed yet" if event.first else "has a NEW cryptographic identity"
    body = (
        f"⚠️ {localpart(event.user)} {new}. It receives nothing until a supervisor has asked them in person and says "
        f"!trust @{localpart(event.user)}. Fingerprint: {' '.join(fours(event.master_key))}"
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))


def note_confirmed_identity(pack: Pack, facts: Facts, desk: Desk, event: IdentityConfirmed) -> Step[Desk]:
    """Tell the desk that an identity was confirmed on the server, and wait for no `!trust` of it any more."""
    body = f"{localpart(event.user)}'s identity is confirmed by the technician, on the server (quietline trust)."
    return Step(_forget_report(desk, event.user), (SendMessage(place=DESK, body=body),))


def _forget_report(desk: Desk, user: str) -> Desk:
    """Forget what was reported of somebody."""
    return replace(
        desk,
        unconfirmed_identities=tuple(known for known in desk.unconfirmed_identities if known[0] != user),
        reported=tuple(known for known in desk.reported if known[0] != user),
    )


def fours(key: str) -> list[str]:
    """Cut a key into pieces that people can read to each other."""
    return [key[n : n + 4] for n in range(0, len(key), 4)]


def listen(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!listen designation`: a supervisor joins a thread as a note-taker."""
    name = command.arguments.casefold()
    entry = next((entry for entry in desk.threads if entry.designation == name), None)
    if entry is None:
        return Step(desk, answer(facts, event, "Say !listen and a designation. !board shows them."), consumed=True)
    notice = answer(facts, event, f"Accept the invitation to {entry.designation}: you read, and what you write is a note.")
    return Step(desk, (SendEvent(owner=entry.thread, event=ListenRequested(user=event.sender)), *notice), consumed=True)


def note_last_thread(pack: Pack, facts: Facts, desk: Desk, event: AssigneeSpoke) -> Step[Desk]:
    """Remember in which thread somebody last spoke: the next one elsewhere gets a longer undo window."""
    roster = tuple(replace(s, last_thread=event.thread) if s.user == event.user else s for s in desk.roster)
    return Step(replace(desk, roster=roster))
