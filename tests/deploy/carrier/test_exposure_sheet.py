"""The exposure sheet follows the configuration, and leaves out no part that keeps something."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.config.sections import DatabaseSettings, OnCall
from deploy.carrier import exposure_sheet
from deploy.cli.main import cli
from tests.deploy.line_directory import LineDirectory
from tests.packs import shipped

PACK = shipped("base", "rehearsal")


async def test_it_names_every_part(line: LineDirectory) -> None:
    """Homeserver, bridge, keys, backups, logs, staff's devices, the texter's own phone; and each says who could read it."""
    entries = exposure_sheet.exposure_entries(line.config, PACK)
    places = " ".join(entry.where for entry in entries)
    parts = ("Homeserver", "main.db", "keys.db", "audit", "certificates", "Backups", "Logs", "Staff's devices", "phone")
    for part in (*parts, "dead letters", "keys of desk and offices", "on their way to devices"):
        assert part in places
    assert all(entry.what and entry.how_long and entry.readable_by for entry in entries)
    (room,) = [entry for entry in entries if "conversation's room" in entry.where]
    assert all(word in room.remains for word in ("vacuum", "PostgreSQL", "write-ahead log", "dumps"))


@pytest.mark.parametrize(
    ("setting", "seconds", "said"),
    [
        ("message_ttl", 5 * 3600, "5 h"),
        ("client_grace", 9 * 86_400, "9 days"),
        ("close_now_grace", 43, "43 s"),
        ("grace", 50 * 3600, "50 h"),
        ("continuing", 77 * 86_400, "77 days"),
        ("audit_retention", 13 * 86_400, "13 days"),
        ("receipt_retention", 11 * 86_400, "11 days"),
    ],
)
async def test_its_numbers_are_the_lines_own(line: LineDirectory, setting: str, seconds: int, said: str) -> None:
    """Another setting is another sheet."""
    pack = replace(PACK, settings=replace(PACK.settings, **{setting: seconds}))  # type: ignore[arg-type]
    assert said in "\n".join(exposure_sheet.as_text(line.config, pack))
    assert said not in "\n".join(exposure_sheet.as_text(line.config, PACK))


async def test_what_is_only_there_when_it_is_used(line: LineDirectory) -> None:
    """A pager is in the sheet of a line that has one; quiet hours are those of the configuration."""
    assert "On call" not in "\n".join(exposure_sheet.as_text(line.config, PACK))
    assert "administrator" not in "\n".join(exposure_sheet.as_text(line.config, PACK))
    homeserver = line.config.homeserver.model_copy(update={"admin_token_file": Path("token")})
    sheet = "\n".join(exposure_sheet.as_text(line.config.model_copy(update={"homeserver": homeserver}), PACK))
    assert "an administrator's token" in sheet
    on_call = line.config.line.model_copy(update={"on_call": OnCall()})
    config = line.config.model_copy(update={"lines": [on_call], "quiet_hours": (1, 2)})
    sheet = "\n".join(exposure_sheet.as_text(config, PACK))
    assert "On call" in sheet
    assert "1:00 to 2:00" in sheet


async def test_a_postgresql_keeps_what_was_deleted(line: LineDirectory) -> None:
    """Which metadata, where, for how long, and who can read it; nothing of it on SQLite."""
    assert "PostgreSQL of the bridge" not in "\n".join(exposure_sheet.as_text(line.config, PACK))
    config = line.config.model_copy(update={"database": DatabaseSettings(url_file=Path("url"))})
    [entry] = [each for each in exposure_sheet.exposure_entries(config, PACK) if "PostgreSQL of the bridge" in each.where]
    assert all(word in entry.what for word in ("rooms, events, staff and devices", "times", "keyed hash", "ciphertext"))
    assert all(word in entry.how_long for word in ("dead rows", "write-ahead log", "archive", "replicas", "base backups"))
    assert "keys.index_key_file" in entry.readable_by
    assert all(word in entry.what for word in ("whose key stays", "carriers' ids", "states of sessions", "two hours"))
    assert "keys.db and the file of keys.vault_key_file" in entry.readable_by


async def test_the_verb_tells_line_and_carrier(line: LineDirectory) -> None:
    """`exposure --data` is both, for a person and for a program; kinds beside it are a usage error."""
    result = CliRunner().invoke(cli, ["exposure", "--data", str(line.layout.data), "--json"])
    report = json.loads(result.output)
    assert result.exit_code == 0
    assert report["carrier"]["keeps"]
    assert len(report["line"]) == len(exposure_sheet.exposure_entries(line.config, PACK))
    assert CliRunner().invoke(cli, ["exposure", "twilio", "--data", str(line.layout.data)]).exit_code == 2
    assert "What its carrier keeps" in CliRunner().invoke(cli, ["exposure", "--data", str(line.layout.data)]).output
