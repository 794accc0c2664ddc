"""The last step of an erasure: nothing is called gone while the database, or its log, still names it."""

from __future__ import annotations

import contextlib

import pytest

from bridge.erasure.certificate import KEPT_PAGES, OWN_PAGES
from bridge.storage.database import Dialect
from bridge.storage.sqlite_connection import SqliteConnection
from tests.bridge.deleted_rows import all_bytes, fill_and_delete, found_in
from tests.fakes.database_engine import is_postgres
from tests.fakes.erasure_harness import ROOM, ErasureHarness
from tests.fakes.full_database import FullDatabase


@pytest.mark.sqlite_only
async def test_while_somebody_reads_it_is_not_closed(erasure: ErasureHarness) -> None:
    """A reader keeps the log: the job stays, without a name, until its room is in no byte of ours."""
    harness = erasure.harness
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close now")
    query = "SELECT COUNT(*) FROM erasure WHERE subject = $1 AND step <> 'sign'"
    while await harness.database.fetchval(query, ROOM):
        await harness.carrier_copies.run_once()
        harness.clock.at += await erasure.runner.run_once()
    with contextlib.closing(SqliteConnection(harness.directory / "main.db")) as reader:
        reader.execute("BEGIN")
        reader.fetchval("SELECT COUNT(*) FROM erasure")
        for _ in range(8):
            harness.clock.at += await erasure.runner.run_once()
        rows = await harness.database.fetch("SELECT * FROM erasure")
        assert {row["step"] for row in rows} == {"flush"}
        assert all(row["subject"] == row["id"] and row["thread"] == "" for row in rows)
        assert ROOM.encode() in all_bytes(harness.directory)
        reader.execute("COMMIT")
    assert len(await erasure.certificates()) == 2
    await erasure.run_to_end()
    assert ROOM.encode() not in all_bytes(harness.directory)
    assert owner.encode() not in all_bytes(harness.directory)


@pytest.mark.sqlite_only
async def test_what_a_tree_left_behind_goes_too(erasure: ErasureHarness) -> None:
    """Bytes that `secure_delete` does not reach are gone as well when a conversation is."""
    owner = await erasure.create_thread_room()
    texts = await fill_and_delete(erasure.harness.database)
    await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()
    raw = all_bytes(erasure.harness.directory)
    assert found_in(raw, texts) == []


async def test_while_it_cannot_be_done_it_waits_and_is_told(
    erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk hears of it after some tries; other cases go on meanwhile; once it can be done both are closed, at once."""
    harness = erasure.harness
    runs = 0

    async def in_use() -> bool:
        return False

    async def counted() -> bool:
        nonlocal runs
        runs += 1
        return await vacuum()

    vacuum = harness.database.vacuum
    monkeypatch.setattr(harness.database, "vacuum", in_use)
    await erasure.send_message(await erasure.create_thread_room(), "!close now")
    while not harness.alerts:
        await harness.carrier_copies.run_once()
        harness.clock.at += await erasure.runner.run_once()
    while await harness.database.fetchval("SELECT COUNT(*) FROM erasure WHERE step <> 'flush'"):
        harness.clock.at += await erasure.runner.run_once()
    cause = "database_in_use"
    assert set(harness.alerts) <= {f"room {cause}", f"texter {cause}"}
    monkeypatch.setattr(harness.database, "vacuum", counted)
    await erasure.run_to_end()
    assert runs == 1
    assert len(await erasure.certificates()) == 2


async def test_one_run_serves_all_that_end_together(erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty rooms that were looked for at the same time: twenty receipts, and what they left is overwritten once."""
    harness, vacuum, runs = erasure.harness, erasure.harness.database.vacuum, 0

    async def counted() -> bool:
        nonlocal runs
        runs += 1
        return await vacuum()

    monkeypatch.setattr(harness.database, "vacuum", counted)
    query = """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began)
               VALUES ($1, 'room', $1, '', 'sign', $2, 0, 0)"""
    for number in range(20):
        values = (f"!old{number}", harness.clock.at - 60 + number)
        await harness.database.commit(lambda transaction, values=values: transaction.execute(query, *values))  # type: ignore[misc]
    await erasure.run_to_end()
    assert (runs, len(await erasure.certificates())) == (1, 20)


@pytest.mark.parametrize(
    ("database", "has_pages"), [("sqlite", False), ("postgres", True), ("postgres-full", True), ("", False)]
)
async def test_what_postgresql_keeps_stands_in_the_certificate(
    erasure: ErasureHarness, database: str, has_pages: int
) -> None:
    """Pages, write-ahead log and backups of an agency's own database, and for how long; it is not called gone."""
    erasure.rooms.database = database
    await erasure.send_message(await erasure.create_thread_room(), "!close now")
    await erasure.run_to_end()
    conversation, _ = await erasure.certificates()
    ours = {OWN_PAGES: 1} if is_postgres() else {}
    assert conversation["left"] == ({KEPT_PAGES[database]: 1} if has_pages else {}) | ours
    assert set(conversation["gone"]) == {"events", "keys", "rooms", "uploads"}


async def test_what_our_own_postgresql_keeps_stands_in_both(
    erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing there is overwritten, whatever a vacuum did: neither certificate is silent about it, nor calls it gone."""
    monkeypatch.setattr(FullDatabase, "dialect", Dialect.POSTGRESQL)
    await erasure.send_message(await erasure.create_thread_room(), "!close now")
    await erasure.run_to_end()
    for certificate in await erasure.certificates():
        assert certificate["left"] == {OWN_PAGES: 1}
        assert OWN_PAGES not in certificate["gone"]
