"""The way in from the homeserver on PostgreSQL, which refuses a text with the character NUL where SQLite takes it.

Source: postgresql.org/docs/current/datatype-character.html.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.model.events import MessageSent
from bridge.storage.postgres_database import PostgresDatabase
from tests.bridge.inbound.test_matrix_event_ingest import take_anything
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import VARIABLE
from tests.fakes.ingest_harness import THREAD_ROOM, IngestHarness, message, reaction, text_content
from tests.fakes.postgres_server import PostgresServer


@pytest.fixture
async def ingest(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[IngestHarness]:
    """Put up the way in, with its rooms, on a server."""
    monkeypatch.setenv(VARIABLE, postgres_server.url("postgres"))
    harness = BridgeHarness(tmp_path)
    try:
        await harness.open()
        await harness.engine.load()
        ingest_harness = IngestHarness(harness)
        await ingest_harness.create_rooms()
        yield ingest_harness
    finally:
        await harness.close()


async def test_no_content_can_kill_the_sync(ingest: IngestHarness) -> None:
    """Whatever a trusted device encrypts, the commit goes through."""
    assert isinstance(ingest.harness.database.inner, PostgresDatabase)
    assert await take_anything(ingest) == 400


async def test_nul_wherever_an_id_is_read(ingest: IngestHarness) -> None:
    """NUL in words, in what they answer and replace, and in a tap: all words arrive, and nothing stops."""
    relations = (
        {"m.in_reply_to": {"event_id": "$a\0b"}},
        {"rel_type": "m.replace", "event_id": "$a\0b"},
        {"rel_type": "m.thread", "event_id": "\0"},
    )
    inbox_events = await ingest.take(
        *(
            message(text_content("a\0b", **{"m.relates_to": relation}), event_id=f"$said{n}")
            for n, relation in enumerate(relations)
        ),
        reaction("$a\0b"),
        message(text_content("words"), room=THREAD_ROOM, event_id="$words"),
    )
    assert [event.event_id for _, event in inbox_events if isinstance(event, MessageSent)] == [
        "$said0",
        "$said1",
        "$said2",
        "$words",
    ]
    assert len(inbox_events) == 4
