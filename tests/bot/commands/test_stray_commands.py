"""Words for the software, or for the room, that would leave for the phone: they are asked about; everyday words are not."""

from __future__ import annotations

import pytest

from bot.commands.stray_commands import bare_command
from bot.model.actions import DeliveryReceipt
from tests.bot.examples import edit, held, marks, said, texts, then, words
from tests.every_row import every_row


@every_row(
    ("body", "command"),
    [
        ("limits", "limits"),
        ("close now", "close"),
        ("unsafe he is back", "unsafe"),
        ("1limits", "limits"),
        ("11status", "status"),
        ("1transfer bea she is hard", "transfer"),
        ("\u01c3limits", "limits"),
        ("\u2757limits", "limits"),
        ("escalate she has a knife", "escalate"),
        ("Transfer all please", "transfer"),
        ("reveal took pills", "reveal"),
        ("say closing", "say"),
        ("say after_hours", "say"),
        ("un safe", "unsafe"),
        ("not safe", "unsafe"),
        ("unsfe", "unsafe"),
        ("Peligro!", "unsafe"),
        ("STOP", "unsafe"),
        ("parar", "unsafe"),
        ("note: she has two kids", "note"),
        ("Nota - ella miente", "note"),
        ("(note: he drinks)", "note"),
        ("[note] she lies", "note"),
        ("note she lies", "note"),
        ("[note] watch out", "note"),
        ("fyi she has two kids", "note"),
        ("(she is lying)", "note"),
        ("[ella miente]", "note"),
        ("\\\\ she is lying", "note"),
        ("\\he is in the room", "note"),
        ("limits please", "limits"),
        ("límites", "limits"),
        ("Limites por favor", "limits"),
        ("OPCIONES", "options"),
        ("derechos", "rights"),
        ("transferir", "transfer"),
        ("cerrar.", "close"),
        ("handover", "transfer"),
        ("undo", "redact"),
        ("close this", "close"),
        ("options pls", "options"),
        ("\u270b", "claim"),
        ("\u270b\U0001f3fd", "claim"),
        ("\u2705", "accept"),
        ("\u274c\ufe0f", "decline"),
    ],
)
def test_a_command_or_a_note_without_its_mark_is_found(body: str, command: str) -> None:
    """Shift that was not held, another mark, a word with its reason, a tap that was sent as a message."""
    assert bare_command(body) == command


@every_row(
    "body",
    [
        "say it in your own words",
        "FYI court is at nine tomorrow",
        "(it is ok)",
        "you are right (he is not)",
        "limits are hard to set",
        "help is on the way please wait",
        "take your time",
        "¿opciones?",
        "opciones hay varias",
        "hay derechos que tienes",
        "luego",
        "ayuda",
        "transferir el dinero es fácil",
        "u safe?",
        "are you safe?",
        "not safe?",
        "is it not safe there?",
        "stop by tomorrow",
        "note that court is at 9",
        "Note the time when he calls",
        "1 limit at a time",
        "10 am works",
        "911",
        "ok",
        "more later",
        "safe travels",
        "continue when you can",
        "\U0001f44d",
        "",
        "...",
        "x" * 20_000,
    ],
)
def test_what_people_say_every_day_is_none(body: str) -> None:
    """A command's name that is an everyday word counts alone only, and a question is for the texter."""
    assert bare_command(body) is None


@pytest.mark.parametrize("body", ["ok\n//she sounds drunk", "1limits", "note: she lies", "he is here !unsafe"])
def test_it_is_held_and_leaves_by_one_more_word(body: str) -> None:
    """Nothing of it is in the undo window before `!anyway`, not by an edit either."""
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.HELD}
    assert "If you are sure: !anyway" in words(step)
    assert step.aggregate.sending.pending == ()
    changed = then(then(held(), said("hello")).aggregate, edit(body))
    assert changed.aggregate.sending.pending == ()
    sure = then(step.aggregate, said("!anyway", event_id="$s"))
    assert [waiting.body for waiting in sure.aggregate.sending.pending] == [body]
    assert texts(sure) == []
