"""`quietline policy preview`: every conversation that comes with Quietline, a whole pack, and a line's."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli.main import cli
from deploy.packs.lint_report import load_with_base
from deploy.packs.preview import CONVERSATIONS
from tests.deploy.init.answers import answers, run_init
from tests.packs import shipped

BASE = shipped("base")


def quietline(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["policy", *arguments])


@pytest.mark.parametrize("path", sorted(CONVERSATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_conversation_plays_with_every_kind_of_pack(path: Path) -> None:
    """What comes with Quietline plays with what comes with Quietline, and the texter hears something."""
    for names in ("base", "rehearsal", "uk", "us/ca"):
        shown = quietline("preview", names, str(path))
        assert shown.exit_code == 0, shown.output
        assert "→ phone" in shown.output


def test_a_whole_pack_is_shown() -> None:
    """Each text in each language, each playbook, what each word does, the statute, and the agency's own packs."""
    shown = quietline("preview", "us/ca,rehearsal").output
    assert shown.startswith("# Preview: base, us/ca, rehearsal\n")
    assert "Cal. Penal Code § 11164" in shown
    for text, _, wording in load_with_base(["us/ca"]).wordings:
        assert f"### `{text.name}`" in shown
        assert f"  > {wording.text}\n" in shown
    for name, book in BASE.playbooks.items():
        assert f"### {book.title} (`!playbook {name}`)" in shown
    assert "| leaves: parked, no answer | " in shown


def test_the_packs_of_a_line_are_shown_and_played(tmp_path: Path) -> None:
    """Named by its directory, and then the only word is the script; a pack beside it is a usage error."""
    assert run_init(tmp_path, answers()).exit_code == 0
    line = str(tmp_path / "line")
    shown = quietline("preview", "--data", line)
    assert (shown.exit_code, shown.output.startswith("# Preview: base, us/ca, agency\n")) == (0, True)
    assert "503-867-5309" in shown.output
    played = quietline("preview", "--data", line, str(CONVERSATIONS / "1-first-text.yaml"))
    assert (played.exit_code, "→ phone" in played.output) == (0, True)
    assert quietline("preview", "--data", line, "base", "x.yaml").exit_code == 2
    assert quietline("preview", "--data", str(tmp_path / "none")).exit_code == 2
