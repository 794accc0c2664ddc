"""A line of the version before: what stands in tables and columns that have another name now is read as it was."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.model.desk import Thread
from bot.model.events import ReactionAdded
from bridge.erasure.certificate import CertificateSigner, ErasureCertificate
from bridge.matrix.schema import IDENTITY, OLM, ROOMS
from bridge.storage import marked_sets, serialization
from bridge.storage.database import Transaction
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault
from bridge.tables import early_reactions, erasure_jobs, inbox, room_events, schema, threads
from bridge.tables.cross_table import inspection
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import beside, is_postgres, make_database

BEFORE: Final = (schema.MIGRATIONS.up_to(7), OLM, IDENTITY.up_to(4), ROOMS.up_to(7), marked_sets.MIGRATIONS)
HELD, FLOOD, ROOM, ADA = "held-thread", "flood-thread", "!held:example.org", "@ada:example.org"
BODY: Final = json.dumps({"receipt": "c1", "what": "person"}, sort_keys=True, separators=(",", ":"))
REACTION: Final = {"place": "thread", "sender": ADA, "event_id": "$tap", "key": "✅", "target": "", "trusted": True}


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[BridgeHarness]:
    """Write what that version had in each of them, with its labels of keys and seals, and open it with this one."""
    keys = KeyFile(path=tmp_path / "keys.db")
    await keys.open()
    vault = Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
    for owner in (HELD, FLOOD):
        await vault.create(owner)
    aggregates = [
        await vault.seal(owner, "aggregate", serialization.encode(Thread(id=owner, designation=owner)))
        for owner in (HELD, FLOOD)
    ]
    signature = Ed25519PrivateKey.from_private_bytes(vault.derive("erasure receipts")).sign(BODY.encode())
    thread = "INSERT INTO thread (id, designation, room_id, aggregate, screened, held, crowded)"
    job = "INSERT INTO erasure (id, kind, subject, thread, step, due, patience, began)"
    rows: tuple[tuple[Any, ...], ...] = (
        (f"{thread} VALUES ($1, $1, $2, $3, TRUE, TRUE, 0)", HELD, ROOM, aggregates[0]),
        (f"{thread} VALUES ($1, $1, NULL, $2, TRUE, FALSE, 1)", FLOOD, aggregates[1]),
        (f"{job} VALUES ('e1', 'room', '!over:example.org', '', 'look', 50, 86400, 40)",),
        (f"{job} VALUES ('e2', 'room', $1, $2, 'redact', 10, 0, 10)", ROOM, HELD),
        ("INSERT INTO receipt (id, body, signature, until) VALUES ('c1', $1, $2, 100)", BODY, signature),
        (
            "INSERT INTO early_tap (event_id, target, owner, body, until) VALUES ('$tap', '$card', $1, $2, 100)",
            HELD,
            await vault.seal(HELD, "inbox", json.dumps(REACTION).encode()),
        ),
    )
    database = make_database(tmp_path / "main.db", migrations=BEFORE)
    await database.open()

    async def write(transaction: Transaction) -> None:
        for statement, *values in rows:
            await transaction.execute(statement, *values)

    await database.commit(write)
    await database.close()
    await keys.close()
    bridge_harness = BridgeHarness(tmp_path)
    await bridge_harness.open()
    yield bridge_harness
    await bridge_harness.close()


async def test_a_hold_and_a_flood_of_before(line: BridgeHarness) -> None:
    """The thread on legal hold is, and loses nothing; the one of a flood waits for its card; both open."""
    database = line.database
    assert [await threads.is_on_legal_hold(database, thread) for thread in (HELD, FLOOD)] == [True, False]
    assert [each.id for each in await threads.in_flood(database)] == [FLOOD]
    assert [(await line.thread(thread)).id for thread in (HELD, FLOOD)] == [HELD, FLOOD]
    with beside(line.directory / "main.db") as db:
        assert inspection.count_legal_holds(db) == 1
    job = await erasure_jobs.next_job(database, 60.0, clock_distrusted=False)
    assert job is not None
    assert (job.id, job.grace) == ("e1", 86400.0), "the job of the thread on hold stands first"


async def test_a_certificate_of_before(line: BridgeHarness) -> None:
    """It is there, its signature holds, and it goes when its time is over."""
    with beside(line.directory / "main.db") as db:
        (row,) = inspection.certificates(db)
    certificate = ErasureCertificate(id=row.id, body=row.body, signature=bytes(row.signature))
    assert CertificateSigner(vault=line.vault).verify(certificate)
    for now, remaining in ((100, 1), (101, 0)):
        await line.database.commit(lambda transaction, now=now: erasure_jobs.delete_expired_certificates(transaction, now))  # type: ignore[misc]
        with beside(line.directory / "main.db") as db:
            assert len(inspection.certificates(db)) == remaining


async def test_an_early_reaction_of_before(line: BridgeHarness) -> None:
    """It is known to have come, opens, and is heard when its event is noted."""
    assert (await room_events.standing_of(line.database, HELD, ROOM, "$card", "card")).has_early_reaction
    await line.database.commit(lambda transaction: early_reactions.deliver(transaction, line.vault, HELD, "$card", "card"))
    next_event = await inbox.next_to_decide(line.database, HELD)
    assert next_event is not None
    opened = await line.vault.open(HELD, inbox.CONTEXT, next_event.row.inbox_row.body)
    assert serialization.decode_as(ReactionAdded, opened) == ReactionAdded(**{**REACTION, "target": "card"})  # type: ignore[arg-type]


async def test_no_name_of_before_is_left(line: BridgeHarness) -> None:
    """Of no table, and of no index: neither of those that we make nor of those that an engine names after its table."""
    query = "SELECT name FROM sqlite_master"
    if is_postgres():
        query = "SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    names = {row["name"] for row in await line.database.fetch(query)}
    assert {"early_reaction", "early_reaction_target", "erasure_certificate"} <= names
    assert [
        name for name in names if any(old in name for old in ("early_tap", "receipt", "matrix_anew", "matrix_heard"))
    ] == []
