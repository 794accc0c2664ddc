"""Incidents of the line at the desk: what the bridge reports, and the commands that answer two of them.

Rules of this module: a notice of an incident is a new message, says what people can do, and holds a designation at most.
Where the desk itself may not be reached, or nobody else would notice, the person on call is called as well.
"""

from __future__ import annotations

import re
from typing import Final

from bot.commands.parser import ParsedCommand, answer
from bot.display.ringing import alarm_recipients, on_duty
from bot.display.thread_card import localpart
from bot.model.actions import DESK, PageOnCall, RestorePowerLevels, RetryDeadLetter, SendMessage
from bot.model.desk import Desk, Facts
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.model.line_incidents import (
    ALARM_TEST,
    DEAD_LETTER,
    AlarmTestRequested,
    CanaryFailed,
    CanaryRecovered,
    CanaryStep,
    ClockJumped,
    DeadLetterRecorded,
    ErasureFailed,
    GapKind,
    HomeserverIncident,
    HomeserverIncidentKind,
    InviteFailed,
    KeysMissing,
    LineChecked,
    LineRestored,
    PageFailed,
    StrayKind,
    StrayTextArrived,
    SyncStalled,
    TextsMissing,
)
from bot.model.transactional_actions import TrustClock
from bot.staffing.alarms import ANYWAY, LATER, page
from bot.staffing.roster import SUPERVISOR_LEVEL
from bot.wording.catalogue import ENGLISH
from bot.wording.durations import describe_minutes
from bot.wording.notice import join_notices, notice_for_all, notice_of
from policies.pack import Pack

SHORT_ID: Final = re.compile(r"[0-9a-f]{8}")
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
    GapKind.PROMOTED: notice_of("alerts.the_database_was_promoted", check_portal=CHECK_PORTAL),
}
LASTING_MINUTES: Final = 60
"""Minutes after which a carrier that cannot be asked for texts is a call also while people are on duty."""
HOMESERVER_INCIDENTS: Final = {
    HomeserverIncidentKind.GAP: "alerts.while_the_line_did_not",
    HomeserverIncidentKind.DEVICE_GONE: "alerts.somebody_deleted_a_device_of",
    HomeserverIncidentKind.ROOMS_LOST: "alerts.the_homeserver_does_not_have",
    HomeserverIncidentKind.MODULE: "alerts.the_module_cannot_vouch",
    HomeserverIncidentKind.SUSPENDED: "alerts.the_homeserver_holds_us",
    HomeserverIncidentKind.NOT_REMOVED: "alerts.a_person_could_not_be_removed",
    HomeserverIncidentKind.OLD_ROOMS: "alerts.rooms_from_before_the_restore",
    HomeserverIncidentKind.ROOM_CHANGED: "alerts.a_room_was_changed",
}
"""The notice for each kind; `where`: the place that it is about."""
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
"""Where the test text stopped. The same cause may stop people's texts."""
CALL_SOMEBODY: Final = (
    HomeserverIncidentKind.DEVICE_GONE,
    HomeserverIncidentKind.SUSPENDED,
    HomeserverIncidentKind.NOT_REMOVED,
)
"""Incidents for which the person on call is called as well: the notice at the desk may not get through."""


def report_dead_letter(pack: Pack, facts: Facts, desk: Desk, event: DeadLetterRecorded) -> Step[Desk]:
    """Say that something could not be handled, with the id that the technician will ask for.

    When that cannot be said at the desk, the person on call is called: another notice would fail like this one.
    """
    if event.untold:
        return Step(*page(facts, desk, "desk", timer=ANYWAY))
    ref = DEAD_LETTER + event.short_id
    if event.keyless:
        body = notice_of(
            "alerts.its_key_is_not_on",
            designation=event.designation or notice_of("alerts.a_conversation"),
            short_id=event.short_id,
        )
        return Step(desk, (SendMessage(place=DESK, ref=ref, body=body, mentions=alarm_recipients(facts)),))
    if event.uncalled:
        whose = event.designation or notice_of("alerts.a_conversation")
        body = notice_of("alerts.people_were_not_called", whose=whose, short_id=event.short_id)
        return _alarm_or_page(facts, desk, SendMessage(place=DESK, ref=ref, body=body, mentions=alarm_recipients(facts)))
    if event.designation or event.new_texter:
        whose = (
            notice_of("alerts.words_of_the_texter", designation=event.designation)
            if event.designation
            else notice_of("alerts.words_of_somebody_new")
        )
        body = notice_of("alerts.could_not_be_shown_nobody", whose=whose, short_id=event.short_id)
        # A damaged file makes many at once: they are one call.
        return _alarm_or_page(facts, desk, SendMessage(place=DESK, ref=ref, body=body, mentions=alarm_recipients(facts)))
    body = notice_of("alerts.something_could_not_be_handled", short_id=event.short_id)
    return Step(desk, (SendMessage(place=DESK, ref=ref, body=body),))


def report_failed_page(pack: Pack, facts: Facts, desk: Desk, event: PageFailed) -> Step[Desk]:
    """Say that the call to the person on call failed: a reader at the desk has a telephone."""
    tried = notice_of("alerts.is_not_tried_any_more") if event.given_up else notice_of("alerts.is_tried_for_a_quarter")
    body = notice_of("alerts.whoever_is_on_call_could", tried=tried)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=on_duty(desk.roster)),))


def post_alarm_test(pack: Pack, facts: Facts, desk: Desk, event: AlarmTestRequested) -> Step[Desk]:
    """Ring at the desk and call the person on call, both marked as a test."""
    body = notice_for_all(notice_of("alerts.alarm_test"))
    notice = SendMessage(place=DESK, ref=f"{ALARM_TEST}{event.test}", body=body, mentions=on_duty(desk.roster))
    return Step(desk, (notice, PageOnCall(reason="test", test=event.test)))


def report_failed_invite(pack: Pack, facts: Facts, desk: Desk, event: InviteFailed) -> Step[Desk]:
    """Say that the homeserver refused to invite a person; a person has to find out why."""
    where = notice_of("alerts.the_desk") if event.place == DESK else notice_of("alerts.their_office_where_numbers_and")
    body = notice_of("alerts.could_not_be_invited_to", user=localpart(event.user), where=where)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)),))


def report_stalled_sync(pack: Pack, facts: Facts, desk: Desk, event: SyncStalled) -> Step[Desk]:
    """Say that nobody was heard for a while, and call the person on call: this message may not get through either."""
    body = notice_of("alerts.for_minutes_or_more_the", minutes=event.minutes)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)), PageOnCall(reason="unheard")))


def report_homeserver_incident(pack: Pack, facts: Facts, desk: Desk, event: HomeserverIncident) -> Step[Desk]:
    """Say what happened at the homeserver, and what that means for those who write in its rooms."""
    where = event.designation or notice_of("alerts.the_desk_or_in_an")
    body = join_notices("", ("⚠️ ", notice_of(HOMESERVER_INCIDENTS[event.kind], where=where)))
    alert = SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts))
    if event.kind is HomeserverIncidentKind.ROOMS_LOST and desk.power_levels:
        # The older database has former supervisors as supervisors again, and lacks new ones.
        supervisors = tuple(user for user, level in desk.power_levels if level >= SUPERVISOR_LEVEL)
        return Step(desk, (alert, RestorePowerLevels(place=DESK, supervisors=supervisors, alone=True)))
    return Step(desk, (alert, PageOnCall(reason="homeserver")) if event.kind in CALL_SOMEBODY else (alert,))


def report_failed_canary(pack: Pack, facts: Facts, desk: Desk, event: CanaryFailed) -> Step[Desk]:
    """Say that the line's own test text did not come through, and call the person on call: nobody else would notice."""
    body = notice_of("alerts.canary_failed", step=notice_of(CANARY_STEPS[event.step]))
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)), PageOnCall(reason="canary")))


def report_recovered_canary(pack: Pack, facts: Facts, desk: Desk, event: CanaryRecovered) -> Step[Desk]:
    """Say that the line's own test text comes through again."""
    return Step(desk, (SendMessage(place=DESK, body=notice_of("alerts.canary_recovered")),))


def report_line_check(pack: Pack, facts: Facts, desk: Desk, event: LineChecked) -> Step[Desk]:
    """Say what a check of the whole line found, and call the person on call; say also when all is well again."""
    if not event.rows:
        return Step(desk, (SendMessage(place=DESK, body=notice_of("alerts.line_is_well")),))
    body = notice_of("alerts.line_is_not_well", rows=", ".join(event.rows))
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)), PageOnCall(reason="check")))


def report_clock_jump(pack: Pack, facts: Facts, desk: Desk, event: ClockJumped) -> Step[Desk]:
    """Say that the machine's clock was set: from now on nothing expires until a person confirms the clock.

    After a step forward by which waiting words are late, say that they are held (`bridge/engine/timers.py`).
    """
    way = notice_of("alerts.forward") if event.seconds > 0 else notice_of("alerts.back")
    body = notice_of("alerts.the_machines_clock_was_set", way=way, seconds=abs(event.seconds))
    if event.seconds > pack.settings.late_after_seconds:
        body = notice_of("alerts.the_machines_clock_went_on", seconds=event.seconds)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)),))


def report_restore(pack: Pack, facts: Facts, desk: Desk, event: LineRestored) -> Step[Desk]:
    """Say that the line was restored from a backup, and what that means for people who were texting."""
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


def report_missing_keys(pack: Pack, facts: Facts, desk: Desk, event: KeysMissing) -> Step[Desk]:
    """Say how many conversations can neither be read nor answered, and what to do; call the person on call."""
    conversations = (
        notice_of("alerts.one_conversation_has")
        if event.conversations == 1
        else notice_of("alerts.conversations_have", count=event.conversations)
    )
    body = notice_of("alerts.no_key_on_this_machine", conversations=conversations)
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)), PageOnCall(reason="keys")))


def retry(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!retry id`: a supervisor tries a dead letter once more."""
    short_id = command.arguments.casefold()
    if not SHORT_ID.fullmatch(short_id):
        return Step(desk, answer(facts, event, notice_of("alerts.say_retry_and_the_id")), consumed=True)
    again = RetryDeadLetter(place=DESK, reply_to=event.event_id, short_id=short_id)
    return Step(desk, (again,), consumed=True)


def trust_clock(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!time ok`: a supervisor checked the clock and found it right."""
    if command.arguments.casefold() != "ok":
        return Step(desk, answer(facts, event, notice_of("alerts.look_at_the_machines_clock")), consumed=True)
    return Step(desk, (TrustClock(), *answer(facts, event, notice_of("alerts.the_clock_is_taken_as"))), consumed=True)


def report_failed_erasure(pack: Pack, facts: Facts, desk: Desk, event: ErasureFailed) -> Step[Desk]:
    """Say that something still exists which should be erased. Nothing is called erased before it is."""
    since = notice_of("alerts.for_h", hours=event.hours) if event.hours else ""
    body = notice_of("alerts.not_erased_yet_it_is", since=since, what=_remainder(event.what))
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=alarm_recipients(facts)),))


def _remainder(code: str) -> str:
    """Say what is not erased; the words of an older version stay as they are."""
    words = [notice_of(f"remains.{name}") for name in code.split() if f"remains.{name}" in ENGLISH]
    match len(words), len(code.split()):
        case 1, 1:
            return words[0]
        case 2, 2:
            return notice_of("remains.because", what=words[0], why=words[1])
    return code


def report_stray_text(pack: Pack, facts: Facts, desk: Desk, event: StrayTextArrived) -> Step[Desk]:
    """Say that something came which cannot be shown or answered here, or a text to another number, which is shown."""
    notice = (
        notice_of("alerts.texts_to_another_number_come")
        if event.kind is StrayKind.OTHER_NUMBER
        else notice_of("alerts.it_was_not_kept_and", strays=STRAYS[event.kind])
    )
    return Step(desk, (SendMessage(place=DESK, body=notice, mentions=alarm_recipients(facts)),))


def report_missing_texts(pack: Pack, facts: Facts, desk: Desk, event: TextsMissing) -> Step[Desk]:
    """Say that texts may be missing, why, and where they can be found."""
    since = (
        notice_of("alerts.this_line_was_away_for", duration=describe_minutes(event.minutes))
        if event.kind is GapKind.AWAY and event.minutes
        else ""
    )
    notice = (
        join_notices("", ("⚠️ ", GAPS[event.kind]))
        if event.kind is GapKind.PROMOTED  # each one is said, however soon it follows another
        else notice_of("alerts.this_is_said_once_an", since=since, gaps=GAPS[event.kind])
    )
    alarm = SendMessage(place=DESK, body=notice, mentions=alarm_recipients(facts))
    if event.kind is GapKind.REPORTS:
        return Step(desk, (alarm,))
    return _alarm_or_page(facts, desk, alarm, lasts=event.kind is GapKind.UNLISTED and event.minutes >= LASTING_MINUTES)


def _alarm_or_page(facts: Facts, desk: Desk, alarm: SendMessage, *, lasts: bool = False) -> Step[Desk]:
    """Post an alarm; if it rings nobody, or if it lasts, call the person on call as well."""
    if on_duty(desk.roster) and not lasts:
        return Step(desk, (alarm,))
    desk, paged = page(facts, desk, "waiting", timer=ANYWAY if lasts else LATER)
    return Step(desk, (alarm, *paged))
