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
    ALARM_TEST,
    AlarmTestRequested,
    CanaryFailed,
    CanaryRecovered,
    CanaryStep,
    ClockJumped,
    DeadLetterRecorded,
    ErasureFailed,
    FactsBehind,
    GapKind,
    HomeserverIncident,
    HomeserverIncidentKind,
    InviteFailed,
    KeysMissing,
    LineChecked,
    LineRestored,
    MarkedFacts,
    PageFailed,
    StrayKind,
    StrayTextArrived,
    SyncStalled,
    TextsMissing,
)
from bot.model.text_order import MAX_SKEW, describe_minutes
from bot.model.thread_desk_events import AlarmKind, AlarmRaised
from bot.model.transactional_actions import TrustClock
from bot.staffing.assignment import EXPLAINED
from bot.wording.notice import joined, loud, notice_of
from bot.wording.tables import ENGLISH
from policies.pack import Pack

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
    AlarmKind.CALL: notice_of("alerts.asks_for_a_call_nothing"),
    AlarmKind.HELP: notice_of("alerts.said_a_word_for_help"),
    AlarmKind.INFO: notice_of("alerts.asks_what_this_is"),
    AlarmKind.BLOCKED: notice_of("alerts.is_blocked_by_a_supervisor"),
    AlarmKind.UNBLOCKED: notice_of("alerts.is_not_blocked_any_more"),
    AlarmKind.OTHER_HANDS: notice_of("alerts.somebody_else_may_have_the"),
    AlarmKind.BREAK_GLASS: (notice_of("alerts.break_glass_its_number_is")),
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
    MarkedFacts.SUPPRESSION: notice_of("alerts.facts_suppression"),
    MarkedFacts.LOCKS: notice_of("alerts.facts_locks"),
    MarkedFacts.CONFIRMED: notice_of("alerts.facts_confirmed"),
    MarkedFacts.AGGREGATES: notice_of("alerts.facts_aggregates"),
}
BEHIND: Final = {
    MarkedFacts.SUPPRESSION: notice_of("alerts.behind_suppression"),
    MarkedFacts.LOCKS: notice_of("alerts.behind_locks"),
    MarkedFacts.CONFIRMED: notice_of("alerts.behind_confirmed"),
    MarkedFacts.AGGREGATES: notice_of("alerts.behind_aggregates"),
}
STRAYS: Final = {
    StrayKind.CHANNEL: notice_of("alerts.somebody_wrote_over_another_channel"),
    StrayKind.GROUP: notice_of("alerts.somebody_wrote_to_this_line"),
}
CHECK_PORTAL: Final = notice_of("alerts.please_look_in_the_carriers")
GAPS: Final = {
    GapKind.UNREADABLE: notice_of("alerts.the_carrier_brought_something_that", check_portal=CHECK_PORTAL),
    GapKind.REFUSED: (notice_of("alerts.requests_to_the_carriers_address", check_portal=CHECK_PORTAL)),
    GapKind.LARGE: (notice_of("alerts.requests_to_the_carriers_address_2", check_portal=CHECK_PORTAL)),
    GapKind.REPORTS: (notice_of("alerts.reports_of_what_became_of")),
    GapKind.UNLISTED: (notice_of("alerts.the_carrier_does_not_say", check_portal=CHECK_PORTAL)),
    GapKind.AWAY: (notice_of("alerts.its_carrier_cannot_be_asked", check_portal=CHECK_PORTAL)),
}


HOMESERVER_INCIDENTS: Final = {
    HomeserverIncidentKind.GAP: "alerts.while_the_line_did_not",
    HomeserverIncidentKind.DEVICE_GONE: "alerts.somebody_deleted_a_device_of",
    HomeserverIncidentKind.ROOMS_LOST: "alerts.the_homeserver_does_not_have",
}
"""What is said of each; `where`: the place that it is about."""
CANARY_STEPS: Final = {
    CanaryStep.ACCOUNT: "alerts.canary_account",
    CanaryStep.TEXT: "alerts.canary_text",
    CanaryStep.ROOM: "alerts.canary_room",
    CanaryStep.KEYS: "alerts.canary_keys",
    CanaryStep.ANSWER: "alerts.canary_answer",
    CanaryStep.SLOW: "alerts.canary_slow",
    CanaryStep.ERASURE: "alerts.canary_erasure",
    CanaryStep.SILENT: "alerts.canary_silent",
}
"""Where the test text stopped. What stops it may stop the texts of people."""
CALL_SOMEBODY: Final = (HomeserverIncidentKind.DEVICE_GONE,)
"""What the person on call hears of as well: what is said at the desk may not get through."""


def ignore_strangers(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Step[Desk]:
    """Take nothing from a person who is not on the roster."""
    return Step(desk, consumed=desk.member(event.sender) is None)


def explain_ignored(pack: Pack, facts: Facts, desk: Desk, event: MessageIgnored) -> Step[Desk]:
    """Tell a person why their message was not taken."""
    if desk.member(event.sender) is None:
        return Step(desk)
    return Step(desk, (SendMessage(place=event.place, body=EXPLAINED[event.reason], reply_to=event.event_id),))


def show_alarm(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Pass on what a thread has to say to everybody."""
    sign = "" if event.alarm is AlarmKind.INFO else "⚠️ "
    body: str = joined("", (sign, event.designation, ": ", ALARMS[event.alarm]))
    fresh = tuple(shown for shown in desk.alarms if 0 <= facts.now - shown.at < SAME_ALARM)
    old = next((shown for shown in fresh if (shown.designation, shown.alarm) == (event.designation, event.alarm)), None)
    if old is not None and event.alarm not in ALWAYS_NEW:
        again = replace(old, times=old.times + 1)
        desk = replace(desk, alarms=tuple(again if shown is old else shown for shown in fresh))
        body = _said(event.alarm, notice_of("alerts.times", body=body, times=again.times))
        return Step(desk, (EditMessage(place=DESK, ref=_ref(old), body=body),))
    new = ShownAlarm(designation=event.designation, alarm=event.alarm, at=facts.now)
    desk = replace(desk, alarms=(*(shown for shown in fresh if shown is not old), new))
    called = (
        who_decides(facts)
        if event.alarm in CALLS_SUPERVISORS
        else on_duty(facts.roster)
        if event.alarm in CALLS_ALL
        else ()
    )
    alarm = SendMessage(place=DESK, ref=_ref(new), body=_said(event.alarm, body), mentions=called)
    # Nobody who could come is here: the person on call hears that they are needed, and nothing else.
    # For duress, and a number shown without a supervisor, they are called in any case.
    alone = event.alarm in (AlarmKind.ESCALATED, AlarmKind.UNVERIFIED) and not facts.supervisors
    paged = event.alarm in (AlarmKind.DURESS, AlarmKind.BREAK_GLASS) or alone
    return Step(desk, (alarm, PageOnCall(reason="escalated")) if paged else (alarm,))


def _said(alarm: AlarmKind, body: str) -> str:
    """Let everybody at the desk read in their language what calls people."""
    return loud(body) if alarm in CALLS_SUPERVISORS + CALLS_ALL else body


def _ref(shown: ShownAlarm) -> str:
    return f"alarm:{shown.designation}:{shown.alarm.value}:{shown.at:.0f}"


def dead_letter_recorded(pack: Pack, facts: Facts, desk: Desk, event: DeadLetterRecorded) -> Step[Desk]:
    """Say that something could not be handled, with the id that the technician will ask for."""
    if event.keyless:
        body = notice_of(
            "alerts.its_key_is_not_on",
            designation=event.designation or notice_of("alerts.a_conversation"),
            short_id=event.short_id,
        )
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    if event.designation or event.new_texter:
        whose = (
            notice_of("alerts.words_of_the_texter", designation=event.designation)
            if event.designation
            else notice_of("alerts.words_of_somebody_new")
        )
        body = notice_of("alerts.could_not_be_shown_nobody", whose=whose, short_id=event.short_id)
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    body = notice_of("alerts.something_could_not_be_handled", short_id=event.short_id)
    return Step(desk, (SendMessage(place=DESK, body=body),))


def page_failed(pack: Pack, facts: Facts, desk: Desk, event: PageFailed) -> Step[Desk]:
    """Say that the person on call does not hear of it: a reader of this has a telephone."""
    tried = notice_of("alerts.is_not_tried_any_more") if event.given_up else notice_of("alerts.is_tried_for_a_quarter")
    body = notice_of("alerts.whoever_is_on_call_could", tried=tried)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=on_duty(desk.roster)),))


def alarm_test(pack: Pack, facts: Facts, desk: Desk, event: AlarmTestRequested) -> Step[Desk]:
    """Ring at the desk and call the person on call, both marked as a test."""
    body = loud(notice_of("alerts.alarm_test"))
    notice = SendMessage(place=DESK, ref=f"{ALARM_TEST}{event.test}", body=body, mentions=on_duty(desk.roster))
    return Step(desk, (notice, PageOnCall(reason="test", test=event.test)))


def invite_failed(pack: Pack, facts: Facts, desk: Desk, event: InviteFailed) -> Step[Desk]:
    """Say that the homeserver would not invite a person; a person finds out why."""
    where = notice_of("alerts.the_desk") if event.place == DESK else notice_of("alerts.their_office_where_numbers_and")
    body = notice_of("alerts.could_not_be_invited_to", user=localpart(event.user), where=where)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))


def sync_stalled(pack: Pack, facts: Facts, desk: Desk, event: SyncStalled) -> Step[Desk]:
    """Say that nobody was heard for a while, and call the person on call: this word may not get through either."""
    body = notice_of("alerts.for_minutes_or_more_the", minutes=event.minutes)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)), PageOnCall(reason="unheard")))


def homeserver_incident(pack: Pack, facts: Facts, desk: Desk, event: HomeserverIncident) -> Step[Desk]:
    """Say what happened at the homeserver, and what that means for those who write in its rooms."""
    where = event.designation or notice_of("alerts.the_desk_or_in_an")
    body = joined("", ("⚠️ ", notice_of(HOMESERVER_INCIDENTS[event.kind], where=where)))
    told = SendMessage(place=DESK, body=body, mentions=who_decides(facts))
    return Step(desk, (told, PageOnCall(reason="homeserver")) if event.kind in CALL_SOMEBODY else (told,))


def canary_failed(pack: Pack, facts: Facts, desk: Desk, event: CanaryFailed) -> Step[Desk]:
    """Say that the line's own test text did not come through, and call the person on call: nobody else would notice."""
    body = notice_of("alerts.canary_failed", step=notice_of(CANARY_STEPS[event.step]))
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)), PageOnCall(reason="canary")))


def canary_recovered(pack: Pack, facts: Facts, desk: Desk, event: CanaryRecovered) -> Step[Desk]:
    """Say that the line's own test text comes through again."""
    return Step(desk, (SendMessage(place=DESK, body=notice_of("alerts.canary_recovered")),))


def line_checked(pack: Pack, facts: Facts, desk: Desk, event: LineChecked) -> Step[Desk]:
    """Say what a look at the whole line found, and call the person on call; say as well that all is well again."""
    if not event.rows:
        return Step(desk, (SendMessage(place=DESK, body=notice_of("alerts.line_is_well")),))
    body = notice_of("alerts.line_is_not_well", rows=", ".join(event.rows))
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)), PageOnCall(reason="check")))


def clock_jumped(pack: Pack, facts: Facts, desk: Desk, event: ClockJumped) -> Step[Desk]:
    """Say that the machine's clock was set: from now on nothing goes because its time has come, until a person says so."""
    way = notice_of("alerts.forward") if event.seconds > 0 else notice_of("alerts.back")
    body = notice_of("alerts.the_machines_clock_was_set", way=way, seconds=abs(event.seconds))
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))


def line_restored(pack: Pack, facts: Facts, desk: Desk, event: LineRestored) -> Step[Desk]:
    """Say that the line began again from a backup, and what that means for people who were texting."""
    texts = (
        notice_of("alerts.text_was")
        if event.unfinished == 1
        else notice_of("alerts.texts_were", unfinished=event.unfinished)
    )
    unknown = notice_of("alerts.on_the_way_to_phones", texts=texts)
    body = notice_of(
        "alerts.this_line_was_restored_from", hours=event.hours, unfinished=unknown if event.unfinished else ""
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=on_duty(desk.roster)),))


def facts_behind(pack: Pack, facts: Facts, desk: Desk, event: FactsBehind) -> Step[Desk]:
    """Say which facts were put back to an earlier state, what is safe until a person has looked, and what to do."""
    if event.designation:
        body = notice_of("alerts.facts_of_a_phone", designation=event.designation)
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    if event.accepted:
        body = notice_of("alerts.facts_accepted", facts=MARKED_FACTS[event.kind])
        return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))
    body = notice_of(
        "alerts.facts_behind", facts=MARKED_FACTS[event.kind], until_then=BEHIND[event.kind], kind=event.kind.value
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)), PageOnCall(reason="facts")))


def keys_missing(pack: Pack, facts: Facts, desk: Desk, event: KeysMissing) -> Step[Desk]:
    """Say how many conversations can neither be read nor answered, and what to do; call the person on call."""
    conversations = (
        notice_of("alerts.one_conversation_has")
        if event.conversations == 1
        else notice_of("alerts.conversations_have", count=event.conversations)
    )
    body = notice_of("alerts.no_key_on_this_machine", conversations=conversations)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)), PageOnCall(reason="keys")))


def retry(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!retry id`: a supervisor lets words be shown after all."""
    short_id = command.arguments.casefold()
    if not SHORT_ID.fullmatch(short_id):
        return Step(desk, answer(facts, event, notice_of("alerts.say_retry_and_the_id")), consumed=True)
    again = RetryDeadLetter(place=DESK, reply_to=event.event_id, short_id=short_id)
    return Step(desk, (mark_as_note(event), again), consumed=True)


def trust_clock(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!time ok`: a supervisor looked at the clock and found it right."""
    if command.arguments.casefold() != "ok":
        return Step(desk, answer(facts, event, notice_of("alerts.look_at_the_machines_clock")), consumed=True)
    again = abs(facts.clock_ahead) >= MAX_SKEW
    notice = answer(facts, event, notice_of("alerts.the_clock_counts_after" if again else "alerts.the_clock_is_taken_as"))
    return Step(desk, (TrustClock(), *notice), consumed=True)


def erasure_failed(pack: Pack, facts: Facts, desk: Desk, event: ErasureFailed) -> Step[Desk]:
    """Say that something is still there which should be gone. Nothing is called erased that is not."""
    since = notice_of("alerts.for_h", hours=event.hours) if event.hours else ""
    body = notice_of("alerts.not_erased_yet_it_is", since=since, what=_remains(event.what))
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=who_decides(facts)),))


def _remains(code: str) -> str:
    """Say what is not erased; what an older version put into words stays as it is."""
    words = [notice_of(f"remains.{name}") for name in code.split() if f"remains.{name}" in ENGLISH]
    match len(words), len(code.split()):
        case 1, 1:
            return words[0]
        case 2, 2:
            return notice_of("remains.because", what=words[0], why=words[1])
    return code


def stray_text(pack: Pack, facts: Facts, desk: Desk, event: StrayTextArrived) -> Step[Desk]:
    """Say that something came which cannot be shown or answered here."""
    notice = notice_of("alerts.it_was_not_kept_and", strays=STRAYS[event.kind])
    return Step(desk, (SendMessage(place=DESK, body=notice, mentions=who_decides(facts)),))


def texts_missing(pack: Pack, facts: Facts, desk: Desk, event: TextsMissing) -> Step[Desk]:
    """Say that texts may be missing, why, and where they can be found."""
    since = (
        notice_of("alerts.this_line_was_away_for", duration=describe_minutes(event.minutes))
        if event.kind is GapKind.AWAY
        else ""
    )
    notice = notice_of("alerts.this_is_said_once_an", since=since, gaps=GAPS[event.kind])
    return Step(desk, (SendMessage(place=DESK, body=notice, mentions=who_decides(facts)),))
