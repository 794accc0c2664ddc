"""A stop command in the room of a conversation that has just ended."""

from __future__ import annotations

import dataclasses

import pytest

from bot.model.thread_desk_events import PhoneMuted, PhoneStopped
from bridge.matrix.api import events
from bridge.matrix.rooms.room_state import set_membership, set_owner
from bridge.storage.database import Transaction
from bridge.tables import erasure_jobs
from tests.fakes.ingest_harness import (
    ADA,
    DESK_ROOM,
    THREAD_ROOM,
    IngestHarness,
    message,
    reaction,
    text_content,
    unencrypted,
)

EDIT = {"rel_type": "m.replace", "event_id": "$before"}
TAP = dataclasses.replace(
    reaction("$any", room=THREAD_ROOM),
    content={"m.relates_to": {"rel_type": "m.annotation", "event_id": "$any", "key": "\U0001f6d1"}},
)
WAYS: dict[str, events.RoomEvent] = {
    "said": message(text_content("!unsafe he is here")),
    "by an edit": message(
        {"body": "x", "msgtype": "m.text", "m.new_content": text_content("!unsafe"), "m.relates_to": EDIT}
    ),
    "from a device of no trust": events.UntrustedMessage(
        event_id="$said", room_id=THREAD_ROOM, sender=ADA, at=1_800_000_000_000, command="!unsafe", uploads=()
    ),
    "unencrypted": unencrypted("m.room.message", text_content("!unsafe"), room=THREAD_ROOM),
    "tapped": TAP,
}


async def _park(ingest: IngestHarness) -> None:
    async def commit(transaction: Transaction) -> None:
        await set_membership(transaction, DESK_ROOM, ADA, "join")
        await set_owner(transaction, THREAD_ROOM, "")
        await erasure_jobs.begin(
            transaction, kind=erasure_jobs.ROOM, subject=THREAD_ROOM, thread=ingest.thread, grace=0.0, now=0.0
        )

    await ingest.harness.database.commit(commit)


@pytest.mark.parametrize("way", WAYS)
async def test_unsafe_in_a_room_that_is_being_erased_stops_the_phone(ingest: IngestHarness, way: str) -> None:
    """In whatever form it is said, it reaches the thread whose room it was, once."""
    await _park(ingest)
    assert await ingest.take(WAYS[way]) == [(ingest.thread, PhoneStopped())]
    assert await ingest.take(WAYS[way]) == []


@pytest.mark.parametrize("body", ["!stopped", "!block", "!block 3 days", "!block off"])
async def test_so_do_stopped_and_block_of_a_trusted_device(ingest: IngestHarness, body: str) -> None:
    """The thread decides who may say them. Not by an edit or from another device: they are no cry for help."""
    await _park(ingest)
    said = message(text_content(body))
    assert await ingest.take(said) == [(ingest.thread, PhoneMuted(user=said.sender, body=body))]
    edit = {"body": "x", "msgtype": "m.text", "m.new_content": text_content(body), "m.relates_to": EDIT}
    untrusted = events.UntrustedMessage(
        event_id="$other", room_id=THREAD_ROOM, sender=ADA, at=1_800_000_000_000, command=body, uploads=()
    )
    unsaid = unencrypted("m.room.message", text_content(body), room=THREAD_ROOM)
    for other in (message(edit), untrusted, unsaid):
        assert await ingest.take(dataclasses.replace(other, event_id="$next")) == []


@pytest.mark.parametrize("body", ["!safe", "!close now", "!resume", "he is here", "unsafe?"])
async def test_nothing_else_from_there_is_handled(ingest: IngestHarness, body: str) -> None:
    """Words, and commands that lift or end something, do not reach a conversation that has another room by now."""
    await _park(ingest)
    assert await ingest.take(message(text_content(body))) == []


async def test_nobody_else_stops_a_phone(ingest: IngestHarness) -> None:
    """A person who is not at the desk is not heard; once the thread has ended there is no phone to stop."""
    await _park(ingest)
    stranger = dataclasses.replace(message(text_content("!unsafe")), sender="@eve:quietline.localhost")
    assert await ingest.take(stranger) == []
    await ingest.harness.database.commit(lambda transaction: erasure_jobs.forget_thread(transaction, ingest.thread))
    assert await ingest.take(WAYS["said"]) == []
