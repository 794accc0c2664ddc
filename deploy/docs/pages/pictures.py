"""The pictures of the documentation, and a description of each for a reader who does not see it.

Each is of the running product.
"""

from __future__ import annotations

from typing import Final

SCREENS: Final = {"phone": 390, "desktop": 1280}
"""Widths in CSS pixels."""
SHOWN: Final = {
    "handsets": {
        "en": "The page with handsets: two phones of fiction, with what each texted and got.",
        "es": "La página con los teléfonos de ensayo: dos teléfonos ficticios, con lo que cada uno escribió y recibió.",
    },
    "board": {
        "en": "The board of the desk: first whether anybody is in danger, alone or waiting; then each thread, and who"
        " is here.",
        "es": "El tablero de la mesa: primero si alguien está en peligro, sin nadie o espera; después cada"
        " conversación, y quién está.",
    },
    "report": {
        "en": "The monthly report: bars for load and waits, with small numbers hidden.",
        "es": "El informe mensual: barras de carga y de esperas, con los números pequeños ocultos.",
    },
    "client-desk": {
        "en": "The desk in a client: the drill begins, a card with two words waits, and the hand below it takes it.",
        "es": "La mesa en un programa: empieza el ejercicio, espera una tarjeta con dos palabras, y la mano la toma.",
    },
    "client-thread": {
        "en": "The thread's room on a phone: the texter's words, the card, an answer, and below it its mark.",
        "es": "La sala de la conversación en un teléfono: lo que escribió la persona, la tarjeta, una respuesta, su marca.",
    },
    "client-debrief": {
        "en": "The office on a phone: the debrief says what reached the phone, and what was done well.",
        "es": "La oficina en un teléfono: el repaso dice qué llegó al teléfono y qué se hizo bien.",
    },
}
CLIENT: Final = {"client-desk": "desktop", "client-thread": "phone", "client-debrief": "phone"}
"""Pictures of another project's client, with their screen; all others are taken on every screen."""
LANGUAGES: Final = ("en", "es")


def file_name(what: str, screen: str, language: str) -> str:
    """Return the file of a picture."""
    return f"{what}-{screen}.{language}.webp"


def picture(what: str, screen: str, language: str) -> str:
    """Return a picture as Markdown."""
    return f"![{SHOWN[what][language]}](pictures/{file_name(what, screen, language)})"
