"""The escort: a word that a survivor and the agency agreed on, and what follows when it comes, or does not (practice 10).

Rules of this module: what the phone gets after the duress word is what it gets after the right one, byte for byte and at
the same moment; so a decision may look at which of the two it was only for what people at the agency see, and for the
lock, which holds back nothing but words that a person wrote. A word that came in a text is burned: it is on that phone now.
Which word a text held the bridge has found and masked before (`Facts.word`); no word is ever seen in here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands.parser import tells_a_word
from bot.language.codeword_forms import Word, guesses
from bot.language.masked_meaning import meaning
from bot.lifecycle import retention
from bot.lifecycle.recap import NOT_AGAIN
from bot.model.actions import DESK, THREAD, Action, Mark, Origin, Post, Receipt, RedactSaid, Text
from bot.model.codeword_state import Escort, Lock
from bot.model.desk import Facts, Thread
from bot.model.events import Outcome, Relation, Said, TextArrived, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import Alarm, AlarmRaised, Marked
from bot.model.transactional_actions import DropTimer, SetTimer, Tell
from bot.safety import inbound_cues
from bot.sending.undo_window import cancel
from policies.keywords import Meaning
from policies.pack import Pack, TextName

TIMER: Final = "challenge"
SOON: Final = 1.0
"""Seconds that lie at least between a verdict and its answer, so that what else the verdict sets off cannot show in it."""
ALONE: Final = 12
"""Words of a text beyond which an agreed word in it may be one guess of many: then it is burned, and verifies nothing."""
CLOCKS: Final = 2.0
"""Seconds by which a carrier's clock, or its rounding, may put a text before the challenge that it answers."""
SEEN: Final = (
    "a word that stood in a room is none any more, for others may have read it. Choose another one by voice, and say the "
    "command with nothing behind it: you are asked in your office."
)
PARTLY: Final = (
    "That text is too long to be compared to the end. A word in it may have been missed, and stands there then: treat it "
    "as if it might be there."
)
DURESS: Final = (
    "⚠️ DURESS. The duress word came. Act as before: the phone sees what it would after the right word. Nothing you write "
    "leaves; !cover 1, 2 and 3 do. The desk and the supervisors are told."
)


def arrived(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Look at what the bridge found in a text: the word, the duress word, or, after a challenge, neither."""
    escort = replace(thread.escort, heard=max(thread.escort.heard, event.at))
    thread = replace(thread, escort=escort)
    if escort.words is None:
        return Step(thread)
    asked = _is_asked(pack, escort, event)
    partly = (Post(place=THREAD, body=PARTLY),) if facts.partly else ()
    if facts.word is Word.NONE:
        if not asked or not _is_an_answer(pack, event):
            return Step(thread, partly)
        thread, told = _failed(pack, facts, thread)
        name = TextName.UNVERIFIED
    else:
        thread, told = _came(pack, facts, thread, asked=asked, event=event)
        name = TextName.VERIFIED
    answer = _answer(pack, facts, thread, event, name) if asked else ()
    if answer:
        # One answer to one text: what came with it is not answered by itself as well.
        thread = replace(thread, silence=replace(thread.silence, answer=name.value, answering=True))
    return Step(thread, (*answer, *told, *partly))


def outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Begin to wait for the answer when the carrier has the challenge; give up when it never gets it."""
    escort = thread.escort
    if not escort.asked or event.ref != f"say:{escort.asked}":
        return Step(thread)
    if event.outcome not in (Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.UNKNOWN):
        return Step(_close(thread), (DropTimer(key=TIMER),))
    if escort.asked_at:
        return Step(thread)
    thread = replace(thread, escort=replace(escort, asked_at=facts.now))
    return Step(thread, (SetTimer(key=TIMER, due=facts.now + pack.settings.challenge_window),))


def over(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Let a challenge that nobody answered be over. Silence is no failure."""
    if event.key != TIMER:
        return Step(thread)
    if not thread.escort.asked_at or facts.now < thread.escort.asked_at + pack.settings.challenge_window:
        return Step(thread, consumed=True)
    told = Post(
        place=THREAD, body="The challenge was not answered in time. Nothing is counted; what comes now is no answer."
    )
    return Step(_close(thread), (told,), consumed=True)


def spoken(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Take a word out of the room that a colleague wrote there, an agreed one or one to be: it neither stays nor leaves."""
    told = "That held an agreed word: it was redacted, and nothing of it leaves. Never write it, here or to the phone."
    if tells_a_word(event.body):
        told = f"Redacted, and not taken: {SEEN}"
    elif facts.word is Word.NONE:
        return Step(thread)
    edit = event.relation is Relation.EDIT
    marks = () if edit else (Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOT_SENT),)
    # What an edit was to replace is not what its author wants to say any more.
    mine = edit and any(p.event_id == event.target and p.author == event.sender for p in thread.sending.pending)
    thread, stopped = cancel(thread, event.target, "its author was changing it") if mine else (thread, ())
    redacted = RedactSaid(place=THREAD, event_id=event.event_id)
    return Step(thread, (*marks, *stopped, redacted, NOT_AGAIN, Post(place=THREAD, body=told)), consumed=True)


def _is_asked(pack: Pack, escort: Escort, event: TextArrived) -> bool:
    """Tell whether a text may answer the challenge, by the text's own time: a day later it does not."""
    soon = escort.asked_at - CLOCKS <= event.at <= escort.asked_at + pack.settings.challenge_window
    return bool(escort.asked and escort.asked_at) and soon


def _is_an_answer(pack: Pack, event: TextArrived) -> bool:
    """Tell whether somebody answered in words: pictures, keywords and what phones send by themselves count for nothing.

    Nor does a wish for no more texts: the answer to it is a person's.
    """
    return bool(event.body.strip()) and meaning(event.body, pack).meaning is Meaning.CONVERSATION


def _came(
    pack: Pack, facts: Facts, thread: Thread, *, asked: bool, event: TextArrived
) -> tuple[Thread, tuple[Action, ...]]:
    """Take note of a word that came. Whatever the phone can ever notice of it is the same for both words."""
    escort, duress = thread.escort, facts.word is Word.DURESS
    again = escort.burned
    # A challenge that has not left would come after its answer.
    thread, stopped = cancel(thread, escort.asked, "the word has come already") if escort.asked else (thread, ())
    thread = _close(thread)
    failures = escort.failures if again else ()
    thread = replace(thread, escort=replace(thread.escort, burned=True, came=True, failures=failures))
    common = (*stopped, DropTimer(key=TIMER), SetTimer(key=retention.IDLE, due=facts.now + pack.settings.idle))
    if duress:
        thread = replace(thread, escort=replace(thread.escort, lock=Lock.DURESS))
        mentions = (thread.voice.holder,) if thread.voice.holder else ()
        told = Post(place=THREAD, body=DURESS, notice=False, mentions=mentions)
        mark = Tell(owner=DESK, event=Marked(thread=thread.id, duress=True))
        return thread, (*common, told, mark, _alarm(thread, Alarm.DURESS))
    if again:
        told = Post(
            place=THREAD, body="The burned codeword came once more. It proves nothing: agree on a new one by voice."
        )
        return thread, (*common, told)
    if facts.now - event.at > pack.settings.late_after_seconds:
        body = (
            "The codeword came late: who has the phone now nobody knows. It verifies nothing; agree on a new one by voice."
        )
        return thread, (*common, Post(place=THREAD, body=body, notice=False))
    if guesses(event.body) > ALONE:
        body = "The codeword came among many words, as if guessed. It verifies nothing; agree on a new one by voice."
        return thread, (*common, Post(place=THREAD, body=body, notice=False))
    thread = replace(thread, escort=replace(thread.escort, verified=event.at))
    how = "as the answer to the challenge" if asked else "without being asked for"
    locked = " What is locked stays so until a supervisor's !unlock." if escort.lock is not Lock.NONE else ""
    body = f"✓ The codeword came, {how}. It is burned now, for it is on that phone: agree on a new one by voice.{locked}"
    return thread, (*common, Post(place=THREAD, body=body))


def _failed(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Count an answer without the word; hold back free words after the third within a day."""
    settings, escort = pack.settings, thread.escort
    recent = tuple(at for at in escort.failures if facts.now - at < settings.codeword_window)
    failures = (*recent, facts.now)[-settings.codeword_failures :]
    thread = _close(thread)
    thread = replace(thread, escort=replace(thread.escort, failures=failures))
    count = f"✗ The answer does not hold the codeword ({len(failures)} of {settings.codeword_failures})."
    if len(failures) < settings.codeword_failures:
        # It may be a slip, and it may be somebody else: something has changed (practice 11).
        thread = replace(thread, silence=replace(thread.silence, ask=True))
        return thread, (DropTimer(key=TIMER), inbound_cues.ask(f"{count} A slip, perhaps: !verify asks again."))
    if thread.escort.lock is Lock.NONE:
        thread = replace(thread, escort=replace(thread.escort, lock=Lock.UNVERIFIED))
    told = Post(place=THREAD, body=f"⚠️ {count} Unverified, possible duress. {guard.LOCKED[Lock.UNVERIFIED]}", notice=False)
    return thread, (DropTimer(key=TIMER), told, _alarm(thread, Alarm.UNVERIFIED))


def _answer(pack: Pack, facts: Facts, thread: Thread, event: TextArrived, name: TextName) -> tuple[Action, ...]:
    """Answer a text that answered the challenge, a fixed time after it came; show the room what the phone gets."""
    if thread.voice.holder is None or event.media:
        return ()  # It would ask for patience where nobody is; and a picture has an answer of its own.
    body = pack.say(name, thread.consent.language)
    answer = Text(
        ref=f"answer:{event.id}",
        body=body,
        origin=Origin.ANSWER,
        epoch=thread.voice.epoch,
        since=event.at,
        not_before=max(event.at + pack.settings.verdict_delay, facts.now + SOON),
    )
    if guard.may_send(pack, thread, answer, facts.now, facts.designations) is not None:
        return ()
    return (answer, Post(place=THREAD, body=f"Answered by itself ({name}): {body}"))


def _close(thread: Thread) -> Thread:
    return replace(thread, escort=replace(thread.escort, asked="", asked_at=0.0))


def _alarm(thread: Thread, alarm: Alarm) -> Tell:
    return Tell(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=alarm))
