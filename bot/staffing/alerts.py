"""Alarms at the desk, and answers to people whose message was not accepted.

Rules of this module: an alarm holds a designation at most, and is a new message. Only the same alarm of the same thread
that comes again within minutes is an edit of the one before; duress, and what a person asks for, are always new.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer, mark_as_note
from bot.display.ringing import on_duty, who_decides
from bot.display.thread_card import localpart
from bot.model.actions import DESK, EditMessage, PageOnCall, RetryDeadLetter, SendMessage
from bot.model.desk import Desk, Facts, ShownAlarm
from bot.model.events import MessageIgnored, MessageSent
from bot.model.feature import Step
from bot.model.line_incidents import (
    ClockJumped,
    DeadLetterRecorded,
    ErasureFailed,
    FactsBehind,
    GapKind,
    HomeserverIncident,
    HomeserverIncidentKind,
    InviteFailed,
    LineRestored,
    MarkedFacts,
    PageFailed,
    StrayKind,
    StrayTextArrived,
    SyncStalled,
    TextsMissing,
)
from bot.model.text_order import describe_minutes
from bot.model.thread_desk_events import AlarmKind, AlarmRaised
from bot.model.transactional_actions import TrustClock
from bot.staffing.assignment import EXPLAINED
from policies.pack import Pack

ALARMS: Final = {
    AlarmKind.STOPPED: "said STOP. Nothing leaves until they text START.",
    AlarmKind.TEXT_AFTER_STOP: "texted after a STOP. It was not answered. Please look.",
    AlarmKind.CAME_LATE: "what they texted around a STOP came late and out of its order. Nothing left for it. Please look.",
    AlarmKind.RESUMED: "said START: texts may be answered again.",
    AlarmKind.UNKNOWN_SEND: "a text may or may not have reached the phone. It is not sent again by itself.",
    AlarmKind.OPTED_OUT: "the carrier says this phone opted out.",
    AlarmKind.ESCALATED: "its advocate asks for a supervisor.",
    AlarmKind.DURESS: (
        "DURESS. The duress word came. Nothing leaves but !cover 1, 2 and 3. Supervisors: !listen, then decide."
    ),
    AlarmKind.UNVERIFIED: (
        "unverified, possible duress. Nothing leaves but !cover 1, 2 and 3, until a supervisor's !unlock."
    ),
    AlarmKind.URGENT: "it is urgent: its advocate asks them to call. Whoever answers calls should know.",
    AlarmKind.UNSAFE: "the phone may be in other hands. Nothing leaves for it until somebody there says !safe.",
    AlarmKind.SAFE: "texting is safe again, its people say.",
    AlarmKind.STOPPED_LIVE: "said STOP in the middle of a conversation. It is honoured. Is it still them? Please look.",
    AlarmKind.STOPPED_BY_STAFF: "asked us to stop in their own words. Nothing leaves until they text START.",
    AlarmKind.START_ASKS: "said START. A person decides: !resume in the thread.",
    AlarmKind.LEFT_QUIETLY: "left with a silent word. Nothing was sent; write nothing more.",
    AlarmKind.LEFT_UNSEEN: (
        "what they wrote before the silent word was not seen yet. Its advocate, or a supervisor: please look."
    ),
    AlarmKind.LEFT_ALARMED: "cannot go on now. Nothing was sent; write nothing until they text again.",
    AlarmKind.CALL: "asks for a call. Nothing was sent.",
    AlarmKind.HELP: "said a word for help. A person has to answer.",
    AlarmKind.BLOCKED: "is blocked by a supervisor: nothing leaves, and what it sends is dropped.",
    AlarmKind.UNBLOCKED: "is not blocked any more.",
    AlarmKind.OTHER_HANDS: "somebody else may have the phone. Nothing was sent; what waited is held. Please look.",
    AlarmKind.BREAK_GLASS: (
        "BREAK-GLASS. Its number is shown without a supervisor's yes, as the agency's policy allows. The reason is in its "
        "room. Please look."
    ),
}
CALLS_SUPERVISORS: Final = (
    AlarmKind.ESCALATED,
    AlarmKind.STOPPED_LIVE,
    AlarmKind.TEXT_AFTER_STOP,
    AlarmKind.START_ASKS,
    AlarmKind.LEFT_UNSEEN,
    AlarmKind.LEFT_ALARMED,
    AlarmKind.CALL,
    AlarmKind.HELP,
    AlarmKind.DURESS,
    AlarmKind.OTHER_HANDS,
    AlarmKind.UNVERIFIED,
    AlarmKind.UNSAFE,
    AlarmKind.CAME_LATE,
    AlarmKind.BREAK_GLASS,
)
"""What supervisors on duty are called for by name; where there is none, everybody on duty."""
ALWAYS_NEW: Final = (AlarmKind.DURESS, AlarmKind.ESCALATED, AlarmKind.BREAK_GLASS)
"""Alarms that ring each time that they come."""
SAME_ALARM: Final = 300.0
"""Seconds within which the same alarm of the same thread edits the message of the one before."""
CALLS_ALL: Final = (AlarmKind.URGENT,)
"""What everybody on duty is called for by name. The other alarms are notices."""


SHORT_ID: Final = re.compile(r"[0-9a-f]{8}")
MARKED_FACTS: Final = {
    MarkedFacts.SUPPRESSION: "Who said STOP or is blocked",
    MarkedFacts.LOCKS: "Which phones are stopped or locked",
    MarkedFacts.CONFIRMED: "Whose identity is confirmed",
}
BEHIND: Final = {
    MarkedFacts.SUPPRESSION: (
        "Nobody knows now which phones said STOP in an earlier conversation: nobody can be texted first, and a new texter "
        "is not answered by itself. People can answer."
    ),
    MarkedFacts.LOCKS: (
        "Every conversation of before is locked: only !cover 1, 2 and 3 leave, until a supervisor says !unlock in it."
    ),
    MarkedFacts.CONFIRMED: (
        "Nobody is confirmed: no device gets keys and no command counts. Afterwards each is confirmed once more: a "
        "supervisor with quietline trust, the others with !trust."
    ),
}
STRAYS: Final = {
    StrayKind.CHANNEL: "Somebody wrote over another channel than text messages, such as WhatsApp.",
    StrayKind.GROUP: "Somebody wrote to this line in a group message.",
}
CHECK_PORTAL: Final = "Please look in the carrier's portal for texts that are not here, and tell the technician"
GAPS: Final = {
    GapKind.UNREADABLE: f"The carrier brought something that could not be read: a text may be missing. {CHECK_PORTAL}.",
    GapKind.REFUSED: (
        "Requests to the carrier's address were refused, because they are not signed by the carrier. If texts are missing, "
        f"its key or its address is set wrong. {CHECK_PORTAL} (quietline carrier check). If none are, it was "
        "a stranger, and there "
        "is nothing to do."
    ),
    GapKind.LARGE: (
        "Requests to the carrier's address were refused, because they are larger than any text. If texts are missing, they "
        f"may have come with pictures. {CHECK_PORTAL}. If none are, it was a stranger, and there is nothing to do."
    ),
    GapKind.REPORTS: (
        "Reports of what became of our texts were refused or could not be read. If texts stay without ✓✓ that arrived, the "
        "carrier's key or the address for its reports is set wrong: please look in the carrier's portal, and tell the "
        "technician (quietline carrier check). If none do, it was a stranger, and there is nothing to do."
    ),
    GapKind.UNLISTED: (
        f"The carrier does not say which texts came while the line was away. It is asked again by itself. {CHECK_PORTAL} "
        "(quietline carrier check)."
    ),
    GapKind.AWAY: (
        f"Its carrier cannot be asked what came meanwhile, and may have given up on some. {CHECK_PORTAL}, if any are."
    ),
}


HOMESERVER_INCIDENTS: Final = {
    HomeserverIncidentKind.GAP: (
        "While the line did not hear its rooms, more was written in {where} than it can fetch. The oldest of it was not "
        "taken: it has no mark, and reached no phone. Please look there for words without a mark."
    ),
    HomeserverIncidentKind.DEVICE_GONE: (
        "Somebody deleted a device of this line at the homeserver, as signing it out everywhere does. It makes itself "
        "another, and what waits is shown then. If nobody of the agency did it, please call the technician."
    ),
    HomeserverIncidentKind.ROOMS_LOST: (
        "The homeserver does not have some rooms of this line any more, as after its database was put back. They are made "
        "again, and whoever was in one is invited. What was written there is gone. Please tell the technician."
    ),
}
"""`where`: the place that it is about."""
CALL_SOMEBODY: Final = (HomeserverIncidentKind.DEVICE_GONE,)
"""What whoever is on call hears of as well: what is said at the desk may not get through."""


def ignore_strangers(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Step[Desk]:
    """Take nothing from somebody who is not on the roster."""
    return Step(desk, consumed=desk.member(event.sender) is None)


def explain_ignored(pack: Pack, facts: Facts, desk: Desk, event: MessageIgnored) -> Step[Desk]:
    """Tell somebody why their message was not taken."""
    if desk.member(event.sender) is None:
        return Step(desk)
    return Step(desk, (SendMessage(place=event.place, body=EXPLAINED[event.reason], reply_to=event.event_id),))


def show_alarm(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Pass on what a thread has to say to everybody."""
    body = f"⚠️ {event.designation}: {ALARMS[event.alarm]}"
    fresh = tuple(shown for shown in desk.alarms if 0 <= facts.now - shown.at < SAME_ALARM)
    old = next((shown for shown in fresh if (shown.designation, shown.alarm) == (event.designation, event.alarm)), None)
    if old is not None and event.alarm not in ALWAYS_NEW:
        again = replace(old, times=old.times + 1)
        desk = replace(desk, alarms=tuple(again if shown is old else shown for shown in fresh))
        return Step(desk, (EditMessage(place=DESK, ref=_ref(old), body=f"{body} ({again.times} times)"),))
    new = ShownAlarm(designation=event.designation, alarm=event.alarm, at=facts.now)
    desk = replace(desk, alarms=(*(shown for shown in fresh if shown is not old), new))
    escalated = event.alarm is AlarmKind.ESCALATED
    called = (
        who_decides(facts)
        if event.alarm in CALLS_SUPERVISORS
        else on_duty(facts.roster)
        if event.alarm in CALLS_ALL
        else ()
    )
    loud = SendMessage(place=DESK, ref=_ref(new), body=body, mentions=called)
    # Nobody who could come is here: whoever is on call hears that they are needed, and nothing else.
    # For duress, and a number shown without a supervisor, they are called in any case.
    paged = event.alarm in (AlarmKind.DURESS, AlarmKind.BREAK_GLASS) or (escalated and not facts.supervisors)
    return Step(desk, (loud, PageOnCall(reason="escalated")) if paged else (loud,))


def _ref(shown: ShownAlarm) -> str:
    return f"alarm:{shown.designation}:{shown.alarm.value}:{shown.at:.0f}"


def dead_letter_recorded(pack: Pack, facts: Facts, desk: Desk, event: DeadLetterRecorded) -> Step[Desk]:
    """Say that something could not be handled, with the id that whoever looks after the machine will ask for."""
    if event.keyless:
        body = (
            f"⚠️ {event.designation or 'A conversation'}: its key is not on the machine, as after an older keys.db was put "
            "back. Nothing that is written there reaches a phone, and its texter's words cannot be shown. Please tell the "
            f"technician: {event.short_id}. The line goes on."
        )
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    if event.designation or event.new_texter:
        whose = f"{event.designation}: words of the texter" if event.designation else "Words of somebody new"
        body = (
            f"⚠️ {whose} could not be shown, nobody has read them: {event.short_id}. A supervisor can try once more with "
            f"!retry {event.short_id}. Please tell the technician."
        )
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    body = f"⚠️ Something could not be handled and is kept for the technician: {event.short_id}. The line goes on."
    return Step(desk, (SendMessage(place=DESK, body=body),))


def page_failed(pack: Pack, facts: Facts, desk: Desk, event: PageFailed) -> Step[Desk]:
    """Say that whoever is on call does not hear of it: whoever reads this has a telephone."""
    tried = "is not tried any more" if event.given_up else "is tried for a quarter of an hour"
    body = f"⚠️ Whoever is on call could not be reached. It {tried}. Please phone them, and tell the technician."
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=on_duty(desk.roster)),))


def invite_failed(pack: Pack, facts: Facts, desk: Desk, event: InviteFailed) -> Step[Desk]:
    """Say that the homeserver would not invite somebody; a person finds out why."""
    where = "the desk" if event.place == DESK else "their office, where numbers and codewords are asked for"
    body = (
        f"⚠️ {localpart(event.user)} could not be invited to {where}. Is the account there, and does it take "
        "invitations? The "
        "line goes on without."
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))


def sync_stalled(pack: Pack, facts: Facts, desk: Desk, event: SyncStalled) -> Step[Desk]:
    """Say that nobody was heard for a while, and call whoever is on call: this word may not get through either."""
    body = (
        f"⚠️ For {event.minutes} minutes or more the line has not heard what is said in its rooms: nothing that you write "
        "reaches a phone until it does. Please tell the technician."
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)), PageOnCall(reason="unheard")))


def homeserver_incident(pack: Pack, facts: Facts, desk: Desk, event: HomeserverIncident) -> Step[Desk]:
    """Say what happened at the homeserver, and what that means for those who write in its rooms."""
    where = event.designation or "the desk or in an office"
    body = f"⚠️ {HOMESERVER_INCIDENTS[event.kind].format(where=where)}"
    told = SendMessage(place=DESK, body=body, mentions=who_decides(facts))
    return Step(desk, (told, PageOnCall(reason="homeserver")) if event.kind in CALL_SOMEBODY else (told,))


def clock_jumped(pack: Pack, facts: Facts, desk: Desk, event: ClockJumped) -> Step[Desk]:
    """Say that the machine's clock was set: from now on nothing goes because its time has come, until a person says so."""
    way = "forward" if event.seconds > 0 else "back"
    body = (
        f"⚠️ The machine's clock was set {way} by about {abs(event.seconds)} seconds. "
        "Please tell the technician. Opening hours go by its new time at once; answers leave as before. Nothing is erased "
        "by its age until a supervisor says !time ok here."
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))


def line_restored(pack: Pack, facts: Facts, desk: Desk, event: LineRestored) -> Step[Desk]:
    """Say that the line began anew from a backup, and what that means for whoever was texting."""
    texts = "1 text was" if event.unfinished == 1 else f"{event.unfinished} texts were"
    unknown = f" {texts} on the way to phones then: whether they arrived is unknown, and they are not sent again."
    body = (
        f"⚠️ This line was restored from a backup made about {event.hours} h ago. No conversation came back: whoever texts "
        f"begins anew.{unknown if event.unfinished else ''} Texts that came in between are not here."
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=on_duty(desk.roster)),))


def facts_behind(pack: Pack, facts: Facts, desk: Desk, event: FactsBehind) -> Step[Desk]:
    """Say which facts were put back to an earlier state, what is safe until a person has looked, and what to do."""
    if event.designation:
        body = (
            f"⚠️ {event.designation}: a STOP, a lock or a block of this phone was taken out of the database beside this "
            "program. It holds again. Please tell the technician: somebody may have written there."
        )
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    if event.accepted:
        body = (
            f"⚠️ {MARKED_FACTS[event.kind]}: keys.db is older than the database, as after a backup of it was put back. The "
            "database counts. If nobody did that, please tell the technician."
        )
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    body = (
        f"⚠️ {MARKED_FACTS[event.kind]}: the database is older than it was, or was changed beside this program. "
        f"{BEHIND[event.kind]} Please tell the technician now: did somebody put an old database back? Then, and only then: "
        f"stop the line, and quietline accept-facts {event.kind.value}. Else somebody may have written there: quietline "
        "restore from a backup."
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)), PageOnCall(reason="facts")))


def retry(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!retry id`: a supervisor lets words be shown after all."""
    short_id = command.arguments.casefold()
    if not SHORT_ID.fullmatch(short_id):
        return Step(desk, answer(facts, event, "Say !retry and the id that the alert gave."), consumed=True)
    again = RetryDeadLetter(place=DESK, reply_to=event.event_id, short_id=short_id)
    return Step(desk, (mark_as_note(event), again), consumed=True)


def trust_clock(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!time ok`: a supervisor looked at the clock and found it right."""
    if command.arguments.casefold() != "ok":
        return Step(desk, answer(facts, event, "Look at the machine's clock; if it is right, say !time ok."), consumed=True)
    notice = answer(facts, event, "The clock is taken as right: what has come to the end of its time goes again.")
    return Step(desk, (TrustClock(), *notice), consumed=True)


def erasure_failed(pack: Pack, facts: Facts, desk: Desk, event: ErasureFailed) -> Step[Desk]:
    """Say that something is still there which should be gone. Nothing is called erased that is not."""
    since = f" for {event.hours} h" if event.hours else ""
    body = f"⚠️ Not erased yet{since}: {event.what}. It is tried again by itself. Please tell the technician."
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))


def stray_text(pack: Pack, facts: Facts, desk: Desk, event: StrayTextArrived) -> Step[Desk]:
    """Say that something came which cannot be shown or answered here."""
    notice = f"⚠️ {STRAYS[event.kind]} It was not kept and cannot be answered here. This is said once an hour at most."
    return Step(desk, (SendMessage(place=DESK, body=notice, mentions=who_decides(facts)),))


def texts_missing(pack: Pack, facts: Facts, desk: Desk, event: TextsMissing) -> Step[Desk]:
    """Say that texts may be missing, why, and where they can be found."""
    since = f"This line was away for about {describe_minutes(event.minutes)}. " if event.kind is GapKind.AWAY else ""
    notice = f"⚠️ {since}{GAPS[event.kind]} This is said once an hour at most."
    return Step(desk, (SendMessage(place=DESK, body=notice, mentions=who_decides(facts)),))
