"""What is erased of a texter, and what tells of them at the desk."""

from __future__ import annotations

import pytest

from bot.model.actions import DESK
from bridge.storage.database import Transaction
from bridge.tables import room_events
from tests.fakes.erasure_harness import ErasureHarness

DESK_ROOM = "!desk"


@pytest.mark.practice(16, 17)
async def test_what_the_desk_still_shows_of_an_ended_thread_no_longer_bears_its_id(erasure: ErasureHarness) -> None:
    """The desk's card and its edit may be redacted later than the thread is erased: the index names the thread no more.

    The cards of other threads keep their names, and what has no time to go is left as it is.
    """
    owner = await erasure.create_thread_room()
    database, now = erasure.harness.database, erasure.harness.clock.now()
    refs = (f"card:{owner}", f"edit:card:{owner}:1", f"wait:{owner}:new0", "card:other", "board")
    await erasure.harness.note_room(DESK_ROOM, DESK)

    async def show(transaction: Transaction) -> None:
        for n, ref in enumerate(refs):
            until = None if ref == "board" else int(now) + 3600
            await room_events.record_ours(
                transaction, event_id=f"${n}", room_id=DESK_ROOM, owner=DESK, place=DESK,
                ref=ref, at=0, now=now, lifetime=60, until=until,
            )  # fmt: skip

    await database.commit(show)
    await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()
    rows = await database.fetch("SELECT ref FROM event WHERE room_id = $1 ORDER BY n", DESK_ROOM)
    assert [row["ref"] for row in rows] == [None, None, None, "card:other", "board"]
