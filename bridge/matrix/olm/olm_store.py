"""One identity's Olm account and Olm sessions in its database.

Rule of this module: every method runs inside a commit and reads the database; nothing is cached between two calls, because
a rollback of the commit would not undo it. Pickles are encrypted with the identity's own key, and sealed under a passing
key. An old state of a session, together with the homeserver's messages of that time, reveals the room keys that were sent;
so values under a retired key are sealed again at each turn (`reseal`), and the key of the old states can be destroyed
(`bridge/erasure/passing_keys.py`). Values of an older program are not sealed until then.

The two tables have the form of mautrix, which made them here first (`OLM` in `bridge.matrix.schema`); times are local, as
in its sessions, and only compared with each other. An unreadable session is deleted when it is found, at `reseal` at the
latest: then its device gets a new one, as after any lost session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from mautrix.crypto.account import OlmAccount
from mautrix.crypto.sessions import Session

from bridge.matrix.olm.vodozemac_olm import OlmAccountError, OlmSessionError
from bridge.runtime import log
from bridge.storage.database import Database, Reader, Row, Transaction, placeholders
from bridge.storage.vault import PASSING_PREFIX, CannotOpen, Passing, Vault, passing_owner_of

RESEALED_TOGETHER: Final = 50
"""Sessions in one commit; other commits of the database wait a few milliseconds for it."""

DECRYPTS_ONLY: Final = "0001-01-01 00:00:00.000000"
"""The begin of a session that does not encrypt any more (`stop_encrypting`)."""
_SESSIONS: Final = """SELECT session_id, session, created_at, last_encrypted, last_decrypted FROM crypto_olm_session
    WHERE account_id = $1 AND sender_key = $2 ORDER BY last_decrypted DESC"""
_LATEST: Final = f"""SELECT session_id, session, created_at, last_encrypted, last_decrypted FROM crypto_olm_session
    WHERE account_id = $1 AND sender_key = $2 AND created_at > '{DECRYPTS_ONLY}' ORDER BY last_decrypted DESC LIMIT 1"""  # noqa: S608


class OlmStore:
    """Reads and writes one identity's account and sessions. `pickle_key`: the key of their encryption, inside the seal."""

    def __init__(self, *, user_id: str, pickle_key: str, vault: Vault) -> None:
        self._user_id = user_id
        self._pickle_key = pickle_key
        self._vault = vault

    async def account(self, transaction: Transaction) -> OlmAccount | None:
        """Return the account, or None before there is one. Raises `OlmAccountError` for one that cannot be read."""
        query = "SELECT shared, account FROM crypto_account WHERE account_id = $1"
        row = await transaction.fetchrow(query, self._user_id)
        if row is None:
            return None
        try:
            pickle = await _open(self._vault, _account_context(self._user_id), bytes(row["account"]))
        except (CannotOpen, TypeError):
            raise OlmAccountError("the key of this account is gone") from None
        return OlmAccount.from_pickle(pickle, passphrase=self._pickle_key, shared=bool(row["shared"]))

    async def add_account(self, transaction: Transaction, account: OlmAccount, device_id: str) -> None:
        """Write the account of a new device."""
        await transaction.execute(
            """INSERT INTO crypto_account (account_id, device_id, shared, sync_token, account)
               VALUES ($1, $2, $3, '', $4)
               ON CONFLICT (account_id) DO UPDATE
               SET device_id = excluded.device_id, shared = excluded.shared, account = excluded.account""",
            self._user_id,
            device_id,
            account.shared,
            await _seal(self._vault, _account_context(self._user_id), account.pickle(self._pickle_key)),
        )

    async def delete_sessions(self, transaction: Transaction) -> None:
        """Delete every session: those of an account that is replaced."""
        await transaction.execute("DELETE FROM crypto_olm_session WHERE account_id = $1", self._user_id)

    async def update_account(self, transaction: Transaction, account: OlmAccount) -> None:
        """Write the changed account."""
        await transaction.execute(
            "UPDATE crypto_account SET shared = $2, account = $3 WHERE account_id = $1",
            self._user_id,
            account.shared,
            await _seal(self._vault, _account_context(self._user_id), account.pickle(self._pickle_key)),
        )

    async def has_session(self, transaction: Transaction, sender_key: str) -> bool:
        """Whether there is a session that encrypts for the device of that identity key."""
        return await self.latest_session(transaction, sender_key) is not None

    async def sessions(self, transaction: Transaction, sender_key: str) -> list[Session]:
        """Return the sessions with a device; the one that last decrypted a message comes first: usually the right one."""
        rows = await transaction.fetch(_SESSIONS, self._user_id, sender_key)
        return [session for row in rows if (session := await self._read_or_delete(transaction, row)) is not None]

    async def latest_session(self, transaction: Transaction, sender_key: str) -> Session | None:
        """Return, of the sessions that encrypt for a device, the one that last decrypted something, or None without any."""
        while (row := await transaction.fetchrow(_LATEST, self._user_id, sender_key)) is not None:
            if (session := await self._read_or_delete(transaction, row)) is not None:
                return session
        return None

    async def add_session(self, transaction: Transaction, sender_key: str, session: Session) -> None:
        """Write a new session."""
        await transaction.execute(
            """INSERT INTO crypto_olm_session
               (account_id, session_id, sender_key, session, created_at, last_encrypted, last_decrypted)
               VALUES ($1, $2, $3, $4, $5, $6, $7)""",
            self._user_id,
            session.id,
            sender_key,
            await self._sealed_session(session),
            _format_time(session.creation_time),
            _format_time(session.last_encrypted),
            _format_time(session.last_decrypted),
        )

    async def update_session(self, transaction: Transaction, session: Session) -> None:
        """Write a changed session."""
        await transaction.execute(
            """UPDATE crypto_olm_session SET session = $3, last_encrypted = $4, last_decrypted = $5
               WHERE account_id = $1 AND session_id = $2""",
            self._user_id,
            session.id,
            await self._sealed_session(session),
            _format_time(session.last_encrypted),
            _format_time(session.last_decrypted),
        )

    async def prune(self, transaction: Transaction, sender_key: str, *, most: int) -> None:
        """Delete all sessions with a device but the `most` that last decrypted something."""
        await transaction.execute(
            """DELETE FROM crypto_olm_session WHERE account_id = $1 AND sender_key = $2 AND session_id NOT IN (
                   SELECT session_id FROM crypto_olm_session WHERE account_id = $1 AND sender_key = $2
                   ORDER BY last_decrypted DESC LIMIT $3
               )""",
            self._user_id,
            sender_key,
            most,
        )

    async def _read_or_delete(self, transaction: Transaction, row: Row) -> Session | None:
        try:
            return await self._session(row)
        except (CannotOpen, OlmSessionError, ValueError, TypeError) as error:
            log.failure("olm_store.session_unreadable", error)
            await delete_sessions(transaction, self._user_id, [row["session_id"]])
            return None

    async def _sealed_session(self, session: Session) -> bytes:
        pickle = session.pickle(self._pickle_key)
        return await _seal(self._vault, _session_context(self._user_id, session.id), pickle)

    async def _session(self, row: Row) -> Session:
        context = _session_context(self._user_id, row["session_id"])
        return Session.from_pickle(
            await _open(self._vault, context, bytes(row["session"])),
            passphrase=self._pickle_key,
            creation_time=datetime.fromisoformat(row["created_at"]),
            last_encrypted=datetime.fromisoformat(row["last_encrypted"]),
            last_decrypted=datetime.fromisoformat(row["last_decrypted"]),
        )


async def newest_sessions(transaction: Transaction, user_id: str) -> list[tuple[str, str]]:
    """Return id and identity key of every session of an identity; the one that last decrypted a message comes first."""
    query = "SELECT session_id, sender_key FROM crypto_olm_session WHERE account_id = $1 ORDER BY last_decrypted DESC"
    return [(row["session_id"], row["sender_key"]) for row in await transaction.fetch(query, user_id)]


async def delete_sessions(transaction: Transaction, user_id: str, session_ids: Sequence[str]) -> None:
    """Delete these sessions of an identity."""
    for session_id in session_ids:
        query = "DELETE FROM crypto_olm_session WHERE account_id = $1 AND session_id = $2"
        await transaction.execute(query, user_id, session_id)


async def keys_with_session(reader: Reader, user_id: str, sender_keys: Sequence[str]) -> set[str]:
    """Return those of these identity keys for which an identity has a session that encrypts."""
    rows = await reader.fetch(
        f"""
        SELECT DISTINCT sender_key FROM crypto_olm_session
        WHERE account_id=$1 AND created_at > '{DECRYPTS_ONLY}' AND sender_key IN ({placeholders(len(sender_keys), after=1)})
        """,  # noqa: S608 - placeholders and a constant
        user_id,
        *sender_keys,
    )
    return {row["sender_key"] for row in rows}


async def stop_encrypting(transaction: Transaction) -> None:
    """Have the sessions of now only decrypt from now on, for all identities in this database.

    After a rollback of the database our states of them are older than what was sent: a state that encrypts a second time
    makes a message that its device cannot read, under a key that was used before.
    """
    await transaction.execute("UPDATE crypto_olm_session SET created_at = $1", DECRYPTS_ONLY)


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
    """Seal values under a retired key, and unsealed ones, again, for all identities in this database. May be repeated."""
    await database.commit(partial(_reseal_accounts, vault))
    rows = await database.fetch(
        f"SELECT account_id, session_id, substr(session, 1, {PASSING_PREFIX}) AS under FROM crypto_olm_session"  # noqa: S608
    )
    stale = [(row["account_id"], row["session_id"]) for row in rows if _is_stale(vault, bytes(row["under"]))]
    for begin in range(0, len(stale), RESEALED_TOGETHER):
        await database.commit(partial(_reseal_sessions, vault, stale[begin : begin + RESEALED_TOGETHER]))
        await asyncio.sleep(0)


async def _reseal_accounts(vault: Vault, transaction: Transaction) -> None:
    for row in await transaction.fetch("SELECT account_id, account FROM crypto_account"):
        if _is_stale(vault, bytes(row["account"])):
            context = _account_context(row["account_id"])
            # An account that cannot be opened is replaced at the next start.
            if (sealed := await _reseal(vault, context, bytes(row["account"]))) is not None:
                query = "UPDATE crypto_account SET account = $2 WHERE account_id = $1"
                await transaction.execute(query, row["account_id"], sealed)


async def _reseal_sessions(vault: Vault, stale: Sequence[tuple[str, str]], transaction: Transaction) -> None:
    rows = await transaction.fetch(
        f"""SELECT account_id, session_id, session FROM crypto_olm_session
            WHERE session_id IN ({placeholders(len(stale))})""",  # noqa: S608 - placeholders only
        *(session_id for _, session_id in stale),
    )
    for row in rows:
        context = _session_context(row["account_id"], row["session_id"])
        if (sealed := await _reseal(vault, context, bytes(row["session"]))) is not None:
            query = "UPDATE crypto_olm_session SET session = $3 WHERE account_id = $1 AND session_id = $2"
            await transaction.execute(query, row["account_id"], row["session_id"], sealed)
        else:  # otherwise a damaged session would keep its key until its device sends a message
            await delete_sessions(transaction, row["account_id"], [row["session_id"]])


async def _seal(vault: Vault, context: str, pickle: bytes) -> bytes:
    return await vault.seal_passing(Passing.SESSIONS, context, pickle)


async def _open(vault: Vault, context: str, stored: bytes) -> bytes:
    """Return a pickle without its seal. Raises `CannotOpen`."""
    return await vault.open_either("", context, stored) if passing_owner_of(stored) else stored


async def _reseal(vault: Vault, context: str, stored: bytes) -> bytes | None:
    try:
        pickle = await _open(vault, context, stored)
    except CannotOpen:
        return None
    return await _seal(vault, context, pickle)


def _is_stale(vault: Vault, stored: bytes) -> bool:
    under = passing_owner_of(stored)
    return not under or vault.is_retired(under)


def _account_context(user_id: str) -> str:
    return f"olm account {user_id}"


def _session_context(user_id: str, session_id: str) -> str:
    return f"olm session {user_id} {session_id}"


def _format_time(time: datetime) -> str:
    """Format a time as Python's sqlite3 does, so that the text sorts by time."""
    return time.isoformat(sep=" ", timespec="microseconds")


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
        await transaction.execute(
            """
            INSERT INTO matrix_wedged (identity, user_id, sender_key, since_ms, open)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
            """,
            identity,
            user_id,
            sender_key,
            now_ms,
            True,
        )


async def mark_recovered(transaction: Transaction, identity: str, user_id: str, sender_key: str) -> None:
    """Note that a new session was begun."""
    query = "UPDATE matrix_wedged SET open=$4 WHERE identity=$1 AND user_id=$2 AND sender_key=$3"
    await transaction.execute(query, identity, user_id, sender_key, False)


async def delete_wedged(transaction: Transaction, identity: str) -> None:
    """Delete every row of an identity whose own device is replaced: the sessions with it are gone."""
    await transaction.execute("DELETE FROM matrix_wedged WHERE identity=$1", identity)
