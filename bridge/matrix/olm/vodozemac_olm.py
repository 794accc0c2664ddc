"""Olm and Megolm over vodozemac: whatever the input is, it raises one of the errors below, without plaintext or keys.

A pickle is not secret by itself (its key is constant): whoever stores one seals it with the vault.

Sources: the Olm and Megolm specifications (https://spec.matrix.org/latest/olm-megolm/); https://docs.rs/vodozemac/.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, TypeVar, cast

import vodozemac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

T = TypeVar("T")

PREKEY: Final = 0
"""The type of a message that can begin an Olm session; the other type is 1."""
MAX_UNPUBLISHED_KEYS: Final = 100
_PICKLE_KEY: Final = bytes(32)


class OlmAccountError(Exception):
    """An account could not be read, or a call on it failed."""


class OlmSessionError(Exception):
    """An Olm session could not be made, read or used."""


class OlmGroupSessionError(Exception):
    """A Megolm session could not be made, read or used."""


class OlmVerifyError(Exception):
    """A signature, or the key to check it with, is invalid."""


class PkSigningError(Exception):
    """A signing key could not be made from this seed, or the message has no UTF-8 form."""


def call_or_raise(error: type[Exception], sentence: str, call: Callable[[], T]) -> T:
    """Return `call()`; any exception of it becomes `error`, with `sentence` and the exception's class name."""
    try:
        return call()
    except (ValueError, TypeError, OverflowError) as refusal:
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


class Pickled(Generic[LibraryT]):
    """An object of the library that can be stored as bytes and read back."""

    _error: ClassVar[type[Exception]]
    _library_class: ClassVar[type[LibraryObject]]  # LibraryT, which a class variable cannot say

    def __init__(self, inner: LibraryT) -> None:
        self._inner = inner

    def pickle(self) -> bytes:
        """Return the object as ASCII."""
        return self._inner.pickle(_PICKLE_KEY).encode()

    @classmethod
    def from_pickle(cls, pickle: bytes) -> Self:
        """Read what `pickle` wrote. Raises the class's error for anything else."""

        def read() -> LibraryT:
            return cast("LibraryT", cls._library_class.from_pickle(bytes(memoryview(pickle)).decode(), _PICKLE_KEY))

        return cls(call_or_raise(cls._error, f"This is no pickled {cls.__name__}", read))


def _encode(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


class _FallbackKeys(Protocol):
    """Methods of vodozemac 0.10 that its type stubs lack."""

    @property
    def fallback_key(self) -> dict[str, vodozemac.Curve25519PublicKey]: ...

    def generate_fallback_key(self) -> None: ...


def _base64_of(keys: dict[str, vodozemac.Curve25519PublicKey]) -> dict[str, str]:
    return {key_id: key.to_base64() for key_id, key in keys.items()}


class Account(Pickled[vodozemac.Account]):
    """A device's identity keys, one-time keys and fallback key, in unpadded base64. `shared`: they were published once."""

    _error = OlmAccountError
    _library_class = vodozemac.Account

    def __init__(self, inner: vodozemac.Account | None = None) -> None:
        super().__init__(inner or vodozemac.Account())
        self.shared = False

    @property
    def identity_key(self) -> str:
        """The Curve25519 key, by which other devices send to this one."""
        return self._inner.curve25519_key.to_base64()

    @property
    def signing_key(self) -> str:
        """The Ed25519 key."""
        return self._inner.ed25519_key.to_base64()

    @property
    def one_time_keys(self) -> dict[str, str]:
        """Key id -> key, of those not yet marked as published."""
        return _base64_of(self._inner.one_time_keys)

    @property
    def fallback_key(self) -> dict[str, str]:
        """Key id -> key; empty once marked as published."""
        return _base64_of(cast("_FallbackKeys", self._inner).fallback_key)

    def sign(self, message: str) -> str:
        """Sign with the Ed25519 key. Raises OlmAccountError if the message has no UTF-8 form."""
        return call_or_raise(OlmAccountError, "Not signed", lambda: self._inner.sign(utf8(message))).to_base64()

    def generate_one_time_keys(self, count: int) -> None:
        """Make `count` keys, but never more unpublished ones than `MAX_UNPUBLISHED_KEYS`: failed uploads leave theirs."""
        self._inner.generate_one_time_keys(min(count, MAX_UNPUBLISHED_KEYS - len(self._inner.one_time_keys)))

    def generate_fallback_key(self) -> None:
        """Make a new fallback key. The previous one stays usable until the next is made."""
        cast("_FallbackKeys", self._inner).generate_fallback_key()

    def mark_keys_as_published(self) -> None:
        """Mark the current one-time keys and fallback key as published."""
        self._inner.mark_keys_as_published()

    def begin_session(self, identity_key: str, one_time_key: str) -> Session:
        """Begin a session with a device's identity key and one of its one-time keys. Raises OlmSessionError."""

        def create() -> vodozemac.Session:
            identity = vodozemac.Curve25519PublicKey.from_base64(identity_key)
            return self._inner.create_outbound_session(identity, vodozemac.Curve25519PublicKey.from_base64(one_time_key))

        return Session(call_or_raise(OlmSessionError, "No session came of these keys", create))

    def answer_session(self, identity_key: str, body: str) -> tuple[Session, str]:
        """Return the session that another device's first message began, and its plaintext; its one-time key is used up.

        Raises OlmSessionError, and the account stays as it was, unless the message decrypts and came from `identity_key`.
        """

        def create() -> tuple[vodozemac.Session, bytes]:
            sender = vodozemac.Curve25519PublicKey.from_base64(identity_key)
            return self._inner.create_inbound_session(sender, vodozemac.PreKeyMessage.from_base64(body))

        session, plaintext = call_or_raise(OlmSessionError, "No session came of this message", create)
        return Session(session), plaintext.decode(errors="replace")


class Session(Pickled[vodozemac.Session]):
    """An Olm session between two devices."""

    _error = OlmSessionError
    _library_class = vodozemac.Session

    @property
    def id(self) -> str:
        """The same on both sides, unpadded base64 of 32 bytes."""
        return self._inner.session_id

    def matches(self, body: str) -> bool:
        """Whether a first message belongs to this session; a malformed message belongs to none."""
        try:
            return call_or_raise(
                OlmSessionError,
                "Not a prekey message",
                lambda: self._inner.session_matches(vodozemac.PreKeyMessage.from_base64(body)),
            )
        except OlmSessionError:
            return False

    def encrypt(self, plaintext: str) -> tuple[int, str]:
        """Return type and body of a message; it is a first message until the other side has answered."""
        message = call_or_raise(OlmSessionError, "Not encrypted", lambda: self._inner.encrypt(utf8(plaintext)))
        kind, data = message.to_parts()
        return kind, _encode(data)

    def decrypt(self, kind: int, body: str) -> str:
        """Decrypt, once; invalid UTF-8 becomes U+FFFD. Raises OlmSessionError."""

        def decrypt() -> bytes:
            if kind == PREKEY:
                return self._inner.decrypt(vodozemac.PreKeyMessage.from_base64(body).to_any())
            return self._inner.decrypt(vodozemac.AnyOlmMessage.normal(_decode(body)))

        return call_or_raise(OlmSessionError, "Not decrypted", decrypt).decode(errors="replace")


class InboundGroupSession(Pickled[vodozemac.InboundGroupSession]):
    """Decrypts a sender's messages in a room, from an index on."""

    _error = OlmGroupSessionError
    _library_class = vodozemac.InboundGroupSession

    @classmethod
    def from_key(cls, session_key: str) -> Self:
        """Make a session from the key that its sender shares. Raises OlmGroupSessionError."""
        return cls(
            call_or_raise(
                OlmGroupSessionError,
                "This is no session key",
                lambda: vodozemac.InboundGroupSession(vodozemac.SessionKey(session_key)),
            )
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
        return cls(
            call_or_raise(
                OlmGroupSessionError,
                "This is no exported session key",
                lambda: vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(session_key)),
            )
        )

    def since(self, message_index: int) -> Self:
        """Return the session in its state at this index, from which nothing earlier can be decrypted."""
        return self.import_session(self.export_session(message_index))


class OutboundGroupSession(Pickled[vodozemac.GroupSession]):
    """Encrypts our messages to a room."""

    _error = OlmGroupSessionError
    _library_class = vodozemac.GroupSession

    def __init__(self, inner: vodozemac.GroupSession | None = None) -> None:
        super().__init__(inner or vodozemac.GroupSession())

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


class PkSigning:
    """An Ed25519 key from its seed of 32 bytes: cross-signing keys are these. Raises PkSigningError."""

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
