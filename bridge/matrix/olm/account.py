"""A device's Olm account and its sessions, with the times that are stored beside them (`olm_store`).

Rule of this module: times are local and without a time zone, as they always stood in the database, and only compared with
each other. Nothing here imports mautrix, whose types and second cryptographic library are a quarter of a bridge's start.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from bridge.matrix.olm import vodozemac_olm
from bridge.matrix.olm.vodozemac_olm import InboundSession, OlmMessage, OlmPreKeyMessage, OutboundSession


class OlmSession(vodozemac_olm.Session):
    """A session with a device, and when it was made and used last."""

    creation_time: datetime
    last_encrypted: datetime
    last_decrypted: datetime

    @classmethod
    def begun(cls, session: vodozemac_olm.Session) -> Self:
        """Make it of a session that begins now."""
        made = cls._made_of(session._inner, session._note)  # noqa: SLF001 - one of its kind
        made.creation_time = made.last_encrypted = made.last_decrypted = _now()
        return made

    @classmethod
    def stored(
        cls, pickle: bytes, passphrase: str, *, creation_time: datetime, last_encrypted: datetime, last_decrypted: datetime
    ) -> Self:
        """Make it of what was stored. Raises `OlmSessionError`."""
        made = cls.from_pickle(pickle, passphrase)
        made.creation_time, made.last_encrypted, made.last_decrypted = creation_time, last_encrypted, last_decrypted
        return made

    def encrypt(self, plaintext: str) -> OlmPreKeyMessage | OlmMessage:
        """Encrypt, and note when."""
        self.last_encrypted = _now()
        return super().encrypt(plaintext)

    def decrypt(self, message: OlmPreKeyMessage | OlmMessage) -> str:
        """Decrypt, once, and note when. Raises `OlmSessionError`."""
        plaintext = super().decrypt(message)
        self.last_decrypted = _now()
        return plaintext


class OlmAccount(vodozemac_olm.Account):
    """The account of a device. `shared`: whether the homeserver has its keys."""

    shared = False

    @classmethod
    def stored(cls, pickle: bytes, passphrase: str, *, shared: bool) -> Self:
        """Make it of what was stored. Raises `OlmAccountError`."""
        account = cls.from_pickle(pickle, passphrase)
        account.shared = shared
        return account

    @property
    def signing_key(self) -> str:
        """The Ed25519 key that signs for the device, in base64."""
        return self.identity_keys["ed25519"]

    @property
    def identity_key(self) -> str:
        """The Curve25519 key by which others know the device, in base64."""
        return self.identity_keys["curve25519"]

    def new_inbound_session(self, sender_key: str, message: OlmPreKeyMessage) -> OlmSession:
        """Begin a session with a device's first message, which it still has to decrypt. Raises `OlmSessionError`."""
        return OlmSession.begun(InboundSession(self, message, sender_key))

    def new_outbound_session(self, identity_key: str, one_time_key: str) -> OlmSession:
        """Begin a session with a device's keys. Raises `OlmSessionError`."""
        return OlmSession.begun(OutboundSession(self, identity_key, one_time_key))


def _now() -> datetime:
    return datetime.now()  # noqa: DTZ005 - see the rule of this module
