"""Counsel's look-up: one word, noted, and the number is nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.model.audit_kinds import AuditKind
from bridge.runtime.phone_number import Phone
from deploy.cli.main import cli
from deploy.inspect.lookup import LookupResult, look_up_number, parse_number
from tests.deploy.line_directory import LineDirectory
from tests.fakes.bridge_harness import HANDSET

OTHER = "+12065550123"


async def test_the_answer_is_one_of_three(line: LineDirectory) -> None:
    """Nothing, open, held: whatever there is, the question is noted the same way."""
    assert await look_up_number(line.config, Phone(HANDSET)) is LookupResult.NOTHING
    await line.harness.receive_text("hello", message_id="1")
    assert await look_up_number(line.config, Phone(HANDSET)) is LookupResult.OPEN
    assert await look_up_number(line.config, Phone(OTHER)) is LookupResult.NOTHING
    await line.execute("UPDATE thread SET legal_hold = TRUE")
    assert await look_up_number(line.config, Phone(HANDSET)) is LookupResult.HELD
    assert await line.audit_kinds() == ["lookup"] * 4


async def test_counsel_can_hold_what_has_no_room(line: LineDirectory) -> None:
    """What is parked is held by its number, and lifted again; of a number with nothing, nothing is made."""
    owner = await line.harness.receive_text("hello", message_id="1")
    assert await look_up_number(line.config, Phone(HANDSET), then=AuditKind.HOLD) is LookupResult.HELD
    assert await line.harness.database.fetchval("SELECT legal_hold FROM thread WHERE id = $1", owner)
    assert await look_up_number(line.config, Phone(HANDSET), then=AuditKind.UNHOLD) is LookupResult.OPEN
    assert await look_up_number(line.config, Phone(OTHER), then=AuditKind.HOLD) is LookupResult.NOTHING
    assert await line.harness.count("thread") == 1
    assert await line.audit_kinds() == ["hold", "lookup", "unhold", "lookup", "hold", "lookup"]


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (HANDSET, True),
        (" +1 (206) 555-0199\n", True),
        ("+1.206.555.0199", True),
        ("2065550199", False),
        ("", False),
        ("22395", False),
        ("hello", False),
        ("+1206555019x", False),
    ],
)
def test_a_number_as_people_type_it(typed: str, understood: bool) -> None:
    """International form, with what people put between digits."""
    assert (parse_number(typed) == Phone(HANDSET)) is understood


async def test_the_verb_takes_no_number_as_argument(line: LineDirectory) -> None:
    """It is read from standard input; on the command line it is an error; no output holds it."""
    await line.harness.receive_text("hello", message_id="1")
    common = ["lookup", "--data", str(line.layout.data)]
    result = await _invoke(common, HANDSET + "\n")
    assert (result.exit_code, result.output.strip()) == (0, "open")
    assert (await _invoke([*common, "--hold"], HANDSET + "\n")).output.strip() == "held"
    assert (await _invoke([*common, HANDSET], "")).exit_code == 2
    wrong = await _invoke(common, "12065550199\n")
    assert wrong.exit_code == 2
    assert "2065550199" not in wrong.output
    for path, raw in _files(line.layout.data):
        assert HANDSET[1:].encode() not in raw, path.name


async def _invoke(words: list[str], typed: str) -> Any:
    return await asyncio.to_thread(lambda: CliRunner().invoke(cli, words, input=typed))


def _files(directory: Path) -> list[tuple[Path, bytes]]:
    return [(path, path.read_bytes()) for path in directory.rglob("*") if path.is_file()]
