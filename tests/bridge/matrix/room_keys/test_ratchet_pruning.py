"""Keys of others are moved past messages that are gone, and no further."""

from __future__ import annotations

import pytest

from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError, OutboundGroupSession
from bridge.matrix.room_keys.sealing import inbound_seal_context, prune_ratchets
from bridge.storage.database import Transaction
from tests.fakes.bridge_harness import BridgeHarness

ROOM = "!desk"


async def test_what_is_gone_can_be_read_by_nobody_with_our_files(harness: BridgeHarness) -> None:
    """Of five messages the first two are gone: those cannot be read any more, the others can, and so can the next one."""
    await harness.note_room(ROOM, "")
    await harness.vault.create(f"room:{ROOM}")
    sender = OutboundGroupSession()
    inbound = InboundGroupSession.from_key(sender.session_key)
    ciphertexts = [sender.encrypt(f"words {n}") for n in range(6)]
    sealed = await harness.vault.seal(f"room:{ROOM}", inbound_seal_context(sender.id), inbound.pickle())

    async def commit(transaction: Transaction) -> None:
        query = """INSERT INTO matrix_inbound (room_id, session_id, sender, sender_key, signing_key, first_index, ratchet)
                   VALUES ($1, $2, '@ada:x', 'k', 's', 0, $3)"""
        await transaction.execute(query, ROOM, sender.id, sealed)
        for n in range(5):
            statement = "INSERT INTO matrix_read (room_id, session_id, position, event_id) VALUES ($1, $2, $3, $4)"
            await transaction.execute(statement, ROOM, sender.id, n, f"$m{n}")
            if n >= 2:
                note = "INSERT INTO event (event_id, room_id, owner, at) VALUES ($1, $2, 'desk', 0)"
                await transaction.execute(note, f"$m{n}", ROOM)

    await harness.database.commit(commit)
    assert await prune_ratchets(harness.database, harness.vault) == 1
    assert await prune_ratchets(harness.database, harness.vault) == 0
    (row,) = await harness.database.fetch("SELECT first_index, ratchet FROM matrix_inbound")
    assert row["first_index"] == 2
    pickle = await harness.vault.open(f"room:{ROOM}", inbound_seal_context(sender.id), bytes(row["ratchet"]))
    session = InboundGroupSession.from_pickle(pickle)
    assert [session.decrypt(ciphertexts[n])[0] for n in range(2, 6)] == [f"words {n}" for n in range(2, 6)]
    for n in range(2):
        with pytest.raises(OlmGroupSessionError):
            session.decrypt(ciphertexts[n])
    positions = await harness.database.fetch("SELECT position FROM matrix_read ORDER BY position")
    assert [row["position"] for row in positions] == [2, 3, 4]

    await harness.database.commit(lambda transaction: transaction.execute("DELETE FROM event"))
    assert await prune_ratchets(harness.database, harness.vault) == 1
    assert await harness.database.fetchval("SELECT first_index FROM matrix_inbound") == 5
    assert await harness.database.fetchval("SELECT COUNT(*) FROM matrix_read") == 0


async def test_a_retired_key_of_ours_goes_with_what_was_said_with_it(harness: BridgeHarness) -> None:
    """At desk and in offices it stays while an event of its time does; the present one stays, and so do a thread's."""
    rooms = (("!desk", "desk"), ("!off", "office"), ("!room", "thread"))

    async def commit(transaction: Transaction) -> None:
        for room, kind in rooms:
            query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, $2, $1, $1)"
            await transaction.execute(query, room, kind)
            for n, (started_ms, active) in enumerate(((1_000_000, False), (2_000_000, False), (3_000_000, True))):
                query = """INSERT INTO matrix_session
                           (session_id, room_id, user_id, first_key, next_index, active, begun_ms)
                           VALUES ($1, $2, '@policy:x', $3, 0, $4, $5)"""
                await transaction.execute(query, f"{room}{n}", room, b"sealed", active, started_ms)
            note = "INSERT INTO event (event_id, room_id, owner, at) VALUES ($1, $2, 'desk', 1500000)"
            await transaction.execute(note, f"$early{room}", room)

    async def sessions() -> set[str]:
        await prune_ratchets(harness.database, harness.vault)
        return {row["session_id"] for row in await harness.database.fetch("SELECT session_id FROM matrix_session")}

    threads = {"!room0", "!room1", "!room2"}
    await harness.database.commit(commit)
    assert await sessions() == {"!desk0", "!desk2", "!off0", "!off2"} | threads
    await harness.database.commit(lambda transaction: transaction.execute("DELETE FROM event"))
    assert await sessions() == {"!desk2", "!off2"} | threads
