"""The roster: members and power levels of the desk room, applied at once (design.md, "Identities, rooms, trust").

Rules of this module: a newcomer gets the desk's keys and a message of both identities before anything else, because a
client begins to trust an identity when it meets an event of it (facts-matrix.md, "Late joiners"). A person who leaves is
removed everywhere. Nothing is accepted from a person who is not on the roster.
"""

from __future__ import annotations

from dataclasses import replace

from bot.commands.parser import ParsedCommand
from bot.display.ringing import alarm_recipients, on_duty
from bot.display.thread_card import localpart
from bot.language.colleague_talk import names_in
from bot.model.actions import (
    DESK,
    OFFICE,
    Action,
    Invite,
    KickMember,
    PageOnCall,
    RestorePowerLevels,
    SendMessage,
    ShareRoomKeys,
    Speaker,
)
from bot.model.desk import Desk, DeskMember, Facts, Role
from bot.model.events import (
    MemberJoined,
    MemberLeft,
    MemberNamed,
    MemberReturned,
    MessageIgnored,
    MessageSent,
    PowerLevelsChanged,
)
from bot.model.feature import Step
from bot.model.line_incidents import RoomLoss, RoomLost, StaffAdded, StaffRemoved
from bot.model.thread_desk_events import MemberRemoved
from bot.model.transactional_actions import SendEvent
from bot.staffing.assignment import EXPLAINED
from bot.staffing.duty import off_until_trusted, without_identity
from bot.wording.notice import notice_of
from policies.pack import Pack

SUPERVISOR_LEVEL = 50


def ignore_strangers(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Step[Desk]:
    """Accept nothing from a person who is not on the roster."""
    return Step(desk, consumed=desk.member(event.sender) is None)


def explain_ignored(pack: Pack, facts: Facts, desk: Desk, event: MessageIgnored) -> Step[Desk]:
    """Tell a person why their message was not accepted."""
    if desk.member(event.sender) is None:
        return Step(desk)
    return Step(desk, (SendMessage(place=event.place, body=EXPLAINED[event.reason], reply_to=event.event_id),))


def add_member(pack: Pack, facts: Facts, desk: Desk, event: MemberJoined) -> Step[Desk]:
    """Add a newcomer to the roster and greet them with both identities; in an office, give them its keys."""
    if event.place != DESK:
        return Step(
            desk,
            (ShareRoomKeys(place=event.place, user=event.user, resend=True), SendMessage(place=event.place, body=_OFFICE)),
        )
    if desk.member(event.user) is not None:
        return Step(desk)
    member = DeskMember(user=event.user, role=_role(dict(desk.power_levels), event.user), on_duty_since=facts.now)
    waiting = dict(desk.unconfirmed_identities)
    if event.user in waiting:
        member = off_until_trusted(desk, member)
    unreadable = (SendMessage(place=DESK, body=without_identity(event.user)),) if waiting.get(event.user) == "" else ()
    greeting: tuple[Action, ...] = (
        ShareRoomKeys(place=DESK, user=event.user, resend=True),
        # A former member has an office already, and was removed from it.
        Invite(place=OFFICE + event.user, user=event.user),
        SendMessage(place=DESK, body=notice_of("roster.welcome_please_say_help_here")),
        SendMessage(place=DESK, body=notice_of("roster.this_is_the_line_texters"), speaker=Speaker.TEXTER),
        *unreadable,
    )
    return Step(replace(desk, roster=(*desk.roster, member)), greeting)


def remove_member(pack: Pack, facts: Facts, desk: Desk, event: MemberLeft) -> Step[Desk]:
    """Remove a person from the roster, their office and every thread, also where they are not the assignee."""
    if event.place != DESK or desk.member(event.user) is None:
        return Step(desk)
    notice = tuple(SendEvent(owner=entry.thread, event=MemberRemoved(user=event.user)) for entry in desk.threads)
    roster = tuple(member for member in desk.roster if member.user != event.user)
    # With nobody left there is nobody to call out at the desk, and nobody who could invite anybody.
    calls = () if roster else (PageOnCall(reason="empty"),)
    out = KickMember(place=OFFICE + event.user, user=event.user)
    return Step(replace(desk, roster=roster), (*notice, out, *calls))


def remove_returned(pack: Pack, facts: Facts, desk: Desk, event: MemberReturned) -> Step[Desk]:
    """Remove a person again whom the homeserver has in a room after a rollback; for the desk room, say who it is."""
    out = KickMember(place=event.place, user=event.user)
    if event.place != DESK:
        return Step(desk, (out,))
    body = notice_of("roster.is_removed_once_more", user=localpart(event.user))
    return Step(desk, (out, SendMessage(place=DESK, body=body, notice=False, mentions=alarm_recipients(facts))))


def name_member(pack: Pack, facts: Facts, desk: Desk, event: MemberNamed) -> Step[Desk]:
    """Note a member's display name; nobody is told. It is deleted with the member, or replaced by the next name."""
    called = names_in(event.name)
    roster = tuple(replace(member, called=called) if member.user == event.user else member for member in desk.roster)
    return Step(replace(desk, roster=roster))


def report_lost_room(pack: Pack, facts: Facts, desk: Desk, event: RoomLost) -> Step[Desk]:
    """Call the person on call when the desk's room was closed, or we were removed; threads go on in their own rooms."""
    body = notice_of("roster.somebody_closed_this_room_an")
    said = (SendMessage(place=DESK, body=body, mentions=on_duty(desk.roster)),) if event.how is RoomLoss.CLOSED else ()
    return Step(desk, (*said, PageOnCall(reason="desk")))


def update_power_levels(pack: Pack, facts: Facts, desk: Desk, event: PowerLevelsChanged) -> Step[Desk]:
    """Adopt who is a supervisor. All other changes are reverted: they could silence a person who has to be heard."""
    now = dict(event.users)
    roster = tuple(replace(member, role=_role(now, member.user)) for member in desk.roster)
    desk = replace(desk, power_levels=tuple(sorted(now.items())), roster=roster)
    if not event.tampered:
        return Step(desk)
    body = notice_of("roster.somebody_changed_what_people_may")
    notice = SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts))
    return Step(desk, (RestorePowerLevels(place=DESK), notice))


def invite_staff(pack: Pack, facts: Facts, desk: Desk, event: StaffAdded) -> Step[Desk]:
    """Invite a person for whom the technician made an account; a supervisor's power level is set before the invitation."""
    role = notice_of("roster.a_supervisor") if event.supervisor else notice_of("roster.an_advocate")
    body = notice_of("roster.the_technician_made_an_account", user=localpart(event.user), role=role)
    rank = (RestorePowerLevels(place=DESK, supervisors=(event.user,)),) if event.supervisor else ()
    notice = SendMessage(place=DESK, body=body, notice=False, mentions=facts.supervisors)
    return Step(desk, (notice, *rank, Invite(place=DESK, user=event.user)))


def remove_staff(pack: Pack, facts: Facts, desk: Desk, event: StaffRemoved) -> Step[Desk]:
    """Remove from the desk a person whose account the technician ended; `remove_member` does the rest."""
    body = notice_of("roster.the_technician_ended_s_account", user=localpart(event.user))
    notice = SendMessage(place=DESK, body=body, notice=False, mentions=facts.supervisors)
    return Step(desk, (notice, KickMember(place=DESK, user=event.user)))


_OFFICE = notice_of("roster.this_is_your_office_only")


def _role(levels: dict[str, int], user: str) -> Role:
    return Role.SUPERVISOR if levels.get(user, 0) >= SUPERVISOR_LEVEL else Role.ADVOCATE
