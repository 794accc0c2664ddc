"""The debrief of a drill: what left for the phone, and kind words on each point.

Rules of this module: it says what happened and what would help next time; it grades nobody and compares nobody. It repeats
only our words, and never the texter's, because a codeword may be among them.
"""

from __future__ import annotations

from typing import Final

from bot.model.drill import DrillRun, PhoneText
from bot.wording.notice import join_notices, notice_of, pack_notice
from policies.drills.script import DISCLOSURE, TAKEN, Check, DrillFact, DrillScript, Words, in_words

STOPS: Final = frozenset({DrillFact.UNSAFE, DrillFact.DIFFERENT, DrillFact.CLOSED, DrillFact.STOPPED, DrillFact.BLOCKED})
"""Facts that stop everything for a phone."""


def debrief(run: DrillRun, script: DrillScript | None, *, now: float, count: int) -> str:
    """Return the text of the debrief for the office. `count`: drills that this person has played, including this one."""
    title = run.name if script is None else _words(script.title)
    lines = [notice_of("drills.over", title=title), *_outbound_texts(run)]
    lines += [*_disclosure(run), *_phone_takeover(run)]
    if script is not None:
        for point in script.points:
            well = is_well(run, point.check, now=now)
            if well is not None:
                key = "drills.point_well" if well else "drills.point_next_time"
                words = _words(point.well if well else point.next_time)
                lines.append(notice_of(key, words=words, practice=point.practice))
    lines.append(notice_of("drills.kept", count=count))
    return join_notices("\n", lines)


def is_well(run: DrillRun, check: Check, *, now: float) -> bool | None:
    """Return whether a point is as it should be; None when the script did not reach one of its marks."""
    begin = run.time_of_mark(check.after) if check.after else run.began
    finish = run.time_of_mark(check.before) if check.before else now
    if begin is None or finish is None:
        return None
    if check.within:
        finish = min(finish, begin + check.within)
    came = any(begin <= at <= finish for at in run.times_of(frozenset(str(fact) for fact in check.facts)))
    return came is not check.never


def _outbound_texts(run: DrillRun) -> list[str]:
    texts = _texts_on_phone(run)
    if not texts:
        return [notice_of("drills.nothing_left")]
    return [notice_of("drills.left", count=len(texts)), *(_line(run, text) for text in texts)]


def _disclosure(run: DrillRun) -> list[str]:
    told_at = run.time_of_mark(DISCLOSURE)
    if told_at is None:
        return []
    limits = next(iter(run.times_of(frozenset({DrillFact.LIMITS}))), None)
    if limits is None:
        return [notice_of("drills.limits_never")]
    key = "drills.limits_before" if limits <= told_at else "drills.limits_after"
    return [notice_of(key, time=_duration(abs(told_at - limits)))]


def _phone_takeover(run: DrillRun) -> list[str]:
    """Say how soon everything was stopped, and what the person who took the phone could read."""
    taken_at = run.time_of_mark(TAKEN)
    if taken_at is None:
        return []
    stopped = next((at for at in run.times_of(frozenset(STOPS)) if at >= taken_at), None)
    lines = [
        notice_of("drills.never_stopped")
        if stopped is None
        else notice_of("drills.stopped_after", time=_duration(stopped - taken_at))
    ]
    before, after = ([t for t in _texts_on_phone(run) if (t.at >= taken_at) is late] for late in (False, True))
    lines.append(notice_of("drills.could_read" if before else "drills.could_read_nothing"))
    lines += [_line(run, text) for text in before]
    if after:
        lines += [notice_of("drills.and_then", count=len(after)), *(_line(run, text) for text in after)]
    return lines


def _texts_on_phone(run: DrillRun) -> list[PhoneText]:
    return [text for text in run.phone if text.reached]


def _line(run: DrillRun, text: PhoneText) -> str:
    since = int(max(text.at - run.began, 0))
    return notice_of("drills.text", time=f"{since // 60}:{since % 60:02}", words=text.body)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return notice_of("drills.seconds", count=whole)
    return notice_of("drills.minutes", count=whole // 60)


def _words(words: Words) -> str:
    return pack_notice(in_words(words, "en"), words)
