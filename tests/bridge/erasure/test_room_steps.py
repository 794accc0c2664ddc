"""What the steps of a room's erasure do about uploads, and about what is noted while they run."""

from __future__ import annotations

from bridge.erasure.certificate import FOREIGN_UPLOADS
from bridge.erasure.room_steps import NOT_OURS
from bridge.matrix.api.module_api import STILL_THERE, HomeserverUnreachable, ModuleRequestRejected
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


async def until_uploads(erasure: ErasureHarness) -> None:
    """Perform the steps before the one that deletes uploads."""
    while await erasure.harness.database.fetchval("SELECT step FROM erasure") != "uploads":
        erasure.harness.clock.at += await erasure.runner.run_once()


async def test_an_upload_of_others_is_counted_once_while_another_stays(erasure: ErasureHarness) -> None:
    """The step is tried again for the one that the homeserver cannot remove."""
    await restore(erasure, ONE, TWO)
    await until_uploads(erasure)
    erasure.rooms.delete_faults += [
        ModuleRequestRejected(403, NOT_OURS),
        *(HomeserverUnreachable(503, STILL_THERE) for _ in range(3)),
    ]
    await erasure.run_to_end()
    (certificate,) = await erasure.certificates()
    assert (certificate["gone"]["uploads"], certificate["left"][FOREIGN_UPLOADS]) == (1, 1)


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
