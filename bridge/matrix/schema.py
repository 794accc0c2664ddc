"""The tables of `bridge/matrix`, and with those of `bridge/tables` the schemas of both databases.

Rule of this module: portable SQL only; times are BIGINT milliseconds since the epoch; keys of rooms are sealed before they
are stored; ciphertext may be stored, plaintext never.
"""

from __future__ import annotations

from typing import Final

from bridge.storage.migrations import Schema
from bridge.tables import schema

_IDENTITY: Final = (
    """CREATE TABLE crypto_account (
        account_id TEXT    PRIMARY KEY,
        shared     BOOLEAN NOT NULL,
        account    {blob}  NOT NULL
    )""",
    # `used`: when it last decrypted a message. `encrypts`: false for a session of before a rollback of this database.
    """CREATE TABLE crypto_olm_session (
        account_id TEXT    NOT NULL,
        session_id TEXT    NOT NULL,
        sender_key TEXT    NOT NULL,
        session    {blob}  NOT NULL,
        used       BIGINT  NOT NULL,
        encrypts   BOOLEAN NOT NULL,
        PRIMARY KEY (account_id, session_id)
    )""",
    # `heard_…`: the newest event of the homeserver, by which a rollback to before it is recognised. `since_ms`: since when
    # the identity uses its device: the homeserver knows no transaction id of events that were sent before.
    """CREATE TABLE matrix_identity (
        user_id     TEXT    PRIMARY KEY,
        device_id   TEXT    NOT NULL,
        ready       BOOLEAN NOT NULL,
        cursor      TEXT    NOT NULL,
        heard_room  TEXT    NOT NULL DEFAULT '',
        heard_event TEXT    NOT NULL DEFAULT '',
        heard_ms    BIGINT  NOT NULL DEFAULT 0,
        since_ms    BIGINT  NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE matrix_wedged (
        identity   TEXT    NOT NULL,
        user_id    TEXT    NOT NULL,
        sender_key TEXT    NOT NULL,
        since_ms   BIGINT  NOT NULL,
        open       BOOLEAN NOT NULL,
        PRIMARY KEY (identity, user_id, sender_key)
    )""",
    # Devices that began a new Olm session with the texter puppet, until their keys are marked as due in the main store.
    """CREATE TABLE matrix_unwedging (
        user_id    TEXT NOT NULL,
        sender_key TEXT NOT NULL,
        PRIMARY KEY (user_id, sender_key)
    )""",
    # Devices that the identity used before, and when they ended.
    """CREATE TABLE matrix_earlier_device (
        user_id   TEXT    NOT NULL,
        device_id TEXT    NOT NULL,
        at_ms     BIGINT  NOT NULL,
        PRIMARY KEY (user_id, device_id)
    )""",
)

_ROOMS: Final = (
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
    # A change at the desk looks up, among thousands, the desk's room, offices, and rooms without one of our identities.
    "CREATE INDEX matrix_room_kind ON matrix_room (kind, owner)",
    "CREATE INDEX matrix_member_outside ON matrix_member (user_id, room_id) WHERE membership <> 'join'",
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
    # The day on which a device was last seen or first known, to find unused devices. `spoke`: whether a message of it was
    # read: after the first one it gets the keys once more.
    """CREATE TABLE matrix_last_seen (
        user_id   TEXT    NOT NULL,
        device_id TEXT    NOT NULL,
        at_ms     BIGINT  NOT NULL,
        spoke     BOOLEAN NOT NULL DEFAULT FALSE,
        PRIMARY KEY (user_id, device_id)
    )""",
    """CREATE TABLE matrix_seen_identity (
        user_id    TEXT PRIMARY KEY,
        master_key TEXT NOT NULL
    )""",
    # `announced`: false for an identity that was confirmed beside the bridge, until the bridge has told the desk of it.
    """CREATE TABLE matrix_confirmed (
        user_id    TEXT PRIMARY KEY,
        master_key TEXT NOT NULL,
        announced  BOOLEAN NOT NULL DEFAULT TRUE
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
        first_key  {blob}  NOT NULL,
        ratchet    {blob},
        next_index BIGINT  NOT NULL,
        active     BOOLEAN NOT NULL,
        begun_ms   BIGINT  NOT NULL
    )""",
    "CREATE INDEX matrix_session_room ON matrix_session (room_id, user_id, active)",
    # Which device has a session's key, written before the key is sent. `owed`: the key is due once more; `again_ms`: when
    # the device last asked for it; `mark`: how often it was asked for, so that an earlier delivery does not count for a
    # request that came meanwhile.
    """CREATE TABLE matrix_sent (
        session_id TEXT    NOT NULL REFERENCES matrix_session (session_id) ON DELETE CASCADE,
        user_id    TEXT    NOT NULL,
        device_id  TEXT    NOT NULL,
        owed       BOOLEAN NOT NULL DEFAULT FALSE,
        again_ms   BIGINT  NOT NULL DEFAULT 0,
        mark       BIGINT  NOT NULL DEFAULT 0,
        PRIMARY KEY (session_id, user_id, device_id)
    )""",
    "CREATE INDEX matrix_sent_device ON matrix_sent (user_id, device_id)",
    # Devices that were told that they get no key of a session, and why.
    """CREATE TABLE matrix_withheld (
        session_id TEXT NOT NULL REFERENCES matrix_session (session_id) ON DELETE CASCADE,
        user_id    TEXT NOT NULL,
        device_id  TEXT NOT NULL,
        PRIMARY KEY (session_id, user_id, device_id)
    )""",
    # `floor`: no index below it is read any more. `accepted`: a message of it was read while its device was trusted.
    # `learned_ms`: when its key came.
    """CREATE TABLE matrix_inbound (
        room_id     TEXT   NOT NULL REFERENCES matrix_room (room_id) ON DELETE CASCADE,
        session_id  TEXT   NOT NULL,
        sender      TEXT   NOT NULL,
        sender_key  TEXT   NOT NULL,
        signing_key TEXT   NOT NULL,
        first_index BIGINT NOT NULL,
        ratchet     {blob} NOT NULL,
        floor       BIGINT NOT NULL DEFAULT 0,
        accepted    BOOLEAN NOT NULL DEFAULT FALSE,
        learned_ms  BIGINT NOT NULL DEFAULT 0,
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

PUPPET_SCHEMA: Final = Schema(tables=_IDENTITY)
"""The texter puppet's database."""

MAIN_SCHEMA: Final = Schema(tables=(*schema.TABLES, *_IDENTITY, *_ROOMS), postgres=schema.POSTGRES)
"""The main database."""
