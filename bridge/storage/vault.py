"""Seals every stored body and number under its owner's key, and destroys keys.

Rules of this module: a value sealed for one owner and purpose opens for no other. A destroyed key is gone from memory and
disk before `destroy` returns. An error says that a value cannot be opened, and never names it.

An owner is the id of a thread, `desk`, `room:<room id>`, or a passing one. Values of a passing owner are soon deleted or
sealed again, and then its key is destroyed, while the desk's own key stays as long as the line.

Sources: NIST SP 800-38D (AES-GCM; fresh random 96-bit nonces, far fewer than 2^32 under one key), RFC 5869 (HKDF), RFC 2104
(HMAC).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.runtime.phone_number import Phone
from bridge.storage.key_file import KeyFile

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
PASSING_BYTES = 16
VERSION = b"\x01"
MARK = "mark "
"""Prefix of the owner of a mark in `keys.db`, followed by its name; the mark takes the place of a key."""
PASSING = "passing "
"""Prefix of a passing owner, followed by a random number; its key is destroyed as soon as nothing is sealed under it."""
UNDER_PASSING = b"\x02"
"""The first byte of a value under a passing key: 16 bytes of that key's name follow, and what `Vault.seal` made."""
PASSING_PREFIX = len(UNDER_PASSING) + PASSING_BYTES
"""Bytes that say under which passing key something is."""
CACHED_KEYS = 1024
"""Keys in memory, about 2.5 KiB each. Any other key is read again, in some tens of microseconds."""


class Passing(Enum):
    """The use of a passing key: each use has a current key of its own, so that none keeps another's key alive."""

    WORDS = "words"
    """People's words, which are deleted once they are handled."""
    SESSIONS = "sessions"
    """States of sessions that may be in use."""
    SETTLED = "settled"
    """States of sessions that are not in use any more, which are sealed again less often."""


class CannotOpen(Exception):  # noqa: N818 - it is a verdict
    """It cannot be opened: another key, changed bytes, another owner or context, or the key was destroyed."""

    def __init__(self) -> None:
        super().__init__("cannot be opened: another key, changed bytes, or a destroyed key")


class Vault:
    """Keys by owner. `vault_key` wraps them, `index_key` makes phones and message ids findable without being readable.

    Raises ValueError when a key is not 32 bytes or the two are the same.
    """

    def __init__(self, *, keys: KeyFile, vault_key: bytes, index_key: bytes, cached_keys: int = CACHED_KEYS) -> None:
        for name, key in (("vault key", vault_key), ("index key", index_key)):
            if len(key) != KEY_BYTES:
                raise ValueError(f"the {name} must be {KEY_BYTES} bytes, not {len(key)}")
        if hmac.compare_digest(vault_key, index_key):
            raise ValueError("the vault key and the index key must be different")
        if cached_keys < 1:
            raise ValueError("at least one key must be held in memory")
        self._keys = keys
        self._root = vault_key
        self._index = index_key
        self._wrap = AESGCM(_expand(vault_key, _join("wrap")))
        self._cache: OrderedDict[str, tuple[bytes, AESGCM]] = OrderedDict()
        self._cache_size = cached_keys
        self._destructions = 0
        self._passing: dict[Passing, str] = {}
        self._making: set[str] = set()

    async def check_key(self) -> None:
        """Raise ValueError when the vault key is not the one that `keys.db` was written with. For the start."""
        owners = await self.owners()
        for owner in owners:
            try:
                await self.load(owner)
            except CannotOpen:  # one damaged row is no other vault key
                continue
            return
        if owners:
            raise ValueError("the vault key does not open keys.db: it belongs to another installation")

    async def create(self, owner: str) -> None:
        """Make a key for an owner. When this returns, the key survives a power cut. An owner that has a key keeps it.

        Raises :class:`CannotOpen` when the existing key is not wrapped under this vault key.
        """
        before = self._destructions
        key = os.urandom(KEY_BYTES)
        existing = await self._keys.insert(owner, _encrypt(self._wrap, key, _join("wrap", owner)))
        if before == self._destructions:
            self._remember(owner, _decrypt(self._wrap, existing, _join("wrap", owner)))

    async def load(self, owner: str) -> None:
        """Have an owner's key in memory, so that `seal` and `open` need no disk.

        Raises :class:`CannotOpen` without a key.
        """
        await self._key(owner)

    async def seal(self, owner: str, context: str, data: bytes) -> bytes:
        """Encrypt for one owner and purpose: version, nonce, ciphertext and tag, 29 bytes more than `data`.

        Raises :class:`CannotOpen` when the owner has no key, or none that this vault can unwrap.
        """
        _, cipher = self._cached(owner) or await self._key(owner)
        return _encrypt(cipher, data, _join(owner, context))

    async def open(self, owner: str, context: str, sealed: bytes) -> bytes:
        """Decrypt what `seal` made for the same owner and purpose. Raises :class:`CannotOpen` otherwise."""
        _, cipher = self._cached(owner) or await self._key(owner)
        return _decrypt(cipher, sealed, _join(owner, context))

    async def destroy(self, owner: str) -> None:
        """Destroy an owner's key, in memory and on the disk, durably. No key is no error; may be repeated."""
        # Counted before the deletion is queued: a key read before it is not remembered, one read after it is not found.
        self._destructions += 1
        self._cache.pop(owner, None)
        await self._keys.delete(owner)

    async def has_key(self, owner: str) -> bool:
        """Whether an owner has a key on the disk: to check a destruction, and what a damaged row names as its owner."""
        try:
            return await self._keys.is_on_disk(owner)
        except ValueError:  # no owner has such a name
            return False

    async def owners(self) -> set[str]:
        """Return all owners that have a key: at the start, keys without a thread are orphans and are destroyed."""
        return {owner for owner in await self._keys.owners() if not owner.startswith((MARK, PASSING))}

    async def passing_owner(self, use: Passing) -> str:
        """Return the owner of the current passing key, within a commit; a missing key is made."""
        return self._passing.get(use) or await self.renew_passing(use)

    async def renew_passing(self, use: Passing) -> str:
        """Make a new current passing key, and return its owner; if none can be made, nothing changes."""
        owner = f"{PASSING}{os.urandom(PASSING_BYTES).hex()}"
        self._making.add(owner)  # so that it is not taken for an unused one
        try:
            await self.create(owner)
            self._passing[use] = owner
        finally:
            self._making.discard(owner)
        return owner

    def retire_passing(self, use: Passing) -> None:
        """Have later values sealed under another key."""
        self._passing.pop(use, None)

    async def retired_passing_owners(self) -> set[str]:
        """Return those under which nothing more is sealed, those of an earlier start too."""
        return await self.passing_owners() - {*self._passing.values(), *self._making}

    async def passing_owners(self) -> set[str]:
        """Return the owners of all passing keys that there are."""
        return {owner for owner in await self._keys.owners() if owner.startswith(PASSING)}

    def is_retired(self, owner: str) -> bool:
        """Whether no new value is sealed under this passing owner's key."""
        return owner not in self._passing.values()

    async def seal_passing(self, use: Passing, context: str, data: bytes) -> bytes:
        """Seal under the current passing key; its name is prefixed. Call within a commit: the key exists until its end."""
        under = await self.passing_owner(use)
        return UNDER_PASSING + bytes.fromhex(under.removeprefix(PASSING)) + await self.seal(under, context, data)

    async def open_either(self, owner: str, context: str, sealed: bytes) -> bytes:
        """Decrypt a value of `seal_passing`, or one that was sealed for this owner. Raises :class:`CannotOpen`."""
        under = passing_owner_of(sealed)
        return await self.open(under or owner, context, sealed[PASSING_PREFIX:] if under else sealed)

    def phone_hash(self, line: str, phone: Phone) -> bytes:
        """Return 32 bytes that find a phone's thread on one line, and cannot be linked between lines."""
        return self._mac("phone", line, phone.reveal())

    def keyed_hash(self, domain: str, text: str) -> bytes:
        """Return 32 bytes that recognise a text, such as a carrier's message id, without keeping it."""
        return self._mac("text", domain, text)

    def derive(self, label: str) -> bytes:
        """Return 32 bytes of this installation for a purpose, such as the pickle key of a crypto store."""
        return _expand(self._root, _join("derive", label))

    async def derive_for(self, owner: str, label: str) -> bytes:
        """Return 32 bytes that can be had only while the owner's key lives. Raises :class:`CannotOpen`."""
        key, _ = self._cached(owner) or await self._key(owner)
        return _expand(key, _join("derive for", owner, label))

    def _mac(self, *parts: str) -> bytes:
        return hmac.digest(self._index, _join(*parts), hashlib.sha256)

    def _cached(self, owner: str) -> tuple[bytes, AESGCM] | None:
        cached = self._cache.get(owner)
        if cached is not None:
            self._cache.move_to_end(owner)
        return cached

    def _remember(self, owner: str, key: bytes) -> tuple[bytes, AESGCM]:
        cached = self._cache[owner] = (key, AESGCM(key))
        self._cache.move_to_end(owner)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return cached

    async def _key(self, owner: str) -> tuple[bytes, AESGCM]:
        while (cached := self._cached(owner)) is None:
            before = self._destructions
            wrapped = await self._keys.read(owner)
            if before != self._destructions:
                continue
            if wrapped is None:
                raise CannotOpen
            return self._remember(owner, _decrypt(self._wrap, wrapped, _join("wrap", owner)))
        return cached


def passing_owner_of(sealed: bytes) -> str:
    """Return the owner of a value's passing key, by its first bytes; empty if it is under another kind of key."""
    return f"{PASSING}{sealed[len(UNDER_PASSING) : PASSING_PREFIX].hex()}" if sealed[:1] == UNDER_PASSING else ""


def nonce(sealed: bytes) -> bytes:
    """Return the nonce of a sealed value: it is unique under one key, so it identifies the sealing."""
    return bytes(sealed[len(VERSION) : len(VERSION) + NONCE_BYTES])


def key_check_value(key: bytes) -> str:
    """Return a check value that identifies a key and reveals nothing of it: an HMAC under the key itself, in hex."""
    return hmac.digest(key, _join("check value"), hashlib.sha256).hex()


def _join(*parts: str) -> bytes:
    """Join so that no two lists of parts give the same bytes. Lone surrogates (carriers send anything) pass."""
    raw = [part.encode("utf-8", "surrogatepass") for part in ("quietline 1", *parts)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)


def _expand(key: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)


def _encrypt(cipher: AESGCM, data: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + cipher.encrypt(nonce, data, VERSION + bound)


def _decrypt(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    if len(sealed) < 1 + NONCE_BYTES + TAG_BYTES or sealed[:1] != VERSION:
        raise CannotOpen
    try:
        return cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], VERSION + bound)
    except InvalidTag:
        raise CannotOpen from None
