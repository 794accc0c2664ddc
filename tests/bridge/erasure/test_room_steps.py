"""Uploads that our own rows no longer name, because their room was erased before the homeserver was put back."""

from __future__ import annotations

import pytest

from bridge.erasure.certificate import FOREIGN_UPLOADS
from bridge.erasure.room_steps import NOT_OURS
from bridge.matrix.api.http_client import Transient
from bridge.matrix.api.module_api import STILL_THERE, HomeserverUnreachable, ModuleRequestRejected
from bridge.matrix.olm import identity_table
from bridge.matrix.olm.identity_table import NewestEvent
from bridge.matrix.rooms import media
from bridge.matrix.rooms.room_state import Room, record_room
from bridge.storage.database import Transaction
from bridge.tables import erasure_jobs
from tests.fakes.erasure_harness import ROOM, ErasureHarness

ONE, TWO, THREE = (f"mxc://x/restored{number}" for number in range(3))


async def restore(erasure: ErasureHarness, *addresses: str) -> None:
    """Have the homeserver have a room again that was erased, with these uploads; our own rows of it are gone."""
    rooms = erasure.rooms
    rooms.media, rooms.listed, rooms.events = set(addresses), list(addresses), {"$one": "words"}

    async def commit(transaction: Transaction) -> None:
        room = Room(room_id=ROOM, kind="thread", owner="", key_owner=f"room:{ROOM}")
        await record_room(transaction, room, members={}, levels={})
        now = erasure.harness.clock.now()
        await erasure_jobs.begin(transaction, kind=erasure_jobs.ROOM, subject=ROOM, thread="", grace=2.0, now=now)

    await erasure.harness.database.commit(commit)


async def until_uploads(erasure: ErasureHarness) -> None:
    """Perform the steps before the one that deletes uploads."""
    while await erasure.harness.database.fetchval("SELECT step FROM erasure") != "uploads":
        erasure.harness.clock.at += await erasure.runner.run_once()


async def test_restored_uploads_of_an_erased_room_are_erased_again(erasure: ErasureHarness) -> None:
    """They are on the room's list, are deleted and looked for, and the certificate counts them."""
    await restore(erasure, ONE, TWO)
    await erasure.run_to_end()
    assert erasure.rooms.media == set()
    assert await erasure.harness.count("matrix_upload") == 0
    (certificate,) = await erasure.certificates()
    assert certificate["gone"] == {"events": 1, "keys": 1, "rooms": 1, "uploads": 2}


async def test_an_upload_that_an_open_conversation_links_stays(erasure: ErasureHarness) -> None:
    """Its row names the other room: the list of the room that is erased does not change that."""
    await restore(erasure, ONE, TWO)
    await erasure.harness.database.commit(
        lambda transaction: media.record_linked_media(transaction, TWO, room_id="!open", event_id="$e", at_ms=1)
    )
    await erasure.run_to_end()
    assert erasure.rooms.media == {TWO}
    assert (await erasure.certificates())[0]["gone"]["uploads"] == 1


@pytest.mark.parametrize("breaks_at", range(1, 5))
async def test_killed_at_any_request(erasure: ErasureHarness, breaks_at: int) -> None:
    """The step is repeated with what its job has noted: nothing is left, and an upload of others is counted once."""
    await restore(erasure, ONE, TWO, THREE)
    await until_uploads(erasure)
    erasure.rooms.delete_faults.append(ModuleRequestRejected(403, NOT_OURS))
    before = len(erasure.rooms.requests)
    steps = erasure.runner._steps

    class KilledError(Exception):
        pass

    class Requests(list[str]):
        def append(self, request: str) -> None:
            super().append(request)
            if len(self) == before + breaks_at:
                raise KilledError

    erasure.rooms.requests = Requests(erasure.rooms.requests)
    killed = False
    while await erasure.harness.database.fetchval("SELECT step FROM erasure") == "uploads":
        job = await erasure_jobs.next_job(erasure.harness.database, erasure.harness.clock.now(), clock_distrusted=False)
        assert job is not None
        try:
            following = await steps[job.step](job)
        except KilledError:
            killed = True
            continue
        await erasure.harness.database.commit(
            lambda transaction, job=job, following=following: erasure_jobs.advance(  # type: ignore[misc]
                transaction, job, following, due=0.0, tries=0
            )
        )
    await erasure.run_to_end()
    assert killed
    assert len(erasure.rooms.media) == 1
    (certificate,) = await erasure.certificates()
    assert (certificate["gone"]["uploads"], certificate["left"][FOREIGN_UPLOADS]) == (2, 1)


async def test_an_upload_of_others_is_counted_once_while_another_stays(erasure: ErasureHarness) -> None:
    """The step is tried again for the one that the homeserver cannot remove; the list is not read again for that."""
    await restore(erasure, ONE, TWO)
    await until_uploads(erasure)
    erasure.rooms.delete_faults += [
        ModuleRequestRejected(403, NOT_OURS),
        *(HomeserverUnreachable(503, STILL_THERE) for _ in range(3)),
    ]
    await erasure.run_to_end()
    (certificate,) = await erasure.certificates()
    assert (certificate["gone"]["uploads"], certificate["left"][FOREIGN_UPLOADS]) == (1, 1)
    assert erasure.rooms.requests.count("list") == 1


async def test_nothing_is_purged_while_the_list_is_not_read(erasure: ErasureHarness) -> None:
    """With the room the list goes: the erasure waits for the homeserver's answer."""
    await restore(erasure, ONE)
    await until_uploads(erasure)
    for _ in range(3):
        erasure.rooms.faults.append(Transient(502, ""))
        erasure.harness.clock.at += 60
        await erasure.runner.run_once()
    assert (erasure.rooms.present, erasure.rooms.media) == (True, {ONE})
    await erasure.run_to_end()
    assert (erasure.rooms.present, erasure.rooms.media) == (False, set())


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


async def test_a_newest_event_that_is_noted_after_the_last_look_goes_with_the_room(erasure: ErasureHarness) -> None:
    """A sync response from before the purge names the room once more: its erasure does not wait for the next event."""
    await restore(erasure, ONE)
    database = erasure.harness.database
    while await database.fetchval("SELECT step FROM erasure") != "sign":
        erasure.harness.clock.at += await erasure.runner.run_once()
    heard = NewestEvent(ROOM, "$late", 1)

    async def commit(transaction: Transaction) -> None:
        await identity_table.insert(transaction, "@bot:x", "A", now_ms=0)
        await identity_table.set_cursor(transaction, "@bot:x", "s1", heard)

    await database.commit(commit)
    await erasure.run_to_end()
    assert len(await erasure.certificates()) == 1
    assert await database.fetchval("SELECT COUNT(*) FROM matrix_identity WHERE heard_room <> ''") == 0


async def test_put_back_after_the_last_look_the_list_is_read_again(erasure: ErasureHarness) -> None:
    """Our own rows are gone by then, and the homeserver has the uploads once more."""
    await restore(erasure, ONE, TWO)
    while await erasure.harness.database.fetchval("SELECT step FROM erasure") != "sign":
        erasure.harness.clock.at += await erasure.runner.run_once()
    rooms = erasure.rooms
    rooms.media, rooms.present, rooms.events = {ONE, TWO}, True, {"$one": "words"}
    await erasure.harness.database.commit(
        lambda transaction: erasure_jobs.redo_rooms(transaction, now=erasure.harness.clock.now())
    )
    await erasure.run_to_end()
    assert (rooms.present, rooms.media) == (False, set())
