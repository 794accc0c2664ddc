"""What comes in the middle of the way down: a homeserver with a room half purged, a hold at any step."""

from __future__ import annotations

import pytest

from bot.model.events import TimerDue
from bridge.engine import transactional_actions
from bridge.erasure.certificate import LEFT
from bridge.erasure.room_steps import NOT_OURS
from bridge.matrix.api.module_api import Refused
from bridge.tables import clock_trust
from tests.bridge.erasure.test_job_runner import CLIENTS, PERSON_STEPS, STEPS
from tests.fakes.paper_rooms import WayDown

ROOM_STEPS = [step for step in STEPS if step not in PERSON_STEPS]


async def test_a_room_half_purged_is_purged_to_its_end(way: WayDown) -> None:
    """A purge that failed after it had removed us leaves a room in which we cannot look: it is purged again, and signed."""
    owner = await way.furnish(uploads=0)
    await way.say(owner, "!close now")
    while await way.nerves.store.fetchval("SELECT step FROM erasure WHERE kind = 'room'") != "purge":
        way.nerves.clock.at += await way.erasure.once()
    way.rooms.outside = True
    await way.down()
    assert not way.rooms.present
    assert [told["what"] for told in await way.receipts()] == ["conversation", "person"]


async def test_only_after_the_last_look_is_it_enough_that_nobody_can_look(way: WayDown) -> None:
    """Not allowed to look while words are still to be redacted: nothing is purged, and nothing is signed for the room."""
    owner = await way.furnish(uploads=0)
    way.rooms.outside = True
    await way.say(owner, "!close now")
    for _ in range(40):
        await way.erasure.once()
        await way.nerves.copies.once()
        way.nerves.clock.at += 300
    assert way.rooms.present
    assert [told["what"] for told in await way.receipts()] == ["person"]


@pytest.mark.parametrize(("status", "errcode"), [(400, "M_INVALID_PARAM"), (401, "M_UNKNOWN_TOKEN"), (403, NOT_OURS)])
async def test_only_what_is_not_ours_is_left_in_the_media_store(way: WayDown, status: int, errcode: str) -> None:
    """Refused once: only when the homeserver says that an upload is not ours it is called so; else it is deleted."""
    owner = await way.furnish(events=1)
    await way.say(owner, "!close now")
    for _ in range(20):
        if await _step(way) == "uploads":
            break
        way.nerves.clock.at += await way.erasure.once()
    way.rooms.faults.append(Refused(status, errcode))
    await way.down()
    conversation = (await way.receipts())[0]
    others = errcode == NOT_OURS
    assert (conversation["gone"]["uploads"], conversation["left"]) == ((0, {LEFT: 1}) if others else (1, {}))
    assert bool(way.rooms.media) is others


@pytest.mark.parametrize("step", ["redact", "purge"])
async def test_what_was_wanted_at_once_waits_for_no_clock(way: WayDown, step: str) -> None:
    """`!close now`, and the machine's clock comes back a day behind: room, person and copies go within the minute."""
    owner = await way.furnish(uploads=0)
    await way.say(owner, "!close now")
    for _ in range(20):
        if await _step(way) == step:
            break
        way.nerves.clock.at += await way.erasure.once()
    way.nerves.clock.at -= 86_400
    began = way.nerves.clock.at
    await way.nerves.store.commit(clock_trust.doubt)
    await way.down()
    assert way.nerves.clock.at - began < 60
    assert [told["what"] for told in await way.receipts()] == ["conversation", "person"]


@pytest.mark.parametrize("step", ROOM_STEPS)
async def test_a_hold_stops_at_any_step(way: WayDown, step: str) -> None:
    """Set while this step is due, also one that the homeserver has begun: nothing more is asked of it until the release."""
    owner = await way.furnish()
    await way.say(owner, "!close")
    way.nerves.clock.at += 600
    await way.nerves.tell(owner, TimerDue(key="close"))
    await way.nerves.at_rest()
    for _ in range(60):
        if await _step(way) == step and (step != "purge" or "purge" in way.rooms.asked):
            break
        way.nerves.clock.at += await way.erasure.once()
    else:
        raise AssertionError("it never came to this step")
    assert await transactional_actions.hold(way.nerves.store, owner)
    asked = len(way.rooms.asked)
    for _ in range(20):
        await way.erasure.once()
        way.nerves.clock.at += CLIENTS
    assert (await _step(way), len(way.rooms.asked)) == (step, asked)
    assert await way.receipts() == []
    assert await transactional_actions.release(way.nerves.store, owner)
    await way.down()
    assert [told["what"] for told in await way.receipts()] == ["conversation"]
    assert not way.rooms.present


async def _step(way: WayDown) -> object:
    return await way.nerves.store.fetchval("SELECT step FROM erasure WHERE kind = 'room'")
