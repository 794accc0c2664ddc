"""Killed while somebody is let in or removed: nothing stays uploaded for ever, and nobody who went reads on.

Rule of these tests: what died is begun again from its files, as the outbox does with its row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.model.actions import Speaker
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.person import Person
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.room import ROOM, joins, ours, timeline
from tests.bridge.matrix.small_homeserver import SmallHomeserver

MEMBERS = {CrashPoint.BUNDLE_NOTED, CrashPoint.BUNDLE_UPLOADED, CrashPoint.MEMBER_REMOVED}


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


async def typed(rig: Rig, server: SmallHomeserver) -> Person:
    """Have Ada type something in a room of ours; return Sol, who was not there."""
    await ours(rig)
    ada, sol = Person("@ada:x"), Person("@sol:x")
    server.tell(ada, sol)
    await rig.matrix.devices.ensure([ada.mxid, sol.mxid])
    letter = ada.key_letter(server.ours[POLICY], ROOM)
    server.say({"to_device": {"events": [letter]}, **timeline(joins(ada), ada.says(ROOM, "what I typed"))})
    await rig.matrix.sync.turn()
    return sol


def uploaded(server: SmallHomeserver) -> set[str]:
    """Return every address that something was uploaded to."""
    return {f"mxc://{a.path.split('/upload/')[1]}" for a in server.asked if "/media/v3/upload/" in a.path}


@pytest.mark.parametrize("invites", [True, False], ids=["before the invite", "after the join"])
@pytest.mark.parametrize("point", [CrashPoint.BUNDLE_NOTED, CrashPoint.BUNDLE_UPLOADED], ids=lambda point: point.name)
async def test_every_upload_is_known(rig: Rig, server: SmallHomeserver, point: CrashPoint, invites: bool) -> None:
    """Killed around the upload of a bundle: every address that something may lie at is noted, and what waited goes on."""
    sol = await typed(rig, server)

    async def work() -> None:
        await (rig.edge.invite if invites else rig.edge.give_bundle)(ROOM, sol.mxid)

    await dies(rig, point, work)
    await work()
    noted = {row["mxc"] for row in await rig.store.fetch("SELECT mxc FROM matrix_upload WHERE user_id = $1", sol.mxid)}
    assert len(uploaded(server)) == (2 if point is CrashPoint.BUNDLE_UPLOADED else 1)
    assert uploaded(server) <= noted
    assert len(noted) == 2
    assert [sol.opens(event)["type"] for event in server.sent_to(sol)] == ["m.room_key_bundle"]
    assert bool([a for a in server.asked if a.path.endswith("/invite")]) is invites


async def test_after_the_join_the_devices_of_then_are_given_it(rig: Rig, server: SmallHomeserver) -> None:
    """Nothing is uploaded where nobody else typed, or for nobody's device; a device since then gets what was typed."""
    sol = await typed(rig, server)
    ula = Person("@ula:x", cross_signed=False)
    server.tell(ula)
    server.say(timeline(joins(ula), joins(sol)))
    await rig.matrix.sync.turn()
    await rig.edge.give_keys(ROOM, ula.mxid)
    await rig.edge.give_bundle(ROOM, ula.mxid)
    await ours(rig, "!quiet")
    await rig.edge.give_bundle("!quiet", sol.mxid)
    assert uploaded(server) == set()
    younger = sol.another_device()
    server.tell(younger)
    server.say({"device_lists": {"changed": [sol.mxid]}})
    await rig.matrix.sync.turn()
    await rig.edge.give_keys(ROOM, sol.mxid)
    await rig.edge.give_bundle(ROOM, sol.mxid)
    assert server.sent_to(sol) == []
    (event,) = server.sent_to(younger)
    assert younger.opens(event)["content"]["file"]["url"] in uploaded(server)


async def test_who_was_removed_reads_no_further(rig: Rig, server: SmallHomeserver) -> None:
    """Killed between the removal and the new session: the row is done again, and what follows is in a new session."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    server.say(timeline(joins(ada)))
    await rig.matrix.sync.turn()
    await rig.edge.send(ROOM, Speaker.POLICY, "t1", "m.room.message", {"msgtype": "m.text", "body": "before"})
    server.membership = "join"
    await dies(rig, CrashPoint.MEMBER_REMOVED, lambda: rig.edge.remove(ROOM, ada.mxid))
    server.membership = "leave"
    await rig.edge.remove(ROOM, ada.mxid)
    await rig.edge.send(ROOM, Speaker.POLICY, "t2", "m.room.message", {"msgtype": "m.text", "body": "after"})
    sessions = [a.body["session_id"] for a in server.asked if "/send/m.room.encrypted" in a.path]
    assert len(set(sessions)) == 2
