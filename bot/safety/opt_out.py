"""Keywords: whole messages with a meaning, honoured exactly, shown, and answered only by the one STOP confirmation.

Rules of this module: a keyword is always shown in the room as well (`assignment.show_text`). After STOP nothing leaves
until START. Which of the two is later depends on when they were texted, not on when they reached us; in doubt it is the
STOP (`text_order`). A silent exit gets no answer. A word for help is answered only where a carrier forces a line. What a
person must know is an alarm at the desk, a new message each time (practices.md, "Rules beside the practices"; practice 12).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands.parser import ParsedCommand, answer_as_note, mark_as_note
from bot.language.codeword_forms import meaning
from bot.lifecycle.retention import LEFT_SILENTLY, park_soon
from bot.lifecycle.tally import count
from bot.model.actions import THREAD, Action, Origin, SendMessage, SendSms
from bot.model.desk import Facts, Thread
from bot.model.events import MessageSent, Outcome, TextArrived, TextOutcome
from bot.model.feature import Step, raise_alarm
from bot.model.text_order import CLOCK_TOLERANCE, TextOrder, compare, moment, newest
from bot.model.thread import Consent, Moment, ThreadState
from bot.model.thread_desk_events import AlarmKind
from bot.model.transactional_actions import Suppress, SuppressionReason
from bot.sending.auto_replies import answer_help
from bot.sending.reply_after_stop import drop_reply
from bot.sending.retraction import retract_sent
from bot.sending.unsent_texts import drop_all, drop_pending
from bot.wording.notice import notice_of
from policies.keywords import Meaning
from policies.pack import Pack, ResumeMode, TextName
from policies.signs import Sign

LIVE_SECONDS: Final = 1800.0
"""Seconds after our last text in which a STOP contradicts a live conversation."""

SILENT_WORDS: Final = {
    Meaning.EXIT_PARK: (AlarmKind.LEFT_QUIETLY, notice_of("opt_out.the_texter_left_with_a")),
    Meaning.EXIT_ALERT: (AlarmKind.LEFT_ALARMED, notice_of("opt_out.the_texter_cannot_go_on")),
    Meaning.CALL: (AlarmKind.CALL, notice_of("opt_out.the_texter_asks_for_a")),
    Meaning.HELP: (AlarmKind.HELP, notice_of("opt_out.the_texter_said_a_word")),
    Meaning.INFO: (AlarmKind.INFO, notice_of("opt_out.the_texter_asks_what_this")),
}
"""Words that are not answered by the machine (HELP only where a carrier forces it): what desk and room are told."""
STOPPED: Final = notice_of("opt_out.the_texter_said_stop_nothing")
UNSEEN: Final = notice_of("opt_out.what_they_wrote_before_that")
LEFT: Final = notice_of("opt_out.the_texter_left_with_a_2")
FAREWELL: Final = notice_of("opt_out.they_said_goodbye_and_may")
"""For a goodbye of a texter who may be thinking of dying: it may be for ever, and a person decides what follows."""
EXITS: Final = (Meaning.EXIT_PARK, Meaning.EXIT_ALERT)


def apply_keyword(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Stop at STOP, resume at START, stay silent at a silent word, and alarm the desk at any other text after a STOP."""
    means = meaning(event.body, pack).meaning
    if means is Meaning.STOP:
        if compare(moment(event), thread.consent.last_keyword) is TextOrder.BEFORE:
            # A person can take back what a person took for a STOP, unless the texter said STOP too, and no START since.
            slip = compare(moment(event), thread.consent.last_start) is not TextOrder.AFTER
            consent = replace(thread.consent, may_resume=thread.consent.may_resume and slip)
            return _report_late_keyword(replace(thread, consent=consent))
        return _stop(pack, facts, thread, event)
    if means is Meaning.START:
        return _start(pack, facts, thread, event)
    if thread.consent.stopped:
        return _report_text_after_stop(pack, facts, thread, event, means)
    if means in SILENT_WORDS:
        alarm, words = SILENT_WORDS[means]
        for_ever = means is Meaning.EXIT_PARK and any(name == Sign.SUICIDE for name, _ in thread.silence.signs)
        if for_ever:
            alarm, words = AlarmKind.GOODBYE, FAREWELL
        if means is Meaning.HELP and (why := guard.refusal_reason(pack, thread, ".", ())) is not None:
            words = notice_of("opt_out.a_word_for_help_came_and", why=why)
        dropped: tuple[Action, ...] = ()
        if means in (Meaning.HELP, Meaning.INFO):
            thread, dropped = answer_help(pack, facts, thread, event)
        if means in EXITS:
            dropped = _count_abandoned(facts, thread)
            # Nor does what waits for its turn at the carrier, be it a person's words or an answer to an earlier text.
            thread, waiting = drop_pending(retract_sent(_note_exit(thread, event), lambda _words: True), LEFT)
            dropped += waiting
        notice = SendMessage(place=THREAD, body=words, mentions=thread.assignment.mentions)
        closing: tuple[Action, ...] = ()
        parks = means is Meaning.EXIT_PARK and not for_ever
        if parks and thread.lifecycle.state is ThreadState.OPEN and not _is_older(thread, event):
            # Texts that nobody has seen yet stay: a person closes a thread that waits. So do texts that came since.
            if thread.lifecycle.unseen > 1:
                thread = replace(thread, lifecycle=replace(thread.lifecycle, close_when_seen=True))
                closing = (SendMessage(place=THREAD, body=UNSEEN), raise_alarm(thread, AlarmKind.LEFT_UNSEEN))
            else:
                thread, closing = park_soon(pack, facts, thread, LEFT_SILENTLY)
        return Step(thread, (*dropped, notice, raise_alarm(thread, alarm), *closing), consumed=True)
    if means is Meaning.WISH:
        words = notice_of("opt_out.they_may_be_asking_us")
        return Step(thread, (SendMessage(place=THREAD, body=words, mentions=thread.assignment.mentions),), consumed=True)
    return Step(thread)


def remember_stop(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> tuple[Thread, tuple[Action, ...]]:
    """Honour a STOP of a blocked phone: nothing shows it, and nothing confirms it."""
    consent, said = thread.consent, moment(event)
    if compare(said, consent.last_keyword) is TextOrder.BEFORE:
        return thread, ()
    asks = compare(said, consent.last_start) is not TextOrder.AFTER
    consent = replace(
        consent,
        stopped=True,
        may_resume=asks,
        last_keyword=newest(said, consent.last_keyword),
        text_after_stop="",
        reply_ref="",
    )
    return replace(thread, consent=consent), (_suppress(pack, facts),)


def stop_by_hand(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """Let a person honour a wish in free words as a STOP (`!stopped`)."""
    if thread.consent.stopped:
        thread, unsent = drop_reply(thread, notice_of("opt_out.the_texter_asked_us_to"))
        step = answer_as_note(facts, thread, event, notice_of("opt_out.it_is_stopped_already"))
        return replace(step, actions=(*unsent, *step.actions))
    thread, actions = stop_as_asked(pack, facts, thread)
    return Step(thread, (mark_as_note(event), *actions), consumed=True)


def stop_as_asked(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Stop a thread because a person says that the texter asked for it."""
    thread, dropped = _set_stopped(thread, "", notice_of("opt_out.the_texter_asked_us_to"), may_resume=True)
    # It holds for everything that was texted until now, and for nothing after it.
    settled = thread.lifecycle.newest_text or Moment(at=facts.now)
    thread = replace(thread, consent=replace(thread.consent, last_keyword=settled))
    notice = SendMessage(place=THREAD, body=notice_of("opt_out.stopped_as_they_asked_nothing"))
    return thread, (*dropped, notice, _suppress(pack, facts), raise_alarm(thread, AlarmKind.STOPPED_BY_STAFF))


def resume_by_hand(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """End a STOP when a person has to decide that (`!resume`), and has seen what came."""
    if not thread.consent.may_resume:
        why = (
            notice_of("opt_out.the_texter_said_stop_only")
            if thread.consent.stopped
            else notice_of("opt_out.nothing_is_stopped_here")
        )
        return answer_as_note(facts, thread, event, why)
    if thread.lifecycle.last_inbound > event.at or facts.texts_after:
        # It may be another STOP, so close to the START that a person decides: one who has read it.
        return answer_as_note(facts, thread, event, notice_of("opt_out.not_resumed_a_text_came"))
    # The START is what counts then, if there was one: a STOP that nobody has seen yet is not taken back with a slip.
    thread = replace(thread, consent=replace(thread.consent, last_keyword=thread.consent.last_start))
    step = _resume(pack, thread, notice_of("opt_out.resumed_texts_may_be_answered"))
    return Step(step.aggregate, (mark_as_note(event), *step.actions), consumed=True)


def note_carrier_block(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Note that the carrier itself refuses this phone because of an opt-out there, and when that ends.

    That the carrier accepts a text proves nothing: some refuse it only in their report. A delivered text proves it.
    """
    now = {Outcome.OPTED_OUT: True, Outcome.DELIVERED: False}.get(event.outcome, thread.consent.carrier_block)
    return Step(replace(thread, consent=replace(thread.consent, carrier_block=now)))


def _stop(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    consent, said = thread.consent, moment(event)
    again = consent.stopped
    live = thread.assignment.assignee is not None and facts.now - thread.lifecycle.last_outbound < LIVE_SECONDS
    unheard = () if again else _count_abandoned(facts, thread)
    ref = consent.confirmation_ref if again else f"stop:{event.id}"
    # A START that was texted after this STOP, or with it, may have come before it.
    asks = compare(said, consent.last_start) is not TextOrder.AFTER
    thread, dropped = _set_stopped(thread, ref, notice_of("opt_out.the_texter_said_stop"), may_resume=asks)
    thread = replace(thread, consent=replace(thread.consent, last_keyword=newest(said, consent.last_keyword)))
    notice = SendMessage(place=THREAD, body=STOPPED, mentions=thread.assignment.mentions)
    alarm = raise_alarm(thread, AlarmKind.STOPPED_LIVE if live and not again else AlarmKind.STOPPED)
    actions: tuple[Action, ...] = (*dropped, notice, _suppress(pack, facts), *unheard, alarm)
    if asks:
        actions += _ask_resume(thread)
    elif _is_older(thread, event) and not again:
        thread, since = _report_texts_since(pack, facts, thread, event)
        actions += since
    if again:
        return Step(thread, actions, consumed=True)
    confirmation = SendSms(
        ref=ref,
        body=pack.say(TextName.STOP, thread.consent.language),
        origin=Origin.STOP_CONFIRMATION,
        epoch=thread.assignment.epoch,
        since=event.at,
    )
    return Step(thread, (confirmation, *actions), consumed=True)


def _start(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Resume when the START was surely texted after the STOP; in doubt, and when the line always asks, ask a person."""
    consent, said = thread.consent, moment(event)
    stands = compare(said, consent.last_keyword)
    if consent.stopped and consent.last_keyword is None and facts.now - event.at > CLOCK_TOLERANCE:
        # The STOP was said in an earlier thread, and what comes late may have been texted before it.
        stands = TextOrder.UNSURE
    if stands is TextOrder.BEFORE:
        return _report_late_keyword(thread) if consent.stopped else Step(thread)
    consent = replace(consent, last_start=newest(said, consent.last_start))
    if stands is TextOrder.AFTER:
        consent = replace(consent, carrier_block=False)
        if pack.settings.stop_resumes is ResumeMode.AT_ONCE:
            thread = replace(thread, consent=replace(consent, last_keyword=said))
            resumed = notice_of("opt_out.the_texter_said_start_texts")
            return _resume(pack, thread, resumed) if consent.stopped else Step(thread)
    if not consent.stopped:
        return Step(replace(thread, consent=consent))
    thread = replace(thread, consent=replace(consent, may_resume=True))
    return Step(thread, _ask_resume(thread), consumed=True)


def _ask_resume(thread: Thread) -> tuple[Action, ...]:
    notice = SendMessage(
        place=THREAD, body=notice_of("opt_out.the_texter_said_start_if"), mentions=thread.assignment.mentions
    )
    return notice, raise_alarm(thread, AlarmKind.START_ASKS)


def _report_late_keyword(thread: Thread) -> Step[Thread]:
    """Alarm the desk about a STOP or START that came late, and change nothing: the other one was texted after it."""
    stopped = thread.consent.stopped
    body = notice_of("opt_out.this_was_texted_before_the") if stopped else notice_of("opt_out.this_stop_was_texted_before")
    notice = SendMessage(place=THREAD, body=body, mentions=thread.assignment.mentions)
    return Step(thread, (notice, raise_alarm(thread, AlarmKind.CAME_LATE)), consumed=True)


def _report_texts_since(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> tuple[Thread, tuple[Action, ...]]:
    """Alarm the desk, at a late STOP, about texts shown before it that were texted after it."""
    thread, how = _may_reply(pack, facts, thread, event)
    notice = SendMessage(
        place=THREAD, body=notice_of("opt_out.this_stop_came_late_they", how=how), mentions=thread.assignment.mentions
    )
    return thread, (notice, raise_alarm(thread, AlarmKind.TEXT_AFTER_STOP))


def _may_reply(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> tuple[Thread, str]:
    if not pack.settings.reply_after_stop or thread.consent.carrier_block:
        return thread, ""
    thread = replace(thread, consent=replace(thread.consent, text_after_stop=event.id))
    return thread, notice_of("opt_out.a_supervisor_may_send_one")


def _report_text_after_stop(pack: Pack, facts: Facts, thread: Thread, event: TextArrived, means: Meaning) -> Step[Thread]:
    """Alarm the desk, whatever the text says: who texts after their STOP may be in trouble, or may be another person."""
    how, alarm = "", AlarmKind.TEXT_AFTER_STOP
    dropped: tuple[Action, ...] = ()
    if means in EXITS:
        thread = _note_exit(thread, event)
        thread, dropped = drop_reply(thread, LEFT)
    if compare(moment(event), thread.consent.last_keyword) is TextOrder.BEFORE:
        body, alarm = notice_of("opt_out.this_was_texted_before_their"), AlarmKind.CAME_LATE
    else:
        body = notice_of("opt_out.this_came_after_a_stop")
        if means not in (Meaning.TAPBACK, Meaning.AUTOMATIC_REPLY):
            thread, how = _may_reply(pack, facts, thread, event)
    notice = SendMessage(
        place=THREAD,
        body=notice_of("opt_out.it_was_not_answered_and", body=body, how=how),
        mentions=thread.assignment.mentions,
    )
    alarms = (alarm, *((SILENT_WORDS[means][0],) if means in SILENT_WORDS else ()))
    return Step(thread, (*dropped, notice, *(raise_alarm(thread, alarm) for alarm in alarms)), consumed=True)


def _note_exit(thread: Thread, event: TextArrived) -> Thread:
    return replace(thread, silence=replace(thread.silence, left_at=max(thread.silence.left_at, event.at)))


def _is_older(thread: Thread, event: TextArrived) -> bool:
    """Whether a text that surely was texted after this one has come before it."""
    return compare(moment(event), thread.lifecycle.newest_text) is TextOrder.BEFORE


def _set_stopped(thread: Thread, ref: str, why: str, *, may_resume: bool) -> tuple[Thread, tuple[Action, ...]]:
    thread, dropped = drop_all(thread, why)
    consent = replace(
        thread.consent, stopped=True, confirmation_ref=ref, may_resume=may_resume, text_after_stop="", reply_ref=""
    )
    return replace(thread, consent=consent), dropped


def _resume(pack: Pack, thread: Thread, words: str) -> Step[Thread]:
    thread, unsent = drop_reply(thread, notice_of("opt_out.the_stop_is_over_it"))
    consent: Consent = replace(
        thread.consent, stopped=False, confirmation_ref="", may_resume=False, text_after_stop="", reply_ref=""
    )
    thread = replace(thread, consent=consent)
    notice = SendMessage(place=THREAD, body=guard.add_other_stop(pack, thread, words))
    actions = (*unsent, notice, Suppress(reason=SuppressionReason.STOP), raise_alarm(thread, AlarmKind.RESUMED))
    return Step(thread, actions, consumed=True)


def _suppress(pack: Pack, facts: Facts) -> Suppress:
    """Keep the STOP beyond the thread: the phone's next thread begins with it."""
    return Suppress(reason=SuppressionReason.STOP, until=facts.now + pack.settings.suppression_ttl)


def _count_abandoned(facts: Facts, thread: Thread) -> tuple[Action, ...]:
    """Count a texter who gave up before anybody answered; a STOP as the first text does not count."""
    waited = (
        thread.lifecycle.state is ThreadState.WAITING
        and thread.assignment.epoch == 0
        and thread.lifecycle.since < facts.now
    )
    return (count(facts, thread, "gave_up_waiting"),) if waited else ()
