"""The first lines of the board: is anybody in danger, is anybody alone, who has to wait longest.

Rules of this module: no content; short enough for a phone, which shows a line or two of a pinned message. Every thread with
⚠️ on its card is counted behind ⚠️ here. A texter is alone who has texted and has no assignee. The longest wait may be that
of a thread with an assignee, because an unanswered text is a wait as well. Its age is in steps, as all ages of open threads
are.
"""

from __future__ import annotations

from bot.display.thread_card import localpart
from bot.model.desk import Desk, Facts, QueueEntry
from bot.model.flood import CrowdEntry
from bot.wording.durations import describe_duration, describe_in_steps
from bot.wording.notice import notice_of


def glance(facts: Facts, desk: Desk) -> list[str]:
    """Return the lines: what nobody may overlook, and who has to wait longest, if anybody waits."""
    crowd = desk.flood.crowd.values()
    danger = sum(in_danger(entry) for entry in desk.threads) + sum(entry.in_danger for entry in crowd)
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


def in_danger(entry: QueueEntry) -> bool:
    """Whether there is a sign of danger, of duress or of other hands."""
    return entry.danger or entry.duress or bool(entry.other_hands_at)


def asks_for_help(entry: QueueEntry) -> bool:
    """Whether the texter said a word for help and has no assignee yet; a thread in danger is counted as that instead."""
    return entry.asks and entry.assignee is None and not in_danger(entry)


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
