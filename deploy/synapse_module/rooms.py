"""Which rooms are the policy bot's, who sits at its desks, and how a room goes.

Rule of this module: a room is ours if the policy bot created it and for no other reason; what kind of room it is stands in
its create event, which nobody can change. All is read from the tables each time: a room may have gone since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from deploy.synapse_module.settings import Settings

KIND: Final = "quietline.kind"
"""Key in the content of our create events: desk, office or thread (bridge/matrix/blueprints.py)."""
DESK: Final = "desk"
NOT_OURS: Final = "QUIETLINE_NOT_OURS"
IS_DESK: Final = "QUIETLINE_DESK"

PURGES: Final = "action IN ('shutdown_and_purge_room', 'purge_room')"
# Where a room's id stays after Synapse's purge (facts-matrix, section 6; Synapse's purge_events.py names the first).
LEFTOVERS: Final = (
    "DELETE FROM current_state_delta_stream WHERE room_id = ?",
    "DELETE FROM e2e_room_keys WHERE room_id = ?",
    # Constants, all of it: no value from outside is ever put into a statement.
    f"DELETE FROM scheduled_tasks WHERE resource_id = ? AND {PURGES} AND status NOT IN ('scheduled', 'active')",  # noqa: S608
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A room in the tables. `creator`: None when there is no such room."""

    creator: str | None
    purging: bool
    events: int
    groups: int
    uncensored: int
    leftovers: int

    @property
    def gone(self) -> bool:
        """Whether nothing is left that Synapse would call the room."""
        return self.creator is None and self.events == 0 and self.groups == 0 and not self.purging

    @property
    def state(self) -> str:
        """`present`, `purging` or `gone`."""
        return "gone" if self.gone else "purging" if self.purging else "present"


class Rooms:
    """Looks at rooms and purges ours."""

    def __init__(self, *, api: ModuleApi, settings: Settings) -> None:
        self._api = api
        self._policy = settings.policy

    async def strangers(self, room_ids: Iterable[str]) -> set[str]:
        """Return those of these rooms that are known and not ours."""
        wanted = list(room_ids)

        def read(txn: Any) -> set[str]:
            found = set()
            for room_id in wanted:
                txn.execute("SELECT creator FROM rooms WHERE room_id = ?", (room_id,))
                row = txn.fetchone()
                if row is not None and row[0] and row[0] != self._policy:
                    found.add(room_id)
            return found

        strangers: set[str] = await self._api.run_db_interaction("quietline_strangers", read)
        return strangers

    async def look(self, room_id: str) -> Facts:
        """Look at a room of ours, or at one that is not there. Refuses any other."""

        def read(txn: Any) -> Facts:
            def one(sql: str, value: str = room_id) -> Any:
                txn.execute(sql, (value,))
                row = txn.fetchone()
                return None if row is None else row[0]

            return Facts(
                creator=one("SELECT COALESCE(creator, '') FROM rooms WHERE room_id = ?"),
                purging=bool(
                    one(
                        f"SELECT COUNT(*) FROM scheduled_tasks WHERE resource_id = ? AND {PURGES} "  # noqa: S608 - a constant
                        "AND status IN ('scheduled', 'active')"
                    )
                ),
                events=one("SELECT COUNT(*) FROM events WHERE room_id = ?"),
                groups=one("SELECT COUNT(*) FROM state_groups WHERE room_id = ?"),
                uncensored=one(
                    "SELECT COUNT(*) FROM redactions r JOIN events e ON e.event_id = r.redacts "
                    "WHERE e.room_id = ? AND NOT r.have_censored"
                ),
                leftovers=sum(one(sql.replace("DELETE", "SELECT COUNT(*)", 1)) for sql in LEFTOVERS),
            )

        facts: Facts = await self._api.run_db_interaction("quietline_look", read)
        if facts.creator not in {None, self._policy} or (facts.creator is None and facts.events):
            raise refused(NOT_OURS)
        return facts

    async def purge(self, room_id: str) -> Facts:
        """Begin to purge a room of ours, or take away what a finished purge left behind. May be repeated."""
        facts = await self.look(room_id)
        if facts.purging:
            return facts
        if facts.gone:
            if facts.leftovers:
                await self._api.run_db_interaction("quietline_leftovers", _forget, room_id)
                return await self.look(room_id)
            return facts
        if facts.creator is not None and await self._kind(room_id) == DESK:
            raise refused(IS_DESK)
        # A task in Synapse's tables: it goes on after a restart.
        await self._api.delete_room(room_id)
        return await self.look(room_id)

    async def at_desk(self, user_id: str) -> bool:
        """Whether somebody sits at a desk now."""
        return await self._any_desk(
            """SELECT m.room_id FROM local_current_membership m JOIN rooms r ON r.room_id = m.room_id
               WHERE m.user_id = ? AND m.membership = 'join' AND r.creator = ?""",
            user_id,
        )

    async def was_at_desk(self, user_id: str) -> bool:
        """Whether somebody sits at a desk now or did so before."""
        return await self._any_desk(
            """SELECT DISTINCT m.room_id FROM room_memberships m JOIN rooms r ON r.room_id = m.room_id
               WHERE m.user_id = ? AND m.membership = 'join' AND r.creator = ?""",
            user_id,
        )

    async def in_any(self, user_id: str) -> bool:
        """Whether somebody is in, or invited to, any room of ours."""

        def read(txn: Any) -> bool:
            txn.execute(
                """SELECT 1 FROM local_current_membership m JOIN rooms r ON r.room_id = m.room_id
                   WHERE m.user_id = ? AND m.membership IN ('join', 'invite') AND r.creator = ? LIMIT 1""",
                (user_id, self._policy),
            )
            return txn.fetchone() is not None

        return bool(await self._api.run_db_interaction("quietline_in_any", read))

    async def _any_desk(self, sql: str, user_id: str) -> bool:
        def read(txn: Any) -> list[str]:
            txn.execute(sql, (user_id, self._policy))
            return [row[0] for row in txn.fetchall()]

        for room_id in await self._api.run_db_interaction("quietline_desks", read):
            if await self._kind(room_id) == DESK:
                return True
        return False

    async def _kind(self, room_id: str) -> Any:
        state = await self._api.get_room_state(room_id, [("m.room.create", "")])
        create = state.get(("m.room.create", ""))
        if create is None or create.sender != self._policy:
            raise refused(NOT_OURS)
        return create.content.get(KIND)


def refused(errcode: str) -> SynapseError:
    """Make the answer to what this module does not do."""
    return SynapseError(HTTPStatus.FORBIDDEN, "Refused", errcode)


def _forget(txn: Any, room_id: str) -> None:
    for sql in LEFTOVERS:
        txn.execute(sql, (room_id,))
