"""What our messages contain: a formatted body has the words of the body, and an edit is of the kind that it changes."""

from __future__ import annotations

import html
import re

from bot.commands.help_text import help_text
from bot.display.desk_board import board_text
from bot.display.thread_card import pinned_text
from bot.model.actions import DESK, OFFICE, THREAD, EditMessage, SendMessage
from bridge.matrix.api.message_body import edit_content, message_content
from tests.bot.examples import FACTS, held, staffed_desk
from tests.bot.strategies import PACK
from tests.every_row import every_row

SHOWN = {
    "card": pinned_text(PACK, held()),
    "board": board_text(PACK, FACTS, staffed_desk()),
    **{f"help {place}": help_text(PACK, place, every=False) for place in (THREAD, DESK, OFFICE)},
    **{f"more {place}": help_text(PACK, place, every=True) for place in (THREAD, DESK, OFFICE)},
    "letters": '⚠️ UNSAFE: <b> & "quotes" <br>\nWanted & more — !close, a < b\n!close [now] — end it',
}


def text_of(formatted: str) -> str:
    """Return the text that a client shows of HTML as we write it."""
    return html.unescape(re.sub(r"<[^>]*>", "", formatted.replace("<br>", "\n")))


@every_row("name", SHOWN)
def test_a_formatted_body_has_the_words_of_the_body(name: str) -> None:
    """The text of the HTML is the plain body, letter for letter, in a message and in an edit."""
    body = SHOWN[name]
    said = message_content(SendMessage(place=DESK, body=body, formatted=True))
    assert said["format"] == "org.matrix.custom.html"
    assert said["formatted_body"] != said["body"] == text_of(said["formatted_body"])
    changed = edit_content(EditMessage(place=DESK, ref="board", body=body, formatted=True), "$1")
    assert changed["m.new_content"]["formatted_body"] == said["formatted_body"]


def test_markup() -> None:
    """What is wanted, what is alarming and headings are bold, commands are code; nothing in a body becomes markup."""
    said = message_content(SendMessage(place=DESK, body=SHOWN["letters"], formatted=True))["formatted_body"]
    assert said.split("<br>") == [
        '<strong>⚠️ UNSAFE: &lt;b&gt; &amp; "quotes" &lt;br&gt;</strong>',
        "<strong>Wanted &amp; more</strong> — <code>!close</code>, a &lt; b",
        "<code>!close</code> [now] — end it",
    ]


def test_words_of_people_are_never_formatted() -> None:
    """Only what asks for it has a formatted body: a texter's words and a recap are plain."""
    assert "formatted_body" not in message_content(SendMessage(place=THREAD, body="STOP: <b>", notice=False))
    assert "formatted_body" not in edit_content(EditMessage(place=THREAD, ref="x", body="STOP:"), "$1")["m.new_content"]


def test_an_edit_is_a_notice() -> None:
    """In the new content and in the fallback: a card that changes rings nobody, whatever the client looks at."""
    changed = edit_content(EditMessage(place=DESK, ref="x", body="y"), "$1")
    assert (changed["msgtype"], changed["m.new_content"]["msgtype"]) == ("m.notice", "m.notice")
    assert changed["m.mentions"] == changed["m.new_content"]["m.mentions"] == {}
