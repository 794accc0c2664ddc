"""The bridge dies once at every point of the way down, and begins again from its files.

Rule of these tests: a point that the story never comes to fails; what is gone in the end is what is gone without a crash,
and each thing that ended has exactly one receipt.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.outbound.room_keeper import forget_ungiven
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.forgetting import FORGETTING
from tests.fakes.nerves import Nerves
from tests.fakes.paper_rooms import ROOM, PaperRooms, WayDown


class Killed(BaseException):
    """The process died here."""


class Death:
    """Kills once, at one point."""

    def __init__(self, point: CrashPoint) -> None:
        self.point, self.happened = point, False

    def __call__(self, point: CrashPoint) -> None:
        if point is self.point and not self.happened:
            self.happened = True
            raise Killed


async def to_the_end(way: WayDown, owner: str) -> None:
    """Let what is old go, close the thread, and walk down."""
    await way.sweep.once()
    await way.say(owner, "!close now")
    await way.down()


@pytest.mark.parametrize("point", [point for point in CrashPoint if point in FORGETTING], ids=lambda point: point.name)
async def test_killed_on_the_way_down_it_goes_on(tmp_path: Path, point: CrashPoint) -> None:
    """Killed here and started again: everything is gone all the same, once, and the receipts say so."""
    rooms, death = PaperRooms(), Death(point)
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.run()
    way = WayDown(nerves, rooms)
    owner = await way.furnish(uploads=0 if point is CrashPoint.EVENT_EXPIRED else 1)
    if point is CrashPoint.EVENT_EXPIRED:
        await nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1 WHERE event_id = '$e0'"))
    nerves.crash = death
    with pytest.raises(Killed):
        await to_the_end(way, owner)
    assert death.happened, "the story never came to this point"
    await nerves.end()

    second = Nerves(tmp_path, clock=nerves.clock)
    await second.open()
    await second.store.commit(forget_ungiven)
    await second.run()
    way = WayDown(second, rooms)
    if point is CrashPoint.EVENT_EXPIRED:
        await way.sweep.once()
        assert rooms.events["$e0"] == ""
        await way.say(owner, "!close now")
    await way.down()
    conversation, person = await way.receipts()
    assert conversation["gone"]["events"] == (2 if point is CrashPoint.EVENT_EXPIRED else 3)
    assert person["carrier"] == {"copies deleted, confirmed": 2}
    assert (rooms.present, rooms.members, rooms.media) == (False, set(), set())
    assert not await second.vault.has(f"room:{ROOM}")
    assert not await second.vault.has(owner)
    for table in ("thread", "event", "erasure", "carrier_copy", "copy_result", "matrix_room", "matrix_upload"):
        assert await second.count(table) == 0, table
    await second.end()
