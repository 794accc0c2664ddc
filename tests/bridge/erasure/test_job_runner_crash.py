"""The bridge dies once at every point of an erasure, and begins again from its files.

Rule of these tests: a point that the story never comes to fails; what is gone in the end is what is gone without a crash,
and each thing that ended has exactly one receipt.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.matrix.rooms.room_state import delete_unassigned_rooms
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.erasure_crash_points import ERASURE_CRASH_POINTS
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.erasure_harness import ROOM, ErasureHarness, FakeRooms


class ProcessDied(BaseException):
    """The process died here."""


class CrashAt:
    """Kills once, at one point."""

    def __init__(self, point: CrashPoint) -> None:
        self.point, self.happened = point, False

    def __call__(self, point: CrashPoint) -> None:
        if point is self.point and not self.happened:
            self.happened = True
            raise ProcessDied


async def to_the_end(erasure: ErasureHarness, owner: str) -> None:
    """Let what is old go, close the thread, and walk down."""
    await erasure.expiry.run_once()
    await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()


@pytest.mark.parametrize(
    "point", [point for point in CrashPoint if point in ERASURE_CRASH_POINTS], ids=lambda point: point.name
)
async def test_killed_on_the_way_down_it_goes_on(tmp_path: Path, point: CrashPoint) -> None:
    """Killed here and started again: everything is gone all the same, once, and the receipts say so."""
    rooms, death = FakeRooms(), CrashAt(point)
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.run()
    erasure = ErasureHarness(harness, rooms)
    owner = await erasure.create_thread_room(uploads=0 if point is CrashPoint.EVENT_EXPIRED else 1)
    if point is CrashPoint.EVENT_EXPIRED:
        await harness.database.commit(
            lambda transaction: transaction.execute("UPDATE event SET expires = 1 WHERE event_id = '$e0'")
        )
    harness.crash = death
    with pytest.raises(ProcessDied):
        await to_the_end(erasure, owner)
    assert death.happened, "the story never came to this point"
    await harness.close()

    second = BridgeHarness(tmp_path, clock=harness.clock)
    await second.open()
    await second.database.commit(delete_unassigned_rooms)
    await second.run()
    erasure = ErasureHarness(second, rooms)
    if point is CrashPoint.EVENT_EXPIRED:
        await erasure.expiry.run_once()
        assert rooms.events["$e0"] == ""
        await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()
    conversation, person = await erasure.certificates()
    assert conversation["gone"]["events"] == (2 if point is CrashPoint.EVENT_EXPIRED else 3)
    assert person["carrier"] == {"copies deleted, confirmed": 2}
    assert (rooms.present, rooms.members, rooms.media) == (False, set(), set())
    assert not await second.vault.has_key(f"room:{ROOM}")
    assert not await second.vault.has_key(owner)
    for table in ("thread", "event", "erasure", "carrier_copy", "copy_result", "matrix_room", "matrix_upload"):
        assert await second.count(table) == 0, table
    await second.close()
