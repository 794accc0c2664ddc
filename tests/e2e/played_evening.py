"""The first evening, played in Hydrogen in a real browser: login, invitations, claim, answer, `!unsafe`, debrief."""

from __future__ import annotations

from pathlib import Path

from deploy.docs.pages.pictures import CLIENT, file_name
from tests.e2e.evening_pictures import client_pictures
from tests.outside_programs import OutsidePrograms


async def test_an_evening_is_played_in_a_client_of_others(outside_programs: OutsidePrograms, tmp_path: Path) -> None:
    """A client that shares only the Matrix protocol with us shows what the page says, and the pictures can be taken."""
    browser, files = outside_programs.find("chromium"), outside_programs.find("hydrogen")
    if browser is None or files is None:
        return
    pictures = await client_pictures(browser, Path(files), tmp_path, languages=("es",))
    assert pictures.keys() == {file_name(what, screen, "es") for what, screen in CLIENT.items()}
    for name, content in pictures.items():
        assert content[8:12] == b"WEBP"
        assert 1_000 < len(content) < 150_000, name
