"""A notice: its English is what it was before, and it says the same in another language."""

from __future__ import annotations

import re

from bot.wording.catalogue import ENGLISH
from bot.wording.notice import Notice, in_language, in_languages, join_notices, notice_for_all, notice_of, pack_notice
from tests.every_row import try_every_row

QUOTED = "no {braces} or %s"


def test_english_is_the_string_itself() -> None:
    """Whoever knows nothing of languages reads English: as a string, and asked for it, or for a language nobody wrote."""
    values = dict.fromkeys(("why", "user", "designation", "duration"), QUOTED)

    def check(key: str) -> None:
        every = dict.fromkeys(re.findall(r"\{(\w+)\}", ENGLISH[key]), "x") | values
        said = notice_of(key, **every)
        assert said == ENGLISH[key].format(**every) == in_language(said, "en") == in_language(said, "xx")

    try_every_row(check, ENGLISH)


def test_notices_within_notices_and_side_by_side() -> None:
    """What is filled in, joined, added or written by a pack is put into words with the whole."""
    inner = notice_of("sending.held", why=notice_of("guard.it_is_empty"))
    assert in_language(inner, "es") == "En pausa: está vacío."
    row = join_notices("; ", (inner, "ana", notice_of("word.yes")))
    assert (row, in_language(row, "es")) == ("Held: it is empty.; ana; yes", "En pausa: está vacío.; ana; sí")
    assert in_language("- " + inner + "!", "es") == "- En pausa: está vacío.!"
    book = pack_notice("Steps", {"es": "Pasos"})
    assert [in_language(join_notices("\n", (book, inner)), code) for code in ("en", "es", "fr")] == [
        "Steps\nHeld: it is empty.",
        "Pasos\nEn pausa: está vacío.",
        "Steps\nHeld: it is empty.",
    ]


def test_what_is_loud_is_said_in_each_language_once() -> None:
    """A line for each language; readers of one language get one line."""
    said = notice_for_all(notice_of("word.yes"))
    assert isinstance(said, Notice)
    assert said.loud
    assert in_languages(said, ("en", "es", "en")) == "yes\nsí"
    assert in_languages(said, ("es",)) == "sí"
