"""The decision: a table from aggregate and event to the features that look at it, in order.

Rules of this module: `decide` is total (an event without features changes nothing) and deterministic. When a feature
consumes an event, later features do not see it. A message is parsed as a command once, and the one function that
`command_functions` names does it. Every text of the result has passed `guard.may_send`, for any author.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from bot import canary
from bot.codeword import check, codeword_commands, enrolment
from bot.command_functions import DESK_COMMANDS, OFFICE_COMMANDS, THREAD_COMMANDS
from bot.commands import canned_texts, dispatch
from bot.commands.parser import ParsedCommand, parse, remove_answer
from bot.display import absent_supervisor, desk_board, queue_cards, reading_language, ringing, thread_card
from bot.display.readers import put_into_words
from bot.drills import running, thread_report
from bot.language.codeword_forms import reading_cache
from bot.lifecycle import audit_trail, legal_hold, number_reveal, recap, retention, tally
from bot.model.actions import Action
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import (
    Event,
    IdentityChanged,
    IdentityConfirmed,
    MemberJoined,
    MemberLeft,
    MemberNamed,
    MemberReturned,
    MessageIgnored,
    MessageRead,
    MessageRedacted,
    MessageSent,
    PowerLevelsChanged,
    ReactionAdded,
    TextArrived,
    TextOutcome,
    TimerDue,
)
from bot.model.feature import Feature, Step
from bot.model.line_incidents import (
    AlarmTestRequested,
    CalendarRead,
    CalendarUnread,
    CanaryFailed,
    CanaryRecovered,
    ClockJumped,
    DeadLetterRecorded,
    ErasureFailed,
    HomeserverIncident,
    InviteFailed,
    KeysMissing,
    LineChecked,
    LineRestored,
    PageFailed,
    RoomLost,
    StaffAdded,
    StaffRemoved,
    StrayTextArrived,
    SyncStalled,
    TextsMissing,
)
from bot.model.thread_desk_events import (
    AlarmRaised,
    Assigned,
    AssigneePresent,
    AssigneeSpoke,
    AssignmentRefused,
    AuthorSignedOut,
    ClaimRequested,
    DrillEnded,
    DrillReported,
    DuressFlagChanged,
    EnrolmentFinished,
    EnrolmentRequested,
    LegalHoldChanged,
    ListenRequested,
    MemberRemoved,
    OffDutyRequested,
    OfferChanged,
    OtherHandsChanged,
    OutreachStarted,
    PhoneMuted,
    PhoneStopped,
    QuietChosen,
    ReadingLanguageChosen,
    RevealConfirmed,
    RevealRequested,
    SituationMet,
    TextDropped,
    ThreadActivity,
    ThreadCreated,
    ThreadMarked,
    ThreadParked,
    ThreadQueued,
    UnreadClosed,
)
from bot.safety import (
    blocking,
    break_off,
    consent_flags,
    danger_signs,
    language_choice,
    opt_out,
    silence_reminders,
    unsafe_phone,
)
from bot.sending import auto_replies, delivery_receipts, held_texts, reply_after_stop, undo_window, unsent_texts
from bot.staffing import (
    alarms,
    assignment,
    auto_assign,
    claim_queue,
    close_rest,
    cold_outreach,
    duty,
    first_times,
    flood,
    incidents,
    queue_calls,
    roster,
    shifts,
    thread_marks,
    transfer,
    unread_texts,
    waiting_time,
    wellbeing,
)
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)

MESSAGES: Final[dict[type, tuple[dispatch.MessageFeature, ...]]] = {
    Thread: (
        # First, for any sender: a message that holds a codeword is redacted, and nothing below reads it.
        check.redact_codeword,
        # Before anything counts, answers or does what is said: nothing is taken from a person who is not on the roster.
        assignment.ignore_strangers,
        # Whatever the assignee says, a command too, shows that they saw what was there: before anything that ends the walk.
        retention.note_assignee_message,
        # Words for the phone count however they are said: before the edits and the commands, which end the walk.
        silence_reminders.note_message,
        # Whatever the assignee says, a command too, shows that they are there: before a command gives the thread away.
        auto_assign.note_presence_in_thread,
        # A command that only stops is accepted in any form: before the edits, and before the dispatch, which refuses some.
        unsafe_phone.stop_in_any_form,
        # Words for "not that!" hold what waits: before the edits, which may say them and end the walk, and before the
        # dispatch, which says that they are no command.
        unsent_texts.hold_on_stop_word,
        # A waiting `!reply` is changed by an edit that begins with a command: before the dispatch, which refuses edits, and
        # before the assignee's edits, which end the walk for every other edit.
        reply_after_stop.edit,
        # Waiting words likewise, because an edit of `!say` and the like is a command too: before the dispatch.
        undo_window.edit,
        # A command is done or refused here, and is not relayed.
        dispatch.in_thread(THREAD_COMMANDS),
        # Last: what is left is words for the phone, or a note.
        undo_window.take_message,
    ),
    Desk: (
        # Before anything keeps or answers it: words behind a command about codewords may be a codeword, and are redacted.
        enrolment.redact_codeword,
        # Before anything counts, answers or does what is said: nothing is taken from a person who is not on the roster.
        roster.ignore_strangers,
        # An answer to the question for a codeword is redacted whatever it is: before anything else reads it.
        enrolment.take_word,
        # Whatever a person says, a command too, shows that they are there: before a command gives something to them.
        auto_assign.note_presence_at_desk,
        # An answer to the questions before a first text may be a number, and is no command: before the dispatch, which
        # would answer a mistyped one and leave it in the room.
        cold_outreach.answer_outreach,
        # Last: what is no command is talk between colleagues.
        dispatch.at_desk(DESK_COMMANDS, OFFICE_COMMANDS),
    ),
}
"""Features for messages, in this order; a message is parsed once, for all of them. Each row says why it is at its place."""
TABLE: Final[dict[tuple[type, type], tuple[Feature, ...]]] = {
    (Thread, TextArrived): (
        blocking.drop_text,
        # Before the line's first language is taken for the texter's.
        language_choice.choose_language,
        retention.begin,
        # Before any text of the line: a flood is told by the first text alone, which may be a keyword.
        auto_replies.note_flood,
        thread_report.note_drill,
        wellbeing.report_activity,
        # Before a new thread is queued: its first card has the mark.
        danger_signs.mark_danger,
        assignment.show_text,
        unread_texts.start_timer,
        language_choice.tell_language,
        silence_reminders.note_inbound,
        break_off.note_text,
        check.check_text,
        opt_out.apply_keyword,
        auto_replies.greet,
    ),
    (Thread, TextOutcome): (
        wellbeing.report_activity,
        opt_out.note_carrier_block,
        consent_flags.note_sent,
        silence_reminders.note_sent,
        unsafe_phone.start_over_after_different,
        reply_after_stop.note_outcome,
        delivery_receipts.show_outcome,
        check.note_challenge_outcome,
        retention.restart_idle_timer,
    ),
    (Thread, ReactionAdded): (
        auto_assign.note_presence_in_thread,
        unsafe_phone.stop_by_reaction,
        tally.count_reaction,
        transfer.answer_by_reaction,
    ),
    (Thread, MessageRedacted): (
        recap.remove_recap,
        transfer.withdraw_redacted,
        reply_after_stop.retract,
        undo_window.retract,
    ),
    (Thread, MessageIgnored): (unsafe_phone.stop_from_any_device, assignment.explain_ignored),
    (Thread, MemberJoined): (assignment.add_member, auto_assign.note_presence_in_thread),
    (Thread, MemberLeft): (assignment.note_departure,),
    (Thread, MemberReturned): (assignment.remove_returned,),
    (Thread, TimerDue): (
        legal_hold.postpone_removal,
        remove_answer,
        auto_assign.withdraw_assignment,
        transfer.end_offer,
        unread_texts.call_reader,
        blocking.end_block,
        silence_reminders.remind,
        check.end_challenge,
        unsent_texts.hold_for_other_number,
        reply_after_stop.send,
        unsafe_phone.start_over_under_lock,
        undo_window.send_due,
        held_texts.expire,
        retention.end_due,
    ),
    (Thread, MessageRead): (retention.note_read, unread_texts.start_timer),
    (Thread, RevealConfirmed): (number_reveal.confirm_from_desk,),
    (Thread, Assigned): (tally.count_wait, assignment.assign, auto_assign.start_answer_timer, unread_texts.start_timer),
    (Thread, MemberRemoved): (assignment.remove_member,),
    (Thread, AuthorSignedOut): (unsent_texts.stop_words_of_author,),
    (Thread, ListenRequested): (transfer.invite_listener,),
    (Thread, PhoneMuted): (blocking.mute_from_earlier_room,),
    (Thread, PhoneStopped): (unsafe_phone.stop_from_desk,),
    (Thread, AssignmentRefused): (transfer.explain_refusal,),
    (Thread, AssigneePresent): (auto_assign.note_presence_in_thread,),
    (Thread, ThreadCreated): (cold_outreach.begin_thread,),
    (Thread, EnrolmentFinished): (codeword_commands.keep_digests,),
    (Thread, UnreadClosed): (retention.close_unread,),
    (Thread, DrillEnded): (thread_report.close_thread,),
    (Desk, ReactionAdded): (auto_assign.note_presence_at_desk, claim_queue.claim_by_reaction, first_times.next_step),
    (Desk, MessageRedacted): (desk_board.restore_board, queue_cards.restore_card),
    (Desk, MessageIgnored): (enrolment.redact_ignored, cold_outreach.redact_ignored, roster.explain_ignored),
    (Desk, MemberJoined): (roster.add_member,),
    (Desk, MemberLeft): (roster.remove_member, enrolment.forget_member),
    (Desk, MemberReturned): (roster.remove_returned,),
    (Desk, MemberNamed): (roster.name_member,),
    (Desk, RoomLost): (roster.report_lost_room,),
    (Desk, StaffAdded): (roster.invite_staff,),
    (Desk, StaffRemoved): (roster.remove_staff,),
    (Desk, DuressFlagChanged): (flood.note_news, wellbeing.note_duress),
    (Desk, OtherHandsChanged): (flood.note_news, claim_queue.note_other_hands),
    (Desk, ThreadActivity): (flood.note_news, waiting_time.end, wellbeing.note_activity),
    (Desk, ThreadMarked): (flood.note_news, thread_marks.note_marks),
    (Desk, AssigneePresent): (auto_assign.note_presence,),
    (Desk, OutreachStarted): (cold_outreach.show_outreach,),
    (Desk, PowerLevelsChanged): (roster.update_power_levels,),
    (Desk, IdentityChanged): (duty.report_identity,),
    (Desk, IdentityConfirmed): (duty.note_confirmed_identity,),
    (Desk, TimerDue): (
        remove_answer,
        running.timer_due,
        enrolment.end_enrolment,
        cold_outreach.end_outreach,
        flood.review_flood,
        close_rest.close_due,
        queue_calls.call_again,
        alarms.page_later,
    ),
    (Desk, TextDropped): (blocking.count_dropped,),
    (Desk, ClaimRequested): (claim_queue.decide_claim,),
    (Desk, EnrolmentRequested): (enrolment.ask_codeword,),
    (Desk, OfferChanged): (claim_queue.show_offer,),
    (Desk, OffDutyRequested): (duty.go_off_duty,),
    (Desk, ReadingLanguageChosen): (reading_language.keep_choice,),
    (Desk, AssigneeSpoke): (duty.note_last_thread,),
    (Desk, PhoneStopped): (unsafe_phone.stop_named_at_desk,),
    (Desk, ThreadQueued): (flood.queue_in_crowd, claim_queue.queue_thread, waiting_time.begin),
    (Desk, AlarmRaised): (flood.note_alarm, thread_marks.note_alarm, alarms.show_alarm, wellbeing.note_escalation),
    (Desk, DeadLetterRecorded): (incidents.report_dead_letter,),
    (Desk, PageFailed): (incidents.report_failed_page,),
    (Desk, CanaryFailed): (incidents.report_failed_canary,),
    (Desk, CanaryRecovered): (incidents.report_recovered_canary,),
    (Desk, AlarmTestRequested): (incidents.post_alarm_test,),
    (Desk, LineChecked): (incidents.report_line_check,),
    (Desk, ClockJumped): (incidents.report_clock_jump,),
    (Desk, InviteFailed): (incidents.report_failed_invite,),
    (Desk, SyncStalled): (incidents.report_stalled_sync,),
    (Desk, HomeserverIncident): (incidents.report_homeserver_incident,),
    (Desk, StrayTextArrived): (incidents.report_stray_text,),
    (Desk, TextsMissing): (incidents.report_missing_texts,),
    (Desk, ErasureFailed): (incidents.report_failed_erasure,),
    (Desk, ThreadParked): (flood.note_news, claim_queue.forget_thread),
    (Desk, LineRestored): (incidents.report_restore,),
    (Desk, CalendarRead): (shifts.report_calendar,),
    (Desk, CalendarUnread): (shifts.report_unusable_calendar,),
    (Desk, KeysMissing): (incidents.report_missing_keys,),
    (Desk, LegalHoldChanged): (legal_hold.show_hold,),
    (Desk, RevealRequested): (number_reveal.show_request,),
    (Desk, DrillReported): (running.note_report,),
    (Desk, SituationMet): (first_times.show_sentence,),
    (Desk, QuietChosen): (first_times.keep_quiet,),
}


def decide(pack: Pack, facts: Facts, aggregate: A, event: Event) -> Step[A]:
    """Decide an event: return the new aggregate and the actions, guarded."""
    with reading_cache():
        return _decide(pack, facts, aggregate, event)


def _decide(pack: Pack, facts: Facts, aggregate: A, event: Event) -> Step[A]:
    before = aggregate
    if canary.is_canary(aggregate):
        return Step(
            before, delivery_receipts.without_refused(pack, facts, aggregate, canary.actions(pack, facts, aggregate, event))
        )
    actions: tuple[Action, ...] = ()
    features = () if retention.is_too_late(aggregate, event) else _features(pack, type(aggregate), event)
    if features and isinstance(aggregate, Thread):
        aggregate, actions = legal_hold.follow_database(facts, aggregate)
    for feature in features:
        step: Step[Any] = feature(pack, facts, aggregate, event)
        aggregate = step.aggregate
        actions += step.actions
        if step.consumed:
            break
    if isinstance(aggregate, Desk):
        aggregate, assign_actions = auto_assign.assign_waiting(pack, facts, aggregate)
        aggregate, call_actions = queue_calls.call_people(pack, facts, before, aggregate)
        aggregate, debrief_actions = wellbeing.offer_debriefs(pack, facts, before, aggregate)
        aggregate, shift_actions = shifts.follow_calendar(pack, facts, aggregate, event)
        aggregate, shown = desk_board.update_board(pack, facts, aggregate)
        actions = ringing.ring(aggregate.roster, actions + assign_actions + call_actions + debrief_actions + shift_actions)
        actions = absent_supervisor.add_absence_notice(aggregate.roster, actions)
        shown = put_into_words(pack, facts, aggregate, event, actions + shown)
        return Step(aggregate, shown + audit_trail.audit_records(before, aggregate, actions))
    if isinstance(aggregate, Thread):
        # Before its alarms and marks: at the desk they are about a thread that waits.
        actions = assignment.queue_reopened(pack, facts, before, aggregate) + actions
        actions += thread_card.update_card(pack, before, aggregate)
        actions += thread_marks.report_marks(pack, before, aggregate)
        if aggregate.sending.held != before.sending.held:
            actions += held_texts.expiry_timer(pack, aggregate)
        actions = delivery_receipts.without_refused(pack, facts, aggregate, actions)
        actions = retention.actions_without_room(
            aggregate, tuple(a for a in actions if not legal_hold.is_held_back(aggregate, a))
        )
        actions = absent_supervisor.add_absence_notice(facts.roster, ringing.ring(facts.roster, actions))
        actions = put_into_words(pack, facts, aggregate, event, actions)
        actions += audit_trail.audit_records(before, aggregate, actions)
        actions += thread_report.report(pack, facts, before, aggregate, event, actions)
        actions += first_times.report(facts, before, aggregate, event, actions)
        if before.drill or aggregate.drill:
            actions = thread_report.without_records(actions)
    return Step(aggregate, actions)


def _features(pack: Pack, kind: type, event: Event) -> tuple[Feature, ...]:
    """Return the features that look at an event, in order. A message is parsed here, once."""
    if isinstance(event, MessageSent):
        command = canned_texts.resolve(pack, parse(event.body))
        return tuple(_with_command(feature, command) for feature in MESSAGES[kind])
    return TABLE.get((kind, type(event)), ())


def _with_command(feature: dispatch.MessageFeature, command: ParsedCommand | None) -> Feature:
    return lambda pack, facts, aggregate, event: feature(pack, facts, aggregate, event, command)
