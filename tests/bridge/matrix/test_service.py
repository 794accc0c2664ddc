"""The Matrix edge against a real Synapse, with real clients as the staff.

Rule of this module: one homeserver for all of it, the tests build on one another's rooms no more than fixtures say, and an
event counts as read only when the client shows it without a shield.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import pytest_asyncio

from bot.model.actions import Speaker
from bridge.matrix.api.events import IdentityChanged, Membership, Ousted, Plain, Said, Untrusted
from bridge.runtime.crash_points import CrashPoint
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import mxid, provision, running, secrets_of
from tests.bridge.matrix.rig import Rig
from tests.deploy.processes import free_base
from tests.e2e.conftest import OpenStrict
from tests.e2e.cross_signing import cross_sign
from tests.e2e.crossnio import CrossNio
from tests.e2e.seat import NO_SHIELD, Account, Seat
from tests.e2e.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.e2e]


@dataclass(slots=True)
class House:
    """A rig at work on a real homeserver, with a desk, and who may log in."""

    rig: Rig
    url: str
    desk: str
    accounts: dict[str, Account]
    count: int = 0

    async def say(self, room_id: str, speaker: Speaker, body: str) -> str:
        self.count += 1
        content = {"msgtype": "m.text", "body": body}
        return await self.rig.edge.send(room_id, speaker, f"txn{self.count}", "m.room.message", content)

    async def thread(self, *bodies: str) -> str:
        """Make a thread room in which the texter has said this."""
        room_id = await self.rig.edge.create_room("thread", "amber heron", owner="t", supervisors=[])
        for body in bodies:
            await self.say(room_id, Speaker.VOICE, body)
        return room_id

    async def seated(self, seat: Seat) -> Seat:
        """Invite somebody to the desk; there they say hello, and are greeted by both."""
        await self.rig.edge.invite(self.desk, seat.mxid)
        await seat.join(self.desk)
        await seat.say(self.desk, "hello")
        await self.rig.kept(Said, lambda i: i.sender == seat.mxid and i.content["body"] == "hello")
        for speaker in Speaker:
            event_id = await self.say(self.desk, speaker, f"welcome from the {speaker.value}")
            seen = await seat.find(self.desk, "the greeting", lambda i, e=event_id: i.event_id == e and i.kind == "message")  # type: ignore[misc]
            assert seen.shield == NO_SHIELD
        return seat


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    directory = tmp_path_factory.mktemp("house")
    layout, ports = Layout(directory / "line"), Ports(free_base())
    made = await provision(layout, ports)
    secrets = secrets_of(layout)
    async with running(layout, ports):
        url = ports.url("homeserver")
        rig = Rig(directory=directory, url=url, token=secrets.read(secrets.as_token))
        accounts = {a.user: Account(user=a.user, mxid=mxid(a.user), password=a.password, role=a.role) for a in made}
        try:
            await rig.start()
            desk = await rig.edge.create_room("desk", "desk", owner="desk", supervisors=[accounts["sol"].mxid])
            yield House(rig=rig, url=url, desk=desk, accounts=accounts)
        finally:
            await rig.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(house: House) -> AsyncIterator[Seat]:
    seat = await OpenStrict(stood_in=[]).seat(house.url, house.accounts["ada"])
    try:
        yield await house.seated(seat)
    finally:
        await seat.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bea(house: House) -> AsyncIterator[CrossNio]:
    seat = CrossNio(house.url, house.accounts["bea"])
    try:
        await seat.start()
        await house.seated(seat)
        yield seat
    finally:
        await seat.stop()


async def shown(seat: Seat, room_id: str) -> list[tuple[str, str]]:
    """Return bodies and shields of all messages of a room."""
    return [(i.body or i.cause, i.shield) for i in await seat.whole(room_id) if i.kind in {"message", "undecryptable"}]


async def reads(seat: Seat, room_id: str, *bodies: str) -> None:
    """Wait until somebody reads exactly this, without a shield."""
    wanted = [(body, NO_SHIELD) for body in bodies]

    async def probe() -> bool | None:
        return await shown(seat, room_id) == wanted or None

    async def seen() -> str:
        return str(await shown(seat, room_id))

    await until(f"{seat.mxid} reads everything", probe, within=60, seen=seen)


async def test_what_was_texted_before_the_invite_is_read_after_it(house: House, ada: Seat) -> None:
    """From the first word, without a shield; her answer and her reaction come back; asking twice says nothing twice."""
    room_id = await house.thread("first", "second", "third")
    await house.rig.edge.invite(room_id, ada.mxid)
    await house.rig.edge.invite(room_id, ada.mxid)
    await ada.join(room_id)
    await reads(ada, room_id, "first", "second", "third")
    again = [await house.rig.edge.send(room_id, Speaker.VOICE, "same", "m.room.message", {"body": "x"}) for _ in "ab"]
    assert again[0] == again[1] == await house.rig.edge.find(room_id, Speaker.VOICE, "same")
    await ada.say(room_id, "an answer é 😀")
    said = await house.rig.kept(Said, lambda i: i.room_id == room_id)
    assert (said.sender, said.content["body"]) == (ada.mxid, "an answer é 😀")
    item = await ada.find(room_id, "own answer", lambda i: i.event_id == said.event_id)
    await ada.react(room_id, item, "✋")
    await house.rig.kept(Plain, lambda i: i.type == "m.reaction" and i.sender == ada.mxid)


async def test_a_device_that_comes_late_reads_everything(house: House) -> None:
    """Somebody invited before having any device logs in afterwards and reads what was said, without a shield."""
    account = house.accounts["sol"]
    room_id = await house.thread("before there was a device")
    for place in (house.desk, room_id):
        await house.rig.edge.invite(place, account.mxid)
    await house.rig.matrix.keyring.rotate(room_id)
    await house.say(room_id, Speaker.VOICE, "in another session")
    sol = await OpenStrict(stood_in=[]).seat(house.url, account)
    try:
        for place in (house.desk, room_id):
            await sol.join(place)
            await sol.say(place, "hello")
        await reads(sol, room_id, "before there was a device", "in another session", "hello")
        assert (await house.rig.matrix.members.levels(house.desk))[account.mxid] == 50
    finally:
        await sol.stop()


async def test_a_death_between_receiving_and_committing(house: House, ada: Seat) -> None:
    """The response comes again: what she said meanwhile is there exactly once."""
    room_id = await house.thread("text")
    await house.rig.edge.invite(room_id, ada.mxid)
    await ada.join(room_id)
    await house.rig.kept(Membership, lambda i: i.room_id == room_id and i.membership == "join")
    died = asyncio.Event()

    class KilledError(Exception):
        pass

    def kill(point: CrashPoint) -> None:
        if point is CrashPoint.SYNC_RECEIVED:
            died.set()
            raise KilledError

    house.rig.crash = kill
    await ada.say(room_id, "said once")
    await asyncio.wait_for(died.wait(), 10)
    with contextlib.suppress(BaseExceptionGroup):
        await house.rig.stop()
    house.rig.crash = lambda _point: None
    await house.rig.start()
    await house.rig.kept(Said, lambda i: i.room_id == room_id)
    bodies = [i.content["body"] for i in house.rig.items if isinstance(i, Said) and i.room_id == room_id]
    assert bodies == ["said once"]
    await house.say(room_id, Speaker.VOICE, "after the restart")
    await reads(ada, room_id, "text", "said once", "after the restart")


async def test_who_is_removed_reads_no_further(house: House, ada: Seat, bea: CrossNio) -> None:
    """What is said after a removal is in a session that the removed person was never given; the others read on."""
    room_id = await house.thread("for both")
    for seat in (ada, bea):
        await house.rig.edge.invite(room_id, seat.mxid)
        await seat.join(room_id)
    await reads(bea, room_id, "for both")
    await house.rig.edge.remove(room_id, bea.mxid)
    await house.rig.edge.remove(room_id, bea.mxid)
    await house.rig.kept(Membership, lambda i: i.room_id == room_id and i.membership == "leave")
    await house.say(room_id, Speaker.VOICE, "for one")
    await reads(ada, room_id, "for both", "for one")
    rows = await house.rig.store.fetch(
        """SELECT s.active, x.user_id FROM matrix_session s JOIN matrix_sent x ON x.session_id = s.session_id
           WHERE s.room_id = $1""",
        room_id,
    )
    assert {(bool(row["active"]), row["user_id"]) for row in rows} == {
        (False, ada.mxid),
        (False, bea.mxid),
        (True, ada.mxid),
    }


async def test_the_line_voice_is_back_where_a_supervisor_removed_it(house: House, ada: Seat) -> None:
    """Removed or banned at the desk, it is invited and joins, in one more try too; whoever is there reads it as before."""
    sol = CrossNio(house.url, house.accounts["sol"])
    voice, edge = house.rig.edge.voice, house.rig.edge
    try:
        await sol.start()
        if house.desk not in await sol.joined():
            await edge.invite(house.desk, sol.mxid)
            await sol.join(house.desk)
        for step in ("kick", "ban"):
            before = sum(isinstance(item, Ousted) for item in house.rig.items)
            path = f"rooms/{quote(house.desk)}/{step}"
            assert await sol.call("POST", path, {"user_id": voice}) == 200

            async def missed(before: int = before) -> bool | None:
                return sum(isinstance(item, Ousted) for item in house.rig.items) > before or None

            await until("it is missed", missed)
            assert await edge.without_voice() == [house.desk]
            for _ in range(2):
                await edge.bring_back(house.desk, "")
            await until("it is in", lambda: _all_in(house))
            event_id = await house.say(house.desk, Speaker.VOICE, f"back after a {step}")
            seen = await ada.find(house.desk, "its words", lambda i, e=event_id: i.event_id == e and i.kind == "message")  # type: ignore[misc]
            assert seen.shield == NO_SHIELD
    finally:
        await sol.stop()


async def _all_in(house: House) -> bool | None:
    return await house.rig.edge.without_voice() == [] or None


async def test_an_unsigned_device_is_told_nothing_and_not_heard(house: House, bea: CrossNio) -> None:
    """It cannot read what we say, and what it says is untrusted."""
    unsigned = CrossNio(house.url, house.accounts["bea"], signed=False)
    await unsigned.start()
    try:
        event_id = await house.say(house.desk, Speaker.POLICY, "for signed devices")
        await bea.find(house.desk, "the signed device reads", lambda i: i.event_id == event_id and i.kind == "message")
        seen = await unsigned.find(house.desk, "the event is there", lambda i: i.event_id == event_id)
        assert seen.kind == "undecryptable"
        said = await unsigned.say(house.desk, "let me in")
        told = await house.rig.kept(Untrusted, lambda i: i.event_id == said.event_id)
        assert told.sender == bea.mxid
    finally:
        await unsigned.log_out()
        await unsigned.stop()


async def test_another_identity_has_to_be_confirmed(house: House, bea: CrossNio) -> None:
    """After a reset nothing is believed and nothing is sent, until the new master key is confirmed."""
    http, password = bea._http, house.accounts["bea"].password
    assert http is not None
    device = str(bea._client.device_id)
    await cross_sign(http, mxid=bea.mxid, password=password, device_id=device)
    changed = await house.rig.kept(IdentityChanged, lambda i: i.user_id == bea.mxid)
    said = await bea.say(house.desk, "it is still me")
    await house.rig.kept(Untrusted, lambda i: i.event_id == said.event_id)
    unread = await house.say(house.desk, Speaker.POLICY, "not for the new identity")
    seen = await bea.find(house.desk, "the event is there", lambda i: i.event_id == unread)
    assert seen.kind == "undecryptable"
    devices = house.rig.matrix.devices
    await house.rig.store.commit(lambda conn: devices.confirm(conn, bea.mxid, changed.master_key))
    house.rig.matrix.watch.wake()
    await bea.find(house.desk, "it is readable now", lambda i: i.event_id == unread and i.kind == "message")
    said = await bea.say(house.desk, "and now?")
    await house.rig.kept(Said, lambda i: i.event_id == said.event_id)
