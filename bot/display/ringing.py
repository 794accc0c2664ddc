"""Decides which of our messages ring: by Matrix's default push rules a notice rings nobody, a mention the person it names.

Rules of this module: a message of the policy bot that mentions a person is an ordinary message (`m.text`), because
`.m.rule.suppress_notices` comes before the mention rule; one that mentions nobody is a notice, because any other message
notifies the whole room. Only people on duty are mentioned. When supervisors are called and none is on duty, everybody on
duty is called. The texter's words mention the assignee (`bot/staffing/assignment.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from bot.model.actions import OFFICE, Action, SendMessage, Speaker
from bot.model.desk import DeskMember, Facts
from bot.wording.notice import notice_of

NO_SUPERVISOR: Final = notice_of("ringing.no_supervisor_is_on_duty")


def ring(roster: Iterable[DeskMember], actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Make messages of the policy bot ring the people on duty whom they mention, and nobody else."""
    on_duty = {member.user for member in roster if member.on_duty}
    return tuple(_ringing(on_duty, action) if isinstance(action, SendMessage) else action for action in actions)


def _ringing(on_duty: set[str], post: SendMessage) -> SendMessage:
    if post.speaker is not Speaker.POLICY or post.place.startswith(OFFICE):
        return post
    called = tuple(user for user in dict.fromkeys(post.mentions) if user in on_duty)
    return replace(post, mentions=called, notice=not called)


def on_duty(roster: Iterable[DeskMember]) -> tuple[str, ...]:
    """Return the people on duty."""
    return tuple(member.user for member in roster if member.on_duty)


def alarm_recipients(facts: Facts) -> tuple[str, ...]:
    """Return whom an alarm calls: the supervisors on duty, or, if there is none, everybody on duty."""
    return facts.supervisors or on_duty(facts.roster)


def no_supervisor_notice(facts: Facts) -> str:
    """Say who is called when no supervisor, or no other one, is on duty: the person on call, or nobody."""
    if facts.on_call:
        nobody = notice_of("ringing.no_other_supervisor_is_on_duty") if facts.supervisors else NO_SUPERVISOR
        return notice_of("ringing.whoever_is_on_call_is", no_supervisor=nobody)
    return notice_of(
        "ringing.no_other_supervisor_and_no_call" if facts.supervisors else "ringing.no_supervisor_and_no_call"
    )
