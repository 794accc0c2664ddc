"""`quietline policy`: exit codes, JSON, transcripts, and generated files that are current."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from deploy.cli.main import cli
from deploy.packs.script_player import play_script, read_script
from policies import ProblemsError
from policies.drills.load import SCRIPTS
from policies.pack import TextName
from tests.deploy.init.answers import answers, run_init
from tests.packs import shipped

ROOT = Path(__file__).parents[3]
BASE = shipped("base")


def quietline(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["policy", *arguments])


def script(folder: Path, text: str) -> Path:
    """Write a script."""
    path = folder / "script.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def transcript(folder: Path, text: str) -> list[str]:
    """Play a script with the base pack."""
    return list(play_script(BASE, read_script(script(folder, text))))


def phone(lines: list[str]) -> list[str]:
    """Return what a transcript says reached the phone."""
    return [line.split("→ phone    ")[1] for line in lines if "→ phone" in line]


def test_lint_tells_what_keeps_a_line_from_starting(tmp_path: Path) -> None:
    """The base pack is not well until counsel and the agency have been there: exit 1, as text and as JSON alike."""
    shown = quietline("lint")
    assert shown.exit_code == 1
    assert "NOT texts.limits.wordings.en (review)" in shown.output
    result = quietline("lint", "us/ca", "--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert report["ok"] is False
    assert {check["name"] for check in report["checks"]} >= {"texts.limits.wordings.es (review)", "hours (sample)"}
    assert all(check["do"] for check in report["checks"])


def test_a_pack_that_cannot_be_loaded_is_exit_two_with_all_its_problems(tmp_path: Path) -> None:
    """Usage and configuration: every problem on a line of its own, for lint and for preview."""
    own = tmp_path / "own.yaml"
    own.write_text("name: own\nsettings: {cap: x}\nfoo: 1\n", encoding="utf-8")
    for arguments in (("lint", str(own)), ("preview", str(own)), ("preview", f"us/ca,{own}", str(own))):
        shown = quietline(*arguments)
        assert shown.exit_code == 2
        assert "settings.cap" in shown.output
        assert "foo: unknown key" in shown.output


def test_a_drill_is_looked_at_beside_the_pack(tmp_path: Path) -> None:
    """One that could not be played is exit 2 with its place, named or in the folder that a line's configuration names."""
    result = run_init(tmp_path, answers(mode="rehearsal", carrier=None))
    assert result.exit_code == 0, result.output
    config = tmp_path / "line" / "config.yaml"
    raw = yaml.safe_load(config.read_text(encoding="utf-8"))
    raw["lines"][0]["drills"] = ["ours"]
    config.write_text(yaml.safe_dump(raw), encoding="utf-8")
    drills = config.parent / "ours"
    drills.mkdir()
    script = (SCRIPTS / "silence.yaml").read_text(encoding="utf-8")
    (drills / "silence.yaml").write_text(script, encoding="utf-8")
    ways = (("us/ca", "--drill", str(drills)), ("--config", str(config)))
    assert [quietline("lint", *way).exit_code < 2 for way in ways] == [True, True]
    (drills / "silence.yaml").write_text(f"{script}\nshout: 1\n", encoding="utf-8")
    for way in ways:
        shown = quietline("lint", *way)
        assert (shown.exit_code, "drills/silence.yaml: shout: unknown key" in shown.output) == (2, True), shown.output


def test_a_transcript_shows_both_sides(tmp_path: Path) -> None:
    """What the texter wrote, what left for the phone and when, what stayed a note."""
    lines = transcript(
        tmp_path,
        "- texter: hi\n- advocate: I am here.\n- advocate: // a note\n- wait: 3 min\n- texter: are you there\n"
        '- advocate: "!say handover"\n- supervisor: "!take"\n- supervisor: Hello.\n',
    )
    assert phone(lines) == [
        BASE.say(TextName.GREETING, "en"),
        "I am here.",
        BASE.say(TextName.HANDOVER, "en"),
        "Hello.",
    ]
    assert lines[0] == "Mon 10:00:00  texter     hi"
    said, text = (next(line for line in lines if f"{who} " in line and "I am here." in line) for who in ("ana", "phone"))
    assert (said[4:12], text[4:12]) == ("10:00:30", "10:00:38")
    at = next(n for n, line in enumerate(lines) if "// a note" in line)
    assert lines[at + 1].endswith("📝")


def test_nothing_leaves_by_waiting(tmp_path: Path) -> None:
    """Silence brings cues to the desk, and nothing to the phone (the first rule)."""
    before = transcript(tmp_path, "- texter: hi\n")
    after = transcript(tmp_path, "- texter: hi\n- wait: 30 days\n")
    assert phone(after) == phone(before)
    assert len(after) > len(before)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("- nobody: hi\n", "steps.0"),
        ("- texter: hi\n- texter: 1\n", "steps.1"),
        ("- texter: hi\n  advocate: ho\n", "steps.0"),
        ("- wait: long\n", "steps.0"),
        ("- wait: null\n", "steps.0"),
        ("[]\n", "steps"),
        ("hello\n", "the whole file"),
        ("", "the whole file"),
        ("steps: [{texter: hi}]\nfoo: 1\n", "foo"),
        ("start: noon\nsteps: [{texter: hi}]\n", "start"),
        ("- texter: [\n", "line 2: is not YAML"),
        ("- texter: hi\n  texter: ho\n", "line 2: the key texter is there twice; take one out"),
    ],
)
def test_a_script_that_cannot_be_played_is_told(tmp_path: Path, text: str, where: str) -> None:
    """With its path, without what it says, and as exit code 2."""
    path = script(tmp_path, text)
    with pytest.raises(ProblemsError) as refused:
        read_script(path)
    assert any(problem.removeprefix(f"{path}: ").startswith(where) for problem in refused.value.problems)
    assert quietline("preview", "base", str(path)).exit_code == 2
