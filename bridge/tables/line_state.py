"""The table `line`: small durable facts of the line, one value for each name.

Rules of this module: no other module has a statement on this table. The module that uses a name defines its value, and
every name is listed here, so that no two facts share one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from bridge.storage.database import Reader, Snapshot, Transaction

CHECK_FOUND: Final = "check_found"
"""What `quietline doctor --alarm` or `alarm failed` left: a JSON list of names of failing rows, or of units."""
ALARM_TEST: Final = "alarm_test"
"""The id of the test of the alarms that `quietline alarm test` asks for, until the line takes it."""
ALARM_TEST_RESULT: Final = "alarm_test_result"
"""Which ways took the last test call: the test's id and a bool for each way, as JSON."""
ARRIVALS: Final = "arrivals"
"""The hour of the newest text, and the longest times without one, as JSON (`bridge/inbound/arrivals.py`)."""
AUDIT_HEAD: Final = "audit_head"
"""The mark of the newest audit entry (`audit_log`)."""
AUDIT_FLOOR: Final = "audit_floor"
"""The mark of the newest audit entry that expired (`audit_log`)."""
CALENDAR: Final = "calendar"
"""The last good copy of the agency's calendar of shifts, sealed under the desk's key (`bridge/shift_calendar`)."""
CALENDAR_STATE: Final = "calendar_state"
"""When that calendar was last read, and since when it cannot be used, as JSON."""
CANARY_ACCOUNT: Final = "canary_account"
"""A keyed digest of the canary's account as we made it."""
CANARY_OK: Final = "canary_ok"
"""1 when the canary's last round trip succeeded, 0 when it failed or is overdue; absent before the first."""
CANARY_STEP: Final = "canary_step"
"""The step of its round trip of which the desk was last told that it fails; empty after a success."""
CARRIER_ACCOUNTS: Final = "carrier_accounts"
"""The last accounts at carriers: a JSON list of a keyed digest and since when, the present one last."""
CARRIER_WATERMARK: Final = "carrier_watermark"
"""Until when the carrier's list was read: seconds since the epoch."""
CLOCK_DISTRUSTED: Final = "clock_doubted"
"""Present while the machine's clock is not trusted (`clock_trust`)."""
CLOCK_SAMPLE: Final = "clock_last"
"""The machine's clocks, once a minute (`clock_trust`)."""
CONFIGURATION: Final = "configured"
"""A keyed digest of the configuration of the last start."""
EVENTS_LOST: Final = "events_lost"
"""Until when (ms) our database may lack events of ours, after a rollback of it, while these are still looked for."""
EVENTS_RETURNED: Final = "events_returned"
"""The last time (ms) up to which a rolled-back homeserver had sent events, while what it has again is still looked for."""
KEY_CHECK: Final = "key_check_"
"""Prefix, followed by the name of a key (`KeySettings.files`): the check value of the key this database was written
with."""
KEYS_LOST: Final = "keys_lost"
"""Present once a person said that the keys which are missing are lost for good, until the next start (`startup`)."""
KEYS_MISSING: Final = "keys_missing"
"""The number of conversations without a key at the last start; absent if all had one."""
MODULE_MISSING: Final = "module_missing"
"""When the desk was last told that the homeserver lacks our module; absent while it has it."""
MODULE_PROBLEMS: Final = "module_problems"
"""What the homeserver's module last reported that it cannot guarantee, as a JSON list of sentences; absent if empty."""
DRILLED: Final = "drilled"
"""When the last successful drill was made: seconds since the epoch."""
LAST_BACKUP: Final = "backed_up"
"""When the last backup was made: seconds since the epoch."""
OLD_ROOMS: Final = "old_rooms"
"""After a restore, while the homeserver may have rooms of the line from before it: `KEPT`, `TOLD` or `ERASE`."""
KEPT, TOLD, ERASE = "kept", "told", "erase"
"""Such rooms stay as they are; the desk was told of some; a person said that they are to be erased."""
PAGE_REFUSED: Final = "page_refused"
"""Which ways did not accept the last call of the person on call, with blanks between them; empty if all did."""
POLICY: Final = "policy_localpart"
"""The policy bot's localpart, whose rooms and keys are those of the line."""
REHEARSAL: Final = "rehearsal"
"""`true` for a line that was begun as a rehearsal, else `false`."""
RESTORE: Final = "restored"
"""When the backup that was restored was made, and how many texts were unfinished then, as JSON."""
RESTORED_ROSTER: Final = "restored_roster"
"""Who was at the desk when the backup was made, as JSON: they are invited instead of the first roster."""
REWRITTEN: Final = "rewritten"
"""When deleted rows were last overwritten in our own databases: seconds since the epoch."""
RETENTION: Final = "retention"
"""For how long conversations were kept at the last start, as JSON (`bridge/app/startup.py`)."""
MEMBERS_RETURNED: Final = "members_returned"
"""The last time (ms) up to which a rolled-back homeserver had sent events, until rooms and members are compared."""
ROOMS_RETURNED: Final = "rooms_returned"
"""The last time (ms) up to which a rolled-back homeserver had sent events, while rooms that it has again are looked for."""
RUNS: Final = "runs"
"""When the line was first started, whether it runs, and when it died, as JSON (`bridge/app/run_history.py`)."""
SERVER_NAME: Final = "server_name"
"""The server name that the line's accounts, rooms and keys are of."""
SERVER_HISTORY: Final = "server_history"
"""The history of the database's server at the last start, and when a start found another one, as JSON."""
SLUG: Final = "slug"
"""The slug with which the entries of phones that said STOP are hashed."""
STAFF_CHANGES: Final = "staff_changes"
"""Who got an account by `quietline staff` and is not at the desk yet, or lost it and is still there, as JSON
(`bridge/engine/verb_requests.py`)."""
STAFF_INVITED: Final = "staff_invited"
"""Present once the first roster was invited to the desk."""
STRAY_ALERT: Final = "stray_"
"""Prefix, followed by the kind: when the desk was last told of a stray text or of missing texts of that kind."""
VACUUMED: Final = "vacuumed"
"""When the homeserver's database was last vacuumed: seconds since the epoch."""
VACUUM_BEGUN: Final = "vacuum_begun"
"""When a vacuum of it was begun that is not known to have ended: seconds since the epoch."""
VACUUM_RESULT: Final = "vacuum_result"
"""Which database was last vacuumed there (`database` of `RoomStatus`) and for how many seconds, as JSON."""

GET: Final = "SELECT value FROM line WHERE name = $1"
PUT: Final = "INSERT INTO line (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


async def get(reader: Reader, name: str) -> str | None:
    """Return the value of that name, or None."""
    value: str | None = await reader.fetchval(GET, name)
    return value


async def get_time(reader: Reader, name: str) -> float:
    """Return the value of that name as seconds since the epoch; 0 when there is none."""
    return float(await get(reader, name) or 0)


def peek(connection: Snapshot, name: str) -> str | None:
    """Return the same to a verb that reads beside the bridge."""
    value: str | None = connection.fetchval(GET, name)
    return value


def peek_wrong_keys(connection: Snapshot, check_values: Mapping[str, str]) -> list[str]:
    """Return the names of keys whose check values differ from this database's. A key without a check value is not wrong."""
    stored = {name: peek(connection, KEY_CHECK + name) for name in check_values}
    return [name for name, value in check_values.items() if stored[name] not in {None, value}]


async def has_other_history(reader: Reader, history: str) -> bool | None:
    """Whether the last start found another history of the server than this one; None before the first start with one.

    A promoted replica, or a database restored to an earlier time, has another history (timeline) and may lack the last
    commits, while carrier and homeserver have what followed from them. Nothing else shows that.

    Source: postgresql.org/docs/current: continuous-archiving.html ("Timelines").
    """
    value = await get(reader, SERVER_HISTORY)
    return None if value is None else json.loads(value)["history"] != history


async def note_history(transaction: Transaction, history: str, *, changed: float) -> None:
    """Note the server's history. `changed`: the time now if the last start found another one, else 0."""
    await put(transaction, SERVER_HISTORY, json.dumps({"history": history, "changed": changed}))


async def history_changed_at(reader: Reader) -> float:
    """Return when a start last found another history, in seconds since the epoch; 0 when none did."""
    value = await get(reader, SERVER_HISTORY)
    return 0.0 if value is None else float(json.loads(value)["changed"])


async def settle_keys(transaction: Transaction, check_values: Mapping[str, str]) -> list[str]:
    """Return the names of keys whose check values differ from this database's; note the missing check values.

    Nothing is noted when one is wrong: then it is unknown which of them belongs to this database.
    """
    stored = {name: await get(transaction, KEY_CHECK + name) for name in check_values}
    wrong = [name for name, value in check_values.items() if stored[name] not in {None, value}]
    for name, value in () if wrong else check_values.items():
        await put(transaction, KEY_CHECK + name, value)
    return wrong


async def put(transaction: Transaction, name: str, value: str) -> None:
    """Set the value of that name."""
    await transaction.execute(PUT, name, value)


async def delete(transaction: Transaction, name: str) -> None:
    """Forget the value of that name, if there is one."""
    await transaction.execute("DELETE FROM line WHERE name = $1", name)


async def delete_value(transaction: Transaction, name: str, value: str) -> None:
    """Forget the value of that name if it is still that one."""
    await transaction.execute("DELETE FROM line WHERE name = $1 AND value = $2", name, value)
