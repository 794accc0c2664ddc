"""When the line syncs again: when the module says so, or else by long polls with pauses."""

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


async def test_the_module_says_when_to_sync(rig: Rig, server: ScriptedHomeserver) -> None:
    """It is asked from the count that it said last; then there is no pause, and the homeserver holds no long poll."""
    await record_our_room(rig)
    server.change_count = 7
    for _ in range(3):
        server.queue_sync(rush())
        assert await rig.matrix.sync._run_once_or_renew() == 0.0
    assert counts(server) == ["0", "7", "7"]
    assert timeouts(server)[1:] == ["0", "0"]


@pytest.mark.parametrize(
    ("refusal", "is_silence"),
    [((404, "M_UNRECOGNIZED"), False), ((401, "M_UNKNOWN_TOKEN"), False), ((502, "M_UNKNOWN"), True)],
)
async def test_a_refusal_of_the_module_is_no_reason_to_stop(
    rig: Rig, server: ScriptedHomeserver, refusal: tuple[int, str], is_silence: bool
) -> None:
    """An older module, a wrong token: the long poll takes its place. A homeserver that was down may have been put back."""
    await record_our_room(rig)
    server.refuse, server.refuse_errcode = ("/quietline/changes/", refusal[0]), refusal[1]
    server.queue_sync(rush())
    assert await rig.matrix.sync._run_once_or_renew() == RUSH * PAUSE_PER_EVENT
    assert rig.matrix.sync.caught_up.is_set() is not is_silence
    rig.matrix.sync.caught_up.set()
    server.queue_sync(rush(1))
    assert await rig.matrix.sync._run_once_or_renew() == PAUSE_PER_EVENT
    assert timeouts(server)[1:] == ["30000"]
    assert counts(server) == ["0"], "the module is not asked each time"


def counts(server: ScriptedHomeserver) -> list[str]:
    """Return from which counts the module was asked."""
    return [request.path.rpartition("/")[2] for request in server.requests if "/quietline/changes/" in request.path]


def timeouts(server: ScriptedHomeserver) -> list[str]:
    """Return how long each sync was to wait; without a cursor it does not wait, and the number is another each time."""
    return [request.query["timeout"] for request in server.requests if request.path.endswith("/sync")]
