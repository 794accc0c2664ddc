"""Write the pages of commands and of the configuration's keys: `python -m deploy.docs.generate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from bot.commands.help_text import by_heading, usage
from bot.commands.parser import ANSWER_TTL, COMMANDS_BY_NAME
from bot.commands.spec import CARD, Who, help_of
from bot.model.actions import DESK, OFFICE, THREAD
from bot.wording.notice import in_language, words_of
from deploy.docs.key_reference import GENERATED_NOTICE, cell, key_page, page, table

DOCS: Final = Path(__file__).parent
PLACES: Final = {
    "en": (
        (DESK, "At the desk", "where everybody of the line is: who waits, who talks with whom, what is wrong"),
        (THREAD, "In a thread's room", "where one conversation is"),
        (OFFICE, "In your office", "where only you and the software are"),
    ),
    "es": (
        (DESK, "En la mesa", "donde están todas las personas de la línea: quién espera, quién habla con quién, qué va mal"),
        (THREAD, "En la sala de una conversación", "donde está una sola conversación"),
        (OFFICE, "En tu oficina", "donde están solo tú y el programa"),
    ),
}
WHO: Final = {
    "en": {
        Who.ANYBODY: "everybody",
        Who.ASSIGNEE: "the advocate",
        Who.ASSIGNEE_OR_SUPERVISOR: "the advocate, supervisors",
        Who.SUPERVISOR: "supervisors",
    },
    "es": {
        Who.ANYBODY: "cualquiera",
        Who.ASSIGNEE: "quien atiende",
        Who.ASSIGNEE_OR_SUPERVISOR: "quien atiende, supervisión",
        Who.SUPERVISOR: "supervisión",
    },
}
TITLE: Final = {"en": "# Commands", "es": "# Comandos"}
HEAD: Final = {"en": ("command", "who", "what it does"), "es": ("comando", "quién", "qué hace")}
ON_CARDS: Final = {"en": " **·** on every card", "es": " **·** en cada tarjeta"}
INTRODUCTION: Final = {
    "en": (
        "A command is a message that begins with `!`. It is never sent to a phone. What stands behind it is a reason,"
        " and stays in the room; it is the text only behind `!say name:` and `!reply`. Case, spaces, the width of"
        " letters and punctuation behind it do not matter; what is like `!unsafe` stops the phone, any other near miss"
        " is only suggested;"
        " what is in square brackets may be left out; `@who` is a mention, a full Matrix id, or a name, with or without"
        " `@`, that only one person has."
        " Answers in an office disappear after {minutes} minutes. Commands are called the same in both"
        " languages ([this page in Spanish](commands.es.md))."
    ),
    "es": (
        "Un comando es un mensaje que empieza con `!`. Nunca se envía a un teléfono. Lo que va detrás es un motivo, y"
        " se queda en la sala; es el texto solo detrás de `!say name:` y de `!reply`. No importan las mayúsculas, los"
        " espacios, el ancho de las letras ni la puntuación de detrás; lo que se parece a `!unsafe` detiene el"
        " teléfono, y cualquier otro parecido solo se sugiere; lo que va entre corchetes puede faltar; `@who` es una"
        " mención, un id completo de Matrix, o un nombre, con o sin `@`, que solo una persona tiene. Las respuestas en"
        " una oficina desaparecen después de {minutes} minutos. Los comandos se llaman igual en los dos idiomas"
        " ([esta página en inglés](commands.md))."
    ),
}


def commands_page(language: str) -> str:
    """Return the page of all commands, by place."""
    parts = [GENERATED_NOTICE, TITLE[language], INTRODUCTION[language].format(minutes=int(ANSWER_TTL // 60))]
    code = "" if language == "en" else language
    for place, title, what in PLACES[language]:
        parts += [f"## {title}", f"{what[0].upper()}{what[1:]}."]
        for heading, commands in by_heading(place):
            rows = [
                f"| `{cell(_said(usage(c), language))}` | {WHO[language][COMMANDS_BY_NAME[c].who]} |"
                f" {_said(help_of(c), language)}{ON_CARDS[language] if c in CARD else ''} |"
                for c in commands
            ]
            parts += [f"### {words_of(heading, code)}", table(HEAD[language], rows)]
    return page(parts)


def _said(words: str, language: str) -> str:
    return words if language == "en" else in_language(words, language)


def main() -> int:
    """Write every page."""
    for name, text in (
        ("commands.md", commands_page("en")),
        ("commands.es.md", commands_page("es")),
        ("keys.md", key_page()),
    ):
        (DOCS / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
