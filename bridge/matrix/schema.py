"""The tables of `bridge/matrix`.

Rule of this module: portable SQL only; times are BIGINT milliseconds since the epoch; keys of rooms are sealed before they
are stored; ciphertext may be stored, plaintext never. A released migration is not edited; changes are new ones (which may
rename a table).

`OLM` and `IDENTITY` go into the database of each identity, `ROOMS` into the main one.
"""

from __future__ import annotations

from typing import Final

from bridge.storage import marked_sets
from bridge.storage.database import Dialect, Transaction
from bridge.storage.migrations import Migrations


async def _olm(transaction: Transaction) -> None:
    # Times are text: see `bridge.matrix.olm.olm_store`.
    await transaction.execute(f"""
        CREATE TABLE crypto_account (
            account_id TEXT    PRIMARY KEY,
            device_id  TEXT    NOT NULL,
            shared     BOOLEAN NOT NULL,
            sync_token TEXT    NOT NULL,
            account    {transaction.dialect.blob} NOT NULL
        )
    """)
    await transaction.execute(f"""
        CREATE TABLE crypto_olm_session (
            account_id     TEXT,
            session_id     TEXT,
            sender_key     TEXT NOT NULL,
            session        {transaction.dialect.blob} NOT NULL,
            created_at     TEXT NOT NULL,
            last_decrypted TEXT NOT NULL,
            last_encrypted TEXT NOT NULL,
            PRIMARY KEY (account_id, session_id)
        )
    """)


async def _olm_alone(transaction: Transaction) -> None:
    # mautrix made these too; they were always empty, because our own code shares and stores room keys.
    for table in _NEVER_USED:
        await transaction.execute(f"DROP TABLE IF EXISTS {table}")


_NEVER_USED: Final = (
    "crypto_message_index",
    "crypto_tracked_user",
    "crypto_device",
    "crypto_megolm_inbound_session",
    "crypto_megolm_outbound_session",
    "crypto_cross_signing_keys",
    "crypto_cross_signing_signatures",
)


async def _identities(transaction: Transaction) -> None:
    await transaction.execute("""
        CREATE TABLE matrix_identity (
            user_id   TEXT    PRIMARY KEY,
            device_id TEXT    NOT NULL,
            ready     BOOLEAN NOT NULL,
            cursor    TEXT    NOT NULL
        )
    """)
    await transaction.execute("""
        CREATE TABLE matrix_wedged (
            identity   TEXT    NOT NULL,
            user_id    TEXT    NOT NULL,
            sender_key TEXT    NOT NULL,
            since_ms   BIGINT  NOT NULL,
            open       BOOLEAN NOT NULL,
            PRIMARY KEY (identity, user_id, sender_key)
        )
    """)


async def _rooms(transaction: Transaction) -> None:
    for statement in _ROOM_TABLES:
        await transaction.execute(statement)


_ROOM_TABLES: Final = (
    """CREATE TABLE matrix_room (
        room_id   TEXT PRIMARY KEY,
        kind      TEXT NOT NULL,
        owner     TEXT NOT NULL,
        key_owner TEXT NOT NULL
    )""",
    """CREATE TABLE matrix_member (
        room_id    TEXT NOT NULL REFERENCES matrix_room (room_id) ON DELETE CASCADE,
        user_id    TEXT NOT NULL,
        membership TEXT NOT NULL,
        PRIMARY KEY (room_id, user_id)
    )""",
    "CREATE INDEX matrix_member_user ON matrix_member (user_id)",
    """CREATE TABLE matrix_level (
        room_id TEXT   NOT NULL REFERENCES matrix_room (room_id) ON DELETE CASCADE,
        user_id TEXT   NOT NULL,
        level   BIGINT NOT NULL,
        PRIMARY KEY (room_id, user_id)
    )""",
    """CREATE TABLE matrix_device (
        user_id      TEXT    NOT NULL,
        device_id    TEXT    NOT NULL,
        curve25519   TEXT    NOT NULL,
        ed25519      TEXT    NOT NULL,
        cross_signed BOOLEAN NOT NULL,
        master_key   TEXT    NOT NULL,
        PRIMARY KEY (user_id, device_id)
    )""",
    # Later `matrix_last_seen`: the day on which a device was last seen or first known, to find unused devices.
    """CREATE TABLE matrix_heard (
        user_id   TEXT   NOT NULL,
        device_id TEXT   NOT NULL,
        at_ms     BIGINT NOT NULL,
        PRIMARY KEY (user_id, device_id)
    )""",
    """CREATE TABLE matrix_seen_identity (
        user_id    TEXT   PRIMARY KEY,
        master_key TEXT   NOT NULL,
        queried_ms BIGINT NOT NULL
    )""",
    """CREATE TABLE matrix_confirmed (
        user_id    TEXT PRIMARY KEY,
        master_key TEXT NOT NULL
    )""",
    """CREATE TABLE matrix_dirty (
        user_id TEXT    PRIMARY KEY,
        mark    BIGINT  NOT NULL,
        stale   BOOLEAN NOT NULL,
        due_ms  BIGINT  NOT NULL
    )""",
    """CREATE TABLE matrix_session (
        session_id TEXT    PRIMARY KEY,
        room_id    TEXT    NOT NULL REFERENCES matrix_room (room_id) ON DELETE CASCADE,
        user_id    TEXT    NOT NULL,
        first_key  BYTEA   NOT NULL,
        ratchet    BYTEA,
        next_index BIGINT  NOT NULL,
        active     BOOLEAN NOT NULL,
        begun_ms   BIGINT  NOT NULL
    )""",
    "CREATE INDEX matrix_session_room ON matrix_session (room_id, user_id, active)",
    # Which device has a session's key; `owed`: the key is due once more; `again_ms`: when the device last asked for it.
    """CREATE TABLE matrix_sent (
        session_id TEXT    NOT NULL REFERENCES matrix_session (session_id) ON DELETE CASCADE,
        user_id    TEXT    NOT NULL,
        device_id  TEXT    NOT NULL,
        owed       BOOLEAN NOT NULL DEFAULT FALSE,
        again_ms   BIGINT  NOT NULL DEFAULT 0,
        PRIMARY KEY (session_id, user_id, device_id)
    )""",
    "CREATE INDEX matrix_sent_device ON matrix_sent (user_id, device_id)",
    """CREATE TABLE matrix_inbound (
        room_id     TEXT   NOT NULL REFERENCES matrix_room (room_id) ON DELETE CASCADE,
        session_id  TEXT   NOT NULL,
        sender      TEXT   NOT NULL,
        sender_key  TEXT   NOT NULL,
        signing_key TEXT   NOT NULL,
        first_index BIGINT NOT NULL,
        ratchet     BYTEA  NOT NULL,
        PRIMARY KEY (room_id, session_id, sender)
    )""",
    """CREATE TABLE matrix_read (
        room_id    TEXT   NOT NULL REFERENCES matrix_room (room_id) ON DELETE CASCADE,
        session_id TEXT   NOT NULL,
        position   BIGINT NOT NULL,
        event_id   TEXT   NOT NULL,
        PRIMARY KEY (room_id, session_id, position)
    )""",
    """CREATE TABLE matrix_waiting (
        event_id    TEXT   PRIMARY KEY,
        room_id     TEXT   NOT NULL REFERENCES matrix_room (room_id) ON DELETE CASCADE,
        session_id  TEXT   NOT NULL,
        sender      TEXT   NOT NULL,
        event       TEXT   NOT NULL,
        needs       TEXT   NOT NULL,
        arrived     BIGINT NOT NULL,
        deadline_ms BIGINT NOT NULL
    )""",
    "CREATE INDEX matrix_waiting_session ON matrix_waiting (room_id, session_id)",
    # Uploads for a room, until they are deleted: key bundles of ours, for whom (`user_id`) and until when (`due_ms`); and
    # uploads that a message links (`event_id`), which are deleted with the message.
    """CREATE TABLE matrix_upload (
        mxc      TEXT    PRIMARY KEY,
        room_id  TEXT    NOT NULL,
        user_id  TEXT    NOT NULL DEFAULT '',
        event_id TEXT    NOT NULL DEFAULT '',
        at_ms    BIGINT  NOT NULL,
        due_ms   BIGINT,
        joined   BOOLEAN NOT NULL DEFAULT FALSE
    )""",
)


async def _unwedging(transaction: Transaction) -> None:
    # `matrix_unwedging`: devices that began a new Olm session with the texter puppet, until their keys are marked as due in
    # the main store.
    await transaction.execute("""
        CREATE TABLE matrix_anew (
            user_id    TEXT NOT NULL,
            sender_key TEXT NOT NULL,
            PRIMARY KEY (user_id, sender_key)
        )
    """)


async def _inbound_limits(transaction: Transaction) -> None:
    # `floor`: no index below it is read any more. `accepted`: a message of it was read while its device was trusted.
    # `learned_ms`: when its key came. For existing rows only the time of the migration is known.
    for column in ("floor BIGINT NOT NULL DEFAULT 0", "accepted BOOLEAN NOT NULL DEFAULT FALSE", _LEARNED):
        await transaction.execute(f"ALTER TABLE matrix_inbound ADD COLUMN {column}")
    await transaction.execute("UPDATE matrix_inbound SET floor = first_index")
    await transaction.execute(
        """UPDATE matrix_inbound SET accepted = TRUE WHERE EXISTS (SELECT 1 FROM matrix_read m
           WHERE m.room_id = matrix_inbound.room_id AND m.session_id = matrix_inbound.session_id)"""
    )


_LEARNED: Final = "learned_ms BIGINT NOT NULL DEFAULT 0"


async def _earlier_devices(transaction: Transaction) -> None:
    # Devices of the identity that we do not use: our earlier ones (`ours`) and when they ended; others and when first seen.
    await transaction.execute("""
        CREATE TABLE matrix_earlier_device (
            user_id   TEXT    NOT NULL,
            device_id TEXT    NOT NULL,
            ours      BOOLEAN NOT NULL,
            at_ms     BIGINT  NOT NULL,
            PRIMARY KEY (user_id, device_id)
        )
    """)


async def _newest_heard(transaction: Transaction) -> None:
    # The newest event of the homeserver, by which a rollback to before it is recognised.
    for column in ("heard_room TEXT NOT NULL DEFAULT ''", "heard_event TEXT NOT NULL DEFAULT ''", _HEARD_MS):
        await transaction.execute(f"ALTER TABLE matrix_identity ADD COLUMN {column}")


_HEARD_MS: Final = "heard_ms BIGINT NOT NULL DEFAULT 0"


async def _present_device(transaction: Transaction) -> None:
    # Since when the identity uses its device: the homeserver knows no transaction id of events that were sent before.
    await transaction.execute("ALTER TABLE matrix_identity ADD COLUMN since_ms BIGINT NOT NULL DEFAULT 0")
    await transaction.execute(
        """UPDATE matrix_identity SET since_ms = COALESCE((SELECT MAX(e.at_ms) FROM matrix_earlier_device e
           WHERE e.user_id = matrix_identity.user_id AND e.ours), 0)"""
    )


async def _announced(transaction: Transaction) -> None:
    # False for an identity that was confirmed beside the bridge, until the bridge has told the desk of it.
    await transaction.execute("ALTER TABLE matrix_confirmed ADD COLUMN announced BOOLEAN NOT NULL DEFAULT TRUE")


async def _withheld(transaction: Transaction) -> None:
    # Devices that were told that they get no key of a session, and why.
    await transaction.execute("""
        CREATE TABLE matrix_withheld (
            session_id TEXT NOT NULL REFERENCES matrix_session (session_id) ON DELETE CASCADE,
            user_id    TEXT NOT NULL,
            device_id  TEXT NOT NULL,
            PRIMARY KEY (session_id, user_id, device_id)
        )
    """)


async def _trust_macs(transaction: Transaction) -> None:
    # A person who can write this database but lacks the vault key cannot confirm anybody, nor add a device to an identity.
    for table in ("matrix_confirmed", "matrix_device"):
        await transaction.execute(f"ALTER TABLE {table} ADD COLUMN mac {transaction.dialect.blob}")


async def _add_spoke_column(transaction: Transaction) -> None:
    # Whether a message of a device was read: after the first one it gets the keys once more.
    await transaction.execute("ALTER TABLE matrix_heard ADD COLUMN spoke BOOLEAN NOT NULL DEFAULT FALSE")


async def _room_kind_index(transaction: Transaction) -> None:
    # A change at the desk looks up, among thousands, the desk's room, offices, and rooms without one of our identities.
    await transaction.execute("CREATE INDEX matrix_room_kind ON matrix_room (kind, owner)")
    await transaction.execute(
        "CREATE INDEX matrix_member_outside ON matrix_member (user_id, room_id) WHERE membership <> 'join'"
    )


async def _pending_unwedging(transaction: Transaction) -> None:
    await transaction.execute("ALTER TABLE matrix_anew RENAME TO matrix_unwedging")
    if transaction.dialect is Dialect.POSTGRESQL:
        await transaction.execute("ALTER INDEX matrix_anew_pkey RENAME TO matrix_unwedging_pkey")


async def _last_seen(transaction: Transaction) -> None:
    await transaction.execute("ALTER TABLE matrix_heard RENAME TO matrix_last_seen")
    if transaction.dialect is Dialect.POSTGRESQL:
        await transaction.execute("ALTER INDEX matrix_heard_pkey RENAME TO matrix_last_seen_pkey")


async def _under_passing_keys(_transaction: Transaction) -> None:
    # No table changes: from here on sessions of desk and offices are sealed under keys that an older program does not find.
    # It could read nobody at the desk, so this step prevents its start.
    pass


async def _homeserver_rollback(transaction: Transaction) -> None:
    # For memberships that were noted before a rollback of the homeserver: the time of the newest event before it
    # (`gone_ms`), and whether a person who had left was found in the room again (`back`), so that they are removed once
    # more.
    for column in ("gone_ms BIGINT", "back BOOLEAN NOT NULL DEFAULT FALSE"):
        await transaction.execute(f"ALTER TABLE matrix_member ADD COLUMN {column}")
    # Devices that a later device list lacked: signed out, or deleted.
    await transaction.execute("""
        CREATE TABLE matrix_gone_device (
            user_id TEXT   NOT NULL,
            ed25519 TEXT   NOT NULL,
            at_ms   BIGINT NOT NULL,
            PRIMARY KEY (user_id, ed25519)
        )
    """)


async def _sent_marks(transaction: Transaction) -> None:
    # A row of `matrix_sent` is now written before the key is sent. `mark`: how often the key was asked for again, so that a
    # delivery of before does not count for a request that came meanwhile.
    await transaction.execute("ALTER TABLE matrix_sent ADD COLUMN mark BIGINT NOT NULL DEFAULT 0")


OLM: Final = Migrations(version_table="crypto_version", steps=(_olm, _olm_alone), base_version=9)
"""A file that mautrix made has its version 10, which is also the result of the first step."""
IDENTITY: Final = Migrations(
    version_table="matrix_identity_version",
    steps=(_identities, _unwedging, _earlier_devices, _newest_heard, _pending_unwedging, _present_device),
)
ROOMS: Final = Migrations(
    version_table="matrix_version",
    steps=(
        _rooms,
        _inbound_limits,
        _announced,
        _withheld,
        _trust_macs,
        _add_spoke_column,
        _room_kind_index,
        _last_seen,
        _under_passing_keys,
        _homeserver_rollback,
        _sent_marks,
    ),
)

PUPPET_MIGRATIONS: Final = (OLM, IDENTITY)
"""The migrations of the texter puppet's database."""

MAIN_MIGRATIONS: Final = (OLM, IDENTITY, ROOMS, marked_sets.MIGRATIONS)
"""The migrations of `bridge/matrix` in the main database."""
