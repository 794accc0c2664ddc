"""Releasing held texts (`!again`, `!anyway`, `!long`), and sending the agency's own (`!say` and its short forms).

Rules of this module: a held text leaves by one command of the assignee and through the same undo window. A canned text is
shown before it leaves; editing the command changes it and redacting the command stops it. Words behind a command that are
not declared to be the text send nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands import canned_texts
from bot.commands.parser import ParsedCommand, answer, answer_as_note, mark_as_note
from bot.commands.room_notes import would_be_note
from bot.model.actions import THREAD, Action, SendMessage
from bot.model.desk import Facts, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step, raise_alarm
from bot.model.thread import HeldReason, HeldText, PendingText
from bot.model.thread_desk_events import AlarmKind
from bot.sending.held_texts import hold_text
from bot.sending.undo_window import needs_confirmation, start_undo, take_text
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack, TextName

RELEASES: Final = {
    "again": (HeldReason.UNKNOWN, HeldReason.LATE, HeldReason.LOCKED),
    "anyway": (HeldReason.WARNED, HeldReason.UNPROMPTED),
    "long": (HeldReason.LONG,),
}
UNNOTED: Final[dict[str, str]] = {
    TextName.LIMITS: notice_of("release_held.own_words_are_not_noted"),
    TextName.RIGHTS: notice_of("release_held.own_words_are_not_noted_2"),
    TextName.SAFE_CHECK: notice_of("release_held.own_words_are_not_noted_3"),
}


def release(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!again`, `!anyway`, `!long`: the message that is replied to, or the last one held for that reason.

    `!again` alone releases all that came too late or was locked, in its order. If the last one is unknown, it is about that
    one alone, which may be on the phone already.

    A command is not about words that were held, or asked about once more, after it was said: its author had not read why.
    """
    name = command.name
    held_texts = [h for h in thread.sending.held if h.reason in RELEASES[name] and h.author == event.sender]
    known = [h for h in held_texts if h.explained_at <= event.at]
    chosen = [h for h in known if h.event_id == event.target] if event.target else known[-1:]
    if name == "again" and not event.target and chosen and chosen[0].reason is not HeldReason.UNKNOWN:
        chosen = [h for h in known if h.reason is not HeldReason.UNKNOWN]
    if not chosen:
        crossed = any(event.target in ("", h.event_id) for h in held_texts)
        key = "release_held.held_while_you_said_it" if crossed else "release_held.nothing_of_yours_is_held"
        return answer_as_note(facts, thread, event, notice_of(key, name=name))
    actions: tuple[Action, ...] = ()
    said: list[str] = []
    for words in chosen:
        thread, more, notice = _release(pack, facts, thread, words, name, event.at)
        actions += more
        said += [notice] if notice else []
    answers = answer(facts, event, join_notices("\n", dict.fromkeys(said))) if said else ()
    return Step(thread, (mark_as_note(event), *actions, *answers), consumed=True)


def _release(
    pack: Pack, facts: Facts, thread: Thread, words: HeldText, name: str, released_at: float
) -> tuple[Thread, tuple[Action, ...], str]:
    """Let held words leave, or keep them held; return what their author is told, if anything."""
    if (why := guard.refusal_reason(pack, thread, words.body, facts.designations)) is not None:
        return thread, (), notice_of("sending.not_sent", why=why)
    pending = _pending(facts, words, released_at)
    ours = canned_texts.exists(pack, words.name) and words.body == canned_texts.wording(pack, facts, thread, words.name)
    if words.reason is HeldReason.LOCKED:
        # It was held before its author was asked anything: the questions for other words are asked now.
        thread, actions = take_text(pack, facts, _without(thread, words), pending, looked_at=ours)
        return thread, actions, ""
    if name == "long" and (hold := needs_confirmation(pack, facts, thread, pending, own=not ours, long=True)) is not None:
        text, why = hold
        return _ask_again(facts, thread, replace(text, held_since=words.held_since)), (), notice_of("sending.held", why=why)
    # Words that became unknown, or late, were confirmed before; only the moment is another one now.
    doubts = guard.doubts(pack, facts, thread, words.body, words.author, own=name != "again" and not ours)
    if new := [doubt for doubt in doubts if doubt not in words.told]:
        why = guard.describe_doubts(facts, thread, new, words.body, command=name)
        return _ask_again(facts, thread, replace(words, told=words.told | {*new})), (), notice_of("sending.held", why=why)
    thread = _without(_with_answered_doubts(thread, words), words)
    thread, actions = start_undo(pack, facts, thread, pending)
    return thread, actions, ""


def _ask_again(facts: Facts, thread: Thread, words: HeldText) -> Thread:
    return hold_text(thread, replace(words, asked_at=facts.now))


def _with_answered_doubts(thread: Thread, words: HeldText) -> Thread:
    """Note that doubts about the situation were answered: they are not raised again before something happens."""
    answered_doubts = thread.signs.answered | (words.told & guard.SITUATION)
    return replace(thread, signs=replace(thread.signs, answered=answered_doubts))


def _without(thread: Thread, words: HeldText) -> Thread:
    held_texts = tuple(h for h in thread.sending.held if h.event_id != words.event_id)
    return replace(thread, sending=replace(thread.sending, held=held_texts))


def say(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!say handover`, `!limits`, `!tips`: put the agency's words, or own words behind a colon, into the undo window.

    The text that asks texters to call also tells the desk that they may.
    """
    text = canned_texts.read(pack, facts, thread, command)
    if isinstance(text, canned_texts.CannedTextRefusal):
        return answer_as_note(facts, thread, event, notice_of("release_held.nothing_was_sent", why=text.why))
    alarm: tuple[Action, ...] = ()
    if text.name == TextName.URGENT:
        alarm = (raise_alarm(thread, AlarmKind.URGENT),)
    if would_be_note(event, text.body):
        why = notice_of("release_held.not_sent_own_words_that")
        return Step(thread, (*alarm, mark_as_note(event), *answer(facts, event, why)), consumed=True)
    words = PendingText(
        event_id=event.event_id,
        body=text.body,
        author=event.sender,
        said_at=event.at,
        send_at=facts.now,
        name=text.stands_for,
        differs=event.differs,
    )
    thread, actions = take_text(pack, facts, thread, words, looked_at=not text.own)
    if words.event_id not in (p.event_id for p in thread.sending.pending):
        return Step(thread, (*alarm, *actions), consumed=True)
    changes = notice_of("release_held.to_change_it_edit_your", name=text.name)
    changes = notice_of("sending.redact_to_stop") if text.name == TextName.DIFFERENT else changes
    notice = notice_of(
        "release_held.leaving_in_a_moment",
        body=text.body,
        changes=changes,
        own=UNNOTED.get(text.name, "") if text.own else "",
    )
    if (locked := guard.lock_reason(pack, thread, text.body)) is not None:
        notice = notice_of("release_held.nothing_leaves_the_conversation_is", locked=locked)
    elif canned_texts.is_shown_on_card(thread, text):
        # The mark says that they leave.
        return Step(thread, (*alarm, *actions), consumed=True)
    shown = SendMessage(place=THREAD, body=notice, reply_to=event.event_id)
    return Step(thread, (*alarm, *actions, shown), consumed=True)


def _pending(facts: Facts, words: HeldText, released_at: float) -> PendingText:
    return PendingText(
        event_id=words.event_id,
        body=words.body,
        author=words.author,
        said_at=released_at,
        send_at=facts.now,
        name=words.name,
        edit_event_id=words.edit_event_id,
        differs=words.differs,
    )
