"""Alarms at the desk: messages from a thread to everybody there. Calls of the person on call for what rings nobody there.

Rules of this module: an alarm holds a designation at most, and is a new message. Only when the same alarm of the same
thread comes again within minutes is the earlier message edited; duress, and what a person asks for, are always new
messages.

Several incidents within a quarter of an hour are one call. A later one may have happened after the person on call looked,
so it is called for when the quarter is over, unless a person is on duty by then: they have read the desk. Where that does
not help (the desk could not be told), it is called for in any case.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.ringing import on_duty
from bot.model.actions import DESK, Action, EditMessage, PageOnCall, SendMessage
from bot.model.desk import Desk, Facts, ShownAlarm
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.flood import PAGE_INTERVAL
from bot.model.thread_desk_events import AlarmKind, AlarmRaised
from bot.model.transactional_actions import SetTimer
from bot.wording.notice import join_notices, notice_for_all, notice_of
from policies.pack import Pack

LATER: Final = "page-later"
"""Timer of the desk: call for what happened within a quarter of an hour after a call, unless a person is on duty."""
ANYWAY: Final = "page-anyway"
"""The same, also while people are on duty."""
ALARMS: Final = {
    AlarmKind.STOPPED: notice_of("alerts.said_stop_nothing_leaves_until"),
    AlarmKind.TEXT_AFTER_STOP: notice_of("alerts.texted_after_a_stop_it"),
    AlarmKind.CAME_LATE: notice_of("alerts.what_they_texted_around_a"),
    AlarmKind.RESUMED: notice_of("alerts.said_start_texts_may_be"),
    AlarmKind.UNKNOWN_SEND: notice_of("alerts.a_text_may_or_may"),
    AlarmKind.OPTED_OUT: notice_of("alerts.the_carrier_says_this_phone"),
    AlarmKind.ESCALATED: notice_of("alerts.its_advocate_asks_for_a"),
    AlarmKind.DURESS: (notice_of("alerts.duress_the_duress_word_came")),
    AlarmKind.UNVERIFIED: (notice_of("alerts.unverified_possible_duress_nothing_leaves")),
    AlarmKind.URGENT: notice_of("alerts.it_is_urgent_its_advocate"),
    AlarmKind.UNSAFE: notice_of("alerts.the_phone_may_be_in"),
    AlarmKind.SAFE: notice_of("alerts.texting_is_safe_again_its"),
    AlarmKind.STOPPED_LIVE: notice_of("alerts.said_stop_in_the_middle"),
    AlarmKind.STOPPED_BY_STAFF: notice_of("alerts.asked_us_to_stop_in"),
    AlarmKind.START_ASKS: notice_of("alerts.said_start_a_person_decides"),
    AlarmKind.LEFT_QUIETLY: notice_of("alerts.left_with_a_silent_word"),
    AlarmKind.LEFT_UNSEEN: (notice_of("alerts.what_they_wrote_before_the")),
    AlarmKind.LEFT_ALARMED: notice_of("alerts.cannot_go_on_now_nothing"),
    AlarmKind.GOODBYE: notice_of("alerts.said_goodbye_and_may_be"),
    AlarmKind.CALL: notice_of("alerts.asks_for_a_call_nothing"),
    AlarmKind.HELP: notice_of("alerts.said_a_word_for_help"),
    AlarmKind.INFO: notice_of("alerts.asks_what_this_is"),
    AlarmKind.BLOCKED: notice_of("alerts.is_blocked_by_a_supervisor"),
    AlarmKind.UNBLOCKED: notice_of("alerts.is_not_blocked_any_more"),
    AlarmKind.OTHER_HANDS: notice_of("alerts.somebody_else_may_have_the"),
    AlarmKind.BREAK_GLASS: (notice_of("alerts.break_glass_its_number_is")),
    AlarmKind.UNREAD: notice_of("alerts.its_advocate_has_not_read"),
    AlarmKind.STILL_UNREAD: notice_of("alerts.its_advocate_has_still_not"),
}
CALLS_SUPERVISORS: Final = (
    AlarmKind.ESCALATED,
    AlarmKind.STOPPED_LIVE,
    AlarmKind.TEXT_AFTER_STOP,
    AlarmKind.START_ASKS,
    AlarmKind.LEFT_UNSEEN,
    AlarmKind.LEFT_ALARMED,
    AlarmKind.GOODBYE,
    AlarmKind.CALL,
    AlarmKind.HELP,
    AlarmKind.DURESS,
    AlarmKind.OTHER_HANDS,
    AlarmKind.UNVERIFIED,
    AlarmKind.UNSAFE,
    AlarmKind.CAME_LATE,
    AlarmKind.BREAK_GLASS,
    AlarmKind.UNREAD,
    AlarmKind.STILL_UNREAD,
)
"""Alarms that mention supervisors on duty; if there is none, everybody on duty."""
CALLS_OUTSIDE: Final = (AlarmKind.DURESS, AlarmKind.BREAK_GLASS, AlarmKind.STILL_UNREAD)
"""Alarms for which the person on call is called in any case."""
ALWAYS_NEW: Final = (AlarmKind.DURESS, AlarmKind.ESCALATED, AlarmKind.BREAK_GLASS)
"""Alarms that ring each time that they come."""
SAME_ALARM: Final = 300.0
"""Seconds within which the same alarm of the same thread edits the message of the one before."""
CALLS_ALL: Final = (AlarmKind.URGENT,)
"""Alarms that mention everybody on duty. The other alarms are notices."""


def page(facts: Facts, desk: Desk, reason: str, *, timer: str = LATER) -> tuple[Desk, tuple[Action, ...]]:
    """Call the person on call; when that was done just now, set the timer."""
    if desk.flood.paged_lately(facts.now):
        return desk, (SetTimer(key=timer, due=desk.flood.paged_at + PAGE_INTERVAL),)
    return replace(desk, flood=replace(desk.flood, paged_at=facts.now)), (PageOnCall(reason=reason),)


def page_later(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Call for what happened since the last call."""
    if event.key not in (LATER, ANYWAY):
        return Step(desk)
    if event.key == LATER and on_duty(desk.roster):
        return Step(desk, consumed=True)
    return Step(*page(facts, desk, "waiting", timer=event.key), consumed=True)


def show_alarm(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Show a thread's alarm to everybody at the desk."""
    sign = "" if event.alarm is AlarmKind.INFO else "⚠️ "
    body: str = join_notices("", (sign, event.designation, ": ", ALARMS[event.alarm]))
    fresh = tuple(shown for shown in desk.alarms if 0 <= facts.now - shown.at < SAME_ALARM)
    old = next((shown for shown in fresh if (shown.designation, shown.alarm) == (event.designation, event.alarm)), None)
    if old is not None and event.alarm not in ALWAYS_NEW:
        again = replace(old, times=old.times + 1)
        desk = replace(desk, alarms=tuple(again if shown is old else shown for shown in fresh))
        body = _in_reader_languages(event.alarm, notice_of("alerts.times", body=body, times=again.times))
        return Step(desk, (EditMessage(place=DESK, ref=_ref(old), body=body),))
    new = ShownAlarm(designation=event.designation, alarm=event.alarm, at=facts.now)
    desk = replace(desk, alarms=(*(shown for shown in fresh if shown is not old), new))
    # A supervisor who asks for one means another, and whoever does not read is called in the room.
    supervisors = tuple(user for user in facts.supervisors if user != event.by)
    everybody = on_duty(facts.roster)
    others = tuple(user for user in everybody if user != event.by)
    called = (
        (supervisors or others or everybody)
        if event.alarm in CALLS_SUPERVISORS
        else everybody
        if event.alarm in CALLS_ALL
        else ()
    )
    alarm = SendMessage(place=DESK, ref=_ref(new), body=_in_reader_languages(event.alarm, body), mentions=called)
    # Nobody who could come is here: the person on call is told that they are needed, and nothing else.
    alone = event.alarm in (AlarmKind.ESCALATED, AlarmKind.UNVERIFIED) and not supervisors
    if alone or event.alarm in CALLS_OUTSIDE:
        return Step(desk, (alarm, PageOnCall(reason="escalated")))
    # The alarm rings nobody else, because nobody else is on duty. A texter causes most of these, so not each time.
    if event.alarm in CALLS_SUPERVISORS + CALLS_ALL and not others:
        desk, paged = page(facts, desk, "escalated")
        return Step(desk, (alarm, *paged))
    return Step(desk, (alarm,))


def _in_reader_languages(alarm: AlarmKind, body: str) -> str:
    """Return an alarm that calls people in the languages of everybody at the desk."""
    return notice_for_all(body) if alarm in CALLS_SUPERVISORS + CALLS_ALL else body


def _ref(shown: ShownAlarm) -> str:
    return f"alarm:{shown.designation}:{shown.alarm.value}:{shown.at:.0f}"
