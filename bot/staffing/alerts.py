"""What the desk is told: alarms, and why somebody was not heard.

Rule of this module: an alarm is a new message, never an edit, and holds a designation at most.
"""

from __future__ import annotations

import re
from typing import Final

from bot.commands.parser import answer, noted, says
from bot.display.thread_card import short
from bot.model.actions import DESK, Page, Post, Retry
from bot.model.desk import Desk, Facts
from bot.model.events import NotHeard, Said
from bot.model.feature import Step
from bot.model.line_incidents import (
    ClockJumped,
    Gap,
    LetterDied,
    LineRestored,
    NobodyCalled,
    NotGone,
    NotInvited,
    Stray,
    StrayCame,
    TextsMissing,
    Unheard,
)
from bot.model.text_order import length
from bot.model.thread_desk_events import Alarm, AlarmRaised
from bot.model.transactional_actions import TrustClock
from bot.staffing.assignment import EXPLAINED
from policies.pack import Pack

ALARMS: Final = {
    Alarm.STOPPED: "said STOP. Nothing leaves until they text START.",
    Alarm.TEXT_AFTER_STOP: "texted after a STOP. It was not answered. Please look.",
    Alarm.CAME_LATE: "what they texted around a STOP came late and out of its order. Nothing left for it. Please look.",
    Alarm.RESUMED: "said START: texts may be answered again.",
    Alarm.UNKNOWN_SEND: "a text may or may not have reached the phone. It is not sent again by itself.",
    Alarm.OPTED_OUT: "the carrier says this phone opted out.",
    Alarm.ESCALATED: "its voice asks for a supervisor.",
    Alarm.DURESS: "DURESS. The duress word came. Nothing leaves but !cover 1, 2 and 3. Supervisors: !listen, then decide.",
    Alarm.UNVERIFIED: "unverified, possible duress. Nothing leaves but !cover 1, 2 and 3, until a supervisor's !unlock.",
    Alarm.URGENT: "it is urgent: its voice asks them to call. Whoever answers calls should know.",
    Alarm.UNSAFE: "the phone may be in other hands. Nothing leaves for it until somebody there says !safe.",
    Alarm.SAFE: "texting is safe again, its people say.",
    Alarm.STOPPED_LIVE: "said STOP in the middle of a conversation. It is honoured. Is it still them? Please look.",
    Alarm.STOPPED_BY_STAFF: "asked us to stop in their own words. Nothing leaves until they text START.",
    Alarm.START_ASKS: "said START. A person decides: !resume in the thread.",
    Alarm.LEFT_QUIETLY: "left with a silent word. Nothing was sent; write nothing more.",
    Alarm.LEFT_UNSEEN: "what they wrote before the silent word was not seen yet. Its voice, or a supervisor: please look.",
    Alarm.LEFT_ALARMED: "cannot go on now. Nothing was sent; write nothing until they text again.",
    Alarm.CALL: "asks for a call. Nothing was sent.",
    Alarm.HELP: "said a word for help. A person has to answer.",
    Alarm.BLOCKED: "is blocked by a supervisor: nothing leaves, and what it sends is dropped.",
    Alarm.UNBLOCKED: "is not blocked any more.",
}
CALLS: Final = (
    Alarm.ESCALATED,
    Alarm.STOPPED_LIVE,
    Alarm.TEXT_AFTER_STOP,
    Alarm.START_ASKS,
    Alarm.LEFT_UNSEEN,
    Alarm.LEFT_ALARMED,
    Alarm.CALL,
    Alarm.HELP,
    Alarm.DURESS,
    Alarm.UNVERIFIED,
)
"""What supervisors are called for by name."""


SHORT_ID: Final = re.compile(r"[0-9a-f]{8}")
STRAYS: Final = {
    Stray.CHANNEL: "Somebody wrote over another channel than text messages, such as WhatsApp.",
    Stray.GROUP: "Somebody wrote to this line in a group message.",
}
LOOK: Final = "Please look in the carrier's portal for texts that are not here, and tell the technician"
GAPS: Final = {
    Gap.UNREADABLE: f"The carrier brought something that could not be read: a text may be missing. {LOOK}.",
    Gap.REFUSED: (
        "Requests to the carrier's address were refused, because they are not signed by the carrier. If texts are missing, "
        f"its key or its address is set wrong. {LOOK} (quietline carrier check). If none are, it was a stranger, and there "
        "is nothing to do."
    ),
    Gap.LARGE: (
        "Requests to the carrier's address were refused, because they are larger than any text. If texts are missing, they "
        f"may have come with pictures. {LOOK}. If none are, it was a stranger, and there is nothing to do."
    ),
    Gap.REPORTS: (
        "Reports of what became of our texts were refused or could not be read. If texts stay without ✓✓ that arrived, the "
        "carrier's key or the address for its reports is set wrong: please look in the carrier's portal, and tell the "
        "technician (quietline carrier check). If none do, it was a stranger, and there is nothing to do."
    ),
    Gap.UNLISTED: (
        f"The carrier does not say which texts came while the line was away. It is asked again by itself. {LOOK} "
        "(quietline carrier check)."
    ),
    Gap.AWAY: f"Its carrier cannot be asked what came meanwhile, and may have given up on some. {LOOK}, if any are.",
}


def strangers(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Take nothing from somebody who is not on the roster."""
    return Step(desk, consumed=desk.seat(event.sender) is None)


def not_heard(pack: Pack, facts: Facts, desk: Desk, event: NotHeard) -> Step[Desk]:
    """Tell somebody why their message was not taken."""
    if desk.seat(event.sender) is None:
        return Step(desk)
    return Step(desk, (Post(place=event.place, body=EXPLAINED[event.why], reply_to=event.event_id),))


def alarm(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Pass on what a thread has to say to everybody."""
    body = f"⚠️ {event.designation}: {ALARMS[event.alarm]}"
    escalated = event.alarm is Alarm.ESCALATED
    loud = Post(place=DESK, body=body, notice=False, mentions=facts.supervisors if event.alarm in CALLS else ())
    # Nobody who could come is here: whoever is on call hears that they are needed, and nothing else.
    # For duress they are called in any case: at the desk nobody may be looking.
    paged = event.alarm is Alarm.DURESS or (escalated and not facts.supervisors)
    return Step(desk, (loud, Page(reason="escalated")) if paged else (loud,))


def letter_died(pack: Pack, facts: Facts, desk: Desk, event: LetterDied) -> Step[Desk]:
    """Say that something could not be handled, with the id that whoever looks after the machine will ask for."""
    if event.designation or event.new:
        whose = f"{event.designation}: words of the texter" if event.designation else "Words of somebody new"
        body = (
            f"⚠️ {whose} could not be shown, nobody has read them: {event.short_id}. A supervisor can try once more with "
            f"!retry {event.short_id}. Please tell the technician."
        )
        return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=facts.supervisors),))
    body = f"⚠️ Something could not be handled and is kept for the technician: {event.short_id}. The line goes on."
    return Step(desk, (Post(place=DESK, body=body, notice=False),))


def nobody_called(pack: Pack, facts: Facts, desk: Desk, event: NobodyCalled) -> Step[Desk]:
    """Say that whoever is on call does not hear of it: whoever reads this has a telephone."""
    tried = "is not tried any more" if event.given_up else "is tried for a quarter of an hour"
    body = f"⚠️ Whoever is on call could not be reached. It {tried}. Please phone them, and tell the technician."
    on_duty = tuple(seat.user for seat in desk.roster if seat.duty)
    return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=on_duty),))


def not_invited(pack: Pack, facts: Facts, desk: Desk, event: NotInvited) -> Step[Desk]:
    """Say that the homeserver would not invite somebody; a person finds out why."""
    where = "the desk" if event.place == DESK else "their office, where numbers and codewords are asked for"
    body = (
        f"⚠️ {short(event.user)} could not be invited to {where}. Is the account there, and does it take invitations? The "
        "line goes on without."
    )
    return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=facts.supervisors),))


def unheard(pack: Pack, facts: Facts, desk: Desk, event: Unheard) -> Step[Desk]:
    """Say that nobody was heard for a while, and call whoever is on call: this word may not get through either."""
    body = (
        f"⚠️ For {event.minutes} minutes or more the line has not heard what is said in its rooms: nothing that you write "
        "reaches a phone until it does. Please tell the technician."
    )
    return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=facts.supervisors), Page(reason="unheard")))


def clock_jumped(pack: Pack, facts: Facts, desk: Desk, event: ClockJumped) -> Step[Desk]:
    """Say that the machine's clock was set: from now on nothing goes because its time has come, until a person says so."""
    way = "forward" if event.seconds > 0 else "back"
    body = (
        f"⚠️ The machine's clock was set {way} by about {abs(event.seconds)} seconds. "
        "Please tell the technician. Opening hours go by its new time at once; answers leave as before. Nothing is erased "
        "by its age until a supervisor says !time ok here."
    )
    return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=facts.supervisors),))


def restored(pack: Pack, facts: Facts, desk: Desk, event: LineRestored) -> Step[Desk]:
    """Say that the line began anew from a backup, and what that means for whoever was texting."""
    texts = "1 text was" if event.unfinished == 1 else f"{event.unfinished} texts were"
    unknown = f" {texts} on the way to phones then: whether they arrived is unknown, and they are not sent again."
    body = (
        f"⚠️ This line was restored from a backup made about {event.hours} h ago. No conversation came back: whoever texts "
        f"begins anew.{unknown if event.unfinished else ''} Texts that came in between are not here."
    )
    return Step(desk, (Post(place=DESK, body=body, notice=False),))


def retry(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!retry id`: a supervisor lets words be shown after all."""
    if event.place != DESK or (words := says(event, "retry")) is None:
        return Step(desk)
    if not SHORT_ID.fullmatch(words.casefold()):
        return Step(desk, answer(facts, event, "Say !retry and the id that the alert gave."), consumed=True)
    again = Retry(place=DESK, reply_to=event.event_id, short_id=words.casefold())
    return Step(desk, (noted(event), again), consumed=True)


def time_ok(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!time ok`: a supervisor looked at the clock and found it right."""
    if event.place != DESK or (words := says(event, "time")) is None:
        return Step(desk)
    if words.casefold() != "ok":
        return Step(desk, answer(facts, event, "Look at the machine's clock; if it is right, say !time ok."), consumed=True)
    told = answer(facts, event, "The clock is taken as right: what has come to the end of its time goes again.")
    return Step(desk, (TrustClock(), *told), consumed=True)


def not_gone(pack: Pack, facts: Facts, desk: Desk, event: NotGone) -> Step[Desk]:
    """Say that something is still there which should be gone. Nothing is called erased that is not."""
    since = f" for {event.hours} h" if event.hours else ""
    body = f"⚠️ Not erased yet{since}: {event.what}. It is tried again by itself. Please tell the technician."
    return Step(desk, (Post(place=DESK, body=body, notice=False, mentions=facts.supervisors),))


def stray(pack: Pack, facts: Facts, desk: Desk, event: StrayCame) -> Step[Desk]:
    """Say that something came which cannot be shown or answered here."""
    told = f"⚠️ {STRAYS[event.kind]} It was not kept and cannot be answered here. This is said once an hour at most."
    return Step(desk, (Post(place=DESK, body=told, notice=False),))


def missing(pack: Pack, facts: Facts, desk: Desk, event: TextsMissing) -> Step[Desk]:
    """Say that texts may be missing, why, and where they can be found."""
    since = f"This line was away for about {length(event.minutes)}. " if event.kind is Gap.AWAY else ""
    told = f"⚠️ {since}{GAPS[event.kind]} This is said once an hour at most."
    return Step(desk, (Post(place=DESK, body=told, notice=False),))
