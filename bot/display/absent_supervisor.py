"""Adds to a notice that sends its reader to a supervisor that no supervisor is on duty, when none is.

Rules of this module: the keys of such notices are listed here; features do not check for themselves whether a supervisor is
on duty. Notices that only say who may do something, or what stays as it is until then, are not listed. `!escalate`,
`!reveal` and the notices after a codeword say whether a person outside is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from bot.display.ringing import NO_SUPERVISOR
from bot.model.actions import Action, EditMessage, SendMessage
from bot.model.desk import DeskMember, Role
from bot.wording.notice import Notice, join_notices, notice_for_all

SENDS_TO_SUPERVISOR: Final = frozenset(
    {
        *("alerts.could_not_be_shown_nobody", "alerts.duress_the_duress_word_came", "alerts.its_advocate_asks_for_a"),
        *("alerts.its_advocate_has_not_read", "alerts.its_advocate_has_still_not"),
        "alerts.unverified_possible_duress_nothing_leaves",
        *("codeword_commands.first_a_supervisors_unlock_once", "codeword_commands.first_a_supervisors_unlock_until"),
        *("dispatch.escalate_calls_a_supervisor_playbook", "dispatch.escalate_calls_the_supervisors_on"),
        *("dispatch.escalate_calls_those_on_duty", "dispatch.playbook_minor_says_what_to"),
        *("dispatch.playbook_suicide_says_what_to", "dispatch.urgent_gives_them_the_voice", "synonyms.help"),
        *("first_times.step_4", "guard.the_duress_word_came_from", "guard.this_phone_failed_the_agreed"),
        *("inbound_cues.they_may_be_under_age", "inbound_cues.they_may_have_told_of"),
        *("number_reveal.asks_to_see_the_number_2", "number_reveal.has_asked_a_supervisor_says"),
        *("number_reveal.it_takes_two_here_reveal", "number_reveal.only_a_supervisor_can_say"),
        *("opt_out.a_supervisor_may_send_one", "opt_out.the_texter_asks_for_a"),
        *("playbooks.steps_that_name_a_supervisor", "transfer.a_supervisor_may_all_the"),
    }
)
"""Notices that send their reader to a supervisor."""
SAID: Final = frozenset(
    {
        *("ringing.no_supervisor_is_on_duty", "ringing.no_supervisor_and_no_call"),
        *("ringing.no_other_supervisor_is_on_duty", "ringing.no_other_supervisor_and_no_call"),
    }
)
"""Notices that say it already."""
ENDS: Final = (".", "!", "?", ":")
"""Characters that end a sentence; a command at the end of one has no arguments."""


def add_absence_notice(roster: Iterable[DeskMember], actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return the actions, that sentence added to each notice that needs it; unchanged while a supervisor is on duty."""
    if any(member.on_duty and member.role is Role.SUPERVISOR for member in roster):
        return actions
    return tuple(
        _with_absence_notice(action) if isinstance(action, SendMessage | EditMessage) else action for action in actions
    )


def _with_absence_notice(post: SendMessage | EditMessage) -> SendMessage | EditMessage:
    if not _refers_to_supervisor(post.body) or _has_absence_notice(post.body):
        return post
    between = "\n" if "\n" in post.body else " " if post.body.endswith(ENDS) else ". "
    body = join_notices(between, (post.body, NO_SUPERVISOR))
    return replace(post, body=notice_for_all(body) if isinstance(post.body, Notice) and post.body.loud else body)


def _refers_to_supervisor(said: object) -> bool:
    return any(notice.key in SENDS_TO_SUPERVISOR for notice in _notices(said))


def _has_absence_notice(said: object) -> bool:
    return any(notice.key in SAID for notice in _notices(said))


def _notices(said: object) -> Iterator[Notice]:
    """Yield a notice and every notice inside it; nothing for plain strings."""
    if isinstance(said, Notice):
        yield said
        for inside in (*said.parts, *said.values.values()):
            yield from _notices(inside)
