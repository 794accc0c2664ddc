"""`bridge/matrix` against a real Synapse, with real clients as the staff.

Rule of this module: one homeserver for all of it, the tests build on one another's rooms no more than fixtures say, and an
event counts as read only when the client shows it without a shield.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bot.model.actions import Speaker
from bridge.matrix.api.events import DecryptedMessage, IdentityChanged, Membership, UnencryptedEvent, UntrustedMessage
from bridge.matrix.api.http_client import UnknownDevice
from bridge.matrix.room_keys.outbound_table import rotate_sessions
from bridge.matrix.rooms.room_state import levels_of
from bridge.runtime.crash_points import CrashPoint
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import mxid, open_secrets, run_homeserver
from tests.bridge.matrix.rig import Rig
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.cross_signing import cross_sign
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.e2e.staff_client import NO_SHIELD, Account, StaffClient
from tests.fakes.provisioned_homeserver import provision, put_homeserver
from tests.free_ports import free_ports

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.e2e]


@dataclass(slots=True)
class LiveHomeserver:
    """A rig at work on a real homeserver, with a desk, and who may log in."""

    rig: Rig
    url: str
    desk: str
    accounts: dict[str, Account]
    count: int = 0

    async def say(self, room_id: str, speaker: Speaker, body: str) -> str:
        self.count += 1
        content = {"msgtype": "m.text", "body": body}
        return await self.rig.room_client.send(room_id, speaker, f"txn{self.count}", "m.room.message", content)

    async def thread(self, *bodies: str) -> str:
        """Make a thread room in which the texter has said this."""
        room_id = await self.rig.room_client.create_room("thread", "amber heron", owner="t", supervisors=[])
        for body in bodies:
            await self.say(room_id, Speaker.TEXTER, body)
        return room_id

    async def seated(self, seat: StaffClient) -> StaffClient:
        """Invite a person to the desk; there they say hello, and are greeted by both."""
        await self.rig.room_client.invite(self.desk, seat.mxid)
        await seat.join(self.desk)
        await seat.say(self.desk, "hello")
        await self.rig.wait_for(DecryptedMessage, lambda i: i.sender == seat.mxid and i.content["body"] == "hello")
        for speaker in Speaker:
            event_id = await self.say(self.desk, speaker, f"welcome from the {speaker.value}")
            item = await seat.find(self.desk, "the greeting", lambda i, e=event_id: i.event_id == e and i.kind == "message")  # type: ignore[misc]
            assert item.shield == NO_SHIELD
        return seat


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveHomeserver]:
    directory = tmp_path_factory.mktemp("house")
    layout, ports = Layout(directory / "line"), Ports(free_ports())
    await put_homeserver(layout)
    staff = await provision(layout, ports)
    secrets = open_secrets(layout)
    async with run_homeserver(layout, ports):
        url = ports.url("homeserver")
        rig = Rig(directory=directory, url=url, token=secrets.read(secrets.as_token))
        accounts = {a.user: Account(user=a.user, mxid=mxid(a.user), password=a.password, role=a.role) for a in staff}
        try:
            await rig.start()
            desk = await rig.room_client.create_room("desk", "desk", owner="desk", supervisors=[accounts["sol"].mxid])
            yield LiveHomeserver(rig=rig, url=url, desk=desk, accounts=accounts)
        finally:
            await rig.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(live: LiveHomeserver) -> AsyncIterator[StaffClient]:
    seat = await StrictClientFactory(fallbacks=[]).log_in(live.url, live.accounts["ada"])
    try:
        yield await live.seated(seat)
    finally:
        await seat.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bea(live: LiveHomeserver) -> AsyncIterator[NioClient]:
    seat = NioClient(live.url, live.accounts["bea"])
    try:
        await seat.start()
        await live.seated(seat)
        yield seat
    finally:
        await seat.stop()


async def shown(seat: StaffClient, room_id: str) -> list[tuple[str, str]]:
    """Return bodies and shields of all messages of a room."""
    return [(i.body or i.cause, i.shield) for i in await seat.whole(room_id) if i.kind in {"message", "undecryptable"}]


async def reads(seat: StaffClient, room_id: str, *bodies: str) -> None:
    """Wait until a person reads exactly this, without a shield."""
    expected = [(body, NO_SHIELD) for body in bodies]

    async def probe() -> bool | None:
        return await shown(seat, room_id) == expected or None

    async def seen() -> str:
        return str(await shown(seat, room_id))

    await wait_until(f"{seat.mxid} reads everything", probe, within=60, seen=seen)


async def test_what_was_texted_before_the_invite_is_read_after_it(live: LiveHomeserver, ada: StaffClient) -> None:
    """From the first word, without a shield; her answer and her reaction come back; asking twice says nothing twice."""
    room_id = await live.thread("first", "second", "third")
    await live.rig.room_client.invite(room_id, ada.mxid)
    await live.rig.room_client.invite(room_id, ada.mxid)
    await ada.join(room_id)
    await reads(ada, room_id, "first", "second", "third")
    again = [
        await live.rig.room_client.send(room_id, Speaker.TEXTER, "same", "m.room.message", {"body": "x"}) for _ in "ab"
    ]
    assert again[0] == again[1] == await live.rig.room_client.find(room_id, Speaker.TEXTER, "same")
    await ada.say(room_id, "an answer é 😀")
    said = await live.rig.wait_for(DecryptedMessage, lambda i: i.room_id == room_id)
    assert (said.sender, said.content["body"]) == (ada.mxid, "an answer é 😀")
    item = await ada.find(room_id, "own answer", lambda i: i.event_id == said.event_id)
    await ada.react(room_id, item, "✋")
    await live.rig.wait_for(UnencryptedEvent, lambda i: i.type == "m.reaction" and i.sender == ada.mxid)


@pytest.mark.parametrize("speaker", [Speaker.TEXTER, Speaker.POLICY])
async def test_a_deleted_device_is_replaced(live: LiveHomeserver, ada: StaffClient, speaker: Speaker) -> None:
    """As an administrator's "sign out everywhere" does it: another device of the identity is heard, without a shield."""
    room_id = await live.thread("before")
    await live.rig.room_client.invite(room_id, ada.mxid)
    await ada.join(room_id)
    await reads(ada, room_id, "before")
    identity = live.rig.matrix.puppet if speaker is Speaker.TEXTER else live.rig.matrix.policy
    old, created = identity.device_id, live.rig.clock.now()
    unanswered = await live.say(room_id, speaker, "its answer got lost")
    txn = f"txn{live.count}"
    await identity.client.without_device().request("DELETE", "devices", old)
    with pytest.raises(UnknownDevice):
        await live.say(room_id, speaker, "lost")

    async def renewed() -> bool | None:
        return (identity.device_id != old and not identity.client.suspended) or None

    await wait_until("there is another device", renewed, within=60)
    assert not live.rig.room_client.knows_transactions_since(speaker, created)
    assert await live.rig.room_client.find(room_id, speaker, txn) == unanswered
    said = await live.say(room_id, speaker, "after")
    item = await ada.find(room_id, "its words", lambda i: i.event_id == said and i.kind == "message")
    assert item.shield == NO_SHIELD
    # what it hears still comes: keys for its new device, from a client that had a session with the old one
    await ada.say(room_id, f"heard by the {speaker.value}")
    await live.rig.wait_for(DecryptedMessage, lambda i: i.content["body"] == f"heard by the {speaker.value}")


async def test_another_identity_has_to_be_confirmed(live: LiveHomeserver, bea: NioClient) -> None:
    """After a reset nothing is believed and nothing is sent, until the new master key is confirmed."""
    http, password = bea._http, live.accounts["bea"].password
    assert http is not None
    device = str(bea._client.device_id)
    await cross_sign(http, mxid=bea.mxid, password=password, device_id=device)
    changed = await live.rig.wait_for(IdentityChanged, lambda i: i.user_id == bea.mxid)
    said = await bea.say(live.desk, "it is still me")
    await live.rig.wait_for(UntrustedMessage, lambda i: i.event_id == said.event_id)
    unread = await live.say(live.desk, Speaker.POLICY, "not for the new identity")
    item = await bea.find(live.desk, "the event is there", lambda i: i.event_id == unread)
    assert item.kind == "undecryptable"
    devices = live.rig.matrix.devices
    await live.rig.database.commit(lambda transaction: devices.confirm(transaction, bea.mxid, changed.master_key))
    live.rig.matrix.device_updates.wake()
    await bea.find(live.desk, "it is readable now", lambda i: i.event_id == unread and i.kind == "message")
    said = await bea.say(live.desk, "and now?")
    await live.rig.wait_for(DecryptedMessage, lambda i: i.event_id == said.event_id)


async def test_a_device_that_comes_late_reads_everything(live: LiveHomeserver) -> None:
    """A person invited before having any device logs in afterwards and reads what was said, without a shield."""
    account = live.accounts["sol"]
    room_id = await live.thread("before there was a device")
    for place in (live.desk, room_id):
        await live.rig.room_client.invite(place, account.mxid)
    await live.rig.database.commit(lambda transaction: rotate_sessions(transaction, room_id))
    await live.say(room_id, Speaker.TEXTER, "in another session")
    sol = await StrictClientFactory(fallbacks=[]).log_in(live.url, account)
    try:
        for place in (live.desk, room_id):
            await sol.join(place)
            await sol.say(place, "hello")
        await reads(sol, room_id, "before there was a device", "in another session", "hello")
        assert (await levels_of(live.rig.database, live.desk))[account.mxid] == 50
    finally:
        await sol.stop()


async def test_a_death_between_receiving_and_committing(live: LiveHomeserver, ada: StaffClient) -> None:
    """The response comes again: what she said meanwhile is there exactly once."""
    room_id = await live.thread("text")
    await live.rig.room_client.invite(room_id, ada.mxid)
    await ada.join(room_id)
    await live.rig.wait_for(Membership, lambda i: i.room_id == room_id and i.membership == "join")
    died = asyncio.Event()

    class KilledError(Exception):
        pass

    def kill(point: CrashPoint) -> None:
        if point is CrashPoint.SYNC_RECEIVED:
            died.set()
            raise KilledError

    live.rig.crash = kill
    await ada.say(room_id, "said once")
    await asyncio.wait_for(died.wait(), STEP_TIMEOUT)
    with contextlib.suppress(BaseExceptionGroup):
        await live.rig.stop()
    live.rig.crash = lambda _point: None
    await live.rig.start()
    await live.rig.wait_for(DecryptedMessage, lambda i: i.room_id == room_id)
    bodies = [i.content["body"] for i in live.rig.events if isinstance(i, DecryptedMessage) and i.room_id == room_id]
    assert bodies == ["said once"]
    await live.say(room_id, Speaker.TEXTER, "after the restart")
    await reads(ada, room_id, "text", "said once", "after the restart")


async def test_who_is_removed_reads_no_further(live: LiveHomeserver, ada: StaffClient, bea: NioClient) -> None:
    """What is said after a removal is in a session that the removed person was never given; the others read on."""
    room_id = await live.thread("for both")
    for seat in (ada, bea):
        await live.rig.room_client.invite(room_id, seat.mxid)
        await seat.join(room_id)
    await reads(bea, room_id, "for both")
    await live.rig.room_client.remove(room_id, bea.mxid)
    await live.rig.room_client.remove(room_id, bea.mxid)
    await live.rig.wait_for(Membership, lambda i: i.room_id == room_id and i.membership == "leave")
    await live.say(room_id, Speaker.TEXTER, "for one")
    await reads(ada, room_id, "for both", "for one")
    rows = await live.rig.database.fetch(
        """SELECT s.active, x.user_id FROM matrix_session s JOIN matrix_sent x ON x.session_id = s.session_id
           WHERE s.room_id = $1""",
        room_id,
    )
    assert {(bool(row["active"]), row["user_id"]) for row in rows} == {
        (False, ada.mxid),
        (False, bea.mxid),
        (True, ada.mxid),
    }


async def test_an_unsigned_device_is_told_nothing_and_not_heard(live: LiveHomeserver, bea: NioClient) -> None:
    """It cannot read what we say, and what it says is untrusted."""
    unsigned = NioClient(live.url, live.accounts["bea"], signed=False)
    await unsigned.start()
    try:
        event_id = await live.say(live.desk, Speaker.POLICY, "for signed devices")
        await bea.find(live.desk, "the signed device reads", lambda i: i.event_id == event_id and i.kind == "message")
        item = await unsigned.find(live.desk, "the event is there", lambda i: i.event_id == event_id)
        assert item.kind == "undecryptable"
        said = await unsigned.say(live.desk, "let me in")
        message = await live.rig.wait_for(UntrustedMessage, lambda i: i.event_id == said.event_id)
        assert message.sender == bea.mxid
    finally:
        await unsigned.log_out()
        await unsigned.stop()
