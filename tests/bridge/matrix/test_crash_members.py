"""Killed while a person is let in or removed: nothing stays uploaded for ever, and nobody who went reads on.

Rule of these tests: what died is begun again from its files, as the outbox does with its row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.model.actions import Speaker
from bridge.matrix.room_keys.history import EVENT_TYPES
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, know_ada, member_event, record_our_room, sync_with, timeline


class KilledError(Exception):
    """Stands for the end of the process."""


async def dies(rig: Rig, point: CrashPoint, work: Callable[[], Awaitable[None]]) -> None:
    """Do that, die at that point, and begin again from the files."""

    def kill(at: CrashPoint) -> None:
        if at is point:
            raise KilledError

    rig.crash = kill
    with pytest.raises(KilledError):
        await work()
    await rig.stop()
    rig.crash = lambda _point: None
    await rig.start(run=False)


async def typed(rig: Rig, server: ScriptedHomeserver) -> ClientDevice:
    """Have Ada type something in a room of ours; return Sol, who was not there."""
    await record_our_room(rig)
    ada, sol = ClientDevice("@ada:x"), ClientDevice("@sol:x")
    server.register(ada, sol)
    await rig.matrix.devices.refresh_stale([ada.mxid, sol.mxid])
    letter = ada.room_key_message(server.ours[POLICY], ROOM)
    server.queue_sync(
        {"to_device": {"events": [letter]}, **timeline(member_event(ada), ada.room_message(ROOM, "what I typed"))}
    )
    await rig.matrix.sync.run_once()
    return sol


def uploaded(server: ScriptedHomeserver) -> set[str]:
    """Return every address that something was uploaded to."""
    return {f"mxc://{a.path.split('/upload/')[1]}" for a in server.requests if "/media/v3/upload/" in a.path}


@pytest.mark.parametrize("invites", [True, False], ids=["before the invite", "after the join"])
@pytest.mark.parametrize("point", [CrashPoint.BUNDLE_NOTED, CrashPoint.BUNDLE_UPLOADED], ids=lambda point: point.name)
async def test_every_upload_is_known(rig: Rig, server: ScriptedHomeserver, point: CrashPoint, invites: bool) -> None:
    """Killed around the upload of a bundle: every address that something may lie at is noted, and what waited goes on."""
    sol = await typed(rig, server)

    async def work() -> None:
        await (rig.room_client.invite if invites else rig.room_client.share_key_bundle)(ROOM, sol.mxid)

    await dies(rig, point, work)
    await work()
    noted = {row["mxc"] for row in await rig.database.fetch("SELECT mxc FROM matrix_upload WHERE user_id = $1", sol.mxid)}
    assert len(uploaded(server)) == (2 if point is CrashPoint.BUNDLE_UPLOADED else 1)
    assert uploaded(server) <= noted
    assert len(noted) == 2
    assert [sol.decrypt_to_device(event)["type"] for event in server.sent_to(sol)] == list(EVENT_TYPES)
    assert bool([a for a in server.requests if a.path.endswith("/invite")]) is invites


async def test_after_the_join_the_devices_of_then_are_given_it(rig: Rig, server: ScriptedHomeserver) -> None:
    """Nothing is uploaded where nobody else typed, or for nobody's device; a device since then gets what was typed."""
    sol = await typed(rig, server)
    ula = ClientDevice("@ula:x", cross_signed=False)
    server.register(ula)
    await sync_with(rig, server, timeline(member_event(ula), member_event(sol)))
    await rig.room_client.share_room_keys(ROOM, ula.mxid)
    await rig.room_client.share_key_bundle(ROOM, ula.mxid)
    await record_our_room(rig, "!quiet")
    await rig.room_client.share_key_bundle("!quiet", sol.mxid)
    assert uploaded(server) == set()
    younger = sol.another_device()
    server.register(younger)
    await sync_with(rig, server, {"device_lists": {"changed": [sol.mxid]}})
    await rig.room_client.share_room_keys(ROOM, sol.mxid)
    await rig.room_client.share_key_bundle(ROOM, sol.mxid)
    assert server.sent_to(sol) == []
    bundles = [younger.decrypt_to_device(event) for event in server.sent_to(younger)]
    # Clients of 2025 know only the name from before the specification had one.
    assert [each["type"] for each in bundles] == ["m.room_key_bundle", "io.element.msc4268.room_key_bundle"]
    assert bundles[0]["content"] == bundles[1]["content"]
    assert {each["content"]["file"]["url"] for each in bundles} == uploaded(server)


async def test_who_was_removed_reads_no_further(rig: Rig, server: ScriptedHomeserver) -> None:
    """Killed between the removal and the new session: the row is done again, and what follows is in a new session."""
    ada = await know_ada(rig, server)
    await sync_with(rig, server, timeline(member_event(ada)))
    await rig.room_client.send(ROOM, Speaker.POLICY, "t1", "m.room.message", {"msgtype": "m.text", "body": "before"})
    server.membership = "join"
    await dies(rig, CrashPoint.MEMBER_REMOVED, lambda: rig.room_client.remove(ROOM, ada.mxid))
    server.membership = "leave"
    await rig.room_client.remove(ROOM, ada.mxid)
    await rig.room_client.send(ROOM, Speaker.POLICY, "t2", "m.room.message", {"msgtype": "m.text", "body": "after"})
    sessions = [a.body["session_id"] for a in server.requests if "/send/m.room.encrypted" in a.path]
    assert len(set(sessions)) == 2
