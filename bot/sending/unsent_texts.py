"""Stops the words of a thread that have not left, for what happens while they wait.

Rules of this module: it says so on each of the messages, or in a notice. Words that the phone may not get at all are
cancelled. Words that are in doubt are held: when a member says words for "not that!", behind a mark though they are no
command (`!undo`, `!espera`) or plain ("shit unsafe"), in any way; and when the line begins again with another number,
because the phone would get them from a stranger. `dispatch` tells what a person may have meant. When an author is
signed out, their words stop that wait at the carrier, because whoever has the lost device may have said them; words in the
undo window are `undo_window`'s, and what the carrier has taken cannot be stopped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands.parser import ParsedCommand
from bot.commands.stray_commands import may_mean_stop
from bot.model.actions import THREAD, Action, DeliveryReceipt, SendMessage, ShowReceipt
from bot.model.desk import Facts, Role, Thread
from bot.model.events import Content, MessageSent, TimerDue
from bot.model.feature import Step
from bot.model.hold_signs import Doubt
from bot.model.thread import HeldReason, PendingText, SentText
from bot.model.thread_desk_events import AuthorSignedOut
from bot.sending import reply_after_stop
from bot.sending.reply_after_stop import drop_reply
from bot.sending.retraction import retract_sent
from bot.sending.undo_window import MAY_MEAN_STOP, TIMER, hold_pending, next_timer
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack, TextName

HASTY: Final = frozenset(
    """
    stop undo unsend recall delete cancel abort wait no nope dont don't oops nevermind
    parar para alto basta detener espera espere deshacer borrar retirar eliminar cancelar cancela
    """.split()  # noqa: SIM905 - words are easier to read, and to add to, as words
)
"""None of them is a command. A person who says one may not know how to take words back, and has eight seconds."""
ON_PHONE: Final = frozenset({DeliveryReceipt.SENT.name, DeliveryReceipt.DELIVERED.name, DeliveryReceipt.UNKNOWN.name})
"""Receipts of words that are on the phone, or may be."""
TIMERS: Final = frozenset({TIMER, reply_after_stop.TIMER})


def drop_pending(thread: Thread, why: str, *, spared: frozenset[str] = frozenset()) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel what has not left, waiting or held, and say so on each of the messages.

    `spared`: messages that stay in the undo window.
    """
    stay = tuple(words for words in thread.sending.pending if words.event_id in spared)
    ids = [words.event_id for words in thread.sending.pending if words not in stay]
    ids += [words.event_id for words in thread.sending.held if words.reason is not HeldReason.UNKNOWN]
    thread = replace(thread, sending=replace(thread.sending, pending=stay, held=()))
    if not ids:
        return thread, ()
    marks = tuple(ShowReceipt(place=THREAD, event_id=event_id, receipt=DeliveryReceipt.NOT_SENT) for event_id in ids)
    notice = SendMessage(place=THREAD, body=notice_of("undo_window.not_sent_message_s_still", count=len(ids), why=why))
    return thread, (*marks, notice, *next_timer(thread))


def drop_all(thread: Thread, why: str, *, spared: frozenset[str] = frozenset()) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel all words that have not left: those that wait for their turn at the carrier, and a reply after a STOP, too.

    `spared`: messages that leave all the same.
    """
    thread = retract_sent(thread, lambda words: words.event_id not in spared)
    thread, dropped = drop_pending(thread, why, spared=spared)
    thread, unsent = drop_reply(thread, why)
    return thread, (*dropped, *unsent)


def agreed_for_others(pack: Pack, thread: Thread) -> frozenset[str]:
    """Return the messages on their way that another person may read.

    Cover lines, the text that steps back, and the text that the texter chose for `!unsafe`.
    """
    words: tuple[PendingText | SentText, ...] = (*thread.sending.pending, *thread.sending.sent)
    agreed = (w.event_id for w in words if w.name == TextName.DIFFERENT or guard.is_cover_line(pack, w.body))
    return frozenset((*agreed, thread.flags.unsafe_line_ref.removeprefix("say:")))


def hold_on_stop_word(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Hold the words that have not left when a member says a word of `HASTY` as a command, or plain words for `!unsafe`.

    An edit counts too: a person in haste changes what stands there.
    """
    why = MAY_MEAN_STOP if command is None and may_mean_stop(event.body) else None
    if command is not None and command.command is None and event.content is Content.TEXT:
        word = re.sub(r"[^\w]+\Z", "", command.word.casefold().replace("\u2019", "'"))
        why = notice_of("hasty_stop.was_said", word=word) if word in HASTY else None
    return Step(thread) if why is None else Step(*hold_pending(facts, thread, why))


def stop_words_of_author(pack: Pack, facts: Facts, thread: Thread, event: AuthorSignedOut) -> Step[Thread]:
    """Stop the person's words that wait for their turn at the carrier; say what is stopped and what cannot be."""
    receipts = {words.receipt for words in thread.sending.sent if words.author == event.user}
    thread = retract_sent(thread, lambda words: words.author == event.user)
    if facts.role(event.user) is Role.SUPERVISOR:
        # Of a reply after a STOP that waits there only its message is known; another supervisor can say it again.
        thread = replace(thread, consent=replace(thread.consent, reply_ref=""))
    parts = (
        *([notice_of("sign_out.what_waits_is_stopped")] if DeliveryReceipt.LEAVING.name in receipts else []),
        *([notice_of("sign_out.what_left_stays")] if receipts & ON_PHONE else []),
    )
    if not parts:
        return Step(thread)
    notice = join_notices(" ", (notice_of("sign_out.an_author_was_signed_out"), *parts))
    return Step(thread, (SendMessage(place=THREAD, body=notice, mentions=thread.assignment.mentions),))


def hold_for_other_number(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Hold what waits, unless its author has answered that doubt, or the phone may get the text from anybody."""
    if event.key not in TIMERS or not facts.number_gone or Doubt.OTHER_NUMBER in thread.signs.answered:
        return Step(thread)
    spared = frozenset(words.event_id for words in thread.sending.pending if not guard.is_asked_about(pack, words.body))
    thread, actions = hold_pending(
        facts, thread, guard.FROM_OTHER_NUMBER, told=frozenset({Doubt.OTHER_NUMBER}), spared=spared
    )
    return Step(thread, actions)
