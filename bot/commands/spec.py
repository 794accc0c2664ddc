"""The command table, as data: it drives parsing, permission, help, refusals and the generated page of the documentation.

Rule of this module: a row alone says who may say a command, and where. Which function does it is a row of
`bot/command_functions`; a test compares the names and places of the two tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from bot.model.actions import DESK, OFFICE, THREAD


@unique
class Who(Enum):
    """Who may say a command; the value is how a refusal names them."""

    ANYBODY = "everybody at the desk"
    ASSIGNEE = "the advocate of the thread"
    ASSIGNEE_OR_SUPERVISOR = "the advocate of the thread and supervisors"
    SUPERVISOR = "supervisors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row: `places` where it may be said, `who` may say it, `arguments` and `help` as people read them.

    `card`: it is one of those on every card; the others are behind `!more`. `about_sender`: the first word behind it in the
    form that concerns its sender alone. Anybody may say that form, and at the desk and in an office the command has no
    other.
    """

    name: str
    places: tuple[str, ...]
    help: str
    who: Who = Who.ANYBODY
    arguments: str = ""
    card: bool = False
    about_sender: str = ""


COMMANDS: Final = (
    Command(
        name="claim",
        places=(DESK, THREAD),
        arguments="[designation]",
        card=True,
        help="take a waiting thread: in its room, this one; at the desk, the one that is named, or"
        " whose card you reply to (or tap with ✋), or the first of those who wait: signs of danger (⚠️), then the longest",
    ),
    Command(name="board", places=(DESK,), help="who waits, and who talks with whom"),
    Command(name="on", places=(DESK,), help="you are on duty: you are called when somebody waits"),
    Command(
        name="off",
        places=(DESK, THREAD),
        card=True,
        help="you are off duty; first hand over or release every thread that is with you",
    ),
    Command(
        name="languages",
        places=(DESK,),
        arguments="code … | none",
        help="which languages you speak beside the line's first, such as `es`: the board shows it",
    ),
    Command(
        name="trust",
        places=(DESK,),
        who=Who.SUPERVISOR,
        arguments="@who [fingerprint]",
        help="confirm somebody's new identity; with a fingerprint, only if it is that one",
    ),
    Command(
        name="signout",
        places=(DESK,),
        who=Who.SUPERVISOR,
        arguments="@who",
        help="sign somebody out everywhere: a device is lost, or they have gone",
    ),
    Command(name="devices", places=(DESK,), arguments="[@who]", help="which devices somebody has, and which are trusted"),
    Command(
        name="transfer",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        arguments="@who|all|nobody [quiet] [note]",
        card=True,
        help="offer the thread to somebody, who is heard once they accept; `nobody` takes an offer back",
    ),
    Command(name="accept", places=(THREAD,), help="take the thread you are offered (or tap ✅)"),
    Command(name="decline", places=(THREAD,), help="do not take the thread you are offered (or tap ❌)"),
    Command(
        name="escalate",
        places=(THREAD,),
        arguments="[why]",
        card=True,
        help="call the supervisors on duty into the room; the reason stays in the room",
    ),
    Command(
        name="with",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        arguments="@who [interpreter]",
        help="ask somebody in: they read and write notes; an interpreter for two hours",
    ),
    Command(name="take", places=(THREAD,), who=Who.SUPERVISOR, help="take the thread over, until you give it back"),
    Command(name="speak", places=(THREAD,), help="take the thread back from the supervisor who took it"),
    Command(
        name="listen",
        places=(DESK, THREAD),
        who=Who.SUPERVISOR,
        arguments="[designation]",
        help="join a thread as a note-taker (at the desk), or give it back and stay (in the thread)",
    ),
    Command(
        name="release",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        arguments="[queue]",
        help="give the thread back to whom it was taken from, or to the queue; `queue`: in any case",
    ),
    Command(
        name="limits",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        card=True,
        help="tell them the limits of what stays between you; edit it to `!limits: own words` to change it, redact it to"
        " stop it",
    ),
    Command(
        name="options",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        card=True,
        help="tell them the other ways to reach you",
    ),
    Command(
        name="unsafe",
        places=(THREAD, DESK, OFFICE),
        arguments="[why]",
        card=True,
        help="the phone may be in other hands: nothing leaves any more, and nothing is sent; the reason stays in the room"
        "; at the desk: the thread that is named, or all of yours",
    ),
    Command(
        name="safe",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        help="you know that it is safe again: texts may leave",
    ),
    Command(
        name="say",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        arguments="name[: own words]",
        help="put a text of the agency into the undo window, or behind a colon your own words in its place; edit it to"
        " change it, redact it to stop it",
    ),
    Command(
        name="tips",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        arguments="[iphone|android]",
        help="tell them who else may see texts; then how to delete on that phone",
    ),
    Command(name="rights", places=(THREAD,), who=Who.ASSIGNEE, help="tell them what they may refuse"),
    Command(name="clarify", places=(THREAD,), who=Who.ASSIGNEE, help="ask to hear it in other words"),
    Command(
        name="safecheck",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        help="ask whether it is still a good time and a good way to talk",
    ),
    Command(name="later", places=(THREAD,), who=Who.ASSIGNEE, help="agree that later is fine"),
    Command(name="switch", places=(THREAD,), who=Who.ASSIGNEE, help="ask for a way that is not texting"),
    Command(
        name="urgent",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        help="give them the voice number, and tell the desk that they may call",
    ),
    Command(
        name="different",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        help="it is somebody else: step back with a text that names nobody, and begin again; never in own words",
    ),
    Command(
        name="lang",
        places=(DESK, THREAD, OFFICE),
        who=Who.ASSIGNEE,
        arguments="[language] | me en|es",
        about_sender="me",
        help="in which language the agency's texts leave; `!lang me es`, anywhere and by anybody: in which the software"
        " speaks to you, Spanish or English; the phone notices nothing of it",
    ),
    Command(
        name="quiet",
        places=(DESK, THREAD, OFFICE),
        arguments="[no]",
        help="no more sentences about what you meet for the first time; `no`: once more, from the first",
    ),
    Command(
        name="agreed",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        arguments="times|first|channel|unsafe and what they said",
        help="note what they told you: safe times (weekdays 9-15 sat 20-22), may we text first, another way, a line to send"
        " at !unsafe",
    ),
    Command(
        name="told",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        arguments="limits|rights|safe",
        help="you told them the limits or their rights, or asked whether it is safe, in your own words: noted as told by"
        " you, and nothing is sent",
    ),
    Command(
        name="note",
        places=(THREAD,),
        arguments="words",
        help="a note for this room, as with // before it: the phone does not get it",
    ),
    Command(
        name="playbook",
        places=(THREAD, DESK, OFFICE),
        arguments="[name]",
        help="what to do, step by step; for your eyes only",
    ),
    Command(
        name="outage",
        places=(DESK,),
        arguments="[over]",
        help="texts do not work well: whoever texts first hears that, and the voice number",
    ),
    Command(
        name="drill",
        places=(DESK, OFFICE),
        arguments="[name [en|es]|stop|count|forget]",
        help="on a rehearsal line: a scripted texter to practise with, and a debrief in your office",
    ),
    Command(
        name="close-rest",
        places=(DESK,),
        who=Who.SUPERVISOR,
        arguments="[yes|no]",
        help="after a flood of new texters: close, unread, the conversations of those who wrote once and show no sign of"
        " danger; it says how many and asks, `yes` closes them when the undo time is over, `no` takes it back",
    ),
    Command(name="again", places=(THREAD,), who=Who.ASSIGNEE, help="send once more what is unknown or came too late"),
    Command(
        name="anyway",
        places=(THREAD,),
        who=Who.ASSIGNEE,
        help="send what was held because of its words or of the moment, once",
    ),
    Command(name="long", places=(THREAD,), who=Who.ASSIGNEE, help="send what was held because it is long"),
    Command(
        name="stopped",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        help="they asked us to stop in their own words: it counts as their STOP, and sends nothing",
    ),
    Command(
        name="resume",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        help="let texts leave again after their START, where this line asks, or after a !stopped by mistake",
    ),
    Command(
        name="reply",
        places=(THREAD,),
        who=Who.SUPERVISOR,
        arguments="words",
        help="the one reply to a text that came after a STOP",
    ),
    Command(
        name="block",
        places=(THREAD,),
        who=Who.SUPERVISOR,
        arguments="[duration|off]",
        help="nothing leaves for this phone and what it sends is dropped, for 7 days or as long as you say",
    ),
    Command(
        name="tally",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        arguments="kind | unmet language",
        help="count what this conversation was about, without any link to it",
    ),
    Command(
        name="codeword",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        help="keep a word agreed in person or by phone call; it is asked for in your office, and nobody sees it again",
    ),
    Command(
        name="forget-word",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        help="forget the agreed word: texts are not compared any more",
    ),
    Command(
        name="verify",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        help="text the challenge, within five minutes of a text; the next text is looked at for the agreed word",
    ),
    Command(
        name="cover",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        arguments="1|2|3",
        help="text one of the agreed cover lines, the only words that leave under duress",
    ),
    Command(
        name="unlock",
        places=(THREAD,),
        who=Who.SUPERVISOR,
        help="let free words leave again after duress or failed words, once you have spoken with them by phone",
    ),
    Command(
        name="recap",
        places=(THREAD,),
        help="for a device that came later: this room's keys and what colleagues typed, once more",
    ),
    Command(name="debrief", places=(THREAD,), help="an offer to talk it over, in your office"),
    Command(
        name="status", places=(THREAD,), help="this thread: whom it is with, last texts, what is still in the undo window"
    ),
    Command(name="text", places=(OFFICE,), help="text somebody first who asked for it (if this line allows it)"),
    Command(
        name="close",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        arguments="[now [anyway]]",
        card=True,
        help=(
            "end the conversation: in ten minutes everything here goes; `now` (supervisors) at once and for good,"
            " `anyway` also when words have not left yet"
        ),
    ),
    Command(name="reopen", places=(THREAD,), who=Who.ASSIGNEE_OR_SUPERVISOR, help="take a !close back"),
    Command(
        name="continue",
        places=(THREAD,),
        who=Who.ASSIGNEE_OR_SUPERVISOR,
        arguments="[no]",
        help="she chose that we know her the next time: number and flags are kept longer, never what was said",
    ),
    Command(name="redact", places=(THREAD,), help="as a reply: take that message out of the room, now"),
    Command(
        name="time",
        places=(DESK,),
        who=Who.SUPERVISOR,
        arguments="ok",
        help="after an alert about the machine's clock: it is right, and what is old may go again",
    ),
    Command(
        name="retry",
        places=(DESK,),
        who=Who.SUPERVISOR,
        arguments="id",
        help="after an alert about words that could not be shown: try once more",
    ),
    Command(
        name="hold",
        places=(THREAD,),
        who=Who.SUPERVISOR,
        help="nothing of this thread is erased any more, whatever its age, until !unhold; noted in the audit",
    ),
    Command(name="unhold", places=(THREAD,), who=Who.SUPERVISOR, help="lift the hold: what is due goes as before"),
    Command(
        name="reveal",
        places=(DESK, THREAD),
        arguments="reason|yes|no|alone reason",
        help=(
            "the advocate, or a supervisor, asks to see the number; once a second person, a supervisor, says yes it is in "
            "both offices for a minute; with no supervisor on duty, as the agency's policy allows"
        ),
    ),
    Command(name="subpoena", places=(DESK, THREAD), help="what to do with a paper that asks for records"),
    Command(name="audit", places=(DESK,), who=Who.SUPERVISOR, help="what was done lately, by the hour, without content"),
    Command(name="help", places=(DESK, THREAD, OFFICE), help="the commands that matter most here"),
    Command(name="more", places=(DESK, THREAD, OFFICE), help="all commands of this place"),
)
