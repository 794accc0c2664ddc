"""The pictures of the documentation, and what each shows to a reader who does not see it.

Rule of this module: `python -m tests.pictures` takes every one of these from what the product shows, and no other picture
is in `deploy/docs/pictures`; a page may show only these.
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
}


def file_name(what: str, screen: str, language: str) -> str:
    """Return the file of a picture."""
    return f"{what}-{screen}.{language}.webp"


def picture(what: str, screen: str, language: str) -> str:
    """Return a picture as a page shows it."""
    return f"![{SHOWN[what][language]}](pictures/{file_name(what, screen, language)})"
