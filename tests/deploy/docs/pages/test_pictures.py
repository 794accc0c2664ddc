"""The pictures of the documentation: all there, small, described, and made by a command that still works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.docs.generate import DOCS, PAGES
from deploy.docs.pages.pictures import CLIENT, LANGUAGES, SCREENS, SHOWN, file_name, picture
from tests.deploy.docs.take_pictures import LARGEST, PICTURES, board_page, pictures
from tests.outside_programs import OutsidePrograms


def file_names() -> frozenset[str]:
    """Return the files of all pictures."""
    return frozenset(
        file_name(what, screen, language)
        for what in SHOWN
        for screen in SCREENS
        for language in LANGUAGES
        if CLIENT.get(what, screen) == screen
    )


def test_the_pictures_are_those_that_the_command_takes() -> None:
    """Report, handsets and board at phone and desktop width, an evening in a client; in both languages, small, no other."""
    assert len(file_names()) == 2 * (3 * 2 + len(CLIENT))
    assert {file.name for file in PICTURES.iterdir()} == file_names()
    for file in PICTURES.iterdir():
        content = file.read_bytes()
        assert content[:4] + content[8:12] == b"RIFFWEBP"
        assert 1_000 < len(content) < LARGEST, file.name


def test_pages_show_pictures_in_their_own_language_with_words() -> None:
    """Each picture that a page shows exists, is described, and is not of the other language."""
    shown = 0
    for name in PAGES:
        language = "es" if name.endswith(".es.md") else "en"
        for words, file in re.findall(r"!\[(.*?)\]\(pictures/(.+?)\)", (DOCS / name).read_text(encoding="utf-8")):
            assert file in file_names()
            assert file.endswith(f".{language}.webp")
            assert len(words) > 30
            shown += 1
    assert shown >= 8
    assert picture("board", "phone", "es") in (DOCS / "supervisor.es.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_board_of_the_picture_answers_the_three_questions(language: str) -> None:
    """In its first two lines: danger, who is alone, who waits longest."""
    first, second, *_ = board_page(language).partition("<div>")[2].split("<br>")
    assert first.startswith("<strong>⚠️ ")
    assert "quiet maple" in second


async def test_the_command_still_takes_them(outside_programs: OutsidePrograms, tmp_path: Path) -> None:
    """With a browser, at one width and in one language: three pictures that are some and not too large."""
    if (program := outside_programs.find("chromium")) is None:
        return
    images = await pictures(program, tmp_path, languages=("es",), screens=("phone",))
    assert images.keys() == {file_name(what, "phone", "es") for what in SHOWN if what not in CLIENT}
    for name, content in images.items():
        assert content[8:12] == b"WEBP"
        assert 1_000 < len(content) < LARGEST, name
