"""Commands: what is one, where, and what a refusal says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from bot.commands.dispatch import ABOUT_ONE_THREAD
from bot.commands.help_text import by_heading
from bot.commands.parser import parse
from bot.commands.spec import COMMANDS, help_of
from bot.model.actions import (
    DESK,
    OFFICE,
    THREAD,
    DeliveryReceipt,
    RedactMessage,
    SendMessage,
    SendRecap,
    ShowAudit,
    ShowDevices,
    ShowReceipt,
)
from bot.model.events import Content, Relation, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import ClaimRequested, ListenRequested
from bot.model.transactional_actions import SendEvent, SetTimer
from bot.wording.notice import notice_of
from tests.bot.examples import at, at_desk, held, marks, of, said, staffed_desk, texts, then, words
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NOW, STAFF, SUE
from tests.every_row import every_row, try_every_row


@every_row(
    ("body", "name", "arguments"),
    [
        ("!claim", "claim", ""),
        ("  !claim", "claim", ""),
        ("!CLAIM Amber Heron ", "claim", "Amber Heron"),
        ("! claim   amber   heron", "claim", "amber heron"),
        ("!claim\namber\theron", "claim", "amber heron"),
        ("!claim\u00a0amber heron", "claim", "amber heron"),
        ("!Help", "help", ""),
        ("!clam", None, ""),
        ("!claim.", "claim", ""),
        ("!Close now!", "close", "now"),
        ("!claim, amber heron.", "claim", "amber heron"),
        ("!\uff4c\uff49\uff4d\uff49\uff54\uff53", "limits", ""),
        ("\uff01\uff23lose\u3000\uff4e\uff4f\uff57", "close", "now"),
        ("!close\u00a0now", "close", "now"),
        ("!", None, ""),
        ("! ", None, ""),
        ("!!!", None, ""),
        ("!claimed it", None, "it"),
    ],
)
def test_reading_a_command(body: str, name: str | None, arguments: str) -> None:
    """A command is read whatever its case and spaces; what is not in the table is no command."""
    parsed = parse(body)
    assert parsed is not None
    assert (parsed.name or None, parsed.arguments) == (name, arguments)


@every_row(
    ("body", "hint"),
    [
        ("!clam", "!claim"),
        ("!undo", "delete your message"),
        ("!notes she has a dog", "begins with //"),
        ("!call", "!urgent"),
        ("!Spanish", "!lang es"),
        ("!911", "!playbook"),
        ("!suicide", "!playbook suicide"),
        ("!police", "!escalate"),
        ("!report", "!playbook minor"),
        ("!end", "!close"),
        ("!done", "!close"),
        ("!who", "!board"),
        ("!list", "!board"),
        ("!supervisor", "!escalate"),
        ("!shelter", "!help lists"),
        ("!stauts", "!status"),
        ("!BORD", "!board"),
        ("!hepl", "!help"),
        ("!xyzzy", "!help"),
        ("!", "!help"),
    ],
)
def test_a_near_miss_is_suggested_and_nothing_is_done(body: str, hint: str) -> None:
    """A mistyped command is a note, is not sent, and the nearest command is named."""
    for step in (then(held(), said(body)), then(staffed_desk(), at_desk(body))):
        assert hint in words(step)
        assert "no such command" in words(step)
        assert texts(step) == []
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert step.aggregate == held()


@every_row("name", sorted(ABOUT_ONE_THREAD))
def test_a_command_with_the_name_of_another_thread_does_nothing_in_this_room(name: str) -> None:
    """It would act on the wrong phone: whoever said it reads where it is said. This thread's own name changes nothing."""
    sender = ANA if MAY_SAY.get(name) == {ANA} else SUE
    refused = f"!{name} quiet maple is said "
    before = held()
    step = then(before, said(f"!{name} Quiet Maple.", sender=sender))
    assert replace(step.aggregate, lifecycle=before.lifecycle, silence=before.silence) == before
    assert (refused in words(step), of(SendEvent, step), texts(step)) == (True, [], [])
    for behind in ("", " amber heron", " quiet"):
        assert "here it does nothing" not in words(then(held(), said(f"!{name}{behind}", sender=sender)))


@pytest.mark.parametrize("place", [THREAD, DESK, OFFICE + ANA])
def test_more_lists_every_command_of_a_place_under_a_heading(place: str) -> None:
    """`!more` lists exactly the commands of its place, each once, a line with its words of help, under headings."""
    here = OFFICE if place.startswith(OFFICE) else place
    step = then(held(), said("!more")) if place == THREAD else then(staffed_desk(), said("!more", place=place))
    lines = words(step).splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("!")]
    names = [name for _, names in by_heading(here) for name in names]
    assert sorted(listed) == sorted(f"!{name}" for name in names)
    assert {c.name for c in COMMANDS if here in c.places} - {"status"} <= set(names)
    assert [line for line in lines if not line.startswith("!")] == [f"{notice_of(title)}:" for title, _ in by_heading(here)]
    assert all(help_of(name) in words(step) for name in names)
    assert "`" not in words(step)


@pytest.mark.parametrize("body", ["!note she has a dog", "!note: she has a dog", "!NOTE  she\nhas a dog"])
def test_a_note_where_slashes_cannot_be_typed(body: str) -> None:
    """`!note words` is a note and nothing else: it is marked so, nothing waits or leaves, and nothing is answered."""
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert (texts(step), words(step)) == ([], "")
    assert step.aggregate.sending == held().sending
    assert "!note and words" in words(then(held(), said("!note")))


def test_status_tells_how_things_stand() -> None:
    """`!status` says assignee, last texts and what waits, and nothing that anybody said."""
    thread = then(held(), said("marzipan", event_id="$m0")).aggregate
    step = then(thread, said("!status"))
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert "with ana" in words(step)
    assert "last text in: 1 min" in words(step)
    assert "last text out: none" in words(step)
    assert "in the undo window: 1" in words(step)
    assert "marzipan" not in words(step)


@pytest.mark.parametrize("relation", [Relation.THREAD, Relation.EDIT])
def test_commands_are_plain_messages(relation: Relation) -> None:
    """A command that does something is a message of its own, or a reply: no edit makes one, nor words in a thread."""
    assert "Queue" not in words(then(staffed_desk(), at_desk("!board", relation=relation)))
    assert "last text out" not in words(then(held(), said("!status", relation=relation, target="$m0")))
    for content in (Content.FILE, Content.OTHER):
        for body in ("!board", "!help", "!clam"):
            assert words(then(staffed_desk(), at_desk(body, content=content))) == ""


@pytest.mark.parametrize(("relation", "how"), [(Relation.THREAD, "in a thread"), (Relation.EDIT, "by changing a message")])
def test_a_command_that_is_not_taken_is_not_passed_over(relation: Relation, how: str) -> None:
    """Nobody believes that the line was stopped when it was not: such a command is answered, and does nothing."""
    for body in ("!status", "!close", "!claim"):
        step = then(held(), said(body, relation=relation, target="$m0"))
        assert how in words(step)
        assert "Say it as a new message" in words(step)
        assert replace(step.aggregate, silence=held().silence) == held()
        assert marks(step) == ({"$m1": DeliveryReceipt.NOTE} if relation is Relation.THREAD else {})
    step = then(staffed_desk(), at_desk("!claim", relation=relation, target="$m0"))
    assert how in words(step)


@pytest.mark.parametrize("body", ["\u00a1claim", "\u00a1Limits", "\u00a1close now"])
def test_another_keyboards_mark_is_a_near_miss(body: str) -> None:
    """A command's name behind a mark that looks like one never leaves for the phone, and the command is suggested."""
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert "Did you mean !" in words(step)
    assert step.aggregate.sending.pending == ()


def test_a_stranger_commands_nothing() -> None:
    """A person who is not on the roster gets no answer anywhere."""
    for body in ("!claim", "!board", "!help", "!clam"):
        assert then(staffed_desk(), at_desk(body, sender=EVE)).actions == ()
        assert then(held(), said(body, sender=EVE)).actions == ()


MAY_SAY = {
    "trust": {SUE},
    "close-rest": {SUE},
    "signout": {SUE},
    "transfer": {ANA, SUE},
    "with": {ANA, SUE},
    "take": {SUE},
    "listen": {SUE},
    "safe": {ANA, SUE},
    **{name: {ANA, SUE} for name in ("stopped", "resume", "tally")},
    **{name: {SUE} for name in ("reply", "block")},
    "time": {SUE},
    "retry": {SUE},
    "hold": {SUE},
    "unhold": {SUE},
    "audit": {SUE},
    **{name: {ANA, SUE} for name in ("close", "reopen", "continue")},
    "release": {ANA, SUE},
    **{name: {ANA} for name in ("say", "again", "anyway", "long")},
    **{name: {ANA, SUE} for name in ("codeword", "forget-word", "verify", "cover")},
    "unlock": {SUE},
    **{
        name: {ANA} for name in ("limits", "options", "tips", "rights", "clarify", "safecheck", "later", "switch", "urgent")
    },
    **{name: {ANA} for name in ("different", "lang", "agreed", "told")},
    **{f"lang in {place}": STAFF for place in (DESK, OFFICE)},
}
"""Who may say what in a thread whose assignee is Ana; whatever is not in here is for everybody."""
ROWS = [
    (name, place, sender)
    for command in COMMANDS
    for name in command.names
    for place in (DESK, THREAD, OFFICE)
    if place in command.places
    for sender in STAFF
]


def try_out(name: str, place: str, sender: str, rest: str = "") -> tuple[Any, Step[Any]]:
    """Say a command where it belongs, and return what was before and what follows."""
    before: Any = held() if place == THREAD else staffed_desk()
    where = OFFICE + sender if place == OFFICE else place
    return before, then(before, said(f"!{name}{rest}", place=where, sender=sender))


def test_a_command_is_for_whom_it_is_for() -> None:
    """Whoever may not say a command changes nothing and reads who may, and what else to do."""
    for_whom = {name: command.who.value for command in COMMANDS for name in command.names}

    def check(row: tuple[str, str, str]) -> None:
        name, place, sender = row
        before, step = try_out(name, place, sender)
        refused = f"!{name} is for" in words(step)
        assert refused == (sender not in MAY_SAY.get(f"{name} in {place}", MAY_SAY.get(name, STAFF)))
        if refused:
            assert step.aggregate == before
            assert for_whom[name] in words(step)
            assert re.search(r"\. !(status|board|escalate) ", words(step)), "it does not say what to do"

    try_every_row(check, ROWS)


def test_no_command_is_passed_over_in_silence() -> None:
    """Every command, by whomever and with whatever behind it, is answered, or asks the desk, which answers."""

    def check(row: tuple[str, str, str, str]) -> None:
        name, place, sender, rest = row
        _, step = try_out(name, place, sender, rest)
        answers = [
            action
            for action in step.actions
            if isinstance(action, ShowDevices | ShowAudit | SendRecap)
            or (isinstance(action, SendMessage) and action.ref != "board")
            or (isinstance(action, SendEvent) and isinstance(action.event, ClaimRequested | ListenRequested))
        ]
        leaving = name == "limits" and [mark.receipt for mark in of(ShowReceipt, step)] == [DeliveryReceipt.LEAVING]
        assert answers or leaving or (name == "say" and texts(step)) or (name == "note" and rest)

    behind = ("", f" {BEN}", " handover", " nonsense", " all")
    try_every_row(check, ((*row, rest) for row in ROWS for rest in behind))


def test_only_an_answer_in_an_office_disappears() -> None:
    """An answer to a command is a notice. In an office it is redacted after ten minutes; elsewhere it goes by its age.

    A redaction leaves "message deleted" behind, and a desk full of those hides what waits.
    """

    def check(row: tuple[str, str, str, str]) -> None:
        name, place, sender, rest = row
        _, step = try_out(name, place, sender, rest)
        for post in of(SendMessage, step):
            if post.reply_to and not post.body.startswith("Leaving in a moment"):
                assert post.notice
                key = f"fade:{post.place}|{post.ref}"
                if not post.place.startswith(OFFICE):
                    assert not [timer for timer in of(SetTimer, step) if timer.key.startswith("fade:")]
                    continue
                assert [timer.due for timer in of(SetTimer, step) if timer.key == key] == [NOW + 600]
                expiry = then(step.aggregate, TimerDue(key=key), at(600))
                assert [(a.place, a.ref) for a in of(RedactMessage, expiry)] == [(post.place, post.ref)]

    try_every_row(check, ((*row, rest) for row in ROWS for rest in ("", f" {BEN}", " nonsense")))


def test_a_person_is_named_by_mention_id_or_an_unmistakable_word() -> None:
    """`@ben` is Ben while there is one; a mention or a full Matrix id always is; nobody is guessed."""
    other = replace(MEMBERS[1], user="@ben:other.example")
    for word, named, roster, person in (
        ("@ben", (), MEMBERS, BEN),
        ("@BEN", (), MEMBERS, BEN),
        (BEN, (), MEMBERS, BEN),
        ("Ben", (BEN,), MEMBERS, BEN),
        ("@ben", (), (*MEMBERS, other), None),
        (BEN, (), (*MEMBERS, other), BEN),
        ("ben", (), MEMBERS, BEN),
        ("Ben.", (), MEMBERS, BEN),
        ("ben", (), (*MEMBERS, other), None),
        ("ben", (SUE,), MEMBERS, None),
        ("@be", (), MEMBERS, None),
        ("", (), MEMBERS, None),
        ("x", (EVE,), MEMBERS, None),
        ("x", (ANA, BEN), MEMBERS, None),
    ):
        step = then(held(), said(f"!transfer {word}", mentioned_users=named, mentions=bool(named)), at(0, roster=roster))
        offer = step.aggregate.assignment.offer
        assert (offer.to if offer else None) == person, word
