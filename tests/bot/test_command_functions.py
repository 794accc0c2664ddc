"""Each command of the registry has its function: one for each place where it may be said."""

from __future__ import annotations

from typing import Any

from bot.command_functions import DESK_COMMANDS, OFFICE_COMMANDS, THREAD_COMMANDS
from bot.commands.parser import parse
from bot.model.actions import DESK, OFFICE, THREAD
from tests.bot.examples import FACTS, held, said, staffed_desk
from tests.bot.strategies import ANA, PACK
from tests.every_row import try_every_row

BY_PLACE = {THREAD: THREAD_COMMANDS, DESK: DESK_COMMANDS, OFFICE: OFFICE_COMMANDS}
ROOMS = {THREAD: THREAD, DESK: DESK, OFFICE: OFFICE + ANA}


def test_a_command_ends_the_walk() -> None:
    """Whatever stands behind a command, its function consumes the message: it is never looked at as words for the phone."""

    def check(row: tuple[str, str, str]) -> None:
        place, name, words = row
        aggregate: Any = held() if place == THREAD else staffed_desk()
        event = said(f"!{name}{words}", place=ROOMS[place])
        command = parse(event.body)
        assert command is not None
        assert command.name == name
        assert BY_PLACE[place][name](PACK, FACTS, aggregate, event, command).consumed

    behind = ("", " marzipan", ": marzipan", " 1", " @ben:line.example", " now", " yes")
    rows = [(place, name, words) for place, functions in BY_PLACE.items() for name in functions for words in behind]
    try_every_row(check, rows)
