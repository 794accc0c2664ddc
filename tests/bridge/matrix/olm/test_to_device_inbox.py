"""To-device messages that cannot be read: whose Olm session is healed, and that nobody keeps others from it."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.olm import to_device
from bridge.matrix.olm.to_device import ToDeviceBatch
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import know_ada, sync_with

ROWS = "SELECT COUNT(*) FROM crypto_olm_session"


def garbage(own: str, sender: str, sender_key: str) -> dict[str, Any]:
    ciphertext = {own: {"type": 1, "body": "AwogAAAA"}}
    content = {"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": sender_key, "ciphertext": ciphertext}
    return {"sender": sender, "type": "m.room.encrypted", "content": content}


@pytest.mark.parametrize("mxid", [POLICY, PUPPET])
async def test_strangers_keep_no_session_from_healing(rig: Rig, server: ScriptedHomeserver, mxid: str) -> None:
    """A hundred messages of garbage under any key: a colleague's session is noted all the same, and begun again."""
    ada = await know_ada(rig, server)
    own = server.ours[mxid].curve25519
    noise = [garbage(own, "@eve:x", f"garbage{n}") for n in range(100)]
    noise += [garbage(own, ada.mxid, f"garbage{n}") for n in range(100)]
    sync = rig.matrix.sync if mxid == POLICY else rig.matrix.puppet_sync
    for events in (noise, [garbage(own, ada.mxid, ada.curve25519)]):
        server.queue_sync({"to_device": {"events": events}}, puppet=mxid == PUPPET)
        await sync.run_once()
    await rig.matrix.key_uploads[mxid].run_once()
    assert [ada.decrypt_to_device(event)["type"] for event in server.sent_to(ada)] == ["m.dummy"]


@pytest.mark.parametrize("response", [{}, {"device_one_time_keys_count": {}}, {"device_one_time_keys_count": {"other": 9}}])
async def test_no_count_is_a_count_of_zero(rig: Rig, server: ScriptedHomeserver, response: dict[str, Any]) -> None:
    """A homeserver that has no one-time keys may say so by saying nothing: new ones are made."""
    await sync_with(rig, server, response)
    before = len(server.ours[POLICY].one_time_keys)
    await rig.matrix.key_uploads[POLICY].run_once()
    assert len(server.ours[POLICY].one_time_keys) == before + 50


@pytest.mark.parametrize("mxid", [POLICY, PUPPET])
async def test_a_first_message_by_the_fallback_key_comes_twice(rig: Rig, server: ScriptedHomeserver, mxid: str) -> None:
    """It is read once and stops nothing: its session stays, what comes with it is read, and the session is healed."""
    ada = await know_ada(rig, server)
    inbox = Inbox(rig, server, mxid)
    opened: list[str] = []
    inbox.sync._take = record(opened)
    inbox.own.one_time_keys[:] = [inbox.own.fallback_key]
    first = ada.to_device(inbox.own, "m.dummy", {})
    await inbox.take(first)
    await inbox.take(first, ada.to_device(inbox.own, "m.dummy", {}))
    assert opened == [ada.mxid] * 2
    assert rig.unhandled == []
    assert await inbox.rows() == 2, "with the session that heals it"
    assert [ada.decrypt_to_device(event)["type"] for event in server.sent_to(ada)] == ["m.dummy"]


class Inbox:
    """What is sent to one of our identities."""

    def __init__(self, rig: Rig, server: ScriptedHomeserver, mxid: str) -> None:
        self.server, self.mxid, self.own = server, mxid, server.ours[mxid]
        self.database = rig.database if mxid == POLICY else rig.puppet_database
        self.sync = rig.matrix.sync if mxid == POLICY else rig.matrix.puppet_sync
        self._upload = rig.matrix.key_uploads[mxid]

    async def take(self, *events: dict[str, Any], **more: Any) -> None:
        """Give the identity these messages in one response, and have it make new one-time keys."""
        response = {"to_device": {"events": list(events)}, "device_one_time_keys_count": {"signed_curve25519": 0}, **more}
        self.server.queue_sync(response, puppet=self.mxid == PUPPET)
        await self.sync.run_once()
        await self._upload.run_once()

    def new_devices(self, count: int, mxid: str = "@eve:x") -> list[dict[str, Any]]:
        """Return what so many devices of a person send, each its first message."""
        return [ClientDevice(mxid).to_device(self.own, "m.dummy", {}) for _ in range(count)]

    async def flood(self, mxid: str = "@eve:x") -> None:
        """Have a person send from four times as many devices as are kept."""
        for _ in range(10):
            await self.take(*self.new_devices(40, mxid))

    async def rows(self) -> int:
        return int(await self.database.fetchval(ROWS))


@pytest.mark.parametrize("mxid", [POLICY, PUPPET])
async def test_strangers_with_ever_new_keys_fill_nothing(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch, mxid: str
) -> None:
    """Many valid first messages, each under a key of its own: few sessions stay, and a colleague's of before too."""
    ada = await know_ada(rig, server)
    inbox = Inbox(rig, server, mxid)
    await inbox.take(ada.to_device(inbox.own, "m.dummy", {}))
    monkeypatch.setattr(to_device, "MAX_STRANGERS", 100)
    await inbox.flood()
    assert 100 < await inbox.rows() <= 201
    opened: list[str] = []
    inbox.sync._take = record(opened)
    await inbox.take(ada.to_device(inbox.own, "m.dummy", {}), *inbox.new_devices(1))
    assert opened == [ada.mxid, "@eve:x"]


def record(opened: list[str]) -> Any:
    """Return a writer that records whose messages were opened."""

    async def write(_transaction: Any, _response: Any, batch: ToDeviceBatch, _gaps: Any) -> None:
        opened.extend(message.sender for message in batch.messages)

    return write
