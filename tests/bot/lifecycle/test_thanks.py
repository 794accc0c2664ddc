"""A text of thanks does not undo a closing."""

from __future__ import annotations

from bot.lifecycle.thanks import only_thanks
from bot.model.codeword_state import CodewordMatch
from tests.bot.examples import arrived, at, held, said, then
from tests.every_row import every_row

THANKFUL = (
    "thanks",
    "Thank you!!",
    "ok",
    "OK thx",
    "gracias",
    "Muchas gracias por todo.",
    "\U0001f44d",
    "ty \u2764\ufe0f",
    "thanks \U0001f60a\U0001f495",
    "\U0001f64f\U0001f3fd",
)
MORE = (
    "",
    "thanks he is here",
    "ok but wait",
    "no",
    "you",
    "help",
    "gracias, y mi hija?",
    "ok?",
    "you ok",
    "...",
    "thanks " * 9,
    "ok \U0001f198",
    "thank you \U0001f6a8\U0001f6a8",
    "ok \U0001f62d",
    "gracias \U0001f6d1",
    "\U0001f64f\U0001f198",
    "\U0001f44d\U0001f52a",
    "Questioned “We won't text you first.”",
    "Disliked “Take care.”",
    "\U0001f622 to “Take care.”",
    "No le gustó “Que estés bien.”",
)


@every_row("body", THANKFUL)
def test_thanks_alone(body: str) -> None:
    """Thanks and "ok", in both languages, in any form, leave a closing as it is."""
    assert only_thanks(body)
    closing = then(held(), said("!close")).aggregate
    step = then(closing, arrived(body, seconds=60), at(60))
    assert step.aggregate.lifecycle.closes_at == closing.lifecycle.closes_at


@every_row("body", MORE)
def test_anything_more_takes_the_closing_back(body: str) -> None:
    """One other word or sign, a question, or nothing is no thanks: a person goes on, and the room stays."""
    assert not only_thanks(body)
    closing = then(held(), said("!close")).aggregate
    assert then(closing, arrived(body, seconds=60), at(60)).aggregate.lifecycle.closes_at == 0.0


def test_an_agreed_word_or_a_picture_is_no_thanks() -> None:
    """What came with a picture, or held an agreed word, takes the closing back whatever it reads like."""
    closing = then(held(), said("!close")).aggregate
    assert then(closing, arrived("ok", seconds=60, media=1), at(60)).aggregate.lifecycle.closes_at == 0.0
    masked = at(60, codeword_match=CodewordMatch.DURESS)
    assert then(closing, arrived("ok", seconds=60), masked).aggregate.lifecycle.closes_at == 0.0
