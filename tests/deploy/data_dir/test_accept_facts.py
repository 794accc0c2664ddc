"""`quietline accept-facts`: a stopped line's set is taken as it stands, and a running one's is left alone."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.storage.marked_sets import Found, SetName
from deploy.cli.main import cli
from tests.deploy.line_directory import ADA, LineDirectory, line_directory
from tests.fakes.bridge_harness import BridgeHarness

CONFIRMED = "INSERT INTO matrix_confirmed (user_id, master_key) VALUES ($1, 'key')"


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[LineDirectory]:
    """Make a line with a STOP, of which the row is deleted beside the program."""
    async with line_directory(tmp_path) as there:
        await there.harness.run()
        await there.harness.receive_text("STOP", message_id="1")
        await there.harness.wait_until_drained()
        await there.execute("DELETE FROM suppression")
        await there.execute(CONFIRMED, ADA)
        await there.harness.close()
        yield there


async def accept(line: LineDirectory, facts: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, cli, ["accept-facts", "--config", str(line.layout.config), facts])


async def starts(line: LineDirectory) -> BridgeHarness:
    """Start once, and stop; what was found stands in it."""
    harness = BridgeHarness(line.layout.bridge)
    await harness.open()
    await harness.close()
    return harness


async def test_a_set_is_taken_as_it_stands(line: LineDirectory) -> None:
    """Behind at each start until the command; whole at the next. The other sets keep their marks."""
    for _ in range(2):
        assert (await starts(line)).marks_found[SetName.SUPPRESSION] is Found.BEHIND
    told = await accept(line, "suppression")
    assert (told.exit_code, "the next start takes it as it stands" in told.stdout) == (0, True)
    for _ in range(2):
        assert set((await starts(line)).marks_found.values()) == {Found.AS_WRITTEN}


async def test_confirmed_identities_are_forgotten(line: LineDirectory) -> None:
    """Nobody is confirmed by a row that a person put there: each is compared once more; and the audit has the act."""
    assert (await accept(line, "confirmed")).exit_code == 0
    harness = BridgeHarness(line.layout.bridge)
    await harness.open()
    assert await harness.count("matrix_confirmed") == 0
    assert [row["kind"] for row in await harness.database.fetch("SELECT kind FROM audit")][-1] == "accept_facts"
    await harness.close()


async def test_the_line_must_be_stopped(line: LineDirectory) -> None:
    """While a bridge holds the directory: exit code 2, and nothing is changed."""
    with (line.layout.bridge / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = await accept(line, "suppression")
    assert (told.exit_code, "stop it first" in told.stderr) == (2, True)
    assert (await starts(line)).marks_found[SetName.SUPPRESSION] is Found.BEHIND


async def test_a_command_that_was_interrupted_is_done_again(line: LineDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two files: the set is still behind, and the same command takes it."""

    async def forgets(_self: object, _name: str) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patched:
        patched.setattr("deploy.data_dir.accept_facts.Vault.forget_mark", forgets)
        assert (await accept(line, "suppression")).exit_code != 0
    assert (await starts(line)).marks_found[SetName.SUPPRESSION] is Found.BEHIND
    assert (await accept(line, "suppression")).exit_code == 0
    assert (await starts(line)).marks_found[SetName.SUPPRESSION] is Found.AS_WRITTEN
