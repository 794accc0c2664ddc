"""A thread's card: what a person who opens the room must know, in short lines.

Rules of this module: no content, and nothing that changes with time alone. A feature whose state matters to the assignee
adds its line here and nowhere else. Clients show the first line of a pinned message, or the first five: so what stops or
endangers the phone comes first, then the assignee and whether the limits were given. Times are in the line's time zone.
"""

from __future__ import annotations

from typing import Final

from bot.commands.spec import CARD
from bot.language import time_windows
from bot.language.time_windows import DAYS
from bot.model.actions import THREAD, Action, EditMessage
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.retention import retention_of
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack, TextName
from policies.signs import DANGERS

COMMANDS_LINE: Final = " · ".join([f"!{name}" for name in CARD] + ["!more"])
"""The last line of every card, from the table."""
CHANNELS: Final = {
    str(said): said for said in (notice_of(f"channel.{name}") for name in ("call", "chat", "email", "visit", "in_words"))
}
"""The words for an agreed other channel (`bot.safety.consent_flags`), by its stored value."""


def card(pack: Pack, thread: Thread) -> str:
    """Return the thread's card: short lines, no content, nothing that changes with time alone."""
    return join_notices("\n", (*_state(pack, thread), COMMANDS_LINE))


def pinned_text(pack: Pack, thread: Thread) -> str:
    """Return the card as the room shows it: with the lines that hold for every thread of the line, before the commands."""
    erases = notice_of("thread_card.erases_what_is_said_here", hours=retention_of(pack, thread).message_ttl // 3600)
    return join_notices("\n", (*_state(pack, thread), erases, COMMANDS_LINE))


def _state(pack: Pack, thread: Thread) -> list[str]:
    life, consent = thread.lifecycle, thread.consent
    assignee = localpart(thread.assignment.assignee) if thread.assignment.assignee else notice_of("word.nobody")
    previous_assignee = (
        notice_of("thread_card.taken_from", taken_from=localpart(thread.assignment.taken_from))
        if thread.assignment.taken_from
        else ""
    )
    offer = thread.assignment.offer
    may_reply = consent.stopped and consent.text_after_stop and not consent.carrier_block
    return [
        *_alarms(pack, thread),
        *_signs(thread),
        join_notices(" · ", (thread.designation, notice_of(f"state.{life.state.value}"))),
        notice_of("thread_card.with", assignee=assignee, taken=previous_assignee),
        *(
            [notice_of("thread_card.offered_to", to=localpart(offer.to) if offer.to else notice_of("word.everybody"))]
            if offer
            else []
        ),
        _limits(pack, thread),
        notice_of("thread_card.last_text", last=_last(thread)),
        *list_auto_replies(thread),
        *([notice_of("thread_card.closing_soon_everything_here_goes")] if life.closes_at else []),
        *([notice_of("thread_card.on_hold_nothing_of_this")] if thread.on_legal_hold else []),
        *([notice_of("thread_card.continuing_number_and_flags_are")] if life.continuing else []),
        notice_of("thread_card.language", language=consent.language),
        *_codeword(pack, thread),
        *_flags(thread),
        *([notice_of("thread_card.after_the_stop_they_texted")] if may_reply else []),
        *([notice_of("thread_card.the_carrier_says_they_opted")] if consent.carrier_block else []),
        *([notice_of("thread_card.a_short_code_or_name")] if not thread.answerable else []),
    ]


def edit_card(pack: Pack, thread: Thread, *, fresh: bool = False) -> EditMessage:
    """Bring the card up to date in the room; `fresh`: as a new message in place of the old one."""
    return EditMessage(place=THREAD, ref="card", body=pinned_text(pack, thread), formatted=True, fresh=fresh)


def update_card(pack: Pack, before: Thread, thread: Thread) -> tuple[Action, ...]:
    """After any event: bring the card up to date, as a new message when an outdated card would be dangerous.

    Clients may go on showing a pinned message as it was before its edits (decisions/desk.md, "Cards and the board").
    """
    if thread is before or not (thread.assignment.epoch and before.assignment.epoch):
        return ()
    if is_late_joiner(thread, before):
        return (edit_card(pack, thread, fresh=True),)
    if card(pack, thread) == card(pack, before):
        return ()
    return (edit_card(pack, thread, fresh=_critical_facts(pack, thread) != _critical_facts(pack, before)),)


def is_late_joiner(thread: Thread, before: Thread) -> bool:
    """Tell whether a person has just joined a thread in which others have been before."""
    came = thread.assignment.members - before.assignment.members
    return bool(came) and (thread.assignment.epoch > 1 or bool(before.assignment.members))


def _critical_facts(pack: Pack, thread: Thread) -> tuple[object, ...]:
    """Return the facts that must never be outdated on the card: what stops the phone, who is heard, a hold."""
    return (_alarms(pack, thread), thread.assignment.assignee, thread.lifecycle.state, thread.on_legal_hold)


def _alarms(pack: Pack, thread: Thread) -> list[str]:
    """Return what stops or endangers the phone, a line each: the first lines of the card."""
    flags, consent, codeword = thread.flags, thread.consent, thread.codeword
    hands = flags.other_hands_seen
    came = notice_of("thread_card.the_word_came", moment=_moment(pack, codeword.duress_at)) if codeword.duress_at else ""
    until = notice_of("thread_card.nothing_leaves_but_cover_until")
    return [
        *([notice_of("thread_card.unsafe_nothing_leaves_until_safe")] if flags.unsafe else []),
        *([notice_of("thread_card.duress", until=until, came=came)] if codeword.lock is SendLock.DURESS else []),
        *(
            [notice_of("thread_card.unverified_possible_duress", until=until)]
            if codeword.lock is SendLock.UNVERIFIED
            else []
        ),
        *([notice_of("thread_card.stopped_nothing_leaves_until_they")] if consent.stopped else []),
        *([notice_of("thread_card.blocked_nothing_leaves_nothing_is")] if consent.blocked_until else []),
        *([notice_of("thread_card.other_hands_seen_words_are", hands=hands)] if hands else []),
    ]


def _moment(pack: Pack, at: float) -> str:
    return f"{time_windows.local(pack, at):%Y-%m-%d %H:%M}"


def _last(thread: Thread) -> str:
    """Say whose the last text was, and since when: an automatic reply is no answer."""
    silence = thread.silence
    if not (silence.heard_at or silence.spoke_at):
        return notice_of("thread_card.none_yet")
    return (
        notice_of("thread_card.theirs_unanswered_since", since=_weekday(silence.turn_since))
        if silence.heard_at > silence.spoke_at
        else notice_of("thread_card.ours_since", since=_weekday(silence.turn_since))
    )


def _weekday(moment: str) -> str:
    """Return a day of the week and a time of a stored moment, as a notice that every language can say."""
    day, _, time = moment.partition(" ")
    return join_notices(" ", (DAYS[day], time)) if day in DAYS else moment


def _signs(thread: Thread) -> list[str]:
    """Name the signs of danger of this conversation, without the texter's words."""
    names = [notice_of(f"sign.{name}") for name, _ in thread.silence.signs if name in DANGERS]
    return [notice_of("thread_card.signs_of_danger", names=join_notices(", ", names))] if names else []


def _codeword(pack: Pack, thread: Thread) -> list[str]:
    codeword = thread.codeword
    lines = []
    if codeword.digests is not None:
        state = notice_of("thread_card.burned_it_is_on_that") if codeword.spent else notice_of("word.agreed")
        lines.append(notice_of("thread_card.codeword", state=state))
    if codeword.verified_at and codeword.lock is SendLock.NONE:
        lines.append(notice_of("thread_card.verified", moment=_moment(pack, codeword.verified_at)))
    return lines


def list_auto_replies(thread: Thread) -> list[str]:
    """Return the automatic replies that were sent before the thread had an assignee, a line each."""
    return [notice_of("sending.answered_by_itself", name=name, body=body) for name, body in thread.silence.answered_alone]


def _limits(pack: Pack, thread: Thread) -> str:
    """Say whether the limits were given, and which other texts (practices 26, 27)."""
    flags = thread.flags
    words = pack.say(TextName.LIMITS, thread.consent.language, opens=None)
    names = [name for name, at in (("tips", flags.tips), ("rights", flags.rights)) if at]
    return notice_of(
        "thread_card.limits",
        limits=notice_of("thread_card.limits_given")
        if flags.limits
        else notice_of("thread_card.not_given_yet_limits", words=words),
        told=join_notices("", (notice_of(f"thread_card.{name}_given") for name in names)),
    )


def _flags(thread: Thread) -> list[str]:
    """Return what was agreed, and what is still to be asked (practices 2, 11)."""
    flags = thread.flags
    safe_check = (
        notice_of("thread_card.asked", moment=flags.safe_check_asked)
        if flags.safe_check_asked
        else notice_of("thread_card.not_asked_yet_safecheck")
    )
    first = {
        True: notice_of("word.yes"),
        False: notice_of("word.no"),
        None: notice_of("thread_card.not_asked_agreed_first"),
    }[flags.text_first]
    return [
        (
            notice_of(
                "thread_card.safe_to_text",
                asked=safe_check,
                again=notice_of("thread_card.ask_again_safecheck") if thread.silence.recheck_safety else "",
                times=time_windows.describe(flags),
            )
        ),
        notice_of("thread_card.may_we_text_first", first=first),
        *(
            [notice_of("thread_card.another_way", channel=CHANNELS.get(flags.channel, flags.channel))]
            if flags.channel
            else []
        ),
        *([notice_of("thread_card.chose_a_line_for_unsafe")] if flags.unsafe_line else []),
    ]


def localpart(user: str) -> str:
    """Return the local part of a Matrix id, as people say it."""
    return user.removeprefix("@").partition(":")[0]
