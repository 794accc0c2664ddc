"""Which rooms are the policy bot's, who is at its desks, and how a room is purged.

Rule of this module: a room belongs to a line only if the line's policy bot created it; the kind of a room is in its create
event, which nobody can change. Everything else is read from the tables each time, because a room may have been purged.
`PolicyRooms` are the rooms of one line, the only ones that its token reaches; `AllRooms` those of all lines, for the rules.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from quietline_synapse.schema import NOT_ALLOWED, ROOM, Schema, run_interaction, tables_purged_by_room
from quietline_synapse.settings import LineSettings, ModuleSettings

KIND: Final = "quietline.kind"
"""Key in the content of our create events: desk, office or thread (bridge/matrix/rooms/room_state.py)."""
DESK: Final = "desk"
NOT_OURS: Final = "QUIETLINE_NOT_OURS"
IS_DESK: Final = "QUIETLINE_DESK"

LEFTOVER_TABLES: Final = (
    "current_state_delta_stream",
    "delayed_events",
    "device_lists_changes_in_room",
    "e2e_room_keys",
    "event_reports",
    "room_ban_redactions",
    "room_reports",
    "room_tags_revisions",
    "sliding_sync_connection_lazy_members",
    "sliding_sync_connection_room_configs",
    "sliding_sync_connection_streams",
    "sliding_sync_joined_rooms_to_recalculate",
    "sticky_events",
    "thread_subscriptions",
    "threads",
    "timeline_gaps",
)
"""Tables with a `room_id` that Synapse's purge skips (compared with its purge_events.py; `sticky_events` in 1.155).

Source: facts-matrix.md, "What a deletion leaves".

Room ids that people's clients wrote to account data and filters stay: these are the client's own, in any form, and it
writes them again (the exposure sheet mentions it).
"""

# All constants: no value from outside is ever put into a statement's text.
PURGE_TASK: Final = "FROM scheduled_tasks WHERE action IN ('shutdown_and_purge_room', 'purge_room') AND resource_id = ?"
PURGE_ACTIVE: Final = f"{PURGE_TASK} AND status IN ('scheduled', 'active')"
PUSH_RULES: Final = tuple(f"rule_id = 'global/{kind}/' || ?" for kind in ("override", "room", "underride"))
"""A person's push rules for one room, mostly to mute it: clients use the room id as the rule id."""
FINISHED_TASK: Final = (
    "action IN ('shutdown_and_purge_room', 'purge_room') AND resource_id = ? AND status NOT IN ('scheduled', 'active')"
)
REMNANT_ROWS: Final = (
    *((table, "room_id = ?") for table in LEFTOVER_TABLES),
    *((table, rule) for table in ("push_rules", "push_rules_enable") for rule in PUSH_RULES),
    ("scheduled_tasks", FINISHED_TASK),
)
"""Table, and the condition for its rows about a room."""
THE_ROOM: Final = frozenset({"rooms", "events"})
"""Tables of a room that exists: checked before other rows count as leftovers; only Synapse purges them."""
LOCKS: Final = ("worker_read_write_locks", "lock_key = ?")
"""Synapse's lock on a room, for a purge or a reader: it is counted; Synapse drops it, two minutes after a kill."""
BLANKED_ROWS: Final = (
    ("device_lists_changes_converted_stream_position", "room_id = ''", "room_id = ?"),
    *(("push_rules_stream", "rule_id = '', conditions = NULL, actions = NULL", rule) for rule in PUSH_RULES),
)
"""Table, the assignment that removes the room, the condition. These rows stay, because their numbers are positions in a
stream: one is the room at which Synapse stopped, and without the id it only repeats work; the others say that a person's
rules changed."""

INBOX: Final = """device_inbox WHERE REPLACE(message_json, ?, '') <> message_json AND user_id IN (
    SELECT m.user_id FROM room_memberships m JOIN rooms r ON r.room_id = m.room_id WHERE r.creator = ?)"""
"""To-device messages for the line's people that contain a room id in the clear: a request for a key, or its refusal. For a
device that is never used again they wait for ever. Messages for other people are not searched."""

NAMED_BY_AN_UPDATE: Final = "COUNT(*) FROM background_updates WHERE REPLACE(progress_json, ?, '') <> progress_json"
"""The progress of Synapse's background updates over all rooms, in its first minute or after an update. Synapse continues
from the room in it, which it soon replaces or removes: we do not change it, and a purge has not ended before."""

PURGED: Final = "quietline_purged"
PURGED_TABLE: Final = "CREATE TABLE IF NOT EXISTS quietline_purged (digest TEXT PRIMARY KEY)"
"""Keyed digests of purged rooms. A client may upload keys of such a room long after; no byte contains the room id any
more, but code that has the id and our token can recognise it."""
NO_PURGED_TABLE: Final = (
    f"database: Synapse's role may not make the table {PURGED}: keys of purged rooms that a client backs up again are "
    "kept; GRANT CREATE on Synapse's schema to it"
)
MAX_KNOWN: Final = 10_000
"""Rooms for which a process caches who created them."""
FOREIGN: Final = ""
"""In place of the creator of a room that no policy bot created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFacts:
    """A room's rows. `creator`: None when there is no such room. `leftovers`: counted only when the room is gone."""

    creator: str | None
    is_purging: bool
    events: int
    groups: int
    uncensored: int
    leftovers: int

    @property
    def is_gone(self) -> bool:
        """Whether Synapse has no rows of the room itself."""
        return self.creator is None and self.events == 0 and self.groups == 0 and not self.is_purging

    @property
    def state(self) -> str:
        """`present`, `purging` or `gone`."""
        return "gone" if self.is_gone else "purging" if self.is_purging else "present"


class AllRooms:
    """Distinguishes the rooms of all lines from other rooms."""

    def __init__(self, *, api: ModuleApi, settings: ModuleSettings, schema: Schema) -> None:
        self._api, self._lines, self._schema = api, settings.lines, schema
        self._creators: dict[str, str] = {}

    async def is_foreign(self, room_id: str) -> bool:
        """Whether a room is known and no policy bot created it.

        A room's creator never changes, so it is cached: otherwise each event would cost a transaction.
        """
        if (known := self._creators.get(room_id)) is not None:
            return known == FOREIGN

        def read(txn: Any) -> str | None:
            txn.execute("SELECT creator FROM rooms WHERE room_id = ?", (room_id,))
            row = txn.fetchone()
            return None if row is None else row[0] if row[0] in {line.policy for line in self._lines} else FOREIGN

        creator: str | None = await self._api.run_db_interaction("quietline_creator", read)
        if creator is None:
            return False
        if len(self._creators) >= MAX_KNOWN:
            self._creators.clear()
        self._creators[room_id] = creator
        return creator == FOREIGN

    def known_creator(self, room_id: str) -> str | None:
        """Return the policy bot that created a room, `FOREIGN`, or None when `is_foreign` has not cached it."""
        return self._creators.get(room_id)

    async def our_rooms(self, room_ids: Iterable[str]) -> set[str]:
        """Return those of these rooms that a line has, or had until it purged them."""
        candidates = list(room_ids)

        def read(txn: Any) -> set[str]:
            # An upload of keys must be answered also when Synapse's role may not create the table.
            remembered = self._schema.has_table(txn, PURGED)
            rooms = set()
            for room_id in candidates:
                for line in self._lines:
                    places: list[tuple[str, tuple[str, ...]]] = []
                    places.append(("SELECT creator = ? FROM rooms WHERE room_id = ?", (line.policy, room_id)))
                    if remembered:
                        places.append(
                            ("SELECT COUNT(*) FROM quietline_purged WHERE digest = ?", (purged_digest(line, room_id),))
                        )
                    for sql, value in places:
                        txn.execute(sql, value)
                        row = txn.fetchone()
                        if row is not None and row[0]:
                            rooms.add(room_id)
            return rooms

        ours: set[str] = await self._api.run_db_interaction("quietline_ours", read)
        return ours

    async def is_in_any_room(self, user_id: str) -> bool:
        """Whether a person is in, or invited to, any room of a line."""

        def read(txn: Any) -> bool:
            for line in self._lines:
                txn.execute(
                    """SELECT 1 FROM local_current_membership m JOIN rooms r ON r.room_id = m.room_id
                       WHERE m.user_id = ? AND m.membership IN ('join', 'invite') AND r.creator = ? LIMIT 1""",
                    (user_id, line.policy),
                )
                if txn.fetchone() is not None:
                    return True
            return False

        return bool(await self._api.run_db_interaction("quietline_in_any", read))


class PolicyRooms:
    """Inspects and purges the rooms of one line."""

    def __init__(self, *, api: ModuleApi, line: LineSettings, schema: Schema) -> None:
        self._api, self._schema = api, schema
        self._line, self._policy = line, line.policy

    async def problems(self) -> list[str]:
        """Return a sentence for each place where a purge may leave data that is not checked."""
        problems = await self._schema.problems((*LEFTOVER_TABLES, *(table for table, _, _ in BLANKED_ROWS)))
        return problems if await self._schema.has_or_may_create(PURGED) else [*problems, NO_PURGED_TABLE]

    async def read_facts(self, room_id: str) -> RoomFacts:
        """Read a room of ours, or one that does not exist. Refuses any other."""
        tables = await self._schema.columns()

        def read(txn: Any) -> RoomFacts:
            def one(sql: str) -> Any:
                txn.execute(f"SELECT {sql}", (room_id,))
                row = txn.fetchone()
                return None if row is None else row[0]

            facts = RoomFacts(
                creator=one("COALESCE(creator, '') FROM rooms WHERE room_id = ?"),
                is_purging=one(f"COUNT(*) {PURGE_ACTIVE}") > 0,
                events=one("COUNT(*) FROM events WHERE room_id = ?"),
                groups=one("COUNT(*) FROM state_groups WHERE room_id = ?"),
                uncensored=one(
                    "COUNT(*) FROM redactions r JOIN events e ON e.event_id = r.redacts "
                    "WHERE e.room_id = ? AND NOT r.have_censored"
                ),
                leftovers=0,
            )
            if not facts.is_gone:
                return facts
            # Most of these tables have no index on rooms, so they are read only for a room that is gone.
            places = (
                *_remnant_rows(tables),
                *(
                    (table, where)
                    for table, where in (LOCKS, *((table, where) for table, _, where in BLANKED_ROWS))
                    if table in tables
                ),
            )
            counts = [one(f"COUNT(*) FROM {table} WHERE {where}") for table, where in places]
            counts += [one(f"COUNT(*) FROM {table} WHERE room_id = ?") for table in self._schema.work_tables(txn)]
            txn.execute(f"SELECT COUNT(*) FROM {INBOX}", (room_id, self._policy))  # noqa: S608 - constants
            waiting = int(txn.fetchone()[0])
            return replace(facts, leftovers=sum(counts) + one(NAMED_BY_AN_UPDATE) + waiting)

        facts: RoomFacts = await run_interaction(self._api, "quietline_look", read)
        if facts.creator not in {None, self._policy} or (facts.creator is None and facts.events):
            raise refusal(NOT_OURS)
        return facts

    async def purge(self, room_id: str) -> RoomFacts:
        """Begin to purge a room of ours, or delete the leftovers of a finished purge. May be repeated."""
        facts = await self.read_facts(room_id)
        if facts.is_purging:
            return facts
        if facts.is_gone:
            if facts.leftovers:
                tables = await self._schema.columns()
                await self._api.run_db_interaction("quietline_leftovers", _delete_leftovers, room_id, self._policy, tables)
                return await self.read_facts(room_id)
            return facts
        if facts.creator is not None and await self._room_kind(room_id) == DESK:
            raise refusal(IS_DESK)
        await self._remember_purged(room_id)
        # A task in Synapse's tables: it continues after a restart. Refused only when a concurrent call has begun it.
        with contextlib.suppress(SynapseError):
            await self._api.delete_room(room_id)
        return await self.read_facts(room_id)

    async def _remember_purged(self, room_id: str) -> None:
        def write(txn: Any) -> None:
            if not self._schema.has_table(txn, PURGED):
                txn.execute(PURGED_TABLE)
            digest = purged_digest(self._line, room_id)
            txn.execute("INSERT INTO quietline_purged (digest) VALUES (?) ON CONFLICT (digest) DO NOTHING", (digest,))

        try:
            await run_interaction(self._api, PURGED, write)
        except Exception as error:
            # Without the purge the room would keep more than keys that may be uploaded; `problems` reports it.
            if getattr(error, "pgcode", None) != NOT_ALLOWED:
                raise

    async def is_at_desk(self, user_id: str) -> bool:
        """Whether a person is a member of a desk now."""
        return await self._any_desk(
            """SELECT m.room_id FROM local_current_membership m JOIN rooms r ON r.room_id = m.room_id
               WHERE m.user_id = ? AND m.membership = 'join' AND r.creator = ?""",
            user_id,
        )

    async def was_at_desk(self, user_id: str) -> bool:
        """Whether a person is or was a member of a desk."""
        return await self._any_desk(
            """SELECT DISTINCT m.room_id FROM room_memberships m JOIN rooms r ON r.room_id = m.room_id
               WHERE m.user_id = ? AND m.membership = 'join' AND r.creator = ?""",
            user_id,
        )

    async def _any_desk(self, sql: str, user_id: str) -> bool:
        def read(txn: Any) -> list[str]:
            txn.execute(sql, (user_id, self._policy))
            return [row[0] for row in txn.fetchall()]

        for room_id in await self._api.run_db_interaction("quietline_desks", read):
            if await self._room_kind(room_id) == DESK:
                return True
        return False

    async def _room_kind(self, room_id: str) -> Any:
        # Not from the room's state: Synapse keeps none for a room without members, as after half a purge.
        def read(txn: Any) -> Any:
            txn.execute(
                """SELECT j.json FROM state_events s
                   JOIN events e ON e.event_id = s.event_id
                   JOIN event_json j ON j.event_id = s.event_id
                   WHERE s.room_id = ? AND s.type = 'm.room.create' AND s.state_key = '' AND e.sender = ?""",
                (room_id, self._policy),
            )
            return txn.fetchone()

        row = await self._api.run_db_interaction("quietline_kind", read)
        if row is None:
            raise refusal(NOT_OURS)
        return json.loads(row[0])["content"].get(KIND)


def refusal(errcode: str) -> SynapseError:
    """Return the error for a refused request."""
    return SynapseError(HTTPStatus.FORBIDDEN, "Refused", errcode)


def purged_digest(line: LineSettings, room_id: str) -> str:
    """Return the digest that is kept of a purged room."""
    return hmac.new(line.token.encode(), room_id.encode(), hashlib.sha256).hexdigest()


def _remnant_rows(tables: Mapping[str, Container[str]]) -> list[tuple[str, str]]:
    """Return table and condition for a room's rows in the tables that a purge skips, and in those that it has emptied.

    Synapse's background work continues during a purge and after it: it counts members from queued changes and sums up
    notifications, and then writes rows about a room that is gone.
    """
    purged = [table for table in tables_purged_by_room() if table not in THE_ROOM and ROOM in tables.get(table, ())]
    rows = [row for row in REMNANT_ROWS if row[0] in tables]
    return [*rows, *((table, "room_id = ?") for table in purged if (table, "room_id = ?") not in rows)]


def _delete_leftovers(txn: Any, room_id: str, policy: str, tables: Mapping[str, Container[str]]) -> None:
    for table in sorted(THE_ROOM):
        txn.execute(f"SELECT COUNT(*) FROM {table} WHERE room_id = ?", (room_id,))  # noqa: S608 - constants
        if txn.fetchone()[0]:  # it was created since the check
            return
    txn.execute(f"DELETE FROM {INBOX}", (room_id, policy))  # noqa: S608 - constants
    for table, where in _remnant_rows(tables):
        txn.execute(f"DELETE FROM {table} WHERE {where}", (room_id,))  # noqa: S608 - constants
    for table, empty, where in BLANKED_ROWS:
        if table in tables:
            txn.execute(f"UPDATE {table} SET {empty} WHERE {where}", (room_id,))  # noqa: S608 - constants
