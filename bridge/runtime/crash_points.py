"""The named places at which tests kill the process.

Rule of this module: a point lies between any two durable steps, and a test hits each point once: it kills the process
there, starts it again and counts. In production `at` does nothing; a test gives the application a function that kills.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique
from typing import TypeAlias


@unique
class CrashPoint(Enum):
    """Where the process may die. The value is what a test names."""

    KEY_WRITTEN = "the thread's key is in keys.db, the thread is not yet in the main database"
    SCREENED = "a new texter was looked up and their thread may begin, the engine has not looked yet"
    TURNED_AWAY = "the thread of a blocked phone is gone again, its key still stands"
    INBOUND_COMMITTED = "the text is in the inbox, the carrier has no answer yet"
    INBOUND_ANSWERED = "the carrier has its 2xx, the engine has not looked yet"
    ENGINE_DECIDED = "decide has answered, nothing of it is committed"
    ENGINE_COMMITTED = "aggregate, outbox and timers are committed, nothing is performed"
    SYNC_RECEIVED = "a sync response is here, nothing of it is committed"
    SYNC_COMMITTED = "a sync response and its cursor are committed, the engine has not looked yet"
    ROLLBACK_NOTED = "what is repeated with a homeserver that was put back is noted, rooms are not compared yet"
    SESSIONS_RETIRED = "a device of ours is gone and its sessions are retired, the identity has no other device yet"
    DEVICE_REPLACED = "an identity has another device, of which the homeserver does not know"
    MATRIX_SENDING = "an event is encrypted, the request is not sent"
    MATRIX_SENT = "the homeserver has the event, the outbox row still stands"
    SMS_MARKED = "the row says `sending`, the request is not sent"
    SMS_SENT = "the carrier has the text, the result is not committed"
    SMS_RESULT = "the result of the text is committed, the thread has not heard it"
    TIMER_DUE = "a timer is due, its inbox row is not committed"
    TIMER_FIRED = "a due timer became an inbox row, the engine has not looked yet"
    ROOM_CREATED = "the homeserver made a room, we have not noted it"
    ROOM_KEY_WRITTEN = "a room's key is in keys.db, the room is not noted"
    ROOM_NOTED = "a room is noted, it is not yet ready for a thread"
    KEYS_SHARED = "first keys are sent to somebody's devices, the invite is not"
    BUNDLE_NOTED = "the address of a bundle of keys is noted, nothing is uploaded there"
    BUNDLE_UPLOADED = "a bundle of keys is uploaded, nobody was told where"
    KEYS_NOTED = "first keys are noted as due to somebody's devices, none is sent"
    KEYS_DELIVERED = "the homeserver has first keys for somebody's devices, they still count as due"
    KEYS_OWED = "a device's keys of the texter puppet are owed once more, that it asked for them still stands"
    MEMBER_REMOVED = "somebody is removed from a room, its sessions are not rotated"
    INVITED = "somebody is invited, the outbox row still stands"
    EVENT_EXPIRED = "an event whose time had come is redacted, its row on the deletion index still stands"
    STATUS_TAKEN = "what the carrier says of a text without a report is kept, its copy of the text still stands"
    COPY_DELETED = "the carrier has answered about its copy of a text, the answer is not noted"
    ROOM_REDACTED = "events of a room that is being erased are redacted, that is not noted"
    ROOM_EMPTIED = "everybody is removed from the room, that is not noted"
    ROOM_CENSORED = "what was redacted in a room is overwritten, that is not noted"
    UPLOADS_DELETED = "the room's uploads are deleted, that is not noted"
    ROOM_KEY_DESTROYED = "the room's key is destroyed, its sealed sessions still stand"
    ROOM_PURGED = "the homeserver has nothing left of the room, that is not noted"
    ROOM_LOOKED = "everything was looked for and found gone, our own rows of the room still stand"
    PERSON_KEY_DESTROYED = "the key of a texter who has ended is destroyed, that is not noted"
    REVEAL_SENT = "a number stands in the offices, that is not noted"
    REVEAL_TAKEN_BACK = "a number is taken back, that is not noted"
    PAGED = "whoever is on call was called, the outbox row still stands"
    ERASURE_SIGNED = "the certificate is signed, it is not kept yet"
    DATABASE_REWRITTEN = "no byte of the main database holds what a certificate was about, whose job is not closed yet"


CrashHook: TypeAlias = Callable[[CrashPoint], None]


def never_crash(_point: CrashPoint) -> None:
    """Do nothing: the production value."""
