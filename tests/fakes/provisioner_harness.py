"""The room provisioner over real tables, with a fake homeserver that can refuse, fail or lose an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from bot.model.desk import Desk
from bot.model.line_incidents import HomeserverIncident, InviteFailed, RoomLost
from bridge.config.sections import Staff
from bridge.matrix.api.http_client import Permanent, Transient
from bridge.matrix.room_client import RoomClient
from bridge.matrix.room_comparison import ComparisonResult, RoomComparison
from bridge.matrix.rooms.room_state import Room, RoomKind, record_room, set_membership
from bridge.outbound.designations import Designations
from bridge.outbound.room_provisioner import WARM_ROOMS, RoomProvisioner
from bridge.services import WakeUps
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness

STAFF = [
    Staff(mxid="@ada:quietline.localhost", role="advocate"),
    Staff(mxid="@sol:quietline.localhost", role="supervisor"),
]


class FakeRoomClient:
    """A fake homeserver that records rooms as the real client does. `fails` are raised first, one per request."""

    def __init__(self, harness: BridgeHarness) -> None:
        self._harness = harness
        self.made: list[tuple[str, str, str]] = []
        self.supervisors: dict[str, Sequence[str]] = {}
        self.invited: list[tuple[str, str]] = []
        self.warmed: list[str] = []
        self.left = 0
        self.returned: list[str] = []
        """Rooms of ours that the database does not know."""
        self.abandoned: list[str] = []
        """Those of them that were left, and not erased."""
        self.fails: list[Exception] = []
        self.blocks: set[str] = set()
        """Users who cannot be invited."""
        self.outside: list[str] = []
        """Rooms that the texter puppet was removed from."""
        self.tried: list[tuple[str, str]] = []
        """The rooms to which it was brought back, and its display name there."""
        self.lost = 0
        """The number of further rooms that are made without an answer."""

    def _asked(self) -> None:
        if self.fails:
            raise self.fails.pop(0)

    async def create_room(self, kind: RoomKind, name: str, *, owner: str, supervisors: Sequence[str]) -> str:
        self._asked()
        if self.lost:
            self.lost -= 1
            raise Transient(0, "")
        room_id = f"!{len(self.made)}"
        self.made.append((kind, name, owner))
        self.supervisors[kind] = supervisors
        room = Room(room_id=room_id, kind=kind, owner=owner, key_owner=f"room:{room_id}")
        await self._harness.database.commit(lambda transaction: record_room(transaction, room, members={}, levels={}))
        return room_id

    async def prepare_sessions(self, room_id: str) -> None:
        self._asked()
        self.warmed.append(room_id)

    async def invite(self, room_id: str, user: str) -> None:
        self._asked()
        if user in self.blocks:
            raise Permanent(403, "M_FORBIDDEN")
        self.invited.append((room_id, user))
        await self._harness.database.commit(lambda transaction: set_membership(transaction, room_id, user, "invite"))

    puppet = "@line-main:x"

    async def rooms_without_puppet(self) -> list[str]:
        return self.outside

    async def readd_puppet(self, room_id: str, name: str) -> None:
        self.tried.append((room_id, name))
        if room_id in self.blocks:
            raise Permanent(403, "M_FORBIDDEN")
        self._asked()
        self.outside = [other for other in self.outside if other != room_id]

    async def unknown_rooms(self) -> list[str]:
        self._asked()
        return list(self.returned)

    async def leave_unknown_rooms(
        self, room_ids: Sequence[str], erase: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self.left += 1
        if erase is None:
            self.abandoned += room_ids
            return
        for room_id in room_ids:
            await erase(room_id)


class FakeComparison:
    """The fake of the comparison: what the homeserver has lost, and which rooms' members were compared."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self.compared: list[str] = []
        self.lost_people: dict[str, list[str]] = {}
        """By room, the people to invite again."""

    async def missing_rooms(self, rooms: Sequence[str]) -> list[str]:
        return sorted(self.lost & set(rooms))

    async def compare_members(self, room_id: str, *, until: int | None = None) -> ComparisonResult:
        self.compared.append(room_id)
        return ComparisonResult(0, self.lost_people.get(room_id, []))


class WatchedProvisioner(RoomProvisioner):
    """A provisioner that says when a look has found nothing more to make."""

    nothing_more: asyncio.Queue[None]

    async def _provision_one(self) -> bool:
        more = await super()._provision_one()
        if not more:
            self.nothing_more.put_nowait(None)
        return more

    def fill_stock_now(self) -> None:
        """Let the moment pass that it leaves to a first text's own events."""
        self._refill_at = 0.0
        self.loop.wake()


class ProvisionerHarness:
    """Rooms over real tables. `ready`: the owners whose room was reported as ready."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness = harness
        self.room_client = FakeRoomClient(harness)
        self.desk = Desk()
        self.ready: list[str] = []
        self.told: list[InviteFailed | HomeserverIncident | RoomLost] = []
        self.comparison = FakeComparison()
        self.passed = 10_000.0
        self.caught_up = True
        self.rooms = self.again()
        self.running: asyncio.Task[None] | None = None

    def again(self) -> WatchedProvisioner:
        """Make a new provisioner, as after a restart."""
        provisioner = WatchedProvisioner(
            self.harness.services_with(WakeUps(waiting_outbox=self.ready.append)),
            room_client=cast("RoomClient", self.room_client),
            room_comparison=cast("RoomComparison", self.comparison),
            designations=Designations(database=self.harness.database),
            staff=STAFF,
            desk=lambda: self.desk,
            own_users=("@policy:x", "@line-main:x"),
            notify_desk=self._tell,
            has_caught_up=lambda: self.caught_up,
            grace=0.0,
            monotonic=lambda: self.passed,
        )
        provisioner.nothing_more = asyncio.Queue()
        return provisioner

    async def look(self) -> None:
        """Wait until the provisioner has, from now on, looked at everything once and made what was missing."""
        while not self.rooms.nothing_more.empty():
            self.rooms.nothing_more.get_nowait()
        for _ in range(2):  # the first look that ends may have begun before
            self.rooms.loop.wake()
            await self.rooms.nothing_more.get()

    async def _tell(self, event: InviteFailed | HomeserverIncident | RoomLost) -> None:
        self.told.append(event)

    def run(self) -> None:
        self.running = asyncio.create_task(self.rooms.loop.run())

    async def furnished(self) -> None:
        """Wait until the desk and all warm rooms exist."""

        async def full() -> bool | None:
            if self.running is not None and self.running.done():
                self.running.result()
            self.rooms.fill_stock_now()
            return (await self.harness.count("warm_room") == WARM_ROOMS and bool(self.rooms.desk_room)) or None

        await wait_until("the house is furnished", full, every=0.01)

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
