"""What mautrix makes of the adapter: its store on SQLite, its two machines, its attachments and its secret storage."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import bridge.matrix  # noqa: F401 -- first: it takes libolm's place

# isort: split
from mautrix.crypto import OlmMachine, OutboundGroupSession, PgCryptoStore
from mautrix.crypto.attachments import decrypt_attachment, encrypt_attachment
from mautrix.crypto.cross_signing_key import CrossSigningSeeds
from mautrix.crypto.signature import sign_olm, verify_signature_json
from mautrix.crypto.ssss.key import Key
from mautrix.errors import DecryptionError
from mautrix.types import (
    DeviceID,
    DeviceIdentity,
    EncryptedEvent,
    EncryptedMegolmEventContent,
    EncryptedOlmEventContent,
    EventID,
    EventType,
    OlmCiphertext,
    OlmMsgType,
    RoomID,
    SessionID,
    ToDeviceEvent,
    TrustState,
    UserID,
)
from mautrix.util.async_db import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ROOM = RoomID("!thread")
ALICE, BOB = UserID("@alice:test"), UserID("@bob:test")
WORDS = "I am at my sister's"


@asynccontextmanager
async def opened(path: Path, user: UserID) -> AsyncIterator[Any]:
    """Open a crypto store of its own in a file, closed whatever happens: an open SQLite thread outlives the tests."""
    database = Database.create(
        f"sqlite:///{path / user[1:4]}.db", upgrade_table=PgCryptoStore.upgrade_table, db_args={"min_size": 1}
    )
    await database.start()
    try:
        yield PgCryptoStore("", f"pickle key of {user}", database)
    finally:
        await database.stop()


class Client:
    """As much of a Matrix client as a machine asks for when its store knows the other side's devices."""

    def __init__(self, mxid: UserID, device_id: DeviceID) -> None:
        self.mxid, self.device_id = mxid, device_id

    def add_event_handler(self, *_args: Any, **_kwargs: Any) -> None:
        pass


class Machine(OlmMachine):
    """mautrix's, which after a failure would ask the homeserver for a new session; here there is none."""

    async def _unwedge_session(self, sender: UserID, sender_key: str) -> None:
        pass


async def machine(database: Any, user: UserID) -> Any:  # Any: mautrix types hardly any of this as it is
    client: Any = Client(user, DeviceID(user[1:4].upper()))
    nothing: Any = None
    olm_machine = Machine(client, database, state_store=nothing)
    await olm_machine.load()
    return olm_machine


def device(of: Any) -> DeviceIdentity:
    return DeviceIdentity(
        user_id=of.client.mxid,
        device_id=of.client.device_id,
        identity_key=of.account.identity_key,
        signing_key=of.account.signing_key,
        trust=TrustState.VERIFIED,
        deleted=False,
        name="",
    )


async def room_key(alice: Any, bob: Any, group: OutboundGroupSession) -> Any:
    """Alice's first Olm message to Bob, carrying the key of `group`, as the homeserver would hand it over."""
    keys = bob.account.get_one_time_keys(BOB, bob.client.device_id, 0)
    assert len(keys) == 50
    key_id, signed = keys.popitem()
    assert verify_signature_json(signed, BOB, bob.client.device_id, bob.account.signing_key), key_id
    bob.account.mark_keys_as_published()
    session = alice.account.new_outbound_session(bob.account.identity_key, signed["key"])
    await alice.crypto_store.add_session(bob.account.identity_key, session)
    content = group.share_content
    content.beeper_max_age_ms, content.beeper_max_messages = 604_800_000, 100
    encrypted = await alice._encrypt_olm_event(session, device(bob), EventType.ROOM_KEY, content)
    return to_device(encrypted)


def to_device(content: EncryptedOlmEventContent) -> ToDeviceEvent:
    return ToDeviceEvent(type=EventType.TO_DEVICE_ENCRYPTED, sender=ALICE, content=content)


def room_event(group: OutboundGroupSession, ciphertext: Any, sender_key: Any) -> EncryptedEvent:
    content: Any = EncryptedMegolmEventContent(
        ciphertext=ciphertext, session_id=SessionID(group.id), sender_key=sender_key, device_id=DeviceID("ALI")
    )
    return EncryptedEvent(
        type=EventType.ROOM_ENCRYPTED, room_id=ROOM, event_id=EventID("$1"), sender=ALICE, timestamp=1, content=content
    )


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def pickles(database: Any) -> list[bytes]:
    return [row["session"] for row in await database.db.fetch("SELECT session FROM crypto_olm_session")]


async def test_a_room_key_and_a_text_go_from_one_machine_to_the_other(tmp_path: Path) -> None:
    """Over Olm, Megolm and both stores; and afterwards no stored session carries the plaintext of its first message."""
    async with opened(tmp_path, ALICE) as at_alice, opened(tmp_path, BOB) as at_bob:
        alice, bob = await machine(at_alice, ALICE), await machine(at_bob, BOB)
        await at_bob.put_devices(ALICE, {alice.client.device_id: device(alice)})
        group = OutboundGroupSession(ROOM)
        group.shared = True
        await bob.handle_to_device_event(await room_key(alice, bob, group))
        assert [pickle.count(b".") for pickle in await pickles(at_bob)] == [2]

        await at_alice.add_outbound_group_session(group)
        encrypted = await alice.encrypt_megolm_event(ROOM, EventType.ROOM_MESSAGE, {"msgtype": "m.text", "body": WORDS})
        event = await bob.decrypt_megolm_event(room_event(group, encrypted.ciphertext, alice.account.identity_key))
        assert event.content.body == WORDS
        assert event["mautrix"]["trust_state"] is TrustState.VERIFIED


async def test_a_stop_between_making_a_session_and_reading_loses_nothing(tmp_path: Path) -> None:
    """The stored session still holds its first message, sealed; the next process reads it, and then it is gone."""
    async with opened(tmp_path, ALICE) as at_alice:
        group = OutboundGroupSession(ROOM)
        async with opened(tmp_path, BOB) as at_bob:
            alice, bob = await machine(at_alice, ALICE), await machine(at_bob, BOB)
            event = await room_key(alice, bob, group)
            body = event.content.ciphertext[bob.account.identity_key].body
            await bob._create_inbound_session(event.content.sender_key, body)
            (pickle,) = await pickles(at_bob)
            assert pickle.count(b".") == 3
        async with opened(tmp_path, BOB) as at_bob:
            bob = await machine(at_bob, BOB)
            await bob.handle_to_device_event(event)
            assert await at_bob.has_group_session(ROOM, SessionID(group.id))
            assert [pickle.count(b".") for pickle in await pickles(at_bob)] == [2]
        on_disk = everything_in(tmp_path)
        assert group.session_key.encode() not in on_disk
        assert re.search(rb"ql1\.[A-Za-z0-9+/=]{24}\.", on_disk), "the pickles are not where this test looks"


@pytest.mark.parametrize("body", [None, 5, "", "\ud800", "AAAA", "A", "Awog", "é", ["x"], {}, b"\3", "AwoA" * 200])
@pytest.mark.parametrize("kind", list(OlmMsgType))
async def test_a_malformed_to_device_message_is_a_decryption_error(tmp_path: Path, body: Any, kind: OlmMsgType) -> None:
    """With and without a session to try it on, mautrix raises what its callers catch, and the machine goes on."""
    async with opened(tmp_path, ALICE) as at_alice, opened(tmp_path, BOB) as at_bob:
        alice, bob = await machine(at_alice, ALICE), await machine(at_bob, BOB)
        good = await room_key(alice, bob, OutboundGroupSession(ROOM))
        bad = EncryptedOlmEventContent(
            ciphertext={bob.account.identity_key: OlmCiphertext(type=kind, body=body)},
            sender_key=alice.account.identity_key,
        )
        with pytest.raises(DecryptionError):
            await bob.handle_to_device_event(to_device(bad))
        await bob.handle_to_device_event(good)
        with pytest.raises(DecryptionError):
            await bob.handle_to_device_event(to_device(bad))


def test_cross_signing_secret_storage_and_attachments_work() -> None:
    """Keys from seeds that went through secret storage sign what mautrix verifies; an attachment opens again."""
    seeds, storage = CrossSigningSeeds.generate(), Key.generate()
    sealed = storage.encrypt("m.cross_signing.master", seeds.master_key)
    keys = seeds._replace(master_key=storage.decrypt("m.cross_signing.master", sealed)).to_keys()
    assert keys.public_keys == seeds.to_keys().public_keys
    for key, public in zip(keys, keys.public_keys, strict=True):
        signed: Any = {"usage": ["self_signing"]}
        signed["signatures"] = {ALICE: {f"ed25519:{public}": sign_olm(dict(signed), key)}}
        assert verify_signature_json(signed, ALICE, public, public)
        signed["usage"] = []
        assert not verify_signature_json(signed, ALICE, public, public)
    ciphertext, file = encrypt_attachment(WORDS.encode())
    assert decrypt_attachment(ciphertext, file.key.key, file.hashes["sha256"], file.iv) == WORDS.encode()
