"""A value of the wrong storage class concerns its own row: every other row is decided, sent, fired and erased."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.actions import DESK, SendMessage
from bot.model.events import MemberJoined
from bot.model.transactional_actions import SetTimer
from bridge.engine import timers
from bridge.storage.database import Transaction
from bridge.tables import carrier_copies, erasure_jobs, room_events, threads
from bridge.tables.cross_table import storage_classes
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.erasure_harness import ROOM, ErasureHarness

pytestmark = pytest.mark.sqlite_only
ODD = {"bytes": "X'00FF6F6464'", "no bytes": "X''", "text": "'odd'", "no UTF-8": "CAST(X'68FF69' AS TEXT)", "half": "0.5"}
"""What stands in a damaged column, as SQL."""
SAID = "later"


async def columns(harness: BridgeHarness, *tables: str) -> list[tuple[str, str]]:
    """Return the columns of these tables, but for their numbers."""
    pairs = []
    for table in tables:
        rows = await harness.database.fetch("SELECT name, type FROM pragma_table_info($1)", table)
        pairs += [(table, row["name"]) for row in rows if row["name"] not in ("seq", "n") and row["type"] != "INTEGER"]
    return pairs


async def plant(harness: BridgeHarness, table: str, column: str, odd: str, where: str, *values: str) -> None:
    """Damage one column of the rows that a condition selects. Each is another value, where a column has no value twice."""
    statement = f"UPDATE {table} SET {column} = {odd} WHERE {where}"  # noqa: S608 - the test's own words
    await harness.database.commit(lambda transaction: transaction.execute(statement, *values))


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_each_column_costs_at_most_its_own_row(odd: str, tmp_path: Path) -> None:
    """Of inbox, outbox, timers and threads: each text is in its room or a dead letter, and all of the other rows go on."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.run()
    damaged = await columns(harness, "inbox", "outbox", "timer", "thread")
    owners = {}
    for n, each in enumerate([("", ""), *damaged]):
        sender = f"+1206555{n:04}"
        owners[each] = await harness.receive_text("first", message_id=f"first {n}", sender=sender)
    await harness.wait_until_drained()
    await harness.stop()
    shown = next(action for _, action in harness.shown if isinstance(action, SendMessage))
    for n, owner in enumerate(owners.values()):
        await harness.receive_text(SAID, message_id=f"second {n}", sender=f"+1206555{n:04}")
        row = await harness.outbox.seal(owner, f"waits {n}", replace(shown, ref=f"waits {n}", body="waits"))

        async def commit(transaction: Transaction, owner: str = owner, row: object = row) -> None:
            await harness.outbox.put(transaction, owner, row, int(harness.clock.at))  # type: ignore[arg-type]
            await timers.write(transaction, owner, SetTimer(key="silence", due=harness.clock.at))

        await harness.database.commit(commit)
    for (table, column), owner in owners.items():
        if table:
            await plant(harness, table, column, odd, "id = $1" if table == "thread" else "owner = $1", owner)
    await harness.close()

    again = BridgeHarness(tmp_path, clock=harness.clock)
    await again.open()
    await again.run()
    # Two calls of the person on call: aggregates are not as they were written, and words could not be shown.
    await again.wait_until_drained(standing=2)
    assert again._running is not None
    assert not again._running.done()
    spoken = {column for column, owner in owners.items() if SAID in again.messages_shown(owner)}
    assert {column for column in owners if column[0] in ("", "outbox", "timer")} <= spoken
    letters = await again.database.fetchval("SELECT COUNT(*) FROM dead_letter WHERE transport = '' AND kind <> 'TimerDue'")
    assert len(spoken) + letters == len(owners)
    assert ("inbox", "of_people") in spoken
    assert ("thread", "screened") in spoken
    await again.close()


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_nothing_else_is_kept_from_its_erasure(odd: str, erasure: ErasureHarness) -> None:
    """Of jobs, the deletion index and carrier copies: a whole conversation goes, and is certified, beside each of them."""
    harness = erasure.harness
    owner = await erasure.create_thread_room()

    async def commit(transaction: Transaction) -> None:
        for table, column in await columns(harness, "erasure", "event", "carrier_copy"):
            await transaction.execute(_ROWS[table], f"{table} {column}", harness.clock.at)
            key = "event_id" if table == "event" else "id" if table == "erasure" else "ref"
            query = f"UPDATE {table} SET {column} = {odd} WHERE {key} = $1"  # noqa: S608 - the test's own words
            await transaction.execute(query, f"{table} {column}")

    await harness.database.commit(commit)
    await harness.database.commit(storage_classes.restore)
    await erasure.send_message(owner, "!close now")
    for _ in range(400):
        await erasure.expiry.run_once()
        await harness.carrier_copies.run_once()
        harness.clock.at += await erasure.runner.run_once()
        if {each["what"] for each in await erasure.certificates()} == {"conversation", "person"}:
            break
    assert not erasure.rooms.present
    assert {each["what"] for each in await erasure.certificates()} == {"conversation", "person"}


_ROWS = {
    "erasure": """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began)
        VALUES ($1, 'room', $1, '', 'redact', $2, 0, $2)""",
    "event": """INSERT INTO event (event_id, room_id, owner, ref, about, at, expires)
        VALUES ($1, $1, $1, $1, $1, 0, $2)""",
    "carrier_copy": """INSERT INTO carrier_copy (hash, owner, ref, id, due, noted)
        VALUES (CAST($1 AS BLOB), $1, $1, X'00', $2, $2)""",
}


async def test_a_hold_whose_flag_is_damaged_holds(harness: BridgeHarness) -> None:
    """Nothing of it is destroyed, until a supervisor says so."""
    owner = await harness.receive_text("first", message_id="a")
    await plant(harness, "thread", "legal_hold", "'odd'", "id = $1", owner)
    assert await harness.database.commit(storage_classes.restore) == 1
    assert await harness.database.fetchval("SELECT legal_hold FROM thread WHERE id = $1", owner) == 1
    assert await harness.database.commit(storage_classes.restore) == 0


FLAGS = {f"the flag is {name}": f"UPDATE thread SET legal_hold = {odd}" for name, odd in ODD.items()}  # noqa: S608 - the test's own words
FACTS = {"the flag is 0": "UPDATE thread SET legal_hold = 0", "the row is gone": "DELETE FROM legal_hold"}


@pytest.mark.parametrize("damage", (FLAGS | FACTS).values(), ids=FLAGS | FACTS)
async def test_a_hold_that_is_damaged_while_the_line_runs_holds(erasure: ErasureHarness, damage: str) -> None:
    """No message of it expires, no erasure of it goes on, no copy at the carrier is deleted; a person lifts it."""
    database, now = erasure.harness.database, erasure.harness.clock.now()
    owner = await erasure.create_thread_room()

    async def commit(transaction: Transaction) -> None:
        await transaction.execute("UPDATE event SET expires = 1")
        await erasure_jobs.begin(transaction, kind=erasure_jobs.ROOM, subject=ROOM, thread=owner, grace=0.0, now=now)

    await database.commit(commit)
    copies = f"SELECT COUNT(*) FROM carrier_copy c WHERE owner = $1 AND {carrier_copies.NOT_ON_HOLD}"  # noqa: S608 - a constant
    for is_held in (False, True, False):
        assert await erasure.harness.set_legal_hold(owner, on=is_held)
        if is_held:
            await database.commit(lambda transaction: transaction.execute(damage))
        assert (await room_events.due_events(database, now, 10) == []) is is_held
        assert (await erasure_jobs.next_job(database, now, clock_distrusted=False) is None) is is_held
        assert (await database.fetchval(copies, owner) == 0) is is_held
        assert (owner not in await threads.not_on_hold(database)) is is_held
        assert await threads.is_on_legal_hold(database, owner) is is_held
        assert (await threads.get(database, owner) or pytest.fail("it is gone")).legal_hold is is_held


async def test_an_order_that_is_damaged_while_the_line_runs(harness: BridgeHarness) -> None:
    """Whether it is a person's event cannot be read: it is decided all the same, at the desk and of a texter."""
    owner = await harness.receive_text("hello", message_id="a")
    await harness.deliver(DESK, MemberJoined(place=DESK, user="@ada:x"))
    await plant(harness, "inbox", "of_people", "'odd'", "TRUE")
    await harness.run()
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["hello"]
    assert [member.user for member in harness.engine.desk.roster] == ["@ada:x"]
