"""What comes in the middle of an erasure: a homeserver with a room half purged, a hold at any step, a damaged job."""

from __future__ import annotations

import pytest

from bot.model.events import TimerDue
from bridge.erasure.certificate import FOREIGN_UPLOADS, OWN_PAGES
from bridge.erasure.room_steps import NOT_OURS
from bridge.matrix.api.module_api import ModuleRequestRejected
from bridge.storage.database import Transaction
from bridge.tables import clock_trust, erasure_jobs
from bridge.tables.erasure_jobs import ErasureJob
from tests.bridge.erasure.test_job_runner import CLIENTS, PERSON_STEPS, STEPS, _pass
from tests.fakes.erasure_harness import ADA, ROOM, SOL, ErasureHarness

ROOM_STEPS = [step for step in STEPS if step not in PERSON_STEPS]


async def test_a_room_half_purged_is_purged_to_its_end(erasure: ErasureHarness) -> None:
    """A purge that failed after it had removed us leaves a room in which we cannot look: it is purged again, and signed."""
    owner = await erasure.create_thread_room(uploads=0)
    await erasure.send_message(owner, "!close now")
    while await erasure.harness.database.fetchval("SELECT step FROM erasure WHERE kind = 'room'") != "purge":
        erasure.harness.clock.at += await erasure.runner.run_once()
    erasure.rooms.is_removed = True
    await erasure.run_to_end()
    assert not erasure.rooms.present
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]


async def test_only_after_the_last_look_is_it_enough_that_nobody_can_look(erasure: ErasureHarness) -> None:
    """Not allowed to look while words are still to be redacted: nothing is purged, and nothing is signed for the room."""
    owner = await erasure.create_thread_room(uploads=0)
    erasure.rooms.is_removed = True
    await erasure.send_message(owner, "!close now")
    for _ in range(40):
        await erasure.runner.run_once()
        await erasure.harness.carrier_copies.run_once()
        erasure.harness.clock.at += 300
    assert erasure.rooms.present
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["person"]


@pytest.mark.parametrize("step", ["redact", "empty", "censor", "uploads", "purge", "look"])
async def test_a_room_that_the_homeserver_has_lost(erasure: ErasureHarness, step: str) -> None:
    """Put back to before a room that is erased: what is refused there holds nothing up, and all is signed."""
    owner = await erasure.create_thread_room(uploads=0)
    await erasure.send_message(owner, "!close now")
    while await _step(erasure) != step:
        erasure.harness.clock.at += await erasure.runner.run_once()
    erasure.rooms.present = False
    await erasure.run_to_end()
    assert {certificate["what"] for certificate in await erasure.certificates()} == {"conversation", "person"}
    assert [what for what in erasure.harness.alerts if what.startswith("room")] == []


@pytest.mark.parametrize("step", ROOM_STEPS)
async def test_a_homeserver_put_back_while_a_room_is_erased(erasure: ErasureHarness, step: str) -> None:
    """Its words are there again, and its people in it, until the purge in a week: all steps are done again at once."""
    owner = await erasure.create_thread_room(uploads=0)
    await _close(erasure, owner)
    while await _step(erasure) != step:
        erasure.harness.clock.at += await erasure.runner.run_once()
    rooms = erasure.rooms
    rooms.events, rooms.members, rooms.present = dict.fromkeys(rooms.events, "words"), {ADA, SOL}, True
    await _redo_rooms(erasure)
    await erasure.run_until_grace()
    assert (set(rooms.events.values()), rooms.members, rooms.present) == ({""}, set(), True)
    await erasure.run_to_end()
    (certificate,) = [each for each in await erasure.certificates() if each["what"] == "conversation"]
    assert (certificate["gone"]["events"], rooms.present) == (len(rooms.events), False)


async def test_a_certificate_counts_what_was_found_gone_before(erasure: ErasureHarness) -> None:
    """Put back to before a room, when our own rows of it had gone: what was counted then stands in the certificate."""
    owner = await erasure.create_thread_room(uploads=2)
    await erasure.send_message(owner, "!close now")
    while await _step(erasure) != "sign":
        erasure.harness.clock.at += await erasure.runner.run_once()
    await _redo_rooms(erasure)
    await erasure.run_to_end()
    assert (await erasure.certificates())[0]["gone"] == {
        "events": len(erasure.rooms.events),
        "keys": 1,
        "rooms": 1,
        "uploads": 2,
    }


async def test_put_back_to_a_purge_that_had_removed_us(erasure: ErasureHarness) -> None:
    """Nobody can redact there or remove anybody: it is purged all the same."""
    owner = await erasure.create_thread_room(uploads=0)
    await erasure.send_message(owner, "!close now")
    while await _step(erasure) != "purge":
        erasure.harness.clock.at += await erasure.runner.run_once()
    erasure.rooms.is_removed = True
    await _redo_rooms(erasure)
    await erasure.run_to_end()
    assert not erasure.rooms.present


@pytest.mark.parametrize("remnant", ["leftovers", "key", "both"])
async def test_what_is_found_after_the_purge_waits_for_no_client(erasure: ErasureHarness, remnant: str) -> None:
    """The room is gone, and clients learn no more: what a look finds left is gone at once, also when steps are repeated."""
    owner = await erasure.create_thread_room(uploads=0)
    await _close(erasure, owner)
    await _job_at(erasure, "look")
    if remnant != "key":
        erasure.rooms.leftovers = 1
    if remnant != "leftovers":
        await erasure.harness.vault.create(f"room:{ROOM}")
    began = erasure.harness.clock.at
    while await _step(erasure) is not None:
        # Killed between the step and its note: the next run repeats it.
        job = await erasure_jobs.next_job(erasure.harness.database, erasure.harness.clock.at, clock_distrusted=False)
        assert job is not None
        if job.step in {"look", "destroy", "purge"} and job.due <= erasure.harness.clock.at:
            await erasure.runner._steps[job.step](job)
        erasure.harness.clock.at += await erasure.runner.run_once()
    assert erasure.harness.clock.at - began < CLIENTS
    assert (erasure.rooms.leftovers, await erasure.harness.vault.has_key(f"room:{ROOM}")) == (0, False)
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation"]


async def test_killed_after_an_upload_of_another_person(erasure: ErasureHarness) -> None:
    """Before its step is noted: the certificate still tells that it is left there, though its row has gone."""
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close now")
    job = await _job_at(erasure, "uploads")
    erasure.rooms.delete_faults.append(ModuleRequestRejected(403, NOT_OURS))
    assert await erasure.runner._steps[job.step](job) == "destroy"
    await erasure.run_to_end()
    assert (await erasure.certificates())[0]["left"][FOREIGN_UPLOADS] == 1


async def test_a_step_under_way_when_the_homeserver_was_put_back(erasure: ErasureHarness) -> None:
    """A purge that was begun before does not pass for one of what is there again."""
    owner = await erasure.create_thread_room(uploads=0)
    await _close(erasure, owner)
    job = await _job_at(erasure, "purge")

    async def put_back(transaction: Transaction) -> None:
        await erasure_jobs.redo_rooms(transaction, now=erasure.harness.clock.now())
        await erasure_jobs.advance(transaction, job, "look", due=0.0, tries=0)

    await erasure.harness.database.commit(put_back)
    assert await _step(erasure) == "redact"


async def test_a_signature_under_way_when_the_homeserver_was_put_back(erasure: ErasureHarness) -> None:
    """Nothing is signed for a room that is there again: it is erased once more first."""
    owner = await erasure.create_thread_room(uploads=0)
    await _close(erasure, owner)
    job = await _job_at(erasure, "sign")
    rooms = erasure.rooms
    rooms.events, rooms.members, rooms.present = dict.fromkeys(rooms.events, "words"), {ADA, SOL}, True
    await _redo_rooms(erasure)
    assert await erasure.runner._steps[job.step](job) == ""
    assert (await _step(erasure), await erasure.certificates()) == ("redact", [])
    await erasure.run_to_end()
    assert not rooms.present
    assert [each["what"] for each in await erasure.certificates()].count("conversation") == 1


@pytest.mark.parametrize(("status", "errcode"), [(400, "M_INVALID_PARAM"), (401, "M_UNKNOWN_TOKEN"), (403, NOT_OURS)])
async def test_only_what_is_not_ours_is_left_in_the_media_store(erasure: ErasureHarness, status: int, errcode: str) -> None:
    """Refused once: only when the homeserver says that an upload is not ours it is called so; else it is deleted."""
    owner = await erasure.create_thread_room(events=1)
    await erasure.send_message(owner, "!close now")
    for _ in range(20):
        if await _step(erasure) == "uploads":
            break
        erasure.harness.clock.at += await erasure.runner.run_once()
    erasure.rooms.delete_faults.append(ModuleRequestRejected(status, errcode))
    await erasure.run_to_end()
    conversation = (await erasure.certificates())[0]
    others = errcode == NOT_OURS
    remaining = {what: count for what, count in conversation["left"].items() if what != OWN_PAGES}
    assert (conversation["gone"]["uploads"], remaining) == ((0, {FOREIGN_UPLOADS: 1}) if others else (1, {}))
    assert bool(erasure.rooms.media) is others


@pytest.mark.parametrize("step", ["redact", "purge"])
async def test_what_was_wanted_at_once_waits_for_no_clock(erasure: ErasureHarness, step: str) -> None:
    """`!close now`, and the machine's clock comes back a day behind: room, person and copies go within the minute."""
    owner = await erasure.create_thread_room(uploads=0)
    await erasure.send_message(owner, "!close now")
    for _ in range(20):
        if await _step(erasure) == step:
            break
        erasure.harness.clock.at += await erasure.runner.run_once()
    erasure.harness.clock.at -= 86_400
    began = erasure.harness.clock.at
    await erasure.harness.database.commit(clock_trust.distrust)
    await erasure.run_to_end()
    assert erasure.harness.clock.at - began < 60
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]


@pytest.mark.parametrize("step", ROOM_STEPS)
async def test_a_hold_stops_at_any_step(erasure: ErasureHarness, step: str) -> None:
    """Set while this step is due, also one that the homeserver has begun: nothing more is asked of it until the release."""
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close")
    erasure.harness.clock.at += 600
    await erasure.harness.deliver(owner, TimerDue(key="close"))
    await erasure.harness.wait_until_drained()
    for _ in range(60):
        if await _step(erasure) == step and (step != "purge" or "purge" in erasure.rooms.requests):
            break
        erasure.harness.clock.at += await erasure.runner.run_once()
    else:
        raise AssertionError("it never came to this step")
    assert await erasure.harness.set_legal_hold(owner, on=True)
    request_count = len(erasure.rooms.requests)
    for _ in range(20):
        await erasure.runner.run_once()
        erasure.harness.clock.at += CLIENTS
    assert (await _step(erasure), len(erasure.rooms.requests)) == (step, request_count)
    assert await erasure.certificates() == []
    assert await erasure.harness.set_legal_hold(owner, on=False)
    await erasure.run_to_end()
    # The person's data is due as well by this clock, and may have ended: the timers look once in a second.
    assert [each["what"] for each in await erasure.certificates() if each["what"] != "person"] == ["conversation"]
    assert not erasure.rooms.present


async def _close(erasure: ErasureHarness, owner: str) -> None:
    """Have a conversation closed, as `!close` does once nobody takes it back."""
    await erasure.send_message(owner, "!close")
    await _pass(erasure, owner, 600, "close")


async def _job_at(erasure: ErasureHarness, step: str) -> ErasureJob:
    """Run the erasure until that step is the next one; return the job as it is read then."""
    while await _step(erasure) != step:
        erasure.harness.clock.at += await erasure.runner.run_once()
    job = await erasure_jobs.next_job(erasure.harness.database, erasure.harness.clock.now(), clock_distrusted=False)
    assert job is not None
    assert job.step == step
    return job


async def _redo_rooms(erasure: ErasureHarness) -> None:
    now = erasure.harness.clock.now()
    await erasure.harness.database.commit(lambda transaction: erasure_jobs.redo_rooms(transaction, now=now))


async def _step(erasure: ErasureHarness) -> object:
    return await erasure.harness.database.fetchval("SELECT step FROM erasure WHERE kind = 'room'")
