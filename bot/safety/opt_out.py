"""Whole messages with a meaning: honoured exactly, shown to people, and never answered but by the one STOP confirmation.

Rules of this module: a keyword is always shown in the room as well (`voice.show`); whoever said STOP hears nothing more
until they say START; which of the two is the later is told by when they were texted, not by when they reached us, and in
doubt it is the STOP (`order`); a silent way out is silent; a word for help is answered only where a carrier forces a
line; what a person must know is an alarm at the desk, a new message each time (practices.md, rules beside the practices;
practice 12).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import answer, noted, says
from bot.language.masked_meaning import meaning
from bot.lifecycle.retention import LEFT, park_soon
from bot.lifecycle.tally import count
from bot.model.actions import DESK, THREAD, Action, Origin, Post, Text
from bot.model.desk import Facts, Thread
from bot.model.events import Outcome, Said, TextArrived, TextOutcome
from bot.model.feature import Step
from bot.model.text_order import DOUBT, Order, moment, newest, order
from bot.model.thread import Consent, Moment, State
from bot.model.thread_desk_events import Alarm, AlarmRaised
from bot.model.transactional_actions import Muted, Suppress, Tell
from bot.sending.auto_replies import helped
from bot.sending.reply_after_stop import drop_reply
from bot.sending.retraction import take_back
from bot.sending.undo_window import drop_pending
from policies.keywords import Meaning
from policies.pack import Pack, Resumes, TextName

LIVE: Final = 1800.0
"""Seconds after our last text in which a STOP contradicts a conversation that was going on."""

SILENT: Final = {
    Meaning.EXIT_PARK: (
        Alarm.LEFT_QUIETLY,
        "The texter left with a silent word. Nothing was sent back. Please write nothing more.",
    ),
    Meaning.EXIT_ALERT: (
        Alarm.LEFT_ALARMED,
        "The texter cannot go on now. Nothing was sent back. Please write nothing until they text again.",
    ),
    Meaning.CALL: (
        Alarm.CALL,
        "The texter asks for a call. Nothing was sent back. !escalate: a supervisor says who calls, and if it is safe.",
    ),
    Meaning.HELP: (
        Alarm.HELP,
        "The texter said a word for help. No person has answered it: please do, now.",
    ),
}
"""Words that are not answered by the machine (HELP only where a carrier forces it): what desk and room are told."""
UNSEEN: Final = (
    "What they wrote before that was neither read nor answered, as far as can be told. Please read it now; it is closed "
    "soon after you have, or by !close."
)
LEAVES: Final = (Meaning.EXIT_PARK, Meaning.EXIT_ALERT)


def obey(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Stop at STOP, resume at START, be silent at a silent word, and be loud about any other text after a STOP."""
    means = meaning(event.body, pack).meaning
    if means is Meaning.STOP:
        if order(moment(event), thread.consent.settled) is Order.BEFORE:
            # What a person took for a STOP can be taken back, unless the texter said it too, and no START since.
            slip = order(moment(event), thread.consent.started) is not Order.AFTER
            kept = replace(thread.consent, may_resume=thread.consent.may_resume and slip)
            return _overtaken(replace(thread, consent=kept))
        return _stop(pack, facts, thread, event)
    if means is Meaning.START:
        return _start(pack, facts, thread, event)
    if thread.consent.stopped:
        return _after_stop(pack, thread, event, means)
    if means in SILENT:
        alarm, words = SILENT[means]
        dropped: tuple[Action, ...] = ()
        if means is Meaning.HELP:
            thread, dropped = helped(pack, facts, thread, event)
        if means in LEAVES:
            dropped = _unheard(facts, thread)
            # Nor does what waits for its turn at the carrier, be it a person's words or an answer to a text of before.
            thread = replace(thread, silence=replace(thread.silence, left=max(thread.silence.left, event.at)))
            thread, waiting = drop_pending(take_back(thread, lambda _words: True), "the texter left with a silent word")
            dropped += waiting
        told = Post(place=THREAD, body=words, mentions=_voice(thread))
        closing: tuple[Action, ...] = ()
        if means is Meaning.EXIT_PARK and thread.life.state is State.OPEN and not _older(thread, event):
            # What nobody has seen yet does not go: a thread that waits is closed by a person. Nor what they texted since.
            if thread.life.unseen > 1:
                thread = replace(thread, life=replace(thread.life, leaving=True))
                closing = (Post(place=THREAD, body=UNSEEN), raised(thread, Alarm.LEFT_UNSEEN))
            else:
                thread, closing = park_soon(pack, facts, thread, LEFT)
        return Step(thread, (*dropped, told, raised(thread, alarm), *closing), consumed=True)
    if means is Meaning.WISH:
        words = (
            "They may be asking us to stop. If they are, say !stopped: it counts as their STOP, and sends nothing. "
            "If not, go on."
        )
        return Step(thread, (Post(place=THREAD, body=words, mentions=_voice(thread)),), consumed=True)
    return Step(thread)


def by_hand(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Let a person honour a wish in free words as a STOP (`!stopped`), and end a STOP where that is theirs (`!resume`)."""
    if says(event, "stopped") is not None:
        if thread.consent.stopped:
            return Step(thread, (noted(event), *answer(facts, event, "It is stopped already.")), consumed=True)
        thread, dropped = _stopped(thread, "", "the texter asked us to stop", may_resume=True)
        # It stands for everything that was texted until now, and for nothing after it.
        settled = thread.life.newest or Moment(at=facts.now)
        thread = replace(thread, consent=replace(thread.consent, settled=settled))
        told = Post(
            place=THREAD,
            body="Stopped, as they asked: nothing leaves until they text START. If it was a slip, !resume takes it back.",
        )
        actions = (noted(event), *dropped, told, _remember(pack, facts), raised(thread, Alarm.STOPPED_BY_STAFF))
        return Step(thread, actions, consumed=True)
    if says(event, "resume") is None:
        return Step(thread)
    if not thread.consent.may_resume:
        why = "The texter said STOP. Only their START ends it." if thread.consent.stopped else "Nothing is stopped here."
        return Step(thread, (noted(event), *answer(facts, event, why)), consumed=True)
    # The START is what counts then, if there was one: a STOP that nobody has seen yet is not taken back with a slip.
    thread = replace(thread, consent=replace(thread.consent, settled=thread.consent.started))
    step = _resumed(thread, "Resumed: texts may be answered again.")
    return Step(step.aggregate, (noted(event), *step.actions), consumed=True)


def vendor(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Note that the carrier itself refuses this phone because it opted out there, and when it no longer does.

    That it accepts a text says nothing: some refuse it only in their report. That one arrived does.
    """
    now = {Outcome.OPTED_OUT: True, Outcome.DELIVERED: False}.get(event.outcome, thread.consent.vendor_block)
    return Step(replace(thread, consent=replace(thread.consent, vendor_block=now)))


def raised(thread: Thread, alarm: Alarm) -> Tell:
    """Raise an alarm at the desk."""
    return Tell(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=alarm))


def _stop(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    consent, said = thread.consent, moment(event)
    again = consent.stopped
    live = thread.voice.holder is not None and facts.now - thread.life.last_outbound < LIVE
    unheard = () if again else _unheard(facts, thread)
    ref = consent.confirmation if again else f"stop:{event.id}"
    # A START that was texted after this STOP, or with it, may have come before it.
    asks = order(said, consent.started) is not Order.AFTER
    thread, dropped = _stopped(thread, ref, "the texter said STOP", may_resume=asks)
    thread = replace(thread, consent=replace(thread.consent, settled=newest(said, consent.settled)))
    told = Post(
        place=THREAD,
        body="The texter said STOP. Nothing leaves for the phone until they text START.",
        mentions=_voice(thread),
    )
    alarm = raised(thread, Alarm.STOPPED_LIVE if live and not again else Alarm.STOPPED)
    actions: tuple[Action, ...] = (*dropped, told, _remember(pack, facts), *unheard, alarm)
    if asks:
        actions += _asks(thread)
    elif _older(thread, event) and not again:
        thread, since = _since(pack, thread, event)
        actions += since
    if again:
        return Step(thread, actions, consumed=True)
    confirmation = Text(
        ref=ref,
        body=pack.say(TextName.STOP, thread.consent.language),
        origin=Origin.STOP_ANSWER,
        epoch=thread.voice.epoch,
        since=event.at,
    )
    return Step(thread, (confirmation, *actions), consumed=True)


def _start(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Resume where the START was surely texted after the STOP; ask a person in doubt, and where the line always asks."""
    consent, said = thread.consent, moment(event)
    stands = order(said, consent.settled)
    if consent.stopped and consent.settled is None and facts.now - event.at > DOUBT:
        # The STOP was said in an earlier thread, and what comes late may have been texted before it.
        stands = Order.UNSURE
    if stands is Order.BEFORE:
        return _overtaken(thread) if consent.stopped else Step(thread)
    consent = replace(consent, started=newest(said, consent.started))
    if stands is Order.AFTER:
        consent = replace(consent, vendor_block=False)
        if pack.settings.stop_resumes is Resumes.AT_ONCE:
            thread = replace(thread, consent=replace(consent, settled=said))
            resumed = "The texter said START: texts may be answered again."
            return _resumed(thread, resumed) if consent.stopped else Step(thread)
    if not consent.stopped:
        return Step(replace(thread, consent=consent))
    thread = replace(thread, consent=replace(consent, may_resume=True))
    return Step(thread, _asks(thread), consumed=True)


def _asks(thread: Thread) -> tuple[Action, ...]:
    told = Post(
        place=THREAD,
        body="The texter said START. If it is them, !resume lets texts leave again; until then nothing does.",
        mentions=_voice(thread),
    )
    return told, raised(thread, Alarm.START_ASKS)


def _overtaken(thread: Thread) -> Step[Thread]:
    """Be loud about a STOP or a START that came late, and change nothing: they texted the other one after it."""
    stopped = thread.consent.stopped
    body = (
        "This was texted before the STOP that counts: it changes nothing, and nothing leaves."
        if stopped
        else "This STOP was texted before their START: it changes nothing. If they want us to stop, say !stopped."
    )
    told = Post(place=THREAD, body=body, mentions=_voice(thread))
    return Step(thread, (told, raised(thread, Alarm.CAME_LATE)), consumed=True)


def _since(pack: Pack, thread: Thread, event: TextArrived) -> tuple[Thread, tuple[Action, ...]]:
    """Be as loud about what was texted after a STOP, and shown before it came, as if it had come in its order."""
    thread, how = _may_reply(pack, thread, event)
    told = Post(place=THREAD, body=f"This STOP came late: they have texted since, see above.{how}")
    return thread, (told, raised(thread, Alarm.TEXT_AFTER_STOP))


def _may_reply(pack: Pack, thread: Thread, event: TextArrived) -> tuple[Thread, str]:
    if not pack.settings.reply_after_stop:
        return thread, ""
    thread = replace(thread, consent=replace(thread.consent, after_stop=event.id))
    return thread, " A supervisor may send one reply: !reply and the words."


def _after_stop(pack: Pack, thread: Thread, event: TextArrived, means: Meaning) -> Step[Thread]:
    """Be loud, whatever it says. Somebody who texts after their STOP may be in trouble, or may be somebody else."""
    how, alarm = "", Alarm.TEXT_AFTER_STOP
    if order(moment(event), thread.consent.settled) is Order.BEFORE:
        body, alarm = "This was texted before their STOP and came after it", Alarm.CAME_LATE
    else:
        body = "This came after a STOP"
        if means not in (Meaning.TAPBACK, Meaning.AUTOMATIC_REPLY):
            thread, how = _may_reply(pack, thread, event)
    told = Post(place=THREAD, body=f"{body}: it was not answered, and nothing leaves.{how}")
    alarms = (alarm, *((SILENT[means][0],) if means in SILENT else ()))
    return Step(thread, (told, *(raised(thread, alarm) for alarm in alarms)), consumed=True)


def _older(thread: Thread, event: TextArrived) -> bool:
    """Whether they have surely texted something else since, which came before this."""
    return order(moment(event), thread.life.newest) is Order.BEFORE


def _stopped(thread: Thread, ref: str, why: str, *, may_resume: bool) -> tuple[Thread, tuple[Action, ...]]:
    thread, dropped = drop_pending(thread, why)
    thread, unsent = drop_reply(thread, why)
    consent = replace(thread.consent, stopped=True, confirmation=ref, may_resume=may_resume, after_stop="", replied="")
    return replace(thread, consent=consent), (*dropped, *unsent)


def _resumed(thread: Thread, words: str) -> Step[Thread]:
    thread, unsent = drop_reply(thread, "the STOP is over: it can be said by the voice")
    consent: Consent = replace(thread.consent, stopped=False, confirmation="", may_resume=False, after_stop="", replied="")
    told = Post(place=THREAD, body=words)
    actions = (*unsent, told, Suppress(muted=Muted.STOP), raised(thread, Alarm.RESUMED))
    return Step(replace(thread, consent=consent), actions, consumed=True)


def _remember(pack: Pack, facts: Facts) -> Suppress:
    """Keep the STOP beyond the thread: the next one of this phone begins with it."""
    return Suppress(muted=Muted.STOP, until=facts.now + pack.settings.suppression_ttl)


def _unheard(facts: Facts, thread: Thread) -> tuple[Action, ...]:
    """Count who gave up before anybody answered; not who says it as their first word."""
    waited = thread.life.state is State.WAITING and thread.voice.epoch == 0 and thread.life.since < facts.now
    return (count(facts, thread, "gave_up_waiting"),) if waited else ()


def _voice(thread: Thread) -> tuple[str, ...]:
    return (thread.voice.holder,) if thread.voice.holder else ()
