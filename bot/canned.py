"""The agency's own texts at an advocate's hand: what `!say` says."""

from __future__ import annotations

from typing import Final

from bot.commands import parse
from bot.model import Thread
from policies.pack import Pack, TextName

NAMES: Final = {"handover": TextName.HANDOVER}


def words(pack: Pack, thread: Thread, said: str) -> str | None:
    """Return what the arguments of a `!say` say: own words when there are some, else the pack's; None if unknown."""
    name, _, own = said.partition(" ")
    text = NAMES.get(name.casefold())
    if text is None:
        return None
    return own.strip() or pack.say(text, thread.consent.language)


def edited(pack: Pack, thread: Thread, body: str) -> str | None:
    """Return what an edited `!say` says now; None when the message is no `!say`."""
    parsed = parse(body)
    if parsed is None or parsed.command is None or parsed.command.name != "say":
        return None
    return words(pack, thread, parsed.arguments)
