"""How long the line waits before it syncs again, and what shortens that in a rush of texts."""

from __future__ import annotations

import pytest

from bridge.matrix.sync.sync_loop import PAUSE_PER_EVENT, SHORT_PAUSE
from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import record_our_room, timeline

RUSH = 40


def rush(count: int = RUSH) -> dict[str, object]:
    """Return a response with so many events."""
    return timeline(*[{"type": "m.x", "event_id": f"${n}", "sender": "@ada:x", "content": {}} for n in range(count)])


@pytest.mark.parametrize("is_urgent", [False, True])
async def test_without_the_module_a_rush_makes_nobody_too_late(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch, is_urgent: bool
) -> None:
    """The homeserver is asked less often; while words wait that may be taken back, at most a quarter second."""
    await record_our_room(rig)

    async def urgent() -> bool:
        return is_urgent

    monkeypatch.setattr(rig.matrix.sync, "_has_urgent_timers", urgent)
    server.queue_sync(rush())
    assert await rig.matrix.sync._run_once_or_renew() == (SHORT_PAUSE if is_urgent else RUSH * PAUSE_PER_EVENT)


async def test_a_pause_in_a_rush_ends_when_a_person_does_something(rig: Rig, server: ScriptedHomeserver) -> None:
    """The module is asked from the position that it said last; then there is no pause left."""
    await record_our_room(rig)
    server.people_position = 7
    for _ in range(2):
        server.queue_sync(rush())
        assert await rig.matrix.sync._run_once_or_renew() == 0.0
    positions = [request.path.rpartition("/")[2] for request in server.requests if "/quietline/events/" in request.path]
    assert positions == ["0", "7"]


@pytest.mark.parametrize("refusal", [(404, "M_UNRECOGNIZED"), (401, "M_UNKNOWN_TOKEN"), (502, "M_UNKNOWN")])
async def test_a_refusal_of_the_module_is_no_reason_to_stop(
    rig: Rig, server: ScriptedHomeserver, refusal: tuple[int, str]
) -> None:
    """An older module, a worker, a proxy that is down: the pause is as long as without it."""
    await record_our_room(rig)
    server.refuse, server.refuse_errcode = ("/quietline/events/", refusal[0]), refusal[1]
    server.queue_sync(rush())
    assert await rig.matrix.sync._run_once_or_renew() == RUSH * PAUSE_PER_EVENT


async def test_few_events_ask_nothing(rig: Rig, server: ScriptedHomeserver) -> None:
    """A pause of a quarter second at most is slept."""
    await record_our_room(rig)
    server.people_position = 7
    server.queue_sync(rush(10))
    assert await rig.matrix.sync._run_once_or_renew() == 10 * PAUSE_PER_EVENT
    assert not any("/quietline/events/" in request.path for request in server.requests)
