"""What the steps of a room's erasure do about uploads, and about what is noted while they run."""

from __future__ import annotations

from bridge.matrix.rooms import media
from bridge.matrix.rooms.room_state import Room, record_room
from bridge.storage.database import Transaction
from bridge.tables import erasure_jobs
from tests.fakes.erasure_harness import ROOM, ErasureHarness

ONE, TWO = (f"mxc://x/restored{number}" for number in range(2))


async def restore(erasure: ErasureHarness, *addresses: str) -> None:
    """Begin the erasure of a room with these uploads."""
    rooms = erasure.rooms
    rooms.media, rooms.events = set(addresses), {"$one": "words"}

    async def commit(transaction: Transaction) -> None:
        room = Room(room_id=ROOM, kind="thread", owner="", key_owner=f"room:{ROOM}")
        await record_room(transaction, room, members={}, levels={})
        for address in addresses:
            await media.record_linked_media(transaction, address, room_id=ROOM, event_id="", at_ms=0)
        now = erasure.harness.clock.now()
        await erasure_jobs.begin(transaction, kind=erasure_jobs.ROOM, subject=ROOM, thread="", grace=2.0, now=now)

    await erasure.harness.database.commit(commit)


async def test_an_upload_that_is_noted_after_the_last_look_is_deleted(erasure: ErasureHarness) -> None:
    """The job does not wait for a person: it goes back, deletes the upload, and ends with a certificate."""
    await restore(erasure, ONE)
    while await erasure.harness.database.fetchval("SELECT step FROM erasure") != "sign":
        erasure.harness.clock.at += await erasure.runner.run_once()
    erasure.rooms.media = {TWO}
    await erasure.harness.database.commit(
        lambda transaction: media.record_linked_media(transaction, TWO, room_id=ROOM, event_id="$e", at_ms=1)
    )
    await erasure.run_to_end()
    assert (erasure.rooms.media, await erasure.harness.count("matrix_upload")) == (set(), 0)
    assert len(await erasure.certificates()) == 1
