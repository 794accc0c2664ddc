"""Changes of membership that were made at once: what holds is what the homeserver says holds, not what came last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from bot.model.actions import Speaker
from bridge.matrix.api.events import Membership
from bridge.matrix.rooms.room_state import members_of
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import mxid, open_secrets, run_homeserver
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, member_event, record_our_room, timeline
from tests.e2e.polling import wait_until
from tests.fakes.provisioned_homeserver import provision, put_homeserver
from tests.free_ports import free_ports

ADA = ClientDevice("@ada:x")
INVITED, JOINED, LEFT = member_event(ADA, "invite"), member_event(ADA), member_event(ADA, "leave")
WORDS = {"msgtype": "m.notice", "body": "so"}
RENAMED = {**JOINED, "event_id": "$renamed"}


def response(*events: dict[str, Any], after: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Make a sync response that says what holds after its timeline."""
    return {"rooms": {"join": {ROOM: {"timeline": {"events": list(events)}, name: {"events": after}}}}}


@pytest.mark.parametrize("name", ["state_after", "org.matrix.msc4222.state_after"])
@pytest.mark.parametrize(
    ("before", "came", "after", "membership", "memberships"),
    [
        pytest.param("join", [LEFT, RENAMED], [LEFT], "leave", ["leave"], id="a new name beside a removal"),
        pytest.param("leave", [RENAMED], [], "leave", [], id="a new name after a removal that it did not know of"),
        pytest.param("join", [LEFT], [], "join", [], id="a removal that was refused"),
        pytest.param("leave", [INVITED, JOINED], [JOINED], "join", ["invite", "join"], id="one after the other"),
        pytest.param("join", [LEFT, INVITED, JOINED], [JOINED], "join", ["leave", "invite", "join"], id="there and back"),
        pytest.param("join", [], [LEFT], "leave", ["leave"], id="what did not come"),
    ],
)
async def test_what_holds_is_taken(
    rig: Rig,
    server: ScriptedHomeserver,
    before: str,
    came: list[dict[str, Any]],
    after: list[dict[str, Any]],
    membership: str,
    memberships: list[str],
    name: str,
) -> None:
    """A change that does not hold is not taken, however late it comes; and what led to the one that holds is told."""
    await record_our_room(rig)
    server.queue_sync(timeline({**member_event(ADA, before), "event_id": "$before"}))
    await rig.matrix.sync.run_once()
    rig.events.clear()
    server.queue_sync(response(*came, after=after, name=name))
    await rig.matrix.sync.run_once()
    assert (await members_of(rig.database, ROOM))[ADA.mxid] == membership
    assert [item.membership for item in rig.events if isinstance(item, Membership)] == memberships


async def test_what_held_before_brings_nothing_back(rig: Rig, server: ScriptedHomeserver) -> None:
    """A homeserver that tells no more than the state before the timeline: the order of what came counts."""
    await record_our_room(rig)
    server.queue_sync(timeline(INVITED, JOINED))
    again = timeline({"event_id": "$r", "sender": POLICY, "type": "m.reaction", "content": {}})
    again["rooms"]["join"][ROOM]["state"] = {"events": [INVITED]}
    server.queue_sync(again)
    await rig.matrix.sync.run_once()
    await rig.matrix.sync.run_once()
    assert (await members_of(rig.database, ROOM))[ADA.mxid] == "join"


@dataclass(frozen=True, slots=True)
class Line:
    """A rig at work on a real homeserver, and a person's own connection to it."""

    rig: Rig
    http: aiohttp.ClientSession
    user: str

    async def be(self, room_id: str, verb: str) -> None:
        """Join or leave, whether that is possible or not."""
        async with self.http.post(f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/{verb}", json={}) as answer:
            await answer.read()


@pytest_asyncio.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    layout, ports = Layout(tmp_path / "line"), Ports(free_ports())
    await put_homeserver(layout)
    ada = next(account for account in await provision(layout, ports) if account.user == "ada")
    secrets = open_secrets(layout)
    async with run_homeserver(layout, ports):
        url = ports.url("homeserver")
        rig = Rig(directory=tmp_path, url=url, token=secrets.read(secrets.as_token))
        login = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": ada.user},
            "password": ada.password,
        }
        async with aiohttp.ClientSession(url) as http, http.post("/_matrix/client/v3/login", json=login) as answer:
            token = (await answer.json())["access_token"]
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as http:
            try:
                await rig.start()
                yield Line(rig, http, mxid(ada.user))
            finally:
                await rig.stop()


@pytest.mark.e2e
async def test_memberships_that_change_while_the_room_talks(line: Line) -> None:
    """On a real homeserver, after people came, went and were removed while we talked: we hold what it holds."""
    edge = line.rig.room_client
    room_id = await edge.create_room("thread", "amber heron", owner="t", supervisors=[])

    async def talk(number: int) -> None:
        for n in range(6):
            await edge.send(
                room_id, Speaker.POLICY, f"talk{number}.{n}", "m.room.message", {"msgtype": "m.notice", "body": "so"}
            )

    async def agreed() -> bool | None:
        return await members_of(line.rig.database, room_id) == await held() or None

    async def held() -> dict[str, str]:
        answer = await line.rig.matrix.policy.client.request("GET", "rooms", room_id, "members")
        return {event["state_key"]: event["content"]["membership"] for event in answer["chunk"]}

    for number in range(12):
        await edge.invite(room_id, line.user)
        pause = number * 0.004
        await asyncio.gather(talk(number), _later(pause, line.be(room_id, "join")))
        await wait_until("what we hold after coming is what holds", agreed)
        assert (await held())[line.user] == "join"
        going = edge.remove(room_id, line.user) if number % 2 else line.be(room_id, "leave")
        await asyncio.gather(talk(number + 100), _later(pause, going))
        await wait_until("what we hold after going is what holds", agreed)
        assert await held() == {POLICY: "join", PUPPET: "join", line.user: "leave"}


async def _later(seconds: float, what: Any) -> None:
    await asyncio.sleep(seconds)
    await what
