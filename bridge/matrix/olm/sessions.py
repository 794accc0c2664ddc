"""One identity's Olm account and its Olm sessions with other devices, for to-device messages.

Rule of this module: everything here happens inside a commit of the identity's database, and begins with the account read
from it (`begin`), so a rolled-back commit undoes all of it. Every message we send carries our signed device keys (MSC4147).

Source: https://spec.matrix.org/latest/client-server-api/#molmv1curve25519-aes-sha2
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias

from mautrix.crypto.account import OlmAccount
from mautrix.crypto.sessions import Session
from mautrix.types import IdentityKey, OlmCiphertext, OlmMsgType

from bridge.matrix.api.json_fields import Json, MalformedJson, as_object, dumps, int_field, loads, object_at, string_field
from bridge.matrix.olm.cross_signing import OLM, Device
from bridge.matrix.olm.olm_store import OlmStore
from bridge.matrix.olm.vodozemac_olm import OlmSessionError
from bridge.storage.database import Transaction

MAX_SESSIONS: Final = 16
"""Sessions kept per device; the ones unused for longest go first."""


SessionBegun: TypeAlias = Callable[[Transaction, str, str], Awaitable[None]]
"""Called with the sender and the identity key of a message that began a session."""


class Wedged(Exception):  # noqa: N818 - a condition of a session, which the caller repairs
    """The sender's Olm session and ours do not match (any more); a new session replaces both."""

    def __init__(self, sender_key: str) -> None:
        super().__init__()
        self.sender_key = sender_key


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDeviceMessage:
    """A decrypted to-device message. `signing_key` is what the sender claims; only a device list can confirm it.

    `lost_ours`: the device has begun an Olm session although there was one, with `m.dummy` or without: our session began
    with a one-time key that was used up, which the homeserver hands out again after a rollback.
    """

    sender: str
    sender_key: str
    signing_key: str
    type: str
    content: Json = field(repr=False)
    lost_ours: bool = False


class NoAccount(Exception):  # noqa: N818 - the name states a fact
    """The identity has no Olm account: its row is damaged or missing."""


class OlmChannel:
    """Decrypts and encrypts to-device messages of one identity. Every method runs inside a commit."""

    def __init__(self, *, user_id: str, device_id: str, olm_store: OlmStore) -> None:
        self._user_id = user_id
        self._device_id = device_id
        self._olm_store = olm_store
        self.device_keys: Json = {}
        """Our device keys, cross-signed: set once the identity has them."""

    def use(self, device_id: str, device_keys: Json) -> None:
        """Use this device from now on."""
        self._device_id, self.device_keys = device_id, device_keys

    async def begin(self, transaction: Transaction) -> OlmAccount:
        """Load the account. First in every commit. Raises `NoAccount`, and `OlmAccountError` for one that is damaged."""
        account = await self._olm_store.account(transaction)
        if account is None:
            raise NoAccount
        return account

    async def save(self, transaction: Transaction, account: OlmAccount) -> None:
        """Write the account."""
        await self._olm_store.update_account(transaction, account)

    async def decrypt(
        self, transaction: Transaction, account: OlmAccount, sender: str, content: Json, *, on_begin: SessionBegun
    ) -> ToDeviceMessage:
        """Decrypt one `m.room.encrypted` to-device message. Raises `MalformedJson` or :class:`Wedged`.

        `on_begin` is called when the message began a session.
        """
        if content.get("algorithm") != OLM:
            raise MalformedJson("algorithm")
        sender_key = string_field(content, "sender_key", longest=64)
        own = as_object(object_at(content, "ciphertext").get(account.identity_key), "ciphertext")
        kind, body = int_field(own, "type"), string_field(own, "body")
        if kind not in {0, 1}:
            raise MalformedJson("type")
        sessions = await self._olm_store.sessions(transaction, sender_key)
        plaintext, new = await self._plaintext(transaction, account, sender_key, sessions, OlmMsgType(kind), body)
        if new:
            await on_begin(transaction, sender, sender_key)
        message = self._message(loads(plaintext), account, sender, sender_key)
        return replace(message, lost_ours=message.type == "m.dummy" or (new and bool(sessions)))

    async def has_session(self, transaction: Transaction, device: Device) -> bool:
        """Whether there is an Olm session with the device."""
        return await self._olm_store.has_session(transaction, device.curve25519)

    async def open(self, transaction: Transaction, account: OlmAccount, device: Device, one_time_key: str) -> None:
        """Begin a session with one of the device's one-time keys. Raises `OlmSessionError` when the keys are no keys."""
        key = IdentityKey(device.curve25519)
        session = account.new_outbound_session(key, IdentityKey(one_time_key))
        _make_latest(session, await self._olm_store.sessions(transaction, device.curve25519))
        await self._olm_store.add_session(transaction, device.curve25519, session)

    async def encrypt(
        self, transaction: Transaction, account: OlmAccount, device: Device, kind: str, content: Json
    ) -> dict[str, Any]:
        """Return the content of an `m.room.encrypted` to-device event for a device with a session."""
        session = await self._olm_store.latest_session(transaction, device.curve25519)
        if session is None:
            raise RuntimeError("there is no Olm session with the device")
        payload = {
            "sender": self._user_id,
            "sender_device": self._device_id,
            "keys": {"ed25519": account.signing_key},
            "recipient": device.user_id,
            "recipient_keys": {"ed25519": device.ed25519},
            "type": kind,
            "content": content,
            "sender_device_keys": self.device_keys,
        }
        message = session.encrypt(dumps(payload))
        await self._olm_store.update_session(transaction, session)
        return {
            "algorithm": OLM,
            "sender_key": account.identity_key,
            "ciphertext": {device.curve25519: {"type": int(message.type), "body": message.body}},
        }

    async def _plaintext(
        self,
        transaction: Transaction,
        account: OlmAccount,
        sender_key: str,
        sessions: Sequence[Session],
        kind: OlmMsgType,
        body: str,
    ) -> tuple[str, bool]:
        key, message = IdentityKey(sender_key), OlmCiphertext(type=kind, body=body)
        for session in sessions:
            if kind == OlmMsgType.PREKEY and not session.matches(body):
                continue
            try:
                plaintext = session.decrypt(message)
            except OlmSessionError:
                if kind == OlmMsgType.PREKEY:
                    # It was read before, or is damaged. The fallback key could begin the same session, with the same id,
                    # once more; nothing new can come of that.
                    raise Wedged(sender_key) from None
                continue
            _make_latest(session, sessions)
            await self._olm_store.update_session(transaction, session)
            return str(plaintext), False
        if kind != OlmMsgType.PREKEY:
            raise Wedged(sender_key)
        try:
            new_session = account.new_inbound_session(key, body)
            plaintext = new_session.decrypt(message)
        except OlmSessionError:
            raise Wedged(sender_key) from None
        _make_latest(new_session, sessions)
        await self._olm_store.update_account(transaction, account)
        await self._olm_store.add_session(transaction, sender_key, new_session)
        await self._olm_store.prune(transaction, sender_key, most=MAX_SESSIONS)
        return str(plaintext), True

    def _message(self, payload: Json, account: OlmAccount, sender: str, sender_key: str) -> ToDeviceMessage:
        if (
            string_field(payload, "sender") != sender
            or string_field(payload, "recipient") != self._user_id
            or string_field(object_at(payload, "recipient_keys"), "ed25519") != account.signing_key
        ):
            raise MalformedJson("sender or recipient")
        signing_key = string_field(object_at(payload, "keys"), "ed25519", longest=64)
        device_keys = payload.get("sender_device_keys")
        if device_keys is not None:
            publics = object_at(as_object(device_keys, "sender_device_keys"), "keys").values()
            if device_keys.get("user_id") != sender or not {sender_key, signing_key} <= set(publics):
                raise MalformedJson("sender_device_keys")
        return ToDeviceMessage(
            sender=sender,
            sender_key=sender_key,
            signing_key=signing_key,
            type=string_field(payload, "type", longest=255),
            content=as_object(payload.get("content"), "content"),
        )


def _make_latest(session: Session, sessions: Sequence[Session]) -> None:
    """Have a session count as the last one used of these sessions of a device.

    The clock may be behind their times: they are local, and repeat for an hour in autumn.
    """
    for other in sessions:
        if other is not session and other.last_decrypted >= session.last_decrypted:
            session.last_decrypted = other.last_decrypted + timedelta(microseconds=1)
