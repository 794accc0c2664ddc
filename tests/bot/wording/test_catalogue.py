"""The catalogues: every language says everything, with the same values, and nothing is said that nobody says."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from bot.commands.help_text import HEADINGS, SHORT
from bot.commands.spec import COMMANDS, Who, help_of
from bot.model.actions import DeliveryReceipt
from bot.model.codeword_state import LONGEST, MOST_WORDS, SHORTEST, Flaw
from bot.model.thread import ThreadState
from bot.wording.catalogue import ENGLISH, FOLDER, SOURCE, TABLES, read_catalogue
from bot.wording.notice import notice_of
from policies.signs import DANGERS

ROOT = Path(__file__).parents[3]
TRANSLATIONS = sorted(FOLDER.glob("*.po"))
NAMED = re.compile(r"![a-z]+(?:-[a-z]+)?|⚠️|🛑|✋|✅|❌|\bSTOP\b|\bSTART\b|quietline [a-z]+")
"""Commands, fixed words and marks, which are the same in every language."""
OTHER_LANGUAGE = re.compile(r"; (?:en español|in English): !lang me \w+|!lang(?:uages)?")


def placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}


def ends(words: str) -> tuple[bool, bool, int]:
    """Blanks at the ends and line breaks: notices are joined."""
    return words.startswith(" "), words.endswith(" "), words.count("\n")


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_a_translation_is_whole(path: Path) -> None:
    """Each message of the source is translated, from the same English, with the same placeholders, commands and marks."""
    catalogue = read_catalogue(path)
    assert catalogue.keys() == ENGLISH.keys()
    wrong = [
        key
        for key, (english, translated) in catalogue.items()
        if not translated
        or english != ENGLISH[key]
        or placeholders(english) != placeholders(translated)
        or ends(english) != ends(translated)
        or sorted(NAMED.findall(OTHER_LANGUAGE.sub("", english)))
        != sorted(NAMED.findall(OTHER_LANGUAGE.sub("", translated)))
    ]
    assert wrong == []


def test_a_missing_or_misspelt_placeholder_is_found(tmp_path: Path) -> None:
    """The test above would find it."""
    (path,) = [path for path in TRANSLATIONS if path.stem == "es"]
    broken = tmp_path / "es.po"
    broken.write_text(
        path.read_text(encoding="utf-8").replace("Esperó {duration}", "Esperó {duracion}").replace("{why}", "{wy}")
    )
    with pytest.raises(AssertionError):
        test_a_translation_is_whole(broken)


def test_spanish_speaks_of_no_woman_and_no_man() -> None:
    """Spanish says "la persona", "quien atiende": nobody is called an "abogada", a "supervisora" or "el usuario"."""
    gendered = re.compile(
        r"\b(?:usuari[oa]s?|supervisor(?:a|es|as)?|defensor(?:a|es|as)?|abogad[oa]s?|víctimas?|usted)\b", re.IGNORECASE
    )
    assert [words for words in TABLES["es"].values() if gendered.search(words)] == []


def test_every_message_is_said_somewhere() -> None:
    """A key that no code names is a message to delete."""
    folders = ("bot", "bridge", "deploy")
    sources = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py"))
    named = set(re.findall(r"[\"']([a-z_]+\.[a-z0-9_-]+)[\"']", sources))
    made = set(re.findall(r'f"([a-z_]+\.)(?:\{|[a-z_]+\{)', sources))
    assert [key for key in read_catalogue(SOURCE) if key not in named and f"{key.split('.')[0]}." not in made] == []


def test_the_names_that_are_put_together_are_there() -> None:
    """Keys that are made of a value have a message for each value, whose English is what the value says."""
    for flaw in Flaw:
        said = notice_of(f"flaw.{flaw.name.lower()}", shortest=SHORTEST, most_words=MOST_WORDS, longest=LONGEST)
        assert said == flaw.value
    assert {who: notice_of(f"who.{who.name.lower()}") for who in Who} == {who: who.value for who in Who}
    assert {state: notice_of(f"state.{state.value}") for state in ThreadState} == {s: s.value for s in ThreadState}
    assert {sign: notice_of(f"sign.{sign}") for sign in DANGERS} == {sign: sign.replace("_", " ") for sign in DANGERS}
    assert {mark: notice_of(f"mark.{mark.name.lower()}") for mark in DeliveryReceipt} == {
        m: m.value for m in DeliveryReceipt
    }
    assert all(help_of(name) for command in COMMANDS for name in command.names)
    keys = {title for title, _ in HEADINGS} | {key for rows in SHORT.values() for row in rows for key in row}
    assert keys <= ENGLISH.keys()


ASKED = re.compile(
    r"(?<!can )(?<!to )\b(?:say|type|write|send|answer|reply|di|escribe|manda|responde|contesta)\s+(?:with\s+|con\s+)?"
    r"(?:[`\"“«'][^!{]|(?:hello|hi|hey|ok|okay|yes|something|anything|hola|sí|vale|algo|listo)\b)",
    re.IGNORECASE,
)
"""A word that a person is asked to say in a room, and that is no command: behind a quotation mark, or a greeting."""


def test_no_word_is_asked_for_that_would_be_a_text() -> None:
    """What is said in a thread's room is texted: invitations, welcomes and help ask for commands and taps alone."""
    spoken = [(language, key, words) for language, table in TABLES.items() for key, words in table.items()]
    assert [(language, key) for language, key, words in spoken if ASKED.search(words)] == []
    seen = {words: ASKED.search(words) is not None for words in ("Say hello when you are in", "di hola", "say !board here")}
    assert seen == {"Say hello when you are in": True, "di hola": True, "say !board here": False}
