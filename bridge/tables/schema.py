"""The tables of the main database; those of the Matrix side are in `bridge/matrix/schema.py`.

Rules of this module: SQL is what SQLite and PostgreSQL share; bodies, phones and aggregates are sealed before they are
stored; a column in clear holds an opaque id, a time, a state or a number.
"""

from __future__ import annotations

from typing import Final

# {seq} never repeats a value, for transaction ids are made of them; {blob} is the dialect's word for bytes.
TABLES: Final = (
    # A thread: its phone (sealed, and as keyed hash), its room, and the aggregate (sealed). `screened`: its phone was
    # looked up; nothing is decided before. `in_flood`: it came in a flood, and gets its room when its card is shown.
    # `legal_hold`: nothing of it is erased (`threads.is_on_hold`).
    # `number`: the line's number that the texter texts (sealed), from which they are answered.
    """CREATE TABLE thread (
        id TEXT PRIMARY KEY,
        phone_hash {blob} UNIQUE,
        phone {blob},
        room_id TEXT UNIQUE,
        designation TEXT NOT NULL,
        legal_hold BOOLEAN NOT NULL DEFAULT FALSE,
        aggregate {blob} NOT NULL,
        screened BOOLEAN NOT NULL DEFAULT FALSE,
        in_flood BIGINT NOT NULL DEFAULT 0,
        number {blob}
    )""",
    "CREATE INDEX thread_open ON thread (room_id, in_flood, designation, id) WHERE designation <> ''",
    # SQLite uses a partial index only for a query with the same condition.
    "CREATE INDEX thread_legal_hold ON thread (id) WHERE legal_hold",
    # The desk's aggregate (sealed); one row.
    "CREATE TABLE desk (id TEXT PRIMARY KEY, aggregate {blob} NOT NULL)",
    # Who waits in a flood (sealed): the desk's row would be written at each change of one of them.
    "CREATE TABLE crowd (number BIGINT PRIMARY KEY, entry {blob} NOT NULL)",
    # Small durable facts of the line: its desk room, the carrier's watermark.
    "CREATE TABLE line (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    # `of_people`: what people do at the desk comes before news of threads.
    """CREATE TABLE inbox (
        seq {seq},
        owner TEXT NOT NULL,
        kind TEXT NOT NULL,
        body {blob} NOT NULL,
        of_people BOOLEAN NOT NULL DEFAULT FALSE
    )""",
    "CREATE INDEX inbox_order ON inbox (owner, of_people, seq)",
    """CREATE TABLE outbox (
        id {seq},
        owner TEXT NOT NULL,
        lane TEXT NOT NULL,
        transport TEXT NOT NULL,
        kind TEXT NOT NULL,
        txn TEXT NOT NULL UNIQUE,
        body {blob} NOT NULL,
        state TEXT NOT NULL DEFAULT 'queued',
        created BIGINT NOT NULL
    )""",
    "CREATE INDEX outbox_owner ON outbox (owner)",
    """CREATE TABLE timer (
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        due DOUBLE PRECISION NOT NULL,
        destroys BOOLEAN NOT NULL DEFAULT FALSE,
        PRIMARY KEY (owner, key)
    )""",
    "CREATE INDEX timer_due ON timer (destroys, due)",
    # Known messages of the carrier, as keyed hashes, kept for longer than it retries or lists them.
    "CREATE TABLE seen (hash {blob} PRIMARY KEY, until BIGINT NOT NULL)",
    # The text of ours that a carrier's id belongs to; and reports that came before its id was known. `unknown`: 1 while it
    # is not known whether the text left.
    """CREATE TABLE sent_text (
        hash {blob} PRIMARY KEY,
        owner TEXT NOT NULL,
        ref TEXT NOT NULL,
        unknown INTEGER NOT NULL DEFAULT 0,
        until BIGINT NOT NULL
    )""",
    "CREATE INDEX sent_text_owner ON sent_text (owner)",
    "CREATE INDEX sent_text_unknown ON sent_text (unknown) WHERE unknown = 1",
    """CREATE TABLE early_report (
        hash {blob} PRIMARY KEY,
        outcome TEXT NOT NULL,
        code TEXT NOT NULL,
        until BIGINT NOT NULL
    )""",
    # Reactions (sealed) to an event that the homeserver has and we have not noted, because we were killed
    # in between.
    """CREATE TABLE early_reaction (
        event_id TEXT PRIMARY KEY,
        target TEXT NOT NULL,
        owner TEXT NOT NULL,
        body {blob} NOT NULL,
        until BIGINT NOT NULL
    )""",
    "CREATE INDEX early_reaction_target ON early_reaction (target)",
    # The deletion index: every event of our rooms, for look-up by `ref` and for deletion (`room_events`). `about` is the
    # target of an edit or a reaction; `expires` in seconds, NULL while unseen; `state` events are counted and not redacted;
    # `gone` ones are redacted, and checked again when their room is erased. `refused`: since when an event should be gone
    # that the homeserver did not redact; its `expires` is postponed.
    """CREATE TABLE event (
        n {seq},
        event_id TEXT NOT NULL UNIQUE,
        room_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        ref TEXT,
        about TEXT,
        at BIGINT NOT NULL,
        expires BIGINT,
        state BOOLEAN NOT NULL DEFAULT FALSE,
        gone BOOLEAN NOT NULL DEFAULT FALSE,
        refused BIGINT
    )""",
    "CREATE UNIQUE INDEX event_ref ON event (owner, ref)",
    "CREATE INDEX event_room ON event (room_id, gone)",
    "CREATE INDEX event_about ON event (about) WHERE about IS NOT NULL",
    "CREATE INDEX event_expires ON event (expires) WHERE expires IS NOT NULL",
    # Rows that could not be handled, sealed, by the short id that a person can quote; and their place in the outbox, empty
    # for an event, for another try (`bridge/outbound`).
    """CREATE TABLE dead_letter (
        short_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        kind TEXT NOT NULL,
        body {blob} NOT NULL,
        at BIGINT NOT NULL,
        lane TEXT NOT NULL DEFAULT '',
        transport TEXT NOT NULL DEFAULT '',
        txn TEXT NOT NULL DEFAULT ''
    )""",
    # Phones that said STOP or are blocked, as slow keyed hashes, until the entry ends; no thread is named.
    """CREATE TABLE suppression (
        hash {blob} NOT NULL,
        muted TEXT NOT NULL,
        until BIGINT NOT NULL,
        PRIMARY KEY (hash, muted)
    )""",
    # What conversations were counted as; no thread is named.
    """CREATE TABLE tally (
        month TEXT NOT NULL,
        language TEXT NOT NULL,
        kind TEXT NOT NULL,
        number BIGINT NOT NULL,
        PRIMARY KEY (month, language, kind)
    )""",
    # Acts in their order, times by the hour: kinds, never words; `mac` chains them (`audit_log`).
    "CREATE TABLE audit (seq {seq}, hour BIGINT NOT NULL, about TEXT NOT NULL, kind TEXT NOT NULL, mac {blob} NOT NULL)",
    # Numbers shown in offices for a minute: the bridge redacts them, at its next start at the latest (`bridge/outbound`).
    """CREATE TABLE revealed (
        event_id TEXT PRIMARY KEY,
        room_id TEXT NOT NULL,
        granted BIGINT NOT NULL,
        until DOUBLE PRECISION NOT NULL
    )""",
    # Rooms made ahead, with the designation they bear.
    "CREATE TABLE warm_room (room_id TEXT PRIMARY KEY, designation TEXT NOT NULL)",
    # Erasure jobs (bridge/erasure): a room, or the data of a texter. `thread` only while there is one. `grace`:
    # seconds in which clients learn of it before the room is purged.
    """CREATE TABLE erasure (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL UNIQUE,
        thread TEXT NOT NULL,
        step TEXT NOT NULL,
        due DOUBLE PRECISION NOT NULL,
        grace DOUBLE PRECISION NOT NULL,
        began DOUBLE PRECISION NOT NULL,
        tries BIGINT NOT NULL DEFAULT 0,
        counts TEXT NOT NULL DEFAULT '{{}}'
    )""",
    "CREATE INDEX erasure_due ON erasure (due)",
    "CREATE INDEX erasure_thread ON erasure (thread)",
    # The carrier's copies of texts, until they are deleted or the carrier has said for how long it keeps them. `owner` is a
    # thread, or the erasure that waits for it; `due` NULL while the copy may still be needed; `id` is sealed.
    """CREATE TABLE carrier_copy (
        n {seq},
        hash {blob} NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        ref TEXT NOT NULL,
        id {blob} NOT NULL,
        due DOUBLE PRECISION,
        tries BIGINT NOT NULL DEFAULT 0,
        noted DOUBLE PRECISION NOT NULL
    )""",
    "CREATE INDEX carrier_copy_due ON carrier_copy (due)",
    # A text's copy is released when it is shown: only that copy is read, also for a texter who sent many.
    "CREATE INDEX carrier_copy_owner ON carrier_copy (owner, ref)",
    # What became of copies that are settled, counted for the certificate of whom they concern.
    """CREATE TABLE copy_result (
        owner TEXT NOT NULL,
        result TEXT NOT NULL,
        count BIGINT NOT NULL,
        PRIMARY KEY (owner, result)
    )""",
    # Signed, without content: what was erased, looked for, and found gone (`bridge/erasure`).
    """CREATE TABLE erasure_certificate (
        id TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        signature {blob} NOT NULL,
        until BIGINT NOT NULL
    )""",
)


# Above some 2,000 bytes, which an aggregate has after its first texts, PostgreSQL stores it in a TOAST table by default:
# each change writes two chunks with their index entries and deletes two, after trying to compress sealed data. Half of each
# page is left free for the next state of a row.
# Source: postgresql.org/docs/current: sql-createtable.html ("toast_tuple_target", "fillfactor"), storage-hot.html.
KEEP_AGGREGATE_IN_ROW: Final = "ALTER TABLE thread SET (toast_tuple_target = 8160, fillfactor = 50)"
# A vacuum that finds such a table empty truncates it to no page, and without a page a sequential scan is the cheapest plan.
# Each connection keeps that plan until the next vacuum, and scans the dead rows of every text of a busy minute with it.
# Source: postgresql.org/docs/current: sql-createtable.html ("vacuum_truncate"), sql-prepare.html.
QUEUES: Final = ("inbox", "outbox", "timer", "carrier_copy")

POSTGRES: Final = (
    KEEP_AGGREGATE_IN_ROW,
    *(f"ALTER TABLE {table} SET (vacuum_truncate = off)" for table in QUEUES),
)
"""What only PostgreSQL is told of these tables."""
