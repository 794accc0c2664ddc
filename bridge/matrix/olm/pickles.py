"""Pickles of accounts and sessions: no two share a key, and an error says nothing of the content.

This module defines the stored form of accounts and sessions, and the only error of this adapter. vodozemac derives key and
initialisation vector from the pickle key alone, so two pickles under one key with the same beginning have the same first
ciphertext; hence the salt.

Sources: RFC 5869 (HKDF), RFC 8439 (ChaCha20-Poly1305), https://docs.rs/vodozemac/.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, TypeVar, cast

from cryptography.exceptions import InvalidTag
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
