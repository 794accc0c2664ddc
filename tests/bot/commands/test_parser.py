"""Commands: what is one, where, and what a refusal says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from bot.commands.dispatch import ABOUT_ONE_THREAD
from bot.commands.help_text import HEADINGS, by_heading, help_text
from bot.commands.parser import parse
from bot.commands.spec import COMMANDS, arguments_of, help_of
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
    SignOut,
)
from bot.model.events import Content, ReactionAdded, Relation, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import ClaimRequested, ListenRequested, ThreadQueued
from bot.model.transactional_actions import SendEvent, SetTimer
from bot.wording.notice import notice_of
from tests.bot.examples import at, at_desk, held, marks, of, said, staffed_desk, texts, then, words
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NOW, PACK, STAFF, SUE
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


@every_row("body", ["claim", "please !claim", "", " ", "/claim", "// !claim", "?!claim"])
def test_what_is_not_meant_as_a_command(body: str) -> None:
    """A command begins with an exclamation mark."""
    assert parse(body) is None


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


@every_row(
    ("place", "body", "where"),
    [
        (THREAD, "!on", "at the desk"),
        (THREAD, "!languages es", "at the desk"),
        (OFFICE + ANA, "!claim", "at the desk"),
        (OFFICE + ANA, "!board", "at the desk"),
        (THREAD, "!text", "in your office"),
        (DESK, "!text", "in your office"),
    ],
)
def test_a_command_in_the_wrong_place_says_the_right_one(place: str, body: str, where: str) -> None:
    """A known command that is not for this room does nothing and names the room that it is for."""
    step = then(held(), said(body)) if place == THREAD else then(staffed_desk(), said(body, place=place))
    assert where in words(step)
    assert texts(step) == []


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


def test_free_text_behind_a_command_may_begin_with_the_name_of_a_thread() -> None:
    """A reason, a note or words of the texter are nobody's thread; so no command that takes them is refused for it."""
    takes = {name: arguments_of(name) for command in COMMANDS for name in command.names if THREAD in command.places}
    assert {takes[name] for name in ABOUT_ONE_THREAD} == {"", "[designation]", "[queue]"}
    for body in ("!escalate quiet maple is the same man", "!note quiet maple is the same man", "!reveal quiet maple too"):
        step = then(held(), said(body))
        assert "here it does nothing" not in words(step)


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


def test_every_command_stands_under_one_heading() -> None:
    """The headings name each command of the registry exactly once, and no other."""
    assert sorted(name for _, names in HEADINGS for name in names) == sorted(n for c in COMMANDS for n in c.names)


@pytest.mark.parametrize("place", [THREAD, DESK, OFFICE + ANA])
def test_help_is_seven_lines_by_what_one_wants(place: str) -> None:
    """`!help` is at most seven lines, each of something wanted; it names commands of the place only, or says where."""
    here = OFFICE if place.startswith(OFFICE) else place
    step = then(held(), said("!help")) if place == THREAD else then(staffed_desk(), said("!help", place=place))
    lines = words(step).splitlines()
    assert [post.formatted for post in of(SendMessage, step)] == [True], "as plain text it is one grey block"
    assert lines == help_text(PACK, place, every=False).splitlines()
    assert len(lines) == {OFFICE: 3}.get(here, 7)
    assert all(" — " in line and not line.startswith("!") for line in lines)
    named = {name for line in lines for name in re.findall(r"!([a-z-]+)", line.partition("in a thread's room")[0])}
    assert named <= {name for command in COMMANDS if here in command.places for name in command.names}
    assert ("more" in named, "escalate" in words(step)) == (True, here != OFFICE)


def test_help_in_a_room_has_the_playbooks() -> None:
    """Every playbook of the line is named where help is asked for: nobody has to know that there are any."""
    (line,) = [line for line in words(then(held(), said("!help"))).splitlines() if line.startswith("I need help")]
    assert all(name in line for name in PACK.playbooks)


@pytest.mark.parametrize("body", ["!note she has a dog", "!note: she has a dog", "!NOTE  she\nhas a dog"])
def test_a_note_where_slashes_cannot_be_typed(body: str) -> None:
    """`!note words` is a note and nothing else: it is marked so, nothing waits or leaves, and nothing is answered."""
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert (texts(step), words(step)) == ([], "")
    assert step.aggregate.sending == held().sending
    assert "!note and words" in words(then(held(), said("!note")))


def test_a_colleagues_note_by_command_counts_as_theirs() -> None:
    """What a colleague wrote by `!note` is something that a colleague wrote: words about "her" after it are held."""
    assert then(held(), said("!note she is lying", sender=BEN)).aggregate.signs.colleague_at == NOW
    assert then(held(), said("!note she is lying")).aggregate.signs.colleague_at == 0.0


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


@pytest.mark.parametrize("body", ["\u00a1Claro que s\u00ed!", "\u00a1Hola!", "\uff01"])
def test_words_that_begin_with_such_a_mark_are_words(body: str) -> None:
    """Spanish begins a sentence with one."""
    assert [pending.body for pending in then(held(), said(body)).aggregate.sending.pending] == [body]


def test_own_words_leave_as_they_were_typed() -> None:
    """Behind the colon of `!say` lines and spaces stay as they are; the command itself is read whatever they are."""
    for body in ("!say limits:  one\n\n two ", "!say limits :one\n\n two", "!say tips:\none\n\n two"):
        step = then(held(), said(body))
        assert [pending.body for pending in step.aggregate.sending.pending] == ["one\n\n two"]


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


def test_the_restricted_commands_are_in_the_table() -> None:
    """The table of who may say what names commands that there are."""
    assert {name.partition(" in ")[0] for name in MAY_SAY} <= {name for command in COMMANDS for name in command.names}


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


@pytest.mark.parametrize("tapped", [{"trusted": False}, {"sender": BEN}])
def test_an_answer_to_a_tap_is_one_like_any_other(tapped: dict[str, Any]) -> None:
    """What is said about a tap is an answer like any other."""
    desk = then(staffed_desk(), ThreadQueued(thread="t1", designation="amber heron", since=NOW)).aggregate
    usual: dict[str, Any] = {"sender": ANA, "trusted": True, "event_id": "$r"}
    hand = ReactionAdded(place=DESK, key="✋", target="card:t1", **(usual | tapped))
    step = then(then(desk, hand).aggregate if "sender" in tapped else desk, replace(hand, event_id="$r2"))
    for answer in [post for post in of(SendMessage, step) if post.ref.startswith("answer:")]:
        assert answer.notice
        assert not [timer for timer in of(SetTimer, step) if timer.key.startswith("fade:")]
    assert bool(words(step)) == (tapped == {"trusted": False})


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


@every_row(
    ("word", "named", "in_a_reply", "person"),
    [
        (BEN, (SUE,), True, BEN),
        (BEN, (SUE,), False, BEN),
        ("@ben", (SUE,), True, BEN),
        ("@ben", (SUE,), False, None),
        ("@ben", (SUE, BEN), False, BEN),
        ("Ben", (SUE,), True, BEN),
        ("", (SUE,), True, None),
        ("@bne", (SUE,), False, None),
    ],
)
def test_whom_a_reply_answers_is_not_whom_a_command_names(
    word: str, named: tuple[str, ...], in_a_reply: bool, person: str | None
) -> None:
    """Clients mention whom a reply answers: what was typed wins, and where the two contradict each other it is nobody."""
    relation = Relation.OTHER_REPLY if in_a_reply else Relation.NONE
    changed: dict[str, Any] = {
        "mentioned_users": named,
        "mentions": True,
        "relation": relation,
        "target": "$x" if in_a_reply else "",
    }
    step = then(held(), said(f"!transfer {word}", **changed))
    offer = step.aggregate.assignment.offer
    assert (offer.to if offer else None) == person
    signed_out = of(SignOut, then(staffed_desk(), at_desk(f"!signout {word}", sender=SUE, **changed)))
    assert [out.user for out in signed_out] == ([person] if person else [])


@pytest.mark.parametrize("before", ["\u200e", "\ufeff", "\u2060 ", " \u200b"])
def test_marks_that_nobody_sees_make_no_note_of_a_command(before: str) -> None:
    """Some keyboards put them there: the command is heard."""
    parsed = parse(f"{before}!unsafe")
    assert parsed is not None
    assert parsed.command is not None
    assert parsed.command.name == "unsafe"


@every_row(
    "typed",
    [
        *(
            "!no segura",
            "!No seguro.",
            "!no, segura",
            "!not safe",
            "! not safe anymore",
            "\uff01no segura",
            "!no es segura",
        ),
        *("!no está seguro", "!ya no es seguro", "!el teléfono no es seguro", "!its not safe", "!it\u2019s not safe"),
        *("!isn't safe", "!phone not safe", "!her phone is not safe", "!en peligro", "!in danger!!"),
    ],
)
def test_several_words_for_the_command_that_stops_are_taken_for_it(typed: str) -> None:
    """People say it in the words of their language."""
    parsed = parse(typed)
    assert parsed is not None
    assert parsed.name == "unsafe"
    step = then(held(), said(typed))
    assert step.aggregate.flags.unsafe


@every_row("typed", ["!segura", "!seguro", "!no", "!not sure", "!no estoy segura", "!safe", "!no se", "!stop"])
def test_other_words_behind_a_mark_stop_nothing(typed: str) -> None:
    """A word for `!safe`, or half of one, is answered as before."""
    parsed = parse(typed)
    assert parsed is not None
    assert parsed.name != "unsafe"


def test_the_mark_that_opens_a_sentence_in_spanish_makes_no_command_of_words_to_the_texter() -> None:
    """It is for them: nothing may stop, and nothing may be lost."""
    assert parse("\u00a1no es seguro volver a casa!") is None
