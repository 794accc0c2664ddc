"""The sheet that each person of a new line is given, in the languages of the agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.init.checklist import FILES, first_steps
from tests.deploy.init.answers import answers, run_init

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("languages", "files"),
    [
        (["en"], ["FIRST-STEPS.md"]),
        (["en", "es"], ["FIRST-STEPS.md", "PRIMEROS-PASOS.md"]),
        (["es", "en"], ["PRIMEROS-PASOS.md", "FIRST-STEPS.md"]),
        (["es"], ["PRIMEROS-PASOS.md"]),
        (["fr"], ["FIRST-STEPS.md"]),
    ],
)
def test_each_language_of_the_agency_has_its_sheet(languages: list[str], files: list[str]) -> None:
    """The first language first, Spanish where the agency has it, and English where we have none of theirs."""
    assert list(first_steps(languages)) == files


def test_init_writes_them_beside_the_checklist(tmp_path: Path) -> None:
    """They are closed like the rest, hold nobody's name or password, and the checklist says to give them out."""
    inputs = answers()
    inputs["agency"] |= {"languages": ["es", "en"]}
    assert run_init(tmp_path, inputs).exit_code == 0
    line = tmp_path / "line"
    checklist = (line / "CHECKLIST.md").read_text()
    for name in FILES.values():
        sheet = (line / name).read_text()
        assert "mira" not in sheet
        assert f"`{line / name}`" in checklist
    assert checklist.index("PRIMEROS-PASOS.md") < checklist.index("FIRST-STEPS.md")
    assert sorted(path.name for path in (line / "handout").iterdir()) == ["mira.txt", "noor.txt"]
