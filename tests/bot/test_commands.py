"""Commands: what is one, where, and what a refusal says."""

from __future__ import annotations

import pytest

from bot.actions import DESK, OFFICE, THREAD, Receipt
from bot.commands import COMMANDS, lines, parse
from bot.events import Content, Relation
from tests.bot.examples import at_desk, held, marks, said, staffed_desk, texts, then, words
from tests.bot.strategies import ANA, EVE


@pytest.mark.parametrize(
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
    assert (parsed.command.name if parsed.command else None, parsed.arguments) == (name, arguments)


@pytest.mark.parametrize("body", ["claim", "please !claim", "", " ", "/claim", "// !claim", "?!claim"])
def test_what_is_not_meant_as_a_command(body: str) -> None:
    """A command begins with an exclamation mark."""
    assert parse(body) is None


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("!clam", "!claim"),
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
    assert marks(step) == {"$m1": Receipt.NOTE}
    assert step.aggregate == held()


@pytest.mark.parametrize(
    ("place", "body", "where"),
    [
        (THREAD, "!claim", "at the desk"),
        (THREAD, "!board", "at the desk"),
        (DESK, "!status", "in the thread's own room"),
        (OFFICE + ANA, "!claim", "at the desk"),
        (OFFICE + ANA, "!board", "at the desk"),
        (OFFICE + ANA, "!status", "in the thread's own room"),
    ],
)
def test_a_command_in_the_wrong_place_says_the_right_one(place: str, body: str, where: str) -> None:
    """A known command that is not for this room does nothing and names the room that it is for."""
    step = then(held(), said(body)) if place == THREAD else then(staffed_desk(), said(body, place=place))
    assert where in words(step)
    assert texts(step) == []


@pytest.mark.parametrize("place", [THREAD, DESK, OFFICE + ANA])
def test_help_lists_what_there_is_in_a_place(place: str) -> None:
    """`!help` lists exactly the commands of its place, one a line, each with its words of help."""
    here = OFFICE if place.startswith(OFFICE) else place
    listed = lines(place).splitlines()
    assert [line.split()[0] for line in listed] == [f"!{c.name}" for c in COMMANDS if here in c.places]
    step = then(held(), said("!help")) if place == THREAD else then(staffed_desk(), said("!help", place=place))
    assert words(step) == lines(place)


def test_status_tells_how_things_stand() -> None:
    """`!status` says voice, last texts and what waits, and nothing that anybody said."""
    thread = then(held(), said("marzipan", event_id="$m0")).aggregate
    step = then(thread, said("!status"))
    assert marks(step) == {"$m1": Receipt.NOTE}
    assert "voice: ana" in words(step)
    assert "last text in: 1 min" in words(step)
    assert "last text out: none" in words(step)
    assert "in the undo window: 1" in words(step)
    assert "marzipan" not in words(step)


@pytest.mark.parametrize("relation", [Relation.THREAD, Relation.EDIT, Relation.OTHER_REPLY])
def test_commands_are_plain_messages(relation: Relation) -> None:
    """A command that does something is a message of its own: no edit makes one, nor a reply, nor words in a thread."""
    assert "Waiting" not in words(then(staffed_desk(), at_desk("!board", relation=relation)))
    assert "voice:" not in words(then(held(), said("!status", relation=relation, target="$m0")))
    for content in (Content.FILE, Content.OTHER):
        for body in ("!board", "!help", "!clam"):
            assert words(then(staffed_desk(), at_desk(body, content=content))) == ""


def test_a_stranger_commands_nothing() -> None:
    """Somebody who is not on the roster gets no answer anywhere."""
    for body in ("!claim", "!board", "!help", "!clam"):
        assert then(staffed_desk(), at_desk(body, sender=EVE)).actions == ()
        assert then(held(), said(body, sender=EVE)).actions == ()
