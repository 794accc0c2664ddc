"""The card of eight lines: a person who has read only the card plays a drill by it, and no wrong word leaves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from bot.commands.parser import COMMANDS_BY_NAME
from bot.model.actions import DESK
from bot.wording.notice import words_of
from deploy.docs.generate import DOCS
from policies.pack import TextName
from tests.bot.drills.drill_line import DrillLine, play
from tests.bot.strategies import BEN
from tests.deploy.docs.printed_card import HAND_OVER, HELP, LIMITS, LINE, NOTE, SAFE, SLIP, STOP, TAKE, PrintedCard
from tests.packs import shipped

PACK = shipped("base", "rehearsal")
WRONG, COLLEAGUE, PANIC = "wrong words of a slip", "words for a colleague", "words in a panic"
OWN = "I am here. Take your time."


def card_page(language: str) -> str:
    return (DOCS / ("card.md" if language == "en" else f"card.{language}.md")).read_text(encoding="utf-8")


@dataclass
class Reader:
    """Does what the printed lines say when their moment has come, and knows nothing else. `done`: line and time of each."""

    card: PrintedCard
    done: list[tuple[int, float]] = field(default_factory=list)

    def do(self, line: DrillLine, number: int, owner: str) -> None:
        """Type what a line says, and note when."""
        line.say(owner, self.card.typed(number))
        self.done.append((number, line.now))

    def react(self, line: DrillLine, thread: str, number: int) -> None:
        """Meet the moments of the drill `phone-taken`, in the order of its texts."""
        match number:
            case 0:
                self.do(line, TAKE, DESK)
                line.say(thread, WRONG)
                line.after(self.card.seconds_to_take_back() - 1, lambda: self.go_on(line, thread))
            case 1:
                self.do(line, SAFE, thread)
                line.say(thread, self.card.typed(NOTE).partition(" ")[0] + f" {COLLEAGUE}")
                line.say(thread, OWN)
            case 2:
                line.say(thread, PANIC)
                self.do(line, STOP, thread)
                line.say(thread, PANIC)
                self.do(line, HELP, thread)
            case 3:
                self.do(line, HAND_OVER, thread)
                line.after(5, lambda: line.say(thread, self.card.typed(HAND_OVER, 1), sender=BEN))
                line.after(10, lambda: line.say(thread, self.card.typed(HAND_OVER, 2), sender=BEN))

    def go_on(self, line: DrillLine, thread: str) -> None:
        """Take the slip back in the last second that the card gives, then tell the limits."""
        line.delete(thread)
        self.done.append((SLIP, line.now))
        self.do(line, LIMITS, thread)
        line.say(thread, OWN)


def play_by(card: str, language: str) -> tuple[Reader, DrillLine]:
    """Have a reader of this card play the drill."""
    reader = Reader(PrintedCard(card, "@ben"))
    return reader, play("phone-taken", language, reader.react, reads=language)


@pytest.mark.parametrize("language", ["en", "es"])
def test_eight_lines_are_enough(language: str) -> None:
    """Taken, limits told, slip taken back, stopped, help called, handed over: and the phone got the right words alone."""
    reader, line = play_by(card_page(language), language)
    (phone,) = line.phone.values()
    greeting, limits, safe = (
        PACK.say(name, language) for name in (TextName.GREETING, TextName.LIMITS, TextName.SAFE_CHECK)
    )
    assert phone == [greeting, limits, OWN, safe, OWN]
    (thread,) = line.threads.values()
    assert thread.assignment.assignee == BEN
    assert thread.flags.unsafe
    assert thread.lifecycle.closes_at
    assert line.offices[BEN], "whoever took over gets the debrief as well"
    assert [number for number, _ in reader.done] == [TAKE, SLIP, LIMITS, SAFE, STOP, HELP, HAND_OVER]
    called = words_of("alerts.its_advocate_asks_for_a", "en")
    assert any(called in words for words in line.shown), "a supervisor was called"


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_is_a_card(language: str) -> None:
    """Eight lines, each begins with its moment; every command is one that there is; both taps are on it."""
    card = card_page(language)
    lines = LINE.findall(card)
    assert [int(number) for number, *_ in lines] == list(range(1, 9))
    assert all(len(words) < 130 for *_, words in lines)
    names = COMMANDS_BY_NAME.keys()
    assert set(re.findall(r"`!([a-z-]+)", card)) <= names
    assert "✋" in card
    assert "🛑" in card
    assert f" {PACK.settings.undo_seconds} " in card
