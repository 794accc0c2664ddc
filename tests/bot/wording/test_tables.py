"""The tables of notices: every language says everything, with the same values, and nothing is said past them."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from bot.commands.help_text import HEADINGS, SHORT
from bot.commands.spec import COMMANDS, Who
from bot.model.actions import DeliveryReceipt
from bot.model.codeword_state import LONGEST, MOST_WORDS, SHORTEST, Flaw
from bot.model.thread import ThreadState
from bot.wording.notice import notice_of
from bot.wording.spanish import help as spanish_help
from bot.wording.tables import ENGLISH, SPANISH, TABLES
from bridge.background.corruption import ALERT_SUBJECT
from policies.signs import DANGERS
from tests.every_row import try_every_row

ROOT = Path(__file__).parents[3]
SAME = {
    "mark.note",
    "remains.because",
    "alerts.text_was",
    "channel.chat",
    "time.minutes",
    "word.no",
}
"""Keys whose words may be the same in both languages."""
NOT_NOTICES = {
    "bot/commands/synonyms.py": "what people type for a command that is called otherwise",
    "bot/commands/stray_commands.py": "what people type for a command, in Spanish or otherwise",
    "bot/commands/plain_stop.py": "what people type to stop the phone",
    "bot/commands/help_text.py": "the English of the help; its Spanish is compared below",
    "bot/commands/spec.py": "the English of the help; its Spanish is compared below",
    "bot/guard.py": "what numbers and addresses look like",
    "bot/language/colleague_talk.py": "lists of words",
    "bot/language/common_words.py": "lists of words",
    "bot/language/time_windows.py": "what people type for days",
    "bot/model/codeword_state.py": "the flaws of a word, whose notices are compared below",
    "bot/sending/unsent_texts.py": "what people type to take words back",
    "bot/safety/inbound_cues.py": "what ages and forwarded messages look like",
}
"""Modules with words that are read by the software and not by staff."""
SENTENCE = re.compile(r"[A-Za-z']{2,} [A-Za-z']{2,} [A-Za-z']{2,}|^[A-Z][a-z]+ [a-z]+")


SPEAKING = ("bridge/outbound", "bridge/erasure", "bridge/matrix/rooms")
"""Folders of the bridge in which something is put together that staff read."""
SPOKEN = re.compile(r"^[A-Za-z][a-z']* (?:[a-zA-Z']+,? )+[a-z]+|^(?:a|an|the|it) [a-z]+ [a-z]+")
NOT_FOR_ROOMS = {
    "bridge/erasure/carrier_copies.py": "results for the signed proof of an erasure",
    "bridge/erasure/certificate.py": "the signed proof of an erasure",
    "bridge/erasure/person_steps.py": "a result for the signed proof of an erasure",
    "bridge/outbound/number_reveal.py": "an exception",
    "bridge/outbound/sms_sender.py": "an exception",
}
"""Modules of those folders with other English."""


def placeholders(words: str) -> set[str]:
    """Return the names of what is filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}


def test_every_language_has_every_notice() -> None:
    """A key of one table is a key of all."""
    assert [(code, key) for code, table in TABLES.items() for key in set(table) ^ set(ENGLISH)] == []


def test_a_notice_has_the_same_values_in_every_language() -> None:
    """What is filled in in English is filled in in Spanish; blanks at the ends are the same, for notices are joined."""

    def check(key: str) -> None:
        english, spanish = ENGLISH[key], SPANISH[key]
        assert placeholders(english) == placeholders(spanish)
        assert (english[0] == " ", english[-1] == " ", english.count("\n")) == (
            spanish[0] == " ",
            spanish[-1] == " ",
            spanish.count("\n"),
        )
        assert (english == spanish) <= (key in SAME or not re.search("[a-z]{3}", re.sub(r"\{\w+\}", "", english)))

    try_every_row(check, ENGLISH)


def test_a_command_is_called_the_same_in_every_language() -> None:
    """Commands, their fixed words and the marks of danger are those of the software, whatever the language."""

    def named(words: str) -> list[str]:
        return sorted(re.findall(r"![a-z]+(?:-[a-z]+)?|⚠️|🛑|✋|✅|❌|\bSTOP\b|\bSTART\b|quietline [a-z]+", words))

    def check(key: str) -> None:
        assert named(ENGLISH[key]) == named(SPANISH[key])

    try_every_row(check, ENGLISH)


def test_no_language_speaks_of_a_woman_or_a_man() -> None:
    """Spanish says "la persona", "quien atiende": nobody is called an "abogada", a "supervisora" or "el usuario"."""
    gendered = re.compile(
        r"\b(?:usuari[oa]s?|supervisor(?:a|es|as)?|defensor(?:a|es|as)?|abogad[oa]s?|víctimas?|usted)\b", re.IGNORECASE
    )
    said = (*SPANISH.values(), *spanish_help.COMMANDS.values(), *spanish_help.SHORT.values())
    assert [words for words in said if gendered.search(words)] == []


def test_the_help_is_whole() -> None:
    """Every command, heading and line of the short help has its Spanish; what has to be typed is the same in both."""
    assert list(spanish_help.COMMANDS) == [*dict.fromkeys(spanish_help.COMMANDS)]
    assert spanish_help.COMMANDS.keys() == {command.name for command in COMMANDS}
    assert spanish_help.ARGUMENTS.keys() <= {command.name for command in COMMANDS if command.arguments}
    lines = [line for rows in SHORT.values() for line in rows]
    assert spanish_help.SHORT.keys() == {how for _, how in lines}
    assert spanish_help.HEADINGS.keys() == {title for title, _ in (*HEADINGS, *lines)}
    for english, spanish in spanish_help.SHORT.items():
        commands = [re.findall(r"![a-z]+", words.replace("en español: !lang me es", "")) for words in (english, spanish)]
        assert commands[0] == [name for name in commands[1] if name != "!lang" or "!languages" in spanish]


def test_the_names_that_are_put_together_are_there() -> None:
    """Keys that are made of a value have a notice for each value, whose English is what the value says."""
    for flaw in Flaw:
        said = notice_of(f"flaw.{flaw.name.lower()}", shortest=SHORTEST, most_words=MOST_WORDS, longest=LONGEST)
        assert said == flaw.value
    assert {who: notice_of(f"who.{who.name.lower()}") for who in Who} == {who: who.value for who in Who}
    assert {state: notice_of(f"state.{state.value}") for state in ThreadState} == {s: s.value for s in ThreadState}
    assert {sign: notice_of(f"sign.{sign}") for sign in DANGERS} == {sign: sign.replace("_", " ") for sign in DANGERS}


def strings(path: Path) -> list[str]:
    """Return the strings of a module that are no documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]


def test_no_notice_is_made_past_the_tables() -> None:
    """In `bot` a sentence for staff stands in the tables alone; the modules that hold other words are listed."""
    folder = ROOT / "bot"
    files = {str(path.relative_to(ROOT)): path for path in folder.rglob("*.py") if "wording" not in path.parts}
    sentences = {name: [each for each in strings(path) if SENTENCE.search(each)] for name, path in files.items()}
    assert {name for name, said in sentences.items() if said} == {*NOT_NOTICES}


def test_the_bridge_says_nothing_past_the_tables() -> None:
    """In the bridge no module puts a sentence for staff together but with a notice of the tables."""
    files = [path for folder in SPEAKING for path in (ROOT / folder).glob("*.py")]
    modules = {str(path.relative_to(ROOT)) for path in files if any(SPOKEN.search(each) for each in strings(path))}
    assert modules == set(NOT_FOR_ROOMS)


def test_what_is_not_erased_has_a_name() -> None:
    """Whatever the bridge tells the desk that it could not erase, and why, has its notice: there is no other."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "bridge/erasure").glob("*.py")]
    used = re.compile(
        r'(?:StepNotDone\(|_alert\(f?|remaining\.append\(|_retry_later\(job, |subject = )"([a-z_]+)(?: ([a-z_]+))?'
    )
    hits = [used.findall(source) for source in (*sources, f'_alert("{ALERT_SUBJECT}')]
    names = {f"remains.{name}" for each in hits for row in each for name in row if name}
    assert names | {"remains.because", "remains.texter"} == {key for key in ENGLISH if key.startswith("remains.")}


def test_a_mark_has_a_notice() -> None:
    """The English of each mark on a message is what is stored of it."""
    for mark in DeliveryReceipt:
        assert notice_of(f"mark.{mark.name.lower()}") == mark.value


ASKED = re.compile(
    r"(?<!can )(?<!to )\b(?:say|type|write|send|answer|reply|di|escribe|manda|responde|contesta)\s+(?:with\s+|con\s+)?"
    r"(?:[`\"“«'][^!{]|(?:hello|hi|hey|ok|okay|yes|something|anything|hola|sí|vale|algo|listo)\b)",
    re.IGNORECASE,
)
"""A word that a person is asked to say in a room, and that is no command: behind a quotation mark, or a greeting."""


@pytest.mark.parametrize("language", sorted(TABLES))
def test_no_word_is_asked_for_that_would_be_a_text(language: str) -> None:
    """What is said in a thread's room is texted: invitations, welcomes and help ask for commands and taps alone."""
    spoken = {**TABLES[language], **{f"help.{command.name}": command.help for command in COMMANDS}}
    spoken |= {f"help.{name}": help_ for name, help_ in spanish_help.COMMANDS.items()} if language == "es" else {}
    assert {key: match[0] for key, words in spoken.items() if (match := ASKED.search(words))} == {}


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        ("Say hello when you are in", True),
        ("answer “yes” here", True),
        ("Escribe `listo` cuando estés", True),
        ("di hola", True),
        ("Say !help when you are in", False),
        ("say `!board` here", False),
        ("Say it again.", False),
    ],
)
def test_a_word_that_is_asked_for_is_seen(words: str, asks: bool) -> None:
    """The test above would see it."""
    assert (ASKED.search(words) is not None) == asks
