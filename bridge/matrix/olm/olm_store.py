"""One identity's Olm account and Olm sessions in its database.

Rule of this module: every method runs inside a commit and reads what the database says; nothing is remembered between two
calls, for a rollback would not turn it back. Pickles are encrypted with the identity's own key.

The two tables are as mautrix made them here before (`OLM` in `bridge.matrix.schema`); times are local, as its sessions have
them, and only compared with each other. A session that cannot be read is deleted when it is met: then its device is reached
by a new one, as with any session that was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from mautrix.crypto.account import OlmAccount
from mautrix.crypto.sessions import Session

from bridge.matrix.olm.vodozemac_olm import OlmSessionError
from bridge.runtime import log
from bridge.storage.database import Reader, Row, Transaction, placeholders

_SESSIONS: Final = """SELECT session_id, session, created_at, last_encrypted, last_decrypted FROM crypto_olm_session
    WHERE account_id = $1 AND sender_key = $2 ORDER BY last_decrypted DESC"""


class OlmStore:
    """Reads and writes one identity's account and sessions. `pickle_key`: what they are encrypted with."""

    def __init__(self, *, user_id: str, pickle_key: str) -> None:
        self._user_id = user_id
        self._pickle_key = pickle_key

    async def account(self, transaction: Transaction) -> OlmAccount | None:
        """Return the account, or None before there is one."""
        query = "SELECT shared, account FROM crypto_account WHERE account_id = $1"
        row = await transaction.fetchrow(query, self._user_id)
        if row is None:
            return None
        return OlmAccount.from_pickle(row["account"], passphrase=self._pickle_key, shared=bool(row["shared"]))

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
            account.pickle(self._pickle_key),
        )

    async def delete_sessions(self, transaction: Transaction) -> None:
        """Delete every session: those of an account that is replaced."""
        await transaction.execute("DELETE FROM crypto_olm_session WHERE account_id = $1", self._user_id)

    async def update_account(self, transaction: Transaction, account: OlmAccount) -> None:
        """Write what has become of the account."""
        await transaction.execute(
            "UPDATE crypto_account SET shared = $2, account = $3 WHERE account_id = $1",
            self._user_id,
            account.shared,
            account.pickle(self._pickle_key),
        )

    async def has_session(self, transaction: Transaction, sender_key: str) -> bool:
        """Whether there is a session with the device of that identity key."""
        return await self.latest_session(transaction, sender_key) is not None

    async def sessions(self, transaction: Transaction, sender_key: str) -> list[Session]:
        """Return the sessions with a device; the one that last decrypted something comes first, and is mostly the one."""
        rows = await transaction.fetch(_SESSIONS, self._user_id, sender_key)
        return [session for row in rows if (session := await self._read_or_delete(transaction, row)) is not None]

    async def latest_session(self, transaction: Transaction, sender_key: str) -> Session | None:
        """Return the session with a device that last decrypted something, or None without any."""
        while (row := await transaction.fetchrow(f"{_SESSIONS} LIMIT 1", self._user_id, sender_key)) is not None:
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
            session.pickle(self._pickle_key),
            _written(session.creation_time),
            _written(session.last_encrypted),
            _written(session.last_decrypted),
        )

    async def update_session(self, transaction: Transaction, session: Session) -> None:
        """Write what has become of a session."""
        await transaction.execute(
            """UPDATE crypto_olm_session SET session = $3, last_encrypted = $4, last_decrypted = $5
               WHERE account_id = $1 AND session_id = $2""",
            self._user_id,
            session.id,
            session.pickle(self._pickle_key),
            _written(session.last_encrypted),
            _written(session.last_decrypted),
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
            return self._session(row)
        except (OlmSessionError, ValueError, TypeError) as error:
            log.failure("olm_store.session_unreadable", error)
            await delete_sessions(transaction, self._user_id, [row["session_id"]])
            return None

    def _session(self, row: Row) -> Session:
        return Session.from_pickle(
            row["session"],
            passphrase=self._pickle_key,
            creation_time=_read(row["created_at"]),
            last_encrypted=_read(row["last_encrypted"]),
            last_decrypted=_read(row["last_decrypted"]),
        )


async def newest_sessions(transaction: Transaction, user_id: str) -> list[tuple[str, str]]:
    """Return id and identity key of every session of an identity; the one that last decrypted something comes first."""
    query = "SELECT session_id, sender_key FROM crypto_olm_session WHERE account_id = $1 ORDER BY last_decrypted DESC"
    return [(row["session_id"], row["sender_key"]) for row in await transaction.fetch(query, user_id)]


async def delete_sessions(transaction: Transaction, user_id: str, session_ids: Sequence[str]) -> None:
    """Delete these sessions of an identity."""
    for session_id in session_ids:
        query = "DELETE FROM crypto_olm_session WHERE account_id = $1 AND session_id = $2"
        await transaction.execute(query, user_id, session_id)


async def keys_with_session(reader: Reader, user_id: str, sender_keys: Sequence[str]) -> set[str]:
    """Return those of these identity keys with which an identity has a session."""
    rows = await reader.fetch(
        f"""
        SELECT DISTINCT sender_key FROM crypto_olm_session
        WHERE account_id=$1 AND sender_key IN ({placeholders(len(sender_keys), after=1)})
        """,  # noqa: S608 - placeholders only
        user_id,
        *sender_keys,
    )
    return {row["sender_key"] for row in rows}


async def bring_back(transaction: Transaction, *, latest: float, seconds: int) -> None:
    """Let times of sessions that are after `latest` be so many seconds earlier, in every account.

    The session that was used last is used, which must not be an old one for a year.
    """
    # As `Session` writes them: without a time zone, in that of the machine.
    last, by = datetime.fromtimestamp(latest), timedelta(seconds=seconds)  # noqa: DTZ006 - see above
    query = "SELECT account_id, session_id, created_at, last_encrypted, last_decrypted FROM crypto_olm_session"
    for row in await transaction.fetch(query):
        times = [_read(row[name]) for name in ("created_at", "last_encrypted", "last_decrypted")]
        if max(times) > last:
            await transaction.execute(
                """UPDATE crypto_olm_session SET created_at = $3, last_encrypted = $4, last_decrypted = $5
                   WHERE account_id = $1 AND session_id = $2""",
                row["account_id"],
                row["session_id"],
                *(_written(at - by if at > last else at) for at in times),
            )


def _written(time: datetime) -> str:
    """Write a time as Python's sqlite3 wrote it: so that text sorts as times do."""
    return time.isoformat(sep=" ", timespec="microseconds")


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)
