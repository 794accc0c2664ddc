"""The state of the desk in words: the live board, and a thread's status. No content, ever.

Rules of this module: the board is one message, edited in place, at most every two seconds and only when its text changes.
It is posted again, in place of the old one, when the roster changes and when an alarm begins or ends. For changes of who
waits, or who is with whom, it is posted again at most every quarter of an hour, because some clients go on showing the
first version. The word "waiting" is on cards alone, so that nobody takes the board for one.

Its first lines (`glance`) say whether anybody is in danger, whether anybody is alone, who has to wait longest; they are
short enough for a phone, which shows a line or two of a pinned message. Every thread with ⚠️ on its card is counted behind
⚠️ here. A texter is alone who has texted and has no assignee. The longest wait may be that of a thread with an assignee,
because an unanswered text is a wait as well. Its age is in steps, as all ages of open threads are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer, answer_as_note
from bot.display.queue_cards import EDIT, marks
from bot.display.thread_card import localpart, pinned_text
from bot.model.actions import DESK, Action, EditMessage, PinMessage, SendMessage
from bot.model.desk import Desk, DeskMember, Facts, QueueEntry, Role, Thread
from bot.model.events import MessageRedacted, MessageSent
from bot.model.feature import Step
from bot.model.flood import CrowdEntry
from bot.model.transactional_actions import SetTimer
from bot.wording.durations import MINUTE, STEP_MINUTES, describe_duration, describe_in_steps
from bot.wording.notice import in_language, join_notices, notice_of
from policies.pack import Pack

BOARD: Final = "board"
EDIT_INTERVAL: Final = 2.0
FLOOD_INTERVAL: Final = 30.0
"""Seconds between two edits of the board while many new texters come at once."""
DAY: Final = 86_400.0
LONG_SHIFT: Final = 8 * 3_600.0
"""Seconds on duty after which the board says how long it has been."""
POST_INTERVAL: Final = 900.0
"""Seconds until the board may be posted again because who waits, or who is with whom, has changed."""
MAX_ROWS: Final = 40
"""Threads of each kind, and people, on the board: a screen, not a ledger. An event holds 64 KiB, and an edit has the text
three times, and is encrypted."""


def board(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """Answer `!board`."""
    return Step(desk, answer(facts, event, board_text(pack, facts, desk), formatted=True), consumed=True)


def status(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """Answer `!status`: assignee, last texts, what is still in the undo window."""
    life = thread.lifecycle
    body = join_notices(
        "\n",
        (
            pinned_text(pack, thread),
            notice_of(
                "desk_board.last_text_in",
                last_inbound=describe_duration(facts.now - life.last_inbound)
                if life.last_inbound
                else notice_of("word.none"),
            ),
            notice_of(
                "desk_board.last_text_out",
                last_outbound=describe_duration(facts.now - life.last_outbound)
                if life.last_outbound
                else notice_of("word.none"),
            ),
            notice_of("desk_board.in_the_undo_window", pending=len(thread.sending.pending)),
        ),
    )
    return answer_as_note(facts, thread, event, body, formatted=True)


def update_board(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Bring the pinned board up to date after any event of the desk, and set the next update while there are threads."""
    if not desk.roster:
        return desk, ()
    interval = FLOOD_INTERVAL if desk.flood.active else EDIT_INTERVAL
    # After the clock was set back, do not wait for it to catch up.
    soon = 0 <= facts.now - desk.board_at < interval
    if soon and (desk.flood.active or desk.flood.crowd):
        return desk, (SetTimer(key=BOARD, due=desk.board_at + interval),)
    now = in_language(board_text(pack, facts, desk), pack.staff_language)
    waits = desk.waiting or desk.flood.crowd
    later = MINUTE if waits else STEP_MINUTES * MINUTE
    again: tuple[Action, ...] = (SetTimer(key=BOARD, due=facts.now + later),) if waits or desk.threads else ()
    if not again and _shows_dropped(facts, desk):
        again = (SetTimer(key=BOARD, due=desk.dropped_since + DAY),)
    if now == desk.board:
        return desk, again
    if soon:
        return desk, (SetTimer(key=BOARD, due=desk.board_at + interval),)
    first = not desk.board
    alarms, threads = _alarms(desk), tuple(f"{entry.thread} {entry.assignee or ''}" for entry in desk.threads)
    moved = threads != desk.board_threads and not 0 <= facts.now - desk.board_posted_at < POST_INTERVAL
    fresh = first or moved or alarms != desk.board_alarms
    desk = replace(desk, board=now, board_at=facts.now)
    if fresh:
        desk = replace(desk, board_alarms=alarms, board_threads=threads, board_posted_at=facts.now)
    if first:
        return desk, (
            SendMessage(place=DESK, ref=BOARD, body=now, formatted=True),
            PinMessage(place=DESK, ref=BOARD),
            *again,
        )
    return desk, (EditMessage(place=DESK, ref=BOARD, body=now, formatted=True, fresh=fresh), *again)


def _alarms(desk: Desk) -> tuple[str, ...]:
    """Return what must never be outdated on the board: an outage, threads in danger or asking for help, the roster."""
    outage = ("outage",) if desk.outage else ()
    danger = (entry.thread for entry in desk.threads if entry.in_danger or asks_for_help(entry))
    return (*outage, *sorted(danger), *sorted(member.user for member in desk.roster))


def restore_board(pack: Pack, facts: Facts, desk: Desk, event: MessageRedacted) -> Step[Desk]:
    """Show the board again when a person redacted it, or its newest edit: nobody may work by an old one."""
    if event.ref == EDIT + BOARD:
        return Step(desk, (EditMessage(place=DESK, ref=BOARD, body=desk.board, formatted=True),))
    return Step(replace(desk, board="") if event.ref == BOARD else desk)


def board_text(pack: Pack, facts: Facts, desk: Desk) -> str:
    """Return the board: what matters most, who waits how long, who talks with whom, who is here with how many threads."""
    queue = desk.waiting
    waiting = [
        notice_of(
            "desk_board.queued",
            designation=entry.designation,
            marks=_marks(facts, desk, entry),
            duration=describe_duration(facts.now - entry.since),
        )
        for entry in queue[:MAX_ROWS]
    ]
    count = len(queue) + len(desk.flood.crowd)
    waiting += [_in_crowd(facts, entry) for entry in desk.flood.first(MAX_ROWS)]
    opened = sorted(
        (entry for entry in desk.threads if entry.assignee is not None),
        key=lambda entry: (not entry.duress, not entry.in_danger),
    )
    claimed = [
        notice_of(
            "desk_board.with_open",
            designation=entry.designation,
            marks=_marks(facts, desk, entry),
            assignee=localpart(entry.assignee or ""),
            offered=notice_of("desk_board.offered_to_all") if entry.offered else "",
            steps=describe_in_steps(facts.now - entry.opened_at),
            last=_last(facts, entry),
        )
        for entry in opened[:MAX_ROWS]
    ]
    # Of too many people those on duty are shown.
    roster = desk.roster if len(desk.roster) <= MAX_ROWS else sorted(desk.roster, key=lambda member: not member.on_duty)
    people = [
        join_notices(
            "",
            (
                localpart(member.user),
                notice_of("desk_board.supervisor") if member.role is Role.SUPERVISOR else "",
                f" {len(desk.assigned_to(member.user))}/{pack.settings.cap}",
                _languages(member),
                _shift(facts, member),
            ),
        )
        for member in roster
    ]
    blocked = (
        [notice_of("desk_board.dropped_from_blocked_phones", dropped_texts=desk.dropped_texts)]
        if _shows_dropped(facts, desk)
        else []
    )
    on_hold = sum(entry.thread in desk.on_legal_hold for entry in desk.threads)
    counts = (
        (notice_of("desk_board.of_duress"), sum(entry.duress for entry in desk.threads)),
        (notice_of("desk_board.on_hold"), on_hold),
    )
    over = len(set(desk.on_legal_hold) - {entry.thread for entry in desk.threads})
    return join_notices(
        "\n",
        (
            *glance(facts, desk),
            notice_of("desk_board.queue", waiting=count),
            *_limit_rows(waiting, count),
            *([notice_of("desk_board.outage_whoever_texts_is_told")] if desk.outage else []),
            notice_of(
                "desk_board.open",
                claimed=len(opened),
                counts=join_notices("", (join_notices("", (f" · {many} ", name)) for name, many in counts if many)),
            ),
            *_limit_rows(claimed, len(opened)),
            *([notice_of("desk_board.on_hold_their_conversation_over", over=over)] if over else []),
            *blocked,
            notice_of("desk_board.here", people=join_notices(", ", _limit_rows(people, len(people)))),
        ),
    )


def _shows_dropped(facts: Facts, desk: Desk) -> bool:
    """Whether texts from blocked phones were dropped within the day that is counted."""
    return desk.dropped_texts > 0 and 0 <= facts.now - desk.dropped_since < DAY


def _marks(facts: Facts, desk: Desk, entry: QueueEntry) -> str:
    hands = (
        notice_of("desk_board.other_hands_ago", steps=describe_in_steps(facts.now - entry.other_hands_at))
        if entry.other_hands_at
        else ""
    )
    duress = notice_of("desk_board.duress") if entry.duress else ""
    return join_notices(
        "", (marks(entry), hands, duress, notice_of("desk_board.on_hold_2") if entry.thread in desk.on_legal_hold else "")
    )


def _last(facts: Facts, entry: QueueEntry) -> str:
    """Say whose the last text was and how long ago."""
    return (
        notice_of(
            "desk_board.ago",
            whose=notice_of("desk_board.theirs") if entry.last_was_inbound else notice_of("desk_board.ours"),
            steps=describe_in_steps(facts.now - entry.last_activity),
        )
        if entry.last_activity
        else ""
    )


def _languages(member: DeskMember) -> str:
    """Name the languages that a person speaks."""
    return f" · {' '.join(member.languages)}" if member.languages else ""


def _shift(facts: Facts, member: DeskMember) -> str:
    if not member.on_duty:
        return notice_of("desk_board.off_until_trusted" if member.off_until_trusted else "desk_board.off")
    return (
        notice_of("desk_board.on_duty", duration=describe_duration(facts.now - member.on_duty_since))
        if member.on_duty_since and facts.now - member.on_duty_since >= LONG_SHIFT
        else ""
    )


def _in_crowd(facts: Facts, entry: CrowdEntry) -> str:
    """Describe a thread that waits without a card."""
    known = (
        " ⚠️" if entry.in_danger else "",
        notice_of("desk_board.duress") if entry.duress else "",
        notice_of("desk_board.asks") if entry.asks else "",
        notice_of("desk_board.texts", texts=entry.texts) if entry.texts > 1 else "",
        f" · {entry.language}" if entry.language else "",
    )
    return notice_of(
        "desk_board.in_crowd",
        designation=entry.designation,
        marks=join_notices("", known),
        duration=describe_duration(facts.now - entry.since),
    )


def _limit_rows(rows: list[str], count: int) -> list[str]:
    return [*rows[:MAX_ROWS], *([notice_of("desk_board.and_more", count=count - MAX_ROWS)] if count > MAX_ROWS else [])]


def glance(facts: Facts, desk: Desk) -> list[str]:
    """Return the lines: what nobody may overlook, and who has to wait longest, if anybody waits."""
    crowd = desk.flood.crowd.values()
    danger = sum(entry.in_danger for entry in desk.threads) + sum(entry.in_danger for entry in crowd)
    asks = sum(asks_for_help(entry) for entry in desk.threads) + sum(entry.asks and not entry.in_danger for entry in crowd)
    alone = len(desk.waiting) + len(crowd)
    match danger > 0, asks > 0, alone > 0:
        case True, True, _:
            first = notice_of("glance.danger_asks_and_alone", danger=danger, asks=asks, alone=alone)
        case True, _, True:
            first = notice_of("glance.danger_and_alone", danger=danger, alone=alone)
        case True, _, _:
            first = notice_of("glance.danger", danger=danger)
        case _, True, _:
            first = notice_of("glance.asks_and_alone", asks=asks, alone=alone)
        case _, _, True:
            first = notice_of("glance.alone", alone=alone)
        case _:
            first = notice_of("glance.calm")
    return [first, *_longest_wait(facts, desk)]


def asks_for_help(entry: QueueEntry) -> bool:
    """Whether the texter said a word for help and has no assignee yet; a thread in danger is counted as that instead."""
    return entry.asks and entry.waits and not entry.in_danger


def _longest_wait(facts: Facts, desk: Desk) -> list[str]:
    waiting: list[QueueEntry | CrowdEntry] = [*desk.waiting, *desk.flood.crowd.values()]
    alone = min(waiting, key=lambda entry: entry.since, default=None)
    unanswered = [entry for entry in desk.threads if entry.assignee and entry.last_was_inbound and entry.last_activity]
    oldest = min(unanswered, key=lambda entry: entry.last_activity, default=None)
    if oldest is not None and (alone is None or oldest.last_activity < alone.since):
        age, assignee = describe_in_steps(facts.now - oldest.last_activity), localpart(oldest.assignee or "")
        return [notice_of("glance.longest_with", designation=oldest.designation, age=age, assignee=assignee)]
    if alone is None:
        return []
    age = describe_duration(facts.now - alone.since)
    return [notice_of("glance.longest_alone", designation=alone.designation, age=age)]
