"""Another person's device, down to the bytes: an Olm account, Megolm sessions, cross-signing keys.

Rule of this module: it does what a client does and, where a test asks for it, what a client must not do.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from bridge.matrix.olm.cross_signing import MEGOLM, OLM, CrossSigningSeeds, device_signing_body, self_sign, with_signature
from bridge.matrix.olm.vodozemac_olm import PREKEY, Account, InboundGroupSession, OutboundGroupSession, Session


@dataclass(slots=True)
class UploadedKeys:
    """What one of our identities has uploaded."""

    user_id: str
    curve25519: str
    ed25519: str
    one_time_keys: list[str]
    fallback_key: str = ""

    def claim(self) -> dict[str, Any] | None:
        """Take the oldest one-time key, or say the fallback key, as `/keys/claim` answers it."""
        if self.one_time_keys:
            return {"signed_curve25519:one": {"key": self.one_time_keys.pop(0)}}
        return {"signed_curve25519:last": {"key": self.fallback_key, "fallback": True}} if self.fallback_key else None


class ClientDevice:
    """One device of one user. `cross_signed`: whether the user's identity vouches for it."""

    def __init__(self, mxid: str, device_id: str = "", *, cross_signed: bool = True) -> None:
        self.mxid = mxid
        self.device_id = device_id or secrets.token_hex(5).upper()
        self.cross_signed = cross_signed
        self.account = Account()
        self.seeds = _seeds()
        self.groups: dict[str, OutboundGroupSession] = {}
        self._to: dict[str, Session] = {}
        self._events = 0
        self.signs_one_time_keys = True
        self.has_identity = True

    def another_device(self) -> ClientDevice:
        """Return another device of this user, under the same identity."""
        other = ClientDevice(self.mxid)
        other.seeds = self.seeds
        return other

    @property
    def curve25519(self) -> str:
        return self.account.identity_key

    def new_identity(self) -> None:
        """Reset the cross-signing keys, and sign the device with the new ones."""
        self.seeds = _seeds()

    @property
    def master_key(self) -> str:
        return str(next(iter(device_signing_body(self.mxid, self.seeds)["master_key"]["keys"].values())))

    def keys_query_response(self) -> dict[str, Any]:
        """Return what `/keys/query` says of this person."""
        bare = {
            "user_id": self.mxid,
            "device_id": self.device_id,
            "algorithms": [OLM, MEGOLM],
            "keys": {
                f"curve25519:{self.device_id}": self.curve25519,
                f"ed25519:{self.device_id}": self.account.signing_key,
            },
        }
        keys = with_signature(bare, self.mxid, self.device_id, self.account.sign)
        if not self.has_identity:
            return {"device_keys": {self.mxid: {self.device_id: keys}}}
        if self.cross_signed:
            keys = self_sign(keys, self.mxid, self.seeds)
        identity = device_signing_body(self.mxid, self.seeds)
        return {
            "device_keys": {self.mxid: {self.device_id: keys}},
            "master_keys": {self.mxid: identity["master_key"]},
            "self_signing_keys": {self.mxid: identity["self_signing_key"]},
        }

    def one_time_key(self) -> dict[str, Any]:
        """Make one, signed, as `/keys/claim` answers it."""
        self.account.generate_one_time_keys(1)
        ((name, key),) = self.account.one_time_keys.items()
        self.account.mark_keys_as_published()
        sign = self.account.sign if self.signs_one_time_keys else Account().sign
        return {f"signed_curve25519:{name}": with_signature({"key": key}, self.mxid, self.device_id, sign)}

    def to_device(self, to: UploadedKeys, kind: str, content: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Encrypt a to-device message to one of our identities; `changes` replace fields of its inside."""
        payload = {
            "sender": self.mxid,
            "keys": {"ed25519": self.account.signing_key},
            "recipient": to.user_id,
            "recipient_keys": {"ed25519": to.ed25519},
            "type": kind,
            "content": content,
            **changes,
        }
        if to.user_id not in self._to:
            self._to[to.user_id] = self.account.begin_session(to.curve25519, to.one_time_keys.pop())
        message_type, body = self._to[to.user_id].encrypt(json.dumps(payload))
        ciphertext = {"type": message_type, "body": body}
        return {
            "sender": self.mxid,
            "type": "m.room.encrypted",
            "content": {"algorithm": OLM, "sender_key": self.curve25519, "ciphertext": {to.curve25519: ciphertext}},
        }

    def room_key_message(self, to: UploadedKeys, room_id: str) -> dict[str, Any]:
        """Send the key of the present session of a room, from its next message on."""
        group = self.group(room_id)
        content = {"algorithm": MEGOLM, "room_id": room_id, "session_id": group.id, "session_key": group.session_key}
        return self.to_device(to, "m.room_key", content)

    def forget_sessions(self) -> None:
        """Lose the Olm sessions with others: what was sent by them is read no more, and the next message begins another."""
        self._to.clear()

    def group(self, room_id: str) -> OutboundGroupSession:
        return self.groups.setdefault(room_id, OutboundGroupSession())

    def room_message(self, room_id: str, body: str, *, payload_room: str | None = None) -> dict[str, Any]:
        """Make an encrypted room event; `payload_room` is the room id in its inside, if that differs."""
        inside = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": body}}
        return self.encrypted(room_id, {"room_id": payload_room or room_id, **inside})

    def encrypted_tap(self, room_id: str, event_id: str, key: str) -> dict[str, Any]:
        """Make an encrypted reaction, as libQuotient does."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return self.encrypted(room_id, {"type": "m.reaction", "room_id": room_id, "content": {"m.relates_to": relation}})

    def encrypted(self, room_id: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Make an encrypted room event with this inside."""
        self._events += 1
        group = self.group(room_id)
        content = {"algorithm": MEGOLM, "ciphertext": group.encrypt(json.dumps(payload)), "session_id": group.id}
        return {
            "event_id": f"${self.mxid}-{self.device_id}-{self._events}",
            "sender": self.mxid,
            "type": "m.room.encrypted",
            "origin_server_ts": 1_700_000_000_000 + self._events,
            "content": content,
        }

    def decrypt_to_device(self, event: dict[str, Any]) -> dict[str, Any]:
        """Decrypt a to-device message that was sent to this device; returns its inside.

        What is no answer to the last letter begins a session: no other message of these tests is answered.
        """
        content = event["content"]
        message = content["ciphertext"][self.curve25519]
        kind, body, session = message["type"], message["body"], self._to.get(event["sender"])
        if kind == PREKEY and (session is None or not session.matches(body)):
            self._to[event["sender"]], plaintext = self.account.answer_session(content["sender_key"], body)
        else:
            plaintext = self._to[event["sender"]].decrypt(kind, body)
        inside: dict[str, Any] = json.loads(plaintext)
        return inside


def decrypt_room_event(key: str, content: dict[str, Any]) -> dict[str, Any]:
    """Decrypt a room event's content with a session key."""
    plaintext, _ = InboundGroupSession.from_key(key).decrypt(content["ciphertext"])
    inside: dict[str, Any] = json.loads(plaintext)
    return inside


def _seeds() -> CrossSigningSeeds:
    return CrossSigningSeeds(
        master=secrets.token_bytes(32), self_signing=secrets.token_bytes(32), user_signing=secrets.token_bytes(32)
    )
