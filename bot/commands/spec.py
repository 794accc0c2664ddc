"""The command table, as data: it drives parsing, permission, help, refusals and the generated page of the documentation.

Rule of this module: a row alone says who may say a command, and where. Which function does it is a row of
`bot/command_functions`; a test compares the names and places of the two tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from bot.model.actions import DESK, OFFICE, THREAD
from bot.wording.catalogue import ENGLISH
from bot.wording.notice import notice_of


@unique
class Who(Enum):
    """Who may say a command; the value is how a refusal names them."""

    ANYBODY = "everybody at the desk"
    ASSIGNEE = "the advocate of the thread"
    ASSIGNEE_OR_SUPERVISOR = "the advocate of the thread and supervisors"
    SUPERVISOR = "supervisors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row: `places` where it may be said, `who` may say it.

    `card`: it is one of those on every card; the others are behind `!more`. `about_sender`: the first word behind it in the
    form that concerns its sender alone. Anybody may say that form, and at the desk and in an office the command has no
    other.
    """

    name: str
    places: tuple[str, ...]
    who: Who = Who.ANYBODY
    card: bool = False
    about_sender: str = ""

    @property
    def help(self) -> str:
        """What it does: a notice."""
        return notice_of(f"help.{self.name}")

    @property
    def arguments(self) -> str:
        """What may stand behind it, as people read it: a notice, or nothing."""
        return notice_of(key) if (key := f"arguments.{self.name}") in ENGLISH else ""


COMMANDS: Final = (
    Command(name="claim", places=(DESK, THREAD), card=True),
    Command(name="board", places=(DESK,)),
    Command(name="on", places=(DESK,)),
    Command(name="off", places=(DESK, THREAD), card=True),
    Command(name="languages", places=(DESK,)),
    Command(name="trust", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="signout", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="devices", places=(DESK,)),
    Command(name="transfer", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR, card=True),
    Command(name="accept", places=(THREAD,)),
    Command(name="decline", places=(THREAD,)),
    Command(name="escalate", places=(THREAD,), card=True),
    Command(name="with", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="take", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="speak", places=(THREAD,)),
    Command(name="listen", places=(DESK, THREAD), who=Who.SUPERVISOR),
    Command(name="release", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="limits", places=(THREAD,), who=Who.ASSIGNEE, card=True),
    Command(name="options", places=(THREAD,), who=Who.ASSIGNEE, card=True),
    Command(name="unsafe", places=(THREAD, DESK, OFFICE), card=True),
    Command(name="safe", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="say", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="tips", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="rights", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="clarify", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="safecheck", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="later", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="switch", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="urgent", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="different", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="lang", places=(DESK, THREAD, OFFICE), who=Who.ASSIGNEE, about_sender="me"),
    Command(name="quiet", places=(DESK, THREAD, OFFICE)),
    Command(name="agreed", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="told", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="note", places=(THREAD,)),
    Command(name="playbook", places=(THREAD, DESK, OFFICE)),
    Command(name="outage", places=(DESK,)),
    Command(name="drill", places=(DESK, OFFICE)),
    Command(name="close-rest", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="again", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="anyway", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="long", places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="stopped", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="resume", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="reply", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="block", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="tally", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="codeword", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="forget-word", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="verify", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="cover", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="unlock", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="recap", places=(THREAD,)),
    Command(name="debrief", places=(THREAD,)),
    Command(name="status", places=(THREAD,)),
    Command(name="text", places=(OFFICE,)),
    Command(name="close", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR, card=True),
    Command(name="reopen", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="continue", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="redact", places=(THREAD,)),
    Command(name="time", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="retry", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="hold", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="unhold", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="reveal", places=(DESK, THREAD)),
    Command(name="subpoena", places=(DESK, THREAD)),
    Command(name="audit", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="help", places=(DESK, THREAD, OFFICE)),
    Command(name="more", places=(DESK, THREAD, OFFICE)),
)
