"""Duty, trust, and listening in: commands at the desk about oneself and each other.

Rules of this module: nobody goes off duty while they are the assignee of a thread. A change of trust takes an encrypted
command from a trusted device of a supervisor, and confirms exactly the identity that was shown.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bot.commands.parser import UNKNOWN_MEMBER, ParsedCommand, answer, answer_ref, find_member
from bot.commands.synonyms import language_code
from bot.display.ringing import alarm_recipients
from bot.display.thread_card import localpart
from bot.model.actions import DESK, ConfirmIdentity, SendMessage, ShowDevices, SignOut
from bot.model.desk import Desk, DeskMember, Facts
from bot.model.events import IdentityChanged, IdentityConfirmed, MessageSent
from bot.model.feature import Step
from bot.model.thread_desk_events import AssigneeSpoke, AuthorSignedOut, ListenRequested, OffDutyRequested
from bot.model.transactional_actions import SendEvent
from bot.wording.notice import notice_of
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
        why = notice_of("duty.first_hand_over_transfer_or", names=names)
        return Step(desk, answer(facts, event, why), consumed=True)
    roster = tuple(_on_duty(member, facts.now, on=on) if member.user == event.sender else member for member in desk.roster)
    notice = notice_of("duty.you_are_on_duty") if on else notice_of("duty.you_are_off_duty_nobody")
    return Step(replace(desk, roster=roster), answer(facts, event, notice), consumed=True)


def languages(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!languages es`: the languages that its sender speaks, so that the board shows who can take whom (practice 25)."""
    codes = tuple(dict.fromkeys(map(language_code, command.arguments.replace(",", " ").split())))
    spoken = () if codes == (NO_LANGUAGES,) else codes
    if not codes or len(codes) > MOST_LANGUAGES or not all(LANGUAGE.fullmatch(code) for code in spoken):
        why = notice_of("duty.say_languages_and_their_codes", no_languages=NO_LANGUAGES)
        return Step(desk, answer(facts, event, why), consumed=True)
    roster = tuple(replace(member, languages=spoken) if member.user == event.sender else member for member in desk.roster)
    notice = notice_of("duty.noted_and_on_the_board", spoken=", ".join(spoken) or notice_of("word.none"))
    return Step(replace(desk, roster=roster), answer(facts, event, notice), consumed=True)


def go_off_duty(pack: Pack, facts: Facts, desk: Desk, event: OffDutyRequested) -> Step[Desk]:
    """Take a person off duty who said `!off` in a thread's room, unless they got a thread meanwhile."""
    if threads := desk.assigned_to(event.user):
        why = notice_of("duty.stays_on_duty_first_hand", user=localpart(event.user), designation=threads[0].designation)
        return Step(desk, (SendMessage(place=DESK, body=why),))
    roster = tuple(replace(member, on_duty=False) if member.user == event.user else member for member in desk.roster)
    return Step(replace(desk, roster=roster))


def off_until_trusted(desk: Desk, member: DeskMember) -> DeskMember:
    """Return a person off duty who can read and answer nothing; with a thread they stay on duty, as anybody does.

    Otherwise an alarm would ring this person alone, and a texter would be promised a person who is none.
    """
    if not member.on_duty or desk.assigned_to(member.user):
        return member
    return replace(member, on_duty=False, off_until_trusted=True)


def _on_duty(member: DeskMember, now: float, *, on: bool) -> DeskMember:
    """Return a person on or off duty; a shift begins when they were off before it."""
    begins = on and not member.on_duty
    member = replace(member, off_until_trusted=False)
    return replace(member, on_duty=on, on_duty_since=now, heavy_threads=0) if begins else replace(member, on_duty=on)


def sign_out(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!signout @who`: signs a person out everywhere, because a device is lost or the person has gone (practice 13)."""
    if (user := find_member(facts, event, command.arguments)) is None:
        why = notice_of("duty.whoever_has_left_the_desk", unknown_member=UNKNOWN_MEMBER)
        return Step(desk, answer(facts, event, why), consumed=True)
    notice = notice_of("duty.is_being_signed_out_everywhere", user=localpart(user), sender=localpart(event.sender))
    # Their words that wait may be of whoever has the device: they do not leave.
    roster = tuple(replace(member, signed_out_at=facts.now) if member.user == user else member for member in desk.roster)
    desk = replace(desk, roster=roster)
    news = tuple(SendEvent(owner=entry.thread, event=AuthorSignedOut(user=user)) for entry in desk.threads)
    return Step(desk, (SendMessage(place=DESK, body=notice), SignOut(user=user), *news), consumed=True)


def devices(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!devices [@who]` lists the devices of a person, or one's own."""
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
        why = notice_of("duty.nobody_of_that_name_waits")
        return Step(desk, answer(facts, event, why), consumed=True)
    if not waiting[user]:
        return Step(desk, answer(facts, event, without_identity(user)), consumed=True)
    if user == event.sender:
        return Step(desk, answer(facts, event, notice_of("duty.another_supervisor_has_to_confirm")), consumed=True)
    if fingerprint and "".join(fingerprint.split()) != waiting[user]:
        why = notice_of("duty.that_is_not_the_fingerprint", user=localpart(user))
        return Step(desk, answer(facts, event, why), consumed=True)
    if not fingerprint and event.at < dict(desk.reported).get(user, 0.0):
        why = notice_of("duty.s_identity_changed_while_you", user=localpart(user))
        return Step(desk, answer(facts, event, why), consumed=True)
    desk = _forget_identity(desk, user, facts.now)
    notice = notice_of("duty.s_identity_is_confirmed_by", user=localpart(user), sender=localpart(event.sender))
    return Step(
        desk, (ConfirmIdentity(user=user, master_key=waiting[user]), SendMessage(place=DESK, body=notice)), consumed=True
    )


def report_identity(pack: Pack, facts: Facts, desk: Desk, event: IdentityChanged) -> Step[Desk]:
    """Say loudly that a person's identity is new; it receives nothing until a supervisor confirms it.

    Of a person without an identity only members hear, once: people who were invited make one before they join.
    """
    desk = _forget_report(desk, event.user)
    desk = replace(
        desk,
        unconfirmed_identities=(*desk.unconfirmed_identities, (event.user, event.master_key)),
        reported=(*desk.reported, (event.user, facts.now)),
        roster=tuple(off_until_trusted(desk, other) if other.user == event.user else other for other in desk.roster),
    )
    if not event.master_key:
        notices = (SendMessage(place=DESK, body=without_identity(event.user)),) if desk.member(event.user) else ()
        return Step(desk, notices)
    new = (
        notice_of("duty.has_a_cryptographic_identity_that")
        if event.first
        else notice_of("duty.has_a_new_cryptographic_identity")
    )
    body = notice_of(
        "duty.it_receives_nothing_until_a",
        user=localpart(event.user),
        new=new,
        fingerprint=" ".join(groups_of_four(event.master_key)),
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)),))


def without_identity(user: str) -> str:
    """Return what is said of a person whose clients have made no identity yet."""
    return notice_of("duty.has_no_cryptographic_identity", user=localpart(user))


def note_confirmed_identity(pack: Pack, facts: Facts, desk: Desk, event: IdentityConfirmed) -> Step[Desk]:
    """Tell the desk that an identity was confirmed on the server, and expect no `!trust` of it any more."""
    body = notice_of("duty.s_identity_is_confirmed_by_2", user=localpart(event.user))
    return Step(_forget_identity(desk, event.user, facts.now), (SendMessage(place=DESK, body=body),))


def _forget_identity(desk: Desk, user: str, now: float) -> Desk:
    """Forget the reported identity of a person, who is on duty again if they were before it was reported."""
    roster = tuple(
        _on_duty(member, now, on=True) if member.user == user and member.off_until_trusted else member
        for member in desk.roster
    )
    return replace(_forget_report(desk, user), roster=roster)


def _forget_report(desk: Desk, user: str) -> Desk:
    """Forget the reported identity of a person."""
    return replace(
        desk,
        unconfirmed_identities=tuple(known for known in desk.unconfirmed_identities if known[0] != user),
        reported=tuple(known for known in desk.reported if known[0] != user),
    )


def groups_of_four(key: str) -> list[str]:
    """Cut a key into pieces that people can read to each other."""
    return [key[n : n + 4] for n in range(0, len(key), 4)]


def listen(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!listen designation`: a supervisor joins a thread as a note-taker."""
    name = command.arguments.casefold()
    entry = next((entry for entry in desk.threads if entry.designation == name), None)
    if entry is None:
        return Step(desk, answer(facts, event, notice_of("duty.say_listen_and_a_designation")), consumed=True)
    notice = answer(facts, event, notice_of("duty.accept_the_invitation_to_you", designation=entry.designation))
    return Step(desk, (SendEvent(owner=entry.thread, event=ListenRequested(user=event.sender)), *notice), consumed=True)


def note_last_thread(pack: Pack, facts: Facts, desk: Desk, event: AssigneeSpoke) -> Step[Desk]:
    """Remember in which thread a person last spoke: their next words in another thread get a longer undo window."""
    roster = tuple(replace(s, last_thread=event.thread) if s.user == event.user else s for s in desk.roster)
    return Step(replace(desk, roster=roster))
