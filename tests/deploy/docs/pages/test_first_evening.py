"""The story of a first evening: played by its printed lines, it happens as it is told."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from bot.model.actions import DESK
from deploy.docs.pages.first_evening import DRILL, MARKS, ShownLine, first_evening_page
from tests.bot.drills.drill_line import DrillLine

MARK = re.compile(r"^- (\*\*.+?\*\*) ?(.*)$", re.MULTILINE)


def lines_of(page: str, language: str) -> list[tuple[ShownLine, str]]:
    """Return the printed lines: what each is, and its words."""
    kinds = {mark: line for line, mark in MARKS[language].items()}
    return [(kinds[mark], words.strip("`")) for mark, words in MARK.findall(page)]


def played(lines: list[tuple[ShownLine, str]], language: str) -> DrillLine:
    """Type what the lines say after each text, as far as the next text, and play the drill to its end."""
    typed: defaultdict[int, list[tuple[ShownLine, str]]] = defaultdict(list)
    texts = -1
    for kind, words in lines:
        texts += kind is ShownLine.TEXT
        typed[texts].append((kind, words))

    def react(line: DrillLine, thread: str, number: int) -> None:
        for kind, words in typed[number]:
            if kind is ShownLine.TYPE:
                line.say(DESK if words == "!claim" else thread, words)
            elif kind is ShownLine.DELETE:
                line.delete(thread)

    line = DrillLine(react=react)
    line.say(DESK, f"!lang me {language}")
    ((_, command),) = [each for each in typed[-1] if each[0] is ShownLine.TYPE]
    line.say(DESK, command)
    line.run()
    return line


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_story_happens_as_it_is_told(language: str) -> None:
    """Every text of the texter, every text on the phone and everything that is seen comes, in the order of the page."""
    lines = lines_of(first_evening_page(language), language)
    line = played(lines, language)
    assert [words for _, words in line.texts] == [words for kind, words in lines if kind is ShownLine.TEXT]
    (phone,) = line.phone.values()
    assert phone == to_the_phone(lines)
    shown = iter(line.shown)
    for kind, words in lines:
        if kind is ShownLine.SEE:
            assert any(words in each for each in shown), words
    assert "→" not in line.debrief()


def to_the_phone(lines: list[tuple[ShownLine, str]]) -> list[str]:
    """Return what the page says that the phone gets: texts of the agency, and words that are neither command nor note."""
    after = [kind for kind, _ in lines[1:]] + [ShownLine.SEE]
    return [
        words
        for (kind, words), then in zip(lines, after, strict=True)
        if kind is ShownLine.PHONE
        or (kind is ShownLine.TYPE and not words.startswith(("!", "//")) and then is not ShownLine.DELETE)
    ]


def test_a_slip_that_was_not_deleted_would_be_found() -> None:
    """Without the line that deletes it, the wrong words reach the phone."""
    lines = [each for each in lines_of(first_evening_page("en"), "en") if each[0] is not ShownLine.DELETE]
    (phone,) = played(lines, "en").phone.values()
    assert phone != to_the_phone(lines_of(first_evening_page("en"), "en"))


def test_both_languages_tell_the_same_story() -> None:
    """Line by line of the same kind."""
    english, spanish = (lines_of(first_evening_page(language), language) for language in ("en", "es"))
    assert [kind for kind, _ in english] == [kind for kind, _ in spanish]
    assert f"!drill {DRILL} es" in [words for _, words in spanish]
