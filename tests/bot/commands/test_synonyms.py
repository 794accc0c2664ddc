"""What people say for a command that is called otherwise: told in their language, and never done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.commands.parser import names_a_word
from bot.commands.spec import COMMANDS
from bot.commands.synonyms import SYNONYMS
from tests.bot.examples import at, held, said, texts, then, words
from tests.bot.strategies import ANA, MEMBERS
from tests.every_row import every_row


@every_row("word", SYNONYMS)
def test_a_synonym_is_told_and_not_done(word: str) -> None:
    """Nothing changes and nothing leaves; the answer names a command that there is, in either language."""
    thread = held()
    for reads, answer in (("", "There is no such command"), ("es", "Ese comando no existe")):
        roster = tuple(replace(member, reads=reads) if member.user == ANA else member for member in MEMBERS)
        step = then(thread, said(f"!{word}"), at(0, roster=roster))
        assert answer in words(step)
        assert texts(step) == []
        assert step.aggregate.sending == thread.sending
        assert step.aggregate.flags == thread.flags
    assert (
        any(f"!{name}" in SYNONYMS[word] for command in COMMANDS for name in command.names)
        or "//" in SYNONYMS[word]
        or "⏳" in SYNONYMS[word]
    )


@pytest.mark.parametrize("body", ["!palabra jirafa", "!clave: jirafa", "!Contraseña jirafa", "!palabra acordada jirafa"])
def test_a_word_behind_a_spanish_name_for_it_is_taken_out(body: str) -> None:
    """Whoever writes the word itself behind what they call it: it leaves the room, as behind the English names."""
    assert names_a_word(body)
    assert not names_a_word(body.split(maxsplit=1)[0])
    assert "jirafa" not in words(then(held(), said(body)))
