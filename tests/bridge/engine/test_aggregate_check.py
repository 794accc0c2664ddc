"""An aggregate that is put back or deleted beside the line is found, running or stopped, and told."""

from __future__ import annotations

import json
import random
import secrets
from pathlib import Path

import pytest

from bot.model.actions import DESK
from bridge.storage.database import Transaction
from bridge.storage.marked_sets import MarkedSet, SetMatch, SetName
from bridge.tables import desk_state, line_state, threads
from bridge.tables.threads import AGGREGATE
from tests.bridge.engine.test_marked_facts import OTHER, PUT_BACK, again, aggregate, beside, hears, say, talk, told
from tests.fakes.bridge_harness import BridgeHarness

TOLD = "The roster and the state of conversations"
ALL = "SELECT id, aggregate FROM thread"
OLD = {"thread": "SELECT aggregate FROM thread", "desk": "SELECT aggregate FROM desk"}
PUT_BACK_DESK = "UPDATE desk SET aggregate = $2 WHERE id = $1"


class _Failed(Exception):  # noqa: N818 - what happens to a commit
    """Nothing of the commit is kept."""


async def behind(harness: BridgeHarness) -> list[str]:
    """Return what `doctor` reads."""
    owners: list[str] = json.loads(await line_state.get(harness.database, line_state.FACTS_BEHIND) or "[]")
    return owners


async def is_right(harness: BridgeHarness) -> bool:
    """Whether the set in memory, and its code in the database, are those of the rows."""
    aggregates = harness.marks.aggregates
    rows = await threads.aggregate_versions(harness.database)
    fresh = MarkedSet(SetName.AGGREGATES, database=harness.database, vault=harness.vault, crash=lambda _point: None)
    return aggregates.is_intact and dict(aggregates.entries) == rows and await fresh.load(rows) is SetMatch.AS_WRITTEN


async def test_a_row_that_is_put_back_while_the_line_runs_is_told_once(harness: BridgeHarness, tmp_path: Path) -> None:
    """The next event of that thread finds it; the conversation goes on, and the next start finds it again."""
    owner = await talk(harness)
    before = await aggregate(harness, owner)
    await say(harness, owner, "one")
    assert await is_right(harness)
    await beside(harness, PUT_BACK, owner, before)
    await say(harness, owner, "two", pages=1)
    message = await hears(harness, TOLD)
    assert "quietline accept-facts aggregates" in message
    assert await behind(harness) == ["aggregates"]
    await beside(harness, PUT_BACK, owner, before)
    await say(harness, owner, "three", pages=1)
    assert len(told(harness, TOLD)) == 1
    harness = await again(harness, tmp_path, pages=2)
    assert harness.marks_found[SetName.AGGREGATES] is SetMatch.BEHIND
    await harness.close()


async def test_a_row_that_is_deleted_while_the_line_runs_is_told(harness: BridgeHarness) -> None:
    """What is on its way to that thread concerns nobody any more; the desk hears why."""
    owner = await talk(harness)
    await beside(harness, "DELETE FROM thread WHERE id = $1", owner)
    await say(harness, owner, "one", pages=1)
    await hears(harness, TOLD)


@pytest.mark.parametrize(
    "damage",
    ["UPDATE thread SET aggregate = $1", "INSERT INTO crowd (number, entry) VALUES (7, $1)"],
    ids=["thread", "crowd"],
)
async def test_a_row_without_a_version_ends_no_start(harness: BridgeHarness, tmp_path: Path, damage: str) -> None:
    """An empty aggregate is not what was written: the start finds it, the desk is told, and others are heard."""
    await talk(harness)
    await beside(harness, damage, b"")
    harness = await again(harness, tmp_path, pages=1)
    assert harness.marks_found[SetName.AGGREGATES] is SetMatch.BEHIND
    await hears(harness, TOLD)
    owner = await harness.receive_text("hello", message_id="other", sender=OTHER)
    await harness.wait_until_drained(standing=1)
    assert harness.messages_shown(owner) == ["hello"]
    await harness.close()


@pytest.mark.parametrize("what", ["thread", "desk"])
async def test_a_row_that_is_put_back_while_the_line_is_stopped_is_found(
    harness: BridgeHarness, tmp_path: Path, what: str
) -> None:
    """The thread's, or the desk's, which has the roster: the start finds it, tells, and the line runs."""
    owner = await talk(harness)
    old = await harness.database.fetchval(OLD[what])
    await say(harness, owner, "one")
    await harness.receive_text("hello", message_id="other", sender=OTHER)
    await harness.wait_until_drained()
    if what == "desk":
        await beside(harness, PUT_BACK_DESK, DESK, old)
    else:
        await beside(harness, PUT_BACK, owner, old)
    harness = await again(harness, tmp_path, pages=1)
    assert harness.marks_found[SetName.AGGREGATES] is SetMatch.BEHIND
    await hears(harness, TOLD)
    assert await behind(harness) == ["aggregates"]
    await harness.receive_text("still here", message_id="later")
    await harness.wait_until_drained(standing=1)
    await harness.close()


async def test_a_row_that_is_deleted_while_the_line_is_stopped_is_found(harness: BridgeHarness, tmp_path: Path) -> None:
    """A missing row is no ended thread."""
    owner = await talk(harness)
    await beside(harness, "DELETE FROM thread WHERE id = $1", owner)
    harness = await again(harness, tmp_path, pages=1)
    assert harness.marks_found[SetName.AGGREGATES] is SetMatch.BEHIND
    await harness.close()


@pytest.mark.parametrize("with_code", [False, True])
async def test_all_rows_put_back_together_are_found(harness: BridgeHarness, tmp_path: Path, *, with_code: bool) -> None:
    """Every row as it was; and with the set's own version and code as they were before the last start, too."""
    owner = await talk(harness)
    old = await harness.database.fetch("SELECT id, aggregate FROM thread UNION ALL SELECT id, aggregate FROM desk")
    code = await harness.database.fetchrow("SELECT version, mac FROM marked_set WHERE name = 'aggregates'")
    assert code is not None
    await say(harness, owner, "one")
    harness = await again(harness, tmp_path)
    for row in old:
        await beside(harness, PUT_BACK, row["id"], row["aggregate"])
        await beside(harness, PUT_BACK_DESK, row["id"], row["aggregate"])
    if with_code:
        query = "UPDATE marked_set SET version = $1, mac = $2 WHERE name = 'aggregates'"
        await beside(harness, query, code["version"], code["mac"])
    harness = await again(harness, tmp_path, pages=1)
    assert harness.marks_found[SetName.AGGREGATES] is SetMatch.BEHIND
    await harness.close()


async def test_two_threads_whose_rows_change_places_are_found(harness: BridgeHarness, tmp_path: Path) -> None:
    """The same aggregates under other owners are another set."""
    await talk(harness)
    await harness.receive_text("hello", message_id="other", sender=OTHER)
    await harness.wait_until_drained()
    one, other = await harness.database.fetch(ALL)
    await beside(harness, PUT_BACK, one["id"], other["aggregate"])
    await beside(harness, PUT_BACK, other["id"], one["aggregate"])
    versions = await threads.aggregate_versions(harness.database)
    fresh = MarkedSet(SetName.AGGREGATES, database=harness.database, vault=harness.vault, crash=lambda _point: None)
    assert await fresh.load(versions) is SetMatch.BEHIND


async def test_a_line_of_an_earlier_version_begins_its_set_without_a_word(harness: BridgeHarness, tmp_path: Path) -> None:
    """Neither version nor mark: the first start takes what stands, and the second finds it as written."""
    owner = await talk(harness)
    await beside(harness, "DELETE FROM marked_set WHERE name = 'aggregates'")
    await harness.vault.forget_mark("aggregates")
    for _ in range(2):
        harness = await again(harness, tmp_path)
        assert harness.marks_found[SetName.AGGREGATES] is SetMatch.AS_WRITTEN
        await say(harness, owner, f"after {secrets.token_hex(4)}")
        assert await is_right(harness)
    assert told(harness, TOLD) == []
    await harness.close()


async def test_a_version_that_is_deleted_is_found(harness: BridgeHarness, tmp_path: Path) -> None:
    """The mark of the first start says that there was a set."""
    await talk(harness)
    await beside(harness, "DELETE FROM marked_set WHERE name = 'aggregates'")
    harness = await again(harness, tmp_path, pages=1)
    assert harness.marks_found[SetName.AGGREGATES] is SetMatch.BEHIND
    await harness.close()


async def test_no_mark_is_written_while_texts_are_decided(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text costs no write to `keys.db`."""
    owner = await talk(harness)
    written: list[str] = []

    async def write_mark(name: str, _mark: bytes) -> None:
        written.append(name)

    monkeypatch.setattr(harness.vault, "write_mark", write_mark)
    before = harness.marks.aggregates.version
    await say(harness, owner, "one")
    assert harness.marks.aggregates.version > before
    assert written == []


@pytest.mark.parametrize("seed", range(4))
async def test_the_set_is_that_of_the_rows_after_any_walk(harness: BridgeHarness, seed: int) -> None:
    """Threads begin, are admitted, change and end, several in one commit, and some commits fail."""
    chance, there = random.Random(seed), dict[str, bool]()  # noqa: S311 - a walk, not a secret
    versions = harness.marks.aggregates
    desk = await harness.vault.seal(DESK, AGGREGATE, b"desk")
    await harness.database.commit(lambda transaction: desk_state.insert(transaction, versions, desk))

    async def step(transaction: Transaction, stands: dict[str, bool]) -> None:
        owner = chance.choice([*stands, secrets.token_hex(8)])
        await harness.vault.create(owner)
        sealed = await harness.vault.seal(owner, AGGREGATE, secrets.token_bytes(chance.randrange(9)))
        what = chance.randrange(5)
        if owner not in stands:
            phone = secrets.token_bytes(32)
            await threads.insert(transaction, versions, owner, phone_hash=phone, phone=b"", aggregate=sealed)
            stands[owner] = False
        elif not stands[owner]:
            await threads.admit(
                transaction, versions, owner, room_id=None, designation=owner, aggregate=sealed, in_flood=False
            )
            stands[owner] = True
        elif what == 0:
            await threads.delete(transaction, versions, owner)
            del stands[owner]
            await threads.set_aggregate(transaction, versions, owner, sealed)  # as a decision that erases does
        elif what == 1:
            at_desk = await harness.vault.seal(DESK, AGGREGATE, b"desk")
            await desk_state.set_aggregate(transaction, versions, at_desk)
        else:
            await threads.set_aggregate(transaction, versions, owner, sealed)

    for _ in range(40):
        stands, fails = dict(there), chance.random() < 0.2

        async def commit(transaction: Transaction, stands: dict[str, bool] = stands, *, fails: bool = fails) -> None:
            for _ in range(chance.randrange(1, 5)):
                await step(transaction, stands)
            if fails:
                raise _Failed

        try:
            await harness.database.commit(commit)
        except _Failed:
            continue
        there = stands
        assert await is_right(harness)
    assert {key.decode() for key in versions.entries} == {DESK, *there}
