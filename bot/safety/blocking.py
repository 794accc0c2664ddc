"""Blocking a phone (practice 40): nothing leaves for it, nothing of it is kept, and the block ends by itself.

Rules of this module: only a supervisor blocks. Every block ends, because numbers are given to others; none ends while the
machine's clock is not trusted. A block stands until it is ended here, whatever the time is. Texts of a blocked phone are
counted at the desk and dropped; a STOP among them counts, without an answer, so that nothing leaves after the block either.
No new thread is made for a blocked phone: the bridge looks the block up.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands.parser import ParsedCommand, answer_as_note, mark_as_note, parse
from bot.model.actions import DESK, THREAD, Action, SendMessage
from bot.model.desk import Desk, Facts, Role, Thread
from bot.model.events import MessageSent, TextArrived, TimerDue
from bot.model.feature import Step, raise_alarm
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import AlarmKind, PhoneMuted, TextDropped
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer, Suppress, SuppressionReason
from bot.safety.opt_out import remember_stop, stop_as_asked
from bot.sending.reply_after_stop import drop_reply
from bot.sending.retraction import retract_sent
from bot.sending.unsent_texts import drop_pending
from bot.wording.notice import notice_of
from policies.keywords import is_stop
from policies.pack import Pack

TIMER: Final = "block"
DAY: Final = 86_400
DEFAULT_SECONDS: Final = 7 * DAY
MAX_SECONDS: Final = 90 * DAY
UNIT: Final = {"min": 60, "h": 3600, "d": DAY, "day": DAY, "days": DAY}
DURATION: Final = re.compile(r"(\d{1,5}) ?(min|h|d|days?)")
OVER: Final = notice_of("blocking.the_blocks_time_is_over")
USAGE: Final = notice_of("blocking.nothing_was_blocked_say_block")


def block(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!block [duration|off]` of a supervisor."""
    said = command.arguments
    if said.casefold() == "off":
        if not thread.consent.blocked_until:
            return answer_as_note(facts, thread, event, notice_of("blocking.it_is_not_blocked"))
        thread, actions = _end_block(pack, thread, notice_of("blocking.the_block_is_over_texts"))
        return Step(thread, (mark_as_note(event), CancelTimer(key=TIMER), *actions), consumed=True)
    seconds = _seconds(said)
    if seconds is None:
        return answer_as_note(facts, thread, event, USAGE)
    thread, actions = _block(facts, thread, seconds)
    return Step(thread, (mark_as_note(event), *actions), consumed=True)


def mute_from_earlier_room(pack: Pack, facts: Facts, thread: Thread, event: PhoneMuted) -> Step[Thread]:
    """Honour `!stopped`, or `!block` of a supervisor, from the room of a conversation that has just ended.

    Nothing else of them is done then: the conversation has no room, and the desk knows no designation of it.
    """
    command = parse(event.body)
    name = "" if command is None or command.asks else command.name
    seconds = _seconds(command.arguments) if command is not None and name == "block" else None
    actions: tuple[Action, ...] = ()
    if name == "stopped" and not thread.consent.stopped:
        thread, actions = stop_as_asked(pack, facts, thread)
    elif seconds is not None and facts.role(event.user) is Role.SUPERVISOR:
        thread, actions = _block(facts, thread, seconds)
    parked = thread.lifecycle.state is ThreadState.PARKED
    return Step(thread, tuple(action for action in actions if not parked or isinstance(action, Suppress)))


def _block(facts: Facts, thread: Thread, seconds: int) -> tuple[Thread, tuple[Action, ...]]:
    until = facts.now + seconds
    thread = retract_sent(thread, lambda _words: True)
    thread, dropped = drop_pending(thread, notice_of("blocking.the_phone_was_blocked"))
    thread, unsent = drop_reply(thread, notice_of("blocking.the_phone_was_blocked_2"))
    thread = replace(thread, consent=replace(thread.consent, blocked_until=until))
    notice = notice_of("blocking.blocked_for_nothing_leaves_and", duration=describe_days(seconds))
    return thread, (
        *dropped,
        *unsent,
        SendMessage(place=THREAD, body=notice),
        Suppress(reason=SuppressionReason.BLOCK, until=until),
        SetTimer(key=TIMER, due=until),
        raise_alarm(thread, AlarmKind.BLOCKED),
    )


def drop_text(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Drop what a blocked phone sends; the desk counts it. A STOP is remembered.

    A block whose time is over ends first: after a downtime a text may come before the timer.
    """
    if not thread.consent.blocked_until:
        return Step(thread)
    if _is_over(facts, thread):
        if thread.lifecycle.state is ThreadState.PARKED:  # its timer ended with the conversation
            return Step(replace(thread, consent=replace(thread.consent, blocked_until=0.0)))
        thread, actions = _end_block(pack, thread, OVER)
        return Step(thread, (CancelTimer(key=TIMER), *actions))
    thread, remembered = remember_stop(pack, facts, thread, event) if is_stop(pack, event.body) else (thread, ())
    return Step(thread, (SendEvent(owner=DESK, event=TextDropped()), *remembered), consumed=True)


def end_block(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """End a block whose time is over, and say so."""
    if event.key != TIMER:
        return Step(thread)
    if not thread.consent.blocked_until:
        return Step(thread, consumed=True)
    if not _is_over(facts, thread):
        # While the clock is not trusted, it does not fire.
        return Step(thread, (SetTimer(key=TIMER, due=thread.consent.blocked_until),), consumed=True)
    return Step(*_end_block(pack, thread, OVER), consumed=True)


def count_dropped(pack: Pack, facts: Facts, desk: Desk, event: TextDropped) -> Step[Desk]:
    """Count the texts of blocked phones by the day: the board shows the count."""
    fresh = not 0 <= facts.now - desk.dropped_since < DAY
    since = facts.now if fresh else desk.dropped_since
    return Step(replace(desk, dropped_texts=1 if fresh else desk.dropped_texts + 1, dropped_since=since))


def describe_days(seconds: int) -> str:
    """Say how long a block is."""
    for unit, name in ((DAY, "day"), (3600, "hour"), (60, "minute")):
        if seconds % unit == 0 and seconds >= unit:
            return notice_of(f"blocking.{name}{'' if seconds == unit else 's'}", count=seconds // unit)
    return notice_of("blocking.seconds", seconds=seconds)


def _is_over(facts: Facts, thread: Thread) -> bool:
    return facts.now >= thread.consent.blocked_until and not facts.clock_distrusted


def _end_block(pack: Pack, thread: Thread, words: str) -> tuple[Thread, tuple[Action, ...]]:
    thread = replace(thread, consent=replace(thread.consent, blocked_until=0.0))
    return thread, (
        SendMessage(place=THREAD, body=guard.add_other_stop(pack, thread, words)),
        Suppress(reason=SuppressionReason.BLOCK),
        raise_alarm(thread, AlarmKind.UNBLOCKED),
    )


def _seconds(said: str) -> int | None:
    if not said:
        return DEFAULT_SECONDS
    match = DURATION.fullmatch(said.casefold())
    seconds = int(match[1]) * UNIT[match[2]] if match else 0
    return seconds if 0 < seconds <= MAX_SECONDS else None
