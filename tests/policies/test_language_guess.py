"""The language of a first text, by its small words."""

from __future__ import annotations

import pytest

from policies.language_guess import guess_language
from tests.every_row import every_row
from tests.packs import shipped

WORDS = shipped("base").function_words


@pytest.mark.practice(25)
@every_row(
    ("text", "language"),
    [
        ("hola necesito ayuda con mi esposo, me pega y tengo miedo", "es"),
        ("ayuda por favor", "es"),
        ("hola puede ayudarme alguien", "es"),
        ("Hola", "es"),
        ("AYUDA", "es"),
        ("AYÚDAME", "es"),
        ("ALTO", "es"),
        ("¡socorro!", "es"),
        ("buenas tardes", "es"),
        ("ola nesesito alluda", "es"),
        ("kiero ablar kon alguien", "es"),
        ("¿están?", "es"),
        ("necesito hablar con alguien, mi novio me pego", "es"),
        ("estoy embarazada y no se que hacer", "es"),
        ("me puede llamar usted", "es"),
        ("quien me puede ayudar", "es"),
        ("me pega mi marido", "es"),
        ("mi novio se enoja", "es"),
        ("do me a favor and call", "en"),
        ("i live in las vegas", "en"),
        ("hola do you speak spanish", "en"),
        ("hi, i need help with my husband", "en"),
        ("is anyone there", "en"),
        ("he said hola and hit me", "en"),
        ("can you help", "en"),
        ("hello", "en"),
        ("no", None),
        ("ok", None),
        ("help me por favor", None),
        ("", None),
        ("12345", None),
        ("👍", None),
        ("Maria Lopez", None),
        ("jfkdls", None),
        ("y", None),
        ("https://x.y/z", None),
    ],
)
def test_the_language_of_a_text(text: str, language: str | None) -> None:
    """Clear texts are known, in or without accents; what is mixed or says nothing is not guessed."""
    assert guess_language(text, WORDS) == language


def test_only_the_languages_of_the_line_are_guessed() -> None:
    """A line that speaks English alone never takes a text for another language that it could not answer in."""
    assert set(shipped("base", "uk").function_words) == {"en"}
    assert guess_language("hola necesito ayuda", shipped("base", "uk").function_words) is None
    assert guess_language("hola", {}) is None
