"""python-olm's interface over vodozemac: malformed input raises one of five errors, without plaintext or keys.

mautrix.crypto was written against python-olm; this module has the part of python-olm's interface that mautrix 0.21 calls,
over vodozemac 0.10. `install()` registers it as `olm`. Where the two libraries differ, it does what mautrix expects:

- mautrix catches only `OlmSessionError` and `OlmGroupSessionError`. So where python-olm raises ValueError or TypeError
  (empty, not a string, not UTF-8), this raises the error class of the called object.
- vodozemac decrypts the first message of an inbound session while it makes the session; mautrix reads that plaintext later,
  from another object, made from a pickle of the first. So the pickle holds it, sealed, until it is read.
- vodozemac derives key and initialisation vector from the pickle key alone, so two pickles under one key with the same
  beginning have the same first ciphertext; hence the salt.

Sources: the Olm and Megolm specifications (https://spec.matrix.org/latest/olm-megolm/), python-olm's documentation,
vodozemac's (https://docs.rs/vodozemac/), RFC 5869 (HKDF), RFC 8439 (ChaCha20-Poly1305).
"""

from __future__ import annotations

import secrets
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar, cast

import vodozemac
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


T = TypeVar("T")


def call_or_raise(error: type[Exception], sentence: str, call: Callable[[], T]) -> T:
    """Return `call()`; any exception of it becomes `error`, with `sentence` and the exception's class name."""
    try:
        return call()
    except (ValueError, TypeError, OverflowError, InvalidTag) as refusal:
        reason = type(refusal).__name__
    except BaseException as panic:
        # A panic of the Rust library is a BaseException of a class that cannot be imported: no `except Exception` catches
        # it, so it would end the program. vodozemac 0.10.0 panics, for example, at an Ed25519 key of 33 bytes.
        if type(panic).__name__ != "PanicException":
            raise
        reason = "panic"
    # Raised outside the block: inside, the first exception would become the context of this one, and it may quote its
    # input: a UnicodeEncodeError holds the whole text, a deserialisation error the value.
    raise error(f"{sentence} ({reason})")


def utf8(text: str) -> bytes:
    """Return the text's bytes. Raises TypeError for anything but a string, UnicodeEncodeError for lone surrogates."""
    return str.encode(text)  # text.encode() would be an AttributeError, which `call_or_raise` rightly takes for a bug


class LibraryObject(Protocol):
    """An object of vodozemac."""

    def pickle(self, pickle_key: bytes) -> str:
        """Encrypt with a key of 32 bytes."""

    @classmethod
    def from_pickle(cls, pickle: str, pickle_key: bytes) -> Self:
        """Raise ValueError for what `pickle` did not write with this key."""


LibraryT = TypeVar("LibraryT", bound=LibraryObject)

_MARK: Final = b"ql1"
_NONCE: Final = bytes(12)


class Pickled(Generic[LibraryT]):
    """An object that can be stored as bytes and read back.

    A pickle is `ql1.SALT.PICKLE` or `ql1.SALT.PICKLE.NOTE`: base64 fields; a salt of 16 bytes; vodozemac's own encrypted
    pickle; ChaCha20-Poly1305 of a note, bound to that pickle. Both keys come from HKDF-SHA256 of passphrase and salt,
    labelled with the kind, so a pickle of one kind never opens as another. The salt is new each time, hence the constant
    nonce.
    """

    _kind: ClassVar[str]
    _error: ClassVar[type[Exception]]
    _library_class: ClassVar[type[LibraryObject]]  # LibraryT, which a class variable cannot say
    _inner: LibraryT
    _note: bytes = b""

    @classmethod
    def _keys(cls, passphrase: str, salt: bytes) -> tuple[bytes, bytes]:
        if not passphrase:
            raise ValueError
        label = b"quietline olm pickle 1: " + cls._kind.encode()
        both = HKDF(algorithm=SHA256(), length=64, salt=salt, info=label).derive(utf8(passphrase))
        return both[:32], both[32:]

    def pickle(self, passphrase: str) -> bytes:
        """Return the object encrypted, in ASCII. Raises the class's error if the passphrase is empty."""

        def encrypt_pickle() -> bytes:
            salt = secrets.token_bytes(16)
            key, note_key = self._keys(passphrase, salt)
            inner = self._inner.pickle(key).encode()
            fields = [_MARK, b64encode(salt), inner]
            if self._note:
                fields.append(b64encode(ChaCha20Poly1305(note_key).encrypt(_NONCE, self._note, inner)))
            return b".".join(fields)

        return call_or_raise(self._error, f"This {self._kind} could not be pickled", encrypt_pickle)

    @classmethod
    def from_pickle(cls, pickle: bytes, passphrase: str) -> Self:
        """Read what `pickle` wrote with this passphrase. Raises the class's error for anything else."""

        def decrypt_pickle() -> tuple[LibraryT, bytes]:
            mark, salt, inner, *notes = bytes(memoryview(pickle)).split(b".")
            if mark != _MARK or len(notes) > 1:
                raise ValueError
            key, note_key = cls._keys(passphrase, b64decode(salt, validate=True))
            sealed = b64decode(notes[0], validate=True) if notes else None
            note = ChaCha20Poly1305(note_key).decrypt(_NONCE, sealed, inner) if sealed is not None else b""
            return cast("LibraryT", cls._library_class.from_pickle(inner.decode(), key)), note

        inner, note = call_or_raise(cls._error, f"This is no {cls._kind} pickled with that passphrase", decrypt_pickle)
        return cls._from_inner(inner, note)

    @classmethod
    def _from_inner(cls, inner: LibraryT, note: bytes = b"") -> Self:
        instance = cls.__new__(cls)
        instance._inner, instance._note = inner, note  # noqa: SLF001 -- `instance` is one of us
        return instance


class OlmAccountError(Exception):
    """An account could not be read, or a call on it failed."""


class OlmSessionError(Exception):
    """An Olm session could not be made, read or used. mautrix turns it into a decryption failure."""


class OlmGroupSessionError(Exception):
    """A Megolm session could not be made, read or used. mautrix turns it into a decryption failure."""


class OlmVerifyError(Exception):
    """A signature, or the key to check it with, is invalid."""


class PkSigningError(Exception):
    """A signing key could not be made from this seed, or the message has no UTF-8 form."""


def _encode(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


# --- the account ------------------------------------------------------------------------------------------------------


class _FallbackKeys(Protocol):
    """Methods of vodozemac 0.10 that its type stubs lack."""

    @property
    def fallback_key(self) -> dict[str, vodozemac.Curve25519PublicKey]: ...

    def generate_fallback_key(self) -> None: ...


def _base64_of(keys: dict[str, vodozemac.Curve25519PublicKey]) -> dict[str, dict[str, str]]:
    return {"curve25519": {key_id: key.to_base64() for key_id, key in keys.items()}}


class Account(Pickled[vodozemac.Account]):
    """A device's identity keys, one-time keys and fallback key. Keys and signatures are unpadded base64."""

    _kind = "account"
    _error = OlmAccountError
    _library_class = vodozemac.Account

    def __init__(self) -> None:
        self._inner = vodozemac.Account()

    @property
    def max_one_time_keys(self) -> int:
        """The number of libolm, because mautrix keeps half of it on the homeserver. Vodozemac's 50 is that half."""
        return 100

    @property
    def identity_keys(self) -> dict[str, str]:
        """`{"curve25519": key, "ed25519": key}`."""
        return {"curve25519": self._inner.curve25519_key.to_base64(), "ed25519": self._inner.ed25519_key.to_base64()}

    @property
    def one_time_keys(self) -> dict[str, dict[str, str]]:
        """`{"curve25519": {key id: key}}`, those not yet marked as published."""
        return _base64_of(self._inner.one_time_keys)

    @property
    def fallback_key(self) -> dict[str, dict[str, str]]:
        """`{"curve25519": {key id: key}}`, empty once marked as published."""
        return _base64_of(cast("_FallbackKeys", self._inner).fallback_key)

    def sign(self, message: str) -> str:
        """Sign with the Ed25519 identity key. Raises OlmAccountError if the message has no UTF-8 form."""
        signature = call_or_raise(OlmAccountError, "Not signed", lambda: self._inner.sign(utf8(message)))
        return signature.to_base64()

    def generate_one_time_keys(self, count: int) -> None:
        """Make `count` keys, but never more unpublished ones than `max_one_time_keys`.

        The count comes from what a homeserver said, and failed uploads leave their keys unpublished.
        Raises OlmAccountError if `count` is not a valid number.
        """

        def generate() -> None:
            room = self.max_one_time_keys - len(self._inner.one_time_keys)
            self._inner.generate_one_time_keys(min(count, room))

        call_or_raise(OlmAccountError, "No such number of one-time keys", generate)

    def generate_fallback_key(self) -> None:
        """Make a new fallback key. The previous one stays usable until the next is made."""
        cast("_FallbackKeys", self._inner).generate_fallback_key()

    def mark_keys_as_published(self) -> None:
        """Mark the current one-time keys and fallback key as published."""
        self._inner.mark_keys_as_published()

    def remove_one_time_keys(self, session: Session) -> None:
        """Do nothing: vodozemac removed the key when it made the session, and only if that succeeded."""


# --- Olm: between two devices -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OlmPreKeyMessage:
    """A message that can begin a session. Not checked until it is used."""

    ciphertext: str


@dataclass(frozen=True, slots=True)
class OlmMessage:
    """A message of a session that both sides have. Not checked until it is used."""

    ciphertext: str


def _digest(message: OlmPreKeyMessage) -> bytes:
    return sha256(utf8(message.ciphertext)).digest()


class Session(Pickled[vodozemac.Session]):
    """An Olm session. Made by `InboundSession`, `OutboundSession` or `from_pickle`, never by itself."""

    _kind = "session"
    _error = OlmSessionError
    _library_class = vodozemac.Session

    # The note is SHA-256 of the first inbound ciphertext, then its plaintext; empty once that was asked for.

    def __init__(self) -> None:
        raise TypeError("An Olm session is made from a message, from keys or from a pickle.")

    @property
    def id(self) -> str:
        """The same on both sides, unpadded base64 of 32 bytes."""
        return self._inner.session_id

    def matches(self, message: OlmPreKeyMessage) -> bool:
        """Whether the message belongs to this session; a malformed message belongs to none."""

        def matches_session() -> bool:
            return self._inner.session_matches(vodozemac.PreKeyMessage.from_base64(message.ciphertext))

        try:
            return call_or_raise(OlmSessionError, "Not a prekey message", matches_session)
        except OlmSessionError:
            return False

    def encrypt(self, plaintext: str) -> OlmPreKeyMessage | OlmMessage:
        """Encrypt: a prekey message until the other side has answered. Raises OlmSessionError."""
        message = call_or_raise(OlmSessionError, "Not encrypted", lambda: self._inner.encrypt(utf8(plaintext)))
        kind, data = message.to_parts()
        return (OlmPreKeyMessage if kind == 0 else OlmMessage)(_encode(data))

    def decrypt(self, message: OlmPreKeyMessage | OlmMessage) -> str:
        """Decrypt, once; invalid UTF-8 becomes U+FFFD. Raises OlmSessionError."""

        def decrypt_message() -> bytes:
            if isinstance(message, OlmPreKeyMessage):
                if self._note and self._note[:32] == _digest(message):
                    plaintext, self._note = self._note[32:], b""
                    return plaintext
                return self._inner.decrypt(vodozemac.PreKeyMessage.from_base64(message.ciphertext).to_any())
            return self._inner.decrypt(vodozemac.AnyOlmMessage.normal(_decode(message.ciphertext)))

        return call_or_raise(OlmSessionError, "Not decrypted", decrypt_message).decode(errors="replace")


class InboundSession(Session):
    """A session that another device's prekey message began; the account loses the one-time key it used.

    Raises OlmSessionError, and the account stays as it was, unless the message decrypts and came from `identity_key`.
    """

    def __init__(self, account: Account, message: OlmPreKeyMessage, identity_key: str) -> None:
        def create_session() -> tuple[vodozemac.Session, bytes]:
            sender = vodozemac.Curve25519PublicKey.from_base64(identity_key)
            prekey = vodozemac.PreKeyMessage.from_base64(message.ciphertext)
            return account._inner.create_inbound_session(sender, prekey)  # noqa: SLF001 -- two halves of one library

        self._inner, plaintext = call_or_raise(OlmSessionError, "No session came of this message", create_session)
        self._note = _digest(message) + plaintext


class OutboundSession(Session):
    """A session begun by us with a device's identity key and one of its one-time keys. Raises OlmSessionError."""

    def __init__(self, account: Account, identity_key: str, one_time_key: str) -> None:
        def create_session() -> vodozemac.Session:
            identity = vodozemac.Curve25519PublicKey.from_base64(identity_key)
            one_time = vodozemac.Curve25519PublicKey.from_base64(one_time_key)
            return account._inner.create_outbound_session(identity, one_time)  # noqa: SLF001 -- two halves of one library

        self._inner = call_or_raise(OlmSessionError, "No session came of these keys", create_session)


# --- Megolm: from one device to a room --------------------------------------------------------------------------------


class InboundGroupSession(Pickled[vodozemac.InboundGroupSession]):
    """Decrypts a sender's messages from an index on. Raises OlmGroupSessionError for an invalid key."""

    _kind = "inbound group session"
    _error = OlmGroupSessionError
    _library_class = vodozemac.InboundGroupSession

    def __init__(self, session_key: str) -> None:
        self._inner = call_or_raise(
            OlmGroupSessionError,
            "This is no session key",
            lambda: vodozemac.InboundGroupSession(vodozemac.SessionKey(session_key)),
        )

    @property
    def id(self) -> str:
        """The same on both sides, unpadded base64 of 32 bytes."""
        return self._inner.session_id

    @property
    def first_known_index(self) -> int:
        """The lowest message index that can be decrypted or exported at."""
        return self._inner.first_known_index

    def decrypt(self, ciphertext: str) -> tuple[str, int]:
        """Return (plaintext, message index), any number of times; invalid UTF-8 becomes U+FFFD.

        Raises OlmGroupSessionError.
        """
        message = call_or_raise(
            OlmGroupSessionError,
            "Not decrypted",
            lambda: self._inner.decrypt(vodozemac.MegolmMessage.from_base64(ciphertext)),
        )
        return message.plaintext.decode(errors="replace"), message.message_index

    def export_session(self, message_index: int) -> str:
        """Return a key, for `import_session`, that decrypts from this index on. Raises OlmGroupSessionError."""
        key = call_or_raise(OlmGroupSessionError, "There is no such index", lambda: self._inner.export_at(message_index))
        if key is None:
            raise OlmGroupSessionError("This session does not reach back to that index")
        return key.to_base64()

    @classmethod
    def import_session(cls, session_key: str) -> Self:
        """Make a session from the key that `export_session` returned. Raises OlmGroupSessionError."""
        inner = call_or_raise(
            OlmGroupSessionError,
            "This is no exported session key",
            lambda: vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(session_key)),
        )
        return cls._from_inner(inner)


class OutboundGroupSession(Pickled[vodozemac.GroupSession]):
    """Encrypts our messages to a room."""

    _kind = "outbound group session"
    _error = OlmGroupSessionError
    _library_class = vodozemac.GroupSession

    def __init__(self) -> None:
        self._inner = vodozemac.GroupSession()

    @property
    def id(self) -> str:
        """The same on both sides, unpadded base64 of 32 bytes."""
        return self._inner.session_id

    @property
    def message_index(self) -> int:
        """The index that the next message will have."""
        return self._inner.message_index

    @property
    def session_key(self) -> str:
        """A key that decrypts from the next message on: a secret, for `InboundGroupSession`."""
        return self._inner.session_key.to_base64()

    def encrypt(self, plaintext: str) -> str:
        """Return unpadded base64; the index rises by one. Raises OlmGroupSessionError for text without a UTF-8 form."""
        message = call_or_raise(OlmGroupSessionError, "Not encrypted", lambda: self._inner.encrypt(utf8(plaintext)))
        return message.to_base64()


# --- signatures -------------------------------------------------------------------------------------------------------


class PkSigning:
    """An Ed25519 key from its seed of 32 bytes: cross-signing keys are these. Raises PkSigningError."""

    public_key: str

    def __init__(self, seed: bytes) -> None:
        self._key = call_or_raise(PkSigningError, "A seed is 32 bytes", lambda: Ed25519PrivateKey.from_private_bytes(seed))
        self.public_key = _encode(self._key.public_key().public_bytes_raw())

    def sign(self, message: str) -> str:
        """Return the signature in unpadded base64. Raises PkSigningError."""
        return _encode(call_or_raise(PkSigningError, "Not signed", lambda: self._key.sign(utf8(message))))


def ed25519_verify(key: str, message: str, signature: str) -> None:
    """Return if the signature over the message was made with the key. Raises OlmVerifyError otherwise."""

    def verify() -> None:
        if len(raw := _decode(key)) != 32:
            raise ValueError  # the library would panic
        public = vodozemac.Ed25519PublicKey.from_base64(_encode(raw))
        public.verify_signature(utf8(message), vodozemac.Ed25519Signature.from_base64(signature))

    call_or_raise(OlmVerifyError, "The signature is not good", verify)


def install() -> None:
    """Register this module as `olm` and an empty stub as `_libolm`, so that `import` finds them.

    Raises RuntimeError, and changes nothing, if mautrix.crypto was already imported over another `olm`.
    """
    loaded: Any = sys.modules.get("mautrix.crypto.sessions")
    if loaded is not None and not issubclass(loaded.Session, Session):
        raise RuntimeError("mautrix.crypto was imported over libolm: import bridge.matrix first.")
    stub = ModuleType("_libolm")
    # mautrix.crypto.sessions takes these two names at import and then finds that `lib` cannot describe a session
    stub.__dict__.update(ffi=None, lib=None)
    sys.modules.update({"olm": sys.modules[__name__], "_libolm": stub})
