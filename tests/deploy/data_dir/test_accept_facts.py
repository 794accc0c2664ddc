"""`quietline accept-facts`: a stopped line's set is taken as it stands, and a running one's is left alone."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import Result

from bot.model.actions import DESK
from bridge.storage.marked_sets import SetMatch, SetName
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.tables import lease_table, line_state
from deploy.backup.migrate import migrate
from deploy.data_dir import offline
from deploy.inspect.check_report import CheckResult
from deploy.inspect.doctor_database import check_marked_facts
from tests.bridge.engine.test_aggregate_check import PUT_BACK_DESK
from tests.bridge.engine.test_marked_facts import PUT_BACK, say, talk
from tests.deploy.line_directory import ADA, LineDirectory, line_directory
from tests.deploy.verb import invoke
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer

OTHER = "+12065550123"
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
    return await invoke(["accept-facts", "--config", str(line.layout.config), facts])


async def starts(line: LineDirectory) -> BridgeHarness:
    """Start once, and stop; what was found stands in it."""
    harness = BridgeHarness(line.layout.bridge)
    await harness.open()
    await harness.close()
    return harness


async def test_a_set_is_taken_as_it_stands(line: LineDirectory) -> None:
    """Behind at each start until the command; whole at the next. The other sets keep their marks."""
    for _ in range(2):
        assert (await starts(line)).marks_found[SetName.SUPPRESSION] is SetMatch.BEHIND
    result = await accept(line, "suppression")
    assert (result.exit_code, "the next start takes it as it stands" in result.stdout) == (0, True)
    for _ in range(2):
        assert set((await starts(line)).marks_found.values()) == {SetMatch.AS_WRITTEN}


async def test_confirmed_identities_are_forgotten(line: LineDirectory) -> None:
    """Nobody is confirmed by a row that a person put there: each is compared once more; and the audit has the act."""
    assert (await accept(line, "confirmed")).exit_code == 0
    harness = BridgeHarness(line.layout.bridge)
    await harness.open()
    assert await harness.count("matrix_confirmed") == 0
    assert [row["kind"] for row in await harness.database.fetch("SELECT kind FROM audit")][-1] == "accept_facts"
    await harness.close()


def facts_row(line: LineDirectory) -> CheckResult:
    """Return what `doctor` says of them."""
    with offline.read_transaction(line.config) as db:
        return check_marked_facts(db)


async def run_once(line: LineDirectory, texts: list[str]) -> SetMatch:
    """Start, have the phone text, stop; returns how the aggregates were found."""
    harness = BridgeHarness(line.layout.bridge)
    await harness.open()
    await harness.run()
    for text in texts:
        owner = await harness.receive_text(text, message_id=text)
        await harness.wait_until_drained(standing=1)
        assert text in harness.messages_shown(owner)
    await harness.wait_until_drained(standing=1)
    await harness.close()
    return harness.marks_found[SetName.AGGREGATES]


@pytest.mark.parametrize("what", ["thread", "desk"])
async def test_aggregates_are_taken_as_they_stand(tmp_path: Path, what: str) -> None:
    """A conversation's state, or the roster, is put back beside the stopped line: behind until a person accepts it.

    From the next start on the set is whole, `doctor` is content and the conversation goes on; the audit has the act.
    """
    async with line_directory(tmp_path) as line:
        owner = await talk(line.harness)
        query = "SELECT aggregate FROM thread" if what == "thread" else "SELECT aggregate FROM desk"
        old = await line.harness.database.fetchval(query)
        await say(line.harness, owner, "one")
        await line.harness.receive_text("hello", message_id="other", sender=OTHER)
        await line.harness.wait_until_drained()
        await line.execute(PUT_BACK if what == "thread" else PUT_BACK_DESK, owner if what == "thread" else DESK, old)
        await line.harness.close()

        assert await run_once(line, []) is SetMatch.BEHIND
        row = facts_row(line)
        assert (row.ok, "aggregates" in row.what, "accept-facts" in row.do) == (False, True, True)
        assert (await starts(line)).marks_found[SetName.AGGREGATES] is SetMatch.BEHIND
        result = await accept(line, "aggregates")
        assert (result.exit_code, result.stdout) == (0, "aggregates: the next start takes it as it stands.\n")
        for number in range(2):
            assert await run_once(line, [f"after {number}"]) is SetMatch.AS_WRITTEN
            assert facts_row(line).ok
        harness = await starts(line)
        assert set(harness.marks_found.values()) == {SetMatch.AS_WRITTEN}
        with offline.read_transaction(line.config) as db:
            assert db.fetchval("SELECT COUNT(*) FROM audit WHERE kind = 'accept_facts'") == 1


async def test_the_line_must_be_stopped(line: LineDirectory) -> None:
    """While a bridge holds the directory: exit code 2, and nothing is changed."""
    with (line.layout.bridge / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = await accept(line, "suppression")
    assert (result.exit_code, "stop it first" in result.stderr) == (2, True)
    assert (await starts(line)).marks_found[SetName.SUPPRESSION] is SetMatch.BEHIND


@pytest.mark.parametrize("facts", ["suppression", "keys"])
async def test_a_missing_file_of_keys_is_not_made(line: LineDirectory, facts: str) -> None:
    """As where its volume is not mounted: another one would be in the way of the right one. Nothing is changed."""
    keys = line.layout.bridge / "keys.db"
    keys.rename(aside := line.layout.bridge / "kept")
    result = await accept(line, facts)
    assert (result.exit_code, f"{keys}: missing" in result.stderr, keys.exists()) == (2, True, False)
    aside.rename(keys)
    assert (await starts(line)).marks_found[SetName.SUPPRESSION] is SetMatch.BEHIND
    with offline.read_transaction(line.config) as db:
        assert line_state.peek(db, line_state.KEYS_LOST) is None


@pytest.mark.parametrize("facts", ["suppression", "keys"])
async def test_a_bridge_of_another_machine_is_seen(
    line: LineDirectory, postgres_server: PostgresServer, facts: str
) -> None:
    """It has the PostgreSQL database, and another lock than ours: the command refuses, as `upgrade` and `migrate` do."""
    url_file = line.layout.data / "database_url"
    url_file.touch(mode=0o600)
    url_file.write_text(await make_line_database(f"line_{secrets.token_hex(6)}", postgres_server.url("postgres")))
    with line.layout.config.open("a", encoding="utf-8") as config:
        config.write(f"\ndatabase: {{url_file: {url_file}}}\n")
    await migrate(line.config, "postgresql")
    place = PostgresPlace(str(line.config.database_url), "main")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.storage.postgres_database.LEADER_MS", 100)
        bridge = await connect(place)
        assert await lease_table.share_leaders_lock(bridge, place)
        result = await accept(line, facts)
        await bridge.close()
    assert (result.exit_code, "a bridge runs on it; stop the line first" in result.stderr) == (2, True)
    assert (await accept(line, facts)).exit_code == 0


async def test_a_command_that_was_interrupted_is_done_again(line: LineDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two files: the set is still behind, and the same command takes it."""

    async def forgets(_self: object, _name: str) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patched:
        patched.setattr("bridge.storage.vault.Vault.forget_mark", forgets)
        assert (await accept(line, "suppression")).exit_code != 0
    assert (await starts(line)).marks_found[SetName.SUPPRESSION] is SetMatch.BEHIND
    assert (await accept(line, "suppression")).exit_code == 0
    assert (await starts(line)).marks_found[SetName.SUPPRESSION] is SetMatch.AS_WRITTEN


async def test_lost_keys_are_noted_for_the_next_start(line: LineDirectory) -> None:
    """Nothing is ended by the command itself, nor while the line runs; the audit has the act."""
    with (line.layout.bridge / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = await accept(line, "keys")
    assert (result.exit_code, "stop it first" in result.stderr) == (2, True)
    result = await accept(line, "keys")
    assert (result.exit_code, "ends the conversations that have none" in result.stdout) == (0, True)
    with offline.read_transaction(line.config) as db:
        assert line_state.peek(db, line_state.KEYS_LOST) == "yes"
        assert db.fetchval("SELECT COUNT(*) FROM audit WHERE kind = 'accept_facts'") == 1


async def test_rooms_from_before_a_restore_are_noted_for_the_next_start(line: LineDirectory) -> None:
    """The person's word is in the audit, and nothing else changes."""
    result = await accept(line, "rooms")
    assert (result.exit_code, "erases those from before the restore" in result.stdout) == (0, True)
    with offline.read_transaction(line.config) as db:
        assert line_state.peek(db, line_state.OLD_ROOMS) == line_state.ERASE
        assert db.fetchval("SELECT COUNT(*) FROM audit WHERE kind = 'accept_facts'") == 1
