"""A promoted replica that lacks the last moments: what may have left meanwhile does not leave again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model.actions import DeliveryReceipt
from bot.model.events import MessageSent
from bridge.app import startup
from bridge.tables import line_state, warm_rooms
from bridge.tables.warm_rooms import WarmRoom
from tests.bridge.outbound.test_sms_sender import ADA, GREETED, receipts, say, talk
from tests.fakes.bridge_harness import HANDSET, BridgeHarness
from tests.fakes.database_engine import VARIABLE
from tests.fakes.postgres_server import REPLICATING, SUPERUSER, PostgresServer


@pytest.fixture
def replica(server: PostgresServer) -> Iterator[PostgresServer]:
    """Make and start a replica, for which nobody waits."""
    second_server = server.make_replica()
    second_server.start(*REPLICATING)
    yield second_server
    second_server.stop()


async def lose_the_last_moments(
    server: PostgresServer, replica: PostgresServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[BridgeHarness, str]:
    """Let two answers leave of which the replica has the first as waiting, and promote it; return a bridge on it."""
    harness = BridgeHarness(directory)
    await harness.open()
    owner = await talk(harness)
    await harness.database.commit(lambda transaction: warm_rooms.add(transaction, WarmRoom("!warm:x", "amber heron")))
    await harness.stop()
    said = MessageSent(place="thread", sender=ADA, event_id="$1", body="only once", at=harness.clock.now())
    await harness.deliver(owner, said)
    await asyncio.to_thread(server.wait_until_replayed, replica)
    await asyncio.to_thread(replica.stop)
    await harness.run()
    await say(harness, owner, "this too", event_id="$2")
    await harness.wait_until_drained()
    assert harness.carrier.sent[GREETED:] == [(HANDSET, "only once"), (HANDSET, "this too")]
    await asyncio.to_thread(server.crash)
    await harness.close()
    await asyncio.to_thread(replica.start, *REPLICATING)
    assert replica.execute(SUPERUSER, "SELECT pg_promote(true, 60)") == [(True,)]
    monkeypatch.setenv(VARIABLE, replica.url("postgres"))
    harness.clock.at += 20
    again = BridgeHarness(directory, clock=harness.clock)
    await again.open()
    return again, owner


async def test_what_left_in_the_lost_moments_does_not_leave_again(
    server: PostgresServer, replica: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that the replica has as waiting, and words that the sync brings again, are unknown; later words leave.

    A warm room of then may have the words of a texter whom the replica does not know: it is erased. The desk is told once.
    """
    bridge, owner = await lose_the_last_moments(server, replica, tmp_path, monkeypatch)
    try:
        await bridge.run()
        synced_again = MessageSent(place="thread", sender=ADA, event_id="$2", body="this too", at=bridge.clock.at - 20)
        await bridge.deliver(owner, synced_again)
        await bridge.wait_until_drained()
        assert bridge.carrier.sent == []
        assert [receipts(bridge, event)[-1] for event in ("$1", "$2")] == [DeliveryReceipt.UNKNOWN] * 2
        assert await bridge.database.fetchval("SELECT subject FROM erasure") == "!warm:x"
        assert await warm_rooms.count(bridge.database) == 0
        assert await line_state.get(bridge.database, line_state.EVENTS_LOST) == str(int(bridge.clock.at * 1000))
        assert len([words for words in bridge.messages_shown("desk") if "another copy now" in words]) == 1
        bridge.clock.at += 1
        await say(bridge, owner, "new words", event_id="$3")
        await bridge.wait_until_drained()
        assert bridge.carrier.sent == [(HANDSET, "new words")]
        before = len(bridge.shown)
        await startup.report_promotion(bridge.services, grace=0)
        await bridge.wait_until_drained()
        assert len(bridge.shown) == before, "the next start finds the same history"
    finally:
        await bridge.close()
