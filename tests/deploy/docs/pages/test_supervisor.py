"""The supervisors' page: every command that is theirs alone, and the times of the pack."""

from __future__ import annotations

import re

import pytest

from bot.commands.spec import COMMANDS, Who
from deploy.docs.pages.markdown import duration_text
from deploy.docs.pages.supervisor import supervisor_page
from tests.packs import shipped


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_command_of_supervisors_has_its_row(language: str) -> None:
    """And no other has one."""
    rows = re.findall(r"^\| `!([a-z-]+)", supervisor_page(language), re.MULTILINE)
    assert sorted(rows) == sorted(command.name for command in COMMANDS if command.who is Who.SUPERVISOR)


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_reminders_are_those_of_the_pack(language: str) -> None:
    """When people on duty, supervisors and the person on call are called for a thread that waits."""
    settings, page = shipped("base").settings, supervisor_page(language)
    unclaimed = (settings.unclaimed_on_duty, settings.unclaimed_supervisors, settings.unclaimed_on_call)
    for seconds in (*unclaimed, settings.unclaimed_again):
        assert duration_text(seconds, language) in page
    assert f" {settings.flood_begins} " in page
