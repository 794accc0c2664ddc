"""Who is at the desk: its membership and power levels are the roster, at once (DESIGN section 2).

Rules of this module: whoever comes gets the desk's keys and hears both identities before anything else, because a client
begins to trust an identity when it meets an event of it (facts-matrix, section 3); whoever goes is removed everywhere.
"""

from __future__ import annotations

from dataclasses import replace

from bot.model.actions import DESK, OFFICE, Action, Expel, GiveKeys, Invite, Page, Post, RestoreLevels, Speaker
from bot.model.desk import Desk, Facts, Role, Seat
from bot.model.events import Joined, Left, LevelsSet
from bot.model.feature import Step
from bot.model.line_incidents import Loss, RoomLost
from bot.model.thread_desk_events import Removed
from bot.model.transactional_actions import Tell
from policies.pack import Pack

SUPERVISES = 50


def joined(pack: Pack, facts: Facts, desk: Desk, event: Joined) -> Step[Desk]:
    """Seat a newcomer and greet them with both identities; in an office, hand over its keys."""
    if event.place != DESK:
        return Step(desk, (GiveKeys(place=event.place, user=event.user), Post(place=event.place, body=_OFFICE)))
    if desk.seat(event.user) is not None:
        return Step(desk)
    seat = Seat(user=event.user, role=_role(dict(desk.levels), event.user), since=facts.now)
    greeting: tuple[Action, ...] = (
        GiveKeys(place=DESK, user=event.user),
        # Who has been here before has an office already, and was removed from it.
        Invite(place=OFFICE + event.user, user=event.user),
        Post(place=DESK, body="Welcome. Please say !help here once, so that your client learns to read us."),
        Post(place=DESK, body="This is the line: texters' words come under this identity.", speaker=Speaker.VOICE),
    )
    return Step(replace(desk, roster=(*desk.roster, seat)), greeting)


def left(pack: Pack, facts: Facts, desk: Desk, event: Left) -> Step[Desk]:
    """Remove somebody from the roster, their office and every thread: they may be in some that they do not hold."""
    if event.place != DESK or desk.seat(event.user) is None:
        return Step(desk)
    told = tuple(Tell(owner=line.thread, event=Removed(user=event.user)) for line in desk.threads)
    roster = tuple(seat for seat in desk.roster if seat.user != event.user)
    # With nobody left there is nobody to call out at the desk, and nobody who could invite anybody.
    calls = () if roster else (Page(reason="empty"),)
    out = Expel(place=OFFICE + event.user, user=event.user)
    return Step(replace(desk, roster=roster), (*told, out, *calls))


def room_lost(pack: Pack, facts: Facts, desk: Desk, event: RoomLost) -> Step[Desk]:
    """Call whoever is on call when the desk's room was closed or taken from us; threads go on in their own rooms."""
    body = (
        "⚠️ Somebody closed this room (an upgrade does that). Quietline stays here; no other room is the desk."
        " Threads go on. Please tell the technician."
    )
    said = (Post(place=DESK, body=body, notice=False),) if event.how is Loss.CLOSED else ()
    return Step(desk, (*said, Page(reason="desk")))


def levels(pack: Pack, facts: Facts, desk: Desk, event: LevelsSet) -> Step[Desk]:
    """Take over who is a supervisor. Whatever else was changed is put back: it could silence whoever has to be heard."""
    now = dict(event.users)
    roster = tuple(replace(seat, role=_role(now, seat.user)) for seat in desk.roster)
    desk = replace(desk, levels=tuple(sorted(now.items())), roster=roster)
    if not event.bent:
        return Step(desk)
    body = (
        "⚠️ Somebody changed what people may do in this room. It is put back; supervisors stay supervisors."
        " To take somebody off the roster, remove them from this room."
    )
    told = Post(place=DESK, body=body, notice=False, mentions=facts.supervisors)
    return Step(desk, (RestoreLevels(place=DESK), told))


_OFFICE = "This is your office: only you and the software are here. Numbers and codewords belong here, not at the desk."


def _role(levels: dict[str, int], user: str) -> Role:
    return Role.SUPERVISOR if levels.get(user, 0) >= SUPERVISES else Role.ADVOCATE
