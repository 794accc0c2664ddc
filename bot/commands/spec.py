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

    `also`: other names, each for a form of it; whoever may say the one may say the others. `about_sender`: the first word
    behind it in the form that concerns its sender alone. Anybody may say that form, and at the desk and in an office the
    command has no other.
    """

    name: str
    places: tuple[str, ...]
    who: Who = Who.ANYBODY
    also: tuple[str, ...] = ()
    about_sender: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All names under which it may be said."""
        return (self.name, *self.also)


COMMANDS: Final = (
    Command(name="claim", places=(DESK, THREAD)),
    Command(name="off", also=("on", "languages"), places=(DESK, THREAD)),
    Command(name="trust", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="signout", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="devices", places=(DESK,)),
    Command(name="transfer", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="accept", also=("decline",), places=(THREAD,)),
    Command(name="escalate", places=(THREAD,)),
    Command(name="with", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="take", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="speak", places=(THREAD,)),
    Command(name="listen", places=(DESK, THREAD), who=Who.SUPERVISOR),
    Command(name="release", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="unsafe", places=(THREAD, DESK, OFFICE)),
    Command(name="safe", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(
        name="say",
        also=("limits", "options", "tips", "rights", "clarify", "safecheck", "later", "switch", "urgent", "different"),
        places=(THREAD,),
        who=Who.ASSIGNEE,
    ),
    Command(name="lang", places=(DESK, THREAD, OFFICE), who=Who.ASSIGNEE, about_sender="me"),
    Command(name="quiet", places=(DESK, THREAD, OFFICE)),
    Command(name="agreed", also=("told",), places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="note", places=(THREAD,)),
    Command(name="playbook", also=("subpoena",), places=(THREAD, DESK, OFFICE)),
    Command(name="outage", places=(DESK,)),
    Command(name="drill", places=(DESK, OFFICE)),
    Command(name="close-rest", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="anyway", also=("again", "long"), places=(THREAD,), who=Who.ASSIGNEE),
    Command(name="stopped", also=("resume",), places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="reply", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="block", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="tally", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="codeword", also=("forget-word",), places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="verify", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="cover", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="unlock", places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="recap", places=(THREAD,)),
    Command(name="debrief", places=(THREAD,)),
    Command(name="status", also=("board",), places=(DESK, THREAD)),
    Command(name="text", places=(OFFICE,)),
    Command(name="close", also=("reopen",), places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="continue", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR),
    Command(name="redact", places=(THREAD,)),
    Command(name="time", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="retry", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="hold", also=("unhold",), places=(THREAD,), who=Who.SUPERVISOR),
    Command(name="reveal", places=(DESK, THREAD)),
    Command(name="audit", places=(DESK,), who=Who.SUPERVISOR),
    Command(name="help", also=("more",), places=(DESK, THREAD, OFFICE)),
)
CARD: Final = ("claim", "off", "transfer", "escalate", "limits", "options", "unsafe", "close")
"""The names on every card; the others are behind `!more`."""


def help_of(name: str) -> str:
    """Return what a command does that is said under this name: a notice."""
    return notice_of(f"help.{name}")


def arguments_of(name: str) -> str:
    """Return what may stand behind it, as people read it: a notice, or nothing."""
    return notice_of(key) if (key := f"arguments.{name}") in ENGLISH else ""
