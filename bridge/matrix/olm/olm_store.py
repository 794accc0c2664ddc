"""One identity's Olm account and its Olm sessions with other devices, for to-device messages.

Everything here runs inside a commit of the identity's database and begins with the account read from it (`begin`); nothing
is cached, so a rolled-back commit undoes all of it. Pickles are sealed under a passing key: an old state of a session,
together with the homeserver's messages of that time, reveals the room keys that were sent. So values under a retired key
are sealed again (`reseal`), and the key of the old states is destroyed (`bridge/erasure/expiry.py`). Every message
that we send carries our signed device keys (MSC4147).

Source: https://spec.matrix.org/latest/client-server-api/#molmv1curve25519-aes-sha2
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from bridge.matrix.api.json_fields import Json, MalformedJson, as_object, dumps, int_field, loads, object_at, string_field
from bridge.matrix.olm.cross_signing import OLM, Device
from bridge.matrix.olm.vodozemac_olm import PREKEY, Account, OlmSessionError, Session
from bridge.storage.database import Database, Reader, Transaction, placeholders
from bridge.storage.vault import PASSING_PREFIX, Passing, Vault, passing_owner_of

MAX_SESSIONS: Final = 16
"""Sessions kept per device; the ones unused for longest go first."""
RESEALED_TOGETHER: Final = 50
"""Sessions in one commit; other commits of the database wait a few milliseconds for it."""


class Wedged(Exception):  # noqa: N818 - a condition of a session, which the caller repairs
    """The sender's Olm session and ours do not match (any more); a new session replaces both."""

    def __init__(self, sender_key: str) -> None:
        super().__init__()
        self.sender_key = sender_key


class NoAccount(Exception):  # noqa: N818 - the name states a fact
    """The identity has no Olm account: its passing key is lost, or its database is."""


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


class OlmStore:
    """Decrypts and encrypts to-device messages of one identity. `device_keys`: ours, cross-signed, once there are some."""

    def __init__(self, *, user_id: str, device_id: str, vault: Vault) -> None:
        self._user_id = user_id
        self._device_id = device_id
        self._vault = vault
        self.device_keys: Json = {}

    def use(self, device_id: str, device_keys: Json) -> None:
        """Use this device from now on."""
        self._device_id, self.device_keys = device_id, device_keys

    async def begin(self, transaction: Transaction) -> Account:
        """Load the account. First in every commit. Raises `NoAccount`."""
        query = "SELECT shared, account FROM crypto_account WHERE account_id = $1"
        row = await transaction.fetchrow(query, self._user_id)
        if row is None:
            raise NoAccount
        pickle = await self._vault.open_either("", _account_context(self._user_id), bytes(row["account"]))
        account = Account.from_pickle(pickle)
        account.shared = bool(row["shared"])
        return account

    async def save(self, transaction: Transaction, account: Account) -> None:
        """Write the account; another device's is replaced."""
        query = """INSERT INTO crypto_account (account_id, shared, account) VALUES ($1, $2, $3)
               ON CONFLICT (account_id) DO UPDATE SET shared = excluded.shared, account = excluded.account"""
        await transaction.execute(
            query, self._user_id, account.shared, await self._seal(_account_context(self._user_id), account.pickle())
        )

    async def delete_sessions(self, transaction: Transaction) -> None:
        """Delete every session: those of an account that is replaced."""
        await transaction.execute("DELETE FROM crypto_olm_session WHERE account_id = $1", self._user_id)

    async def decrypt(
        self,
        transaction: Transaction,
        account: Account,
        sender: str,
        content: Json,
        *,
        on_begin: Callable[[Transaction], Awaitable[None]],
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
        sessions = await self._sessions(transaction, sender_key)
        plaintext, new = await self._plaintext(transaction, account, sender_key, sessions, kind, body)
        if new:
            await on_begin(transaction)
        message = self._message(loads(plaintext), account, sender, sender_key)
        return replace(message, lost_ours=message.type == "m.dummy" or (new and bool(sessions)))

    async def has_session(self, transaction: Transaction, device: Device) -> bool:
        """Whether there is a session that encrypts for the device."""
        return bool(await keys_with_session(transaction, self._user_id, [device.curve25519]))

    async def open(self, transaction: Transaction, account: Account, device: Device, one_time_key: str) -> None:
        """Begin a session with one of the device's one-time keys. Raises `OlmSessionError` when the keys are no keys."""
        session = account.begin_session(device.curve25519, one_time_key)
        await self._add_session(transaction, device.curve25519, session)

    async def encrypt(
        self, transaction: Transaction, account: Account, device: Device, kind: str, content: Json
    ) -> dict[str, Any]:
        """Return the content of an `m.room.encrypted` to-device event for a device with a session."""
        query = """SELECT session_id, session FROM crypto_olm_session
            WHERE account_id = $1 AND sender_key = $2 AND encrypts ORDER BY used DESC LIMIT 1"""
        row = await transaction.fetchrow(query, self._user_id, device.curve25519)
        if row is None:
            raise RuntimeError("there is no Olm session with the device")
        session = await self._open(row)
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
        message_type, body = session.encrypt(dumps(payload))
        query = "UPDATE crypto_olm_session SET session = $3 WHERE account_id = $1 AND session_id = $2"
        await transaction.execute(query, self._user_id, session.id, await self._sealed(session))
        return {
            "algorithm": OLM,
            "sender_key": account.identity_key,
            "ciphertext": {device.curve25519: {"type": message_type, "body": body}},
        }

    async def _sessions(self, transaction: Transaction, sender_key: str) -> list[Session]:
        """Return the sessions with a device; the one that last decrypted a message comes first: usually the right one."""
        query = """SELECT session_id, session FROM crypto_olm_session
            WHERE account_id = $1 AND sender_key = $2 ORDER BY used DESC"""
        return [await self._open(row) for row in await transaction.fetch(query, self._user_id, sender_key)]

    async def _plaintext(
        self, transaction: Transaction, account: Account, sender_key: str, sessions: Sequence[Session], kind: int, body: str
    ) -> tuple[str, bool]:
        for session in sessions:
            if kind == PREKEY and not session.matches(body):
                continue
            try:
                plaintext = session.decrypt(kind, body)
            except OlmSessionError:
                if kind == PREKEY:
                    # It was read before. The fallback key could begin the same session, with the same id, once more;
                    # nothing new can come of that.
                    raise Wedged(sender_key) from None
                continue
            query = "UPDATE crypto_olm_session SET session = $3, used = $4 WHERE account_id = $1 AND session_id = $2"
            used = await self._latest_use(transaction, sender_key)
            await transaction.execute(query, self._user_id, session.id, await self._sealed(session), used)
            return plaintext, False
        if kind != PREKEY:
            raise Wedged(sender_key)
        try:
            session, plaintext = account.answer_session(sender_key, body)
        except OlmSessionError:
            raise Wedged(sender_key) from None
        await self.save(transaction, account)
        await self._add_session(transaction, sender_key, session)
        query = """DELETE FROM crypto_olm_session WHERE account_id = $1 AND sender_key = $2 AND session_id NOT IN (
                   SELECT session_id FROM crypto_olm_session WHERE account_id = $1 AND sender_key = $2
                   ORDER BY used DESC LIMIT $3
               )"""
        await transaction.execute(query, self._user_id, sender_key, MAX_SESSIONS)
        return plaintext, True

    async def _add_session(self, transaction: Transaction, sender_key: str, session: Session) -> None:
        query = """INSERT INTO crypto_olm_session (account_id, session_id, sender_key, session, used, encrypts)
               VALUES ($1, $2, $3, $4, $5, $6)"""
        await transaction.execute(
            query,
            self._user_id,
            session.id,
            sender_key,
            await self._sealed(session),
            await self._latest_use(transaction, sender_key),
            True,
        )

    async def _latest_use(self, transaction: Transaction, sender_key: str) -> int:
        """Return the time of a use now, in ms, later than that of any session with the device: clocks may go back."""
        query = "SELECT MAX(used) FROM crypto_olm_session WHERE account_id = $1 AND sender_key = $2"
        before = await transaction.fetchval(query, self._user_id, sender_key)
        return max(time.time_ns() // 1_000_000, int(before or 0) + 1)

    def _message(self, payload: Json, account: Account, sender: str, sender_key: str) -> ToDeviceMessage:
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

    async def _open(self, row: Any) -> Session:
        context = _session_context(self._user_id, row["session_id"])
        return Session.from_pickle(await self._vault.open_either("", context, bytes(row["session"])))

    async def _sealed(self, session: Session) -> bytes:
        return await self._seal(_session_context(self._user_id, session.id), session.pickle())

    async def _seal(self, context: str, pickle: bytes) -> bytes:
        return await self._vault.seal_passing(Passing.SESSIONS, context, pickle)


async def newest_sessions(transaction: Transaction, user_id: str) -> list[tuple[str, str]]:
    """Return id and identity key of every session of an identity; the one that last decrypted a message comes first."""
    query = "SELECT session_id, sender_key FROM crypto_olm_session WHERE account_id = $1 ORDER BY used DESC"
    return [(row["session_id"], row["sender_key"]) for row in await transaction.fetch(query, user_id)]


async def delete_sessions(transaction: Transaction, user_id: str, session_ids: Sequence[str]) -> None:
    """Delete these sessions of an identity."""
    for session_id in session_ids:
        query = "DELETE FROM crypto_olm_session WHERE account_id = $1 AND session_id = $2"
        await transaction.execute(query, user_id, session_id)


async def keys_with_session(reader: Reader, user_id: str, sender_keys: Sequence[str]) -> set[str]:
    """Return those of these identity keys for which an identity has a session that encrypts."""
    query = f"""
        SELECT DISTINCT sender_key FROM crypto_olm_session
        WHERE account_id=$1 AND encrypts AND sender_key IN ({placeholders(len(sender_keys), after=1)})
        """  # noqa: S608 - placeholders only
    rows = await reader.fetch(query, user_id, *sender_keys)
    return {row["sender_key"] for row in rows}


async def stop_encrypting(transaction: Transaction) -> None:
    """Have the sessions of now only decrypt from now on, for all identities in this database.

    After a rollback of the database our states of them are older than what was sent: a state that encrypts a second time
    makes a message that its device cannot read, under a key that was used before.
    """
    await transaction.execute("UPDATE crypto_olm_session SET encrypts = $1", False)


async def delete_account(transaction: Transaction, user_id: str) -> None:
    """Delete the account of an identity; when the identity is opened, it gets another, with a new device."""
    await transaction.execute("DELETE FROM crypto_account WHERE account_id = $1", user_id)


async def passing_owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys that are in use in this database, for all identities."""
    rows = await reader.fetch(
        f"""SELECT substr(account, 1, {PASSING_PREFIX}) AS under FROM crypto_account
            UNION SELECT substr(session, 1, {PASSING_PREFIX}) AS under FROM crypto_olm_session"""  # noqa: S608 - a constant
    )
    return {passing_owner_of(bytes(row["under"])) for row in rows}


async def reseal(database: Database, vault: Vault) -> None:
    """Seal values under a retired key again, for all identities in this database. May be repeated."""
    await database.commit(partial(_reseal_accounts, vault))
    rows = await database.fetch(
        f"SELECT session_id, substr(session, 1, {PASSING_PREFIX}) AS under FROM crypto_olm_session"  # noqa: S608
    )
    stale = [row["session_id"] for row in rows if vault.is_retired(passing_owner_of(bytes(row["under"])))]
    for begin in range(0, len(stale), RESEALED_TOGETHER):
        await database.commit(partial(_reseal_sessions, vault, stale[begin : begin + RESEALED_TOGETHER]))
        await asyncio.sleep(0)


async def _reseal_accounts(vault: Vault, transaction: Transaction) -> None:
    for row in await transaction.fetch("SELECT account_id, account FROM crypto_account"):
        if vault.is_retired(passing_owner_of(bytes(row["account"]))):
            sealed = await _sealed_again(vault, _account_context(row["account_id"]), row["account"])
            query = "UPDATE crypto_account SET account = $2 WHERE account_id = $1"
            await transaction.execute(query, row["account_id"], sealed)


async def _reseal_sessions(vault: Vault, stale: Sequence[str], transaction: Transaction) -> None:
    rows = await transaction.fetch(
        f"""SELECT account_id, session_id, session FROM crypto_olm_session
            WHERE session_id IN ({placeholders(len(stale))})""",  # noqa: S608 - placeholders only
        *stale,
    )
    for row in rows:
        sealed = await _sealed_again(vault, _session_context(row["account_id"], row["session_id"]), row["session"])
        query = "UPDATE crypto_olm_session SET session = $3 WHERE account_id = $1 AND session_id = $2"
        await transaction.execute(query, row["account_id"], row["session_id"], sealed)


async def _sealed_again(vault: Vault, context: str, sealed: bytes) -> bytes:
    return await vault.seal_passing(Passing.SESSIONS, context, await vault.open_either("", context, bytes(sealed)))


def _account_context(user_id: str) -> str:
    return f"olm account {user_id}"


def _session_context(user_id: str, session_id: str) -> str:
    return f"olm session {user_id} {session_id}"


async def open_wedged(reader: Reader, identity: str) -> list[tuple[str, str]]:
    """Return (user id, identity key) of devices that need a new Olm session."""
    rows = await reader.fetch("SELECT user_id, sender_key FROM matrix_wedged WHERE identity=$1 AND open", identity)
    return [(row["user_id"], row["sender_key"]) for row in rows]


async def record_wedged(
    transaction: Transaction, identity: str, user_id: str, sender_key: str, *, now_ms: int, kept_ms: int, most: int
) -> None:
    """Note a device, if it is not noted and fewer than `most` are; rows with a new session are deleted after `kept_ms`."""
    await transaction.execute(
        "DELETE FROM matrix_wedged WHERE identity=$1 AND NOT open AND since_ms < $2", identity, now_ms - kept_ms
    )
    count = int(await transaction.fetchval("SELECT COUNT(*) FROM matrix_wedged WHERE identity=$1", identity))
    if count < most:
        query = """
            INSERT INTO matrix_wedged (identity, user_id, sender_key, since_ms, open)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
            """
        await transaction.execute(query, identity, user_id, sender_key, now_ms, True)


async def mark_recovered(transaction: Transaction, identity: str, user_id: str, sender_key: str) -> None:
    """Note that a new session was begun."""
    query = "UPDATE matrix_wedged SET open=$4 WHERE identity=$1 AND user_id=$2 AND sender_key=$3"
    await transaction.execute(query, identity, user_id, sender_key, False)


async def delete_wedged(transaction: Transaction, identity: str) -> None:
    """Delete every row of an identity whose own device is replaced: the sessions with it are gone."""
    await transaction.execute("DELETE FROM matrix_wedged WHERE identity=$1", identity)
