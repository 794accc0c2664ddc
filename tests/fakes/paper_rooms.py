"""A homeserver on paper that keeps rooms until they are purged, and the whole way down over it.

Rules of this module: what is faked is the homeserver; index, engine, vault, receipts are real. `faults` are raised first,
whatever is asked; `uncensored` is what overwriting ends with; `meanwhile` happens while something is being redacted; a room
is purged after it was asked `purges_after` times, as a real one takes its time; `outside`: a purge that failed has removed
us already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from bot.model.actions import DESK, THREAD
from bot.model.events import Joined, LevelsSet, Said
from bridge.erasure.certificate import Receipt, Signer
from bridge.erasure.expiry import Sweep
from bridge.erasure.job_runner import HEARD, Erasure
from bridge.erasure.person_steps import PersonSteps
from bridge.erasure.room_steps import RoomSteps
from bridge.matrix.api.module_api import House, Room, RoomState
from bridge.matrix.room_client import Edge, Permanent
from bridge.matrix.rooms.erasure_probe import Forgetting
from bridge.storage.database import Connection
from bridge.tables import room_events
from tests.fakes.nerves import Nerves

ROOM, ADA, SOL = "!room", "@ada:x", "@sol:x"


@dataclass(slots=True)
class PaperRooms:
    """`events`: what each event of the one room still says (empty: redacted); `asked`: what was asked, in order."""

    events: dict[str, str] = field(default_factory=dict)
    members: set[str] = field(default_factory=lambda: {ADA, SOL})
    media: set[str] = field(default_factory=set)
    present: bool = True
    outside: bool = False
    stubborn: set[str] = field(default_factory=set)
    purges_after: int = 2
    asked: list[str] = field(default_factory=list)
    txns: list[str] = field(default_factory=list)
    uncensored: Exception | None = None
    meanwhile: Callable[[], Awaitable[object]] | None = None
    faults: deque[Exception] = field(default_factory=deque)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.faults:
            raise self.faults.popleft()

    async def redact(self, room_id: str, event_id: str, txn: str) -> str:
        self._ask("redact")
        if self.meanwhile is not None:
            await self.meanwhile()
        if not self.present:
            raise Permanent(403, "M_FORBIDDEN")
        self.txns.append(txn)
        if event_id not in self.stubborn and event_id in self.events:
            self.events[event_id] = ""
        return f"${txn}"

    async def readable(self, room_id: str) -> list[tuple[str, int]]:
        self._ask("readable")
        if self.outside or not self.present:
            raise Permanent(403, "M_FORBIDDEN")
        return [(event_id, 0) for event_id, says in self.events.items() if says]

    async def censor(self, room_id: str) -> int:
        self._ask("censor")
        if self.uncensored is not None:
            raise self.uncensored
        return 0

    async def empty(self, room_id: str) -> int:
        self._ask("empty")
        gone, self.members = len(self.members), set()
        return gone

    async def event_gone(self, room_id: str, event_id: str) -> bool:
        self._ask("event")
        return not self.present or not self.events.get(event_id)

    async def room(self, room_id: str) -> Room:
        self._ask("room")
        state = RoomState.PRESENT if self.present else RoomState.GONE
        return Room(state=state, events=len(self.events) if self.present else 0, uncensored=0, leftovers=0)

    async def purge(self, room_id: str) -> RoomState:
        self._ask("purge")
        self.purges_after -= 1
        if self.purges_after > 0:
            return RoomState.PURGING
        self.present = False
        return RoomState.GONE

    async def delete_media(self, address: str) -> None:
        self._ask("delete")
        self.media.discard(address)

    async def media_gone(self, address: str) -> bool:
        self._ask("media")
        return address not in self.media


class WayDown:
    """Erasure and sweep over `rooms`, with the parts of `nerves`; a new one begins where another ended."""

    def __init__(self, nerves: Nerves, rooms: PaperRooms) -> None:
        self.nerves, self.rooms = nerves, rooms
        self.signer = Signer(vault=nerves.vault)
        self.keys_gone: list[str] = []
        shared: dict[str, Any] = {
            "store": nerves.store,
            "vault": nerves.vault,
            "clock": nerves.clock,
            "signer": self.signer,
            "retention": nerves.pack.settings.receipt_retention,
            "crash": nerves._crash,
        }
        steps = RoomSteps(
            **shared,
            edge=cast("Edge", rooms),
            house=cast("House", rooms),
            forgetting=cast("Forgetting", rooms),
            talk=nerves.outbox.talk,
            keys_gone=self.keys_gone.append,
        )
        self.erasure = Erasure(
            store=nerves.store,
            clock=nerves.clock,
            steps={**steps.steps(), **PersonSteps(**shared).steps()},
            pause=nerves.outbox.talk.pause,
            alarm=nerves._alarm,
            crash=nerves._crash,
        )
        self.sweep = Sweep(
            store=nerves.store,
            vault=nerves.vault,
            clock=nerves.clock,
            rooms=steps,
            alarm=nerves._alarm,
            crash=nerves._crash,
        )

    async def furnish(self, *, events: int = 3, uploads: int = 1, sender: str = "+12065550199") -> str:
        """Let a texter have a room with some events and uploads, and the desk somebody who supervises."""
        nerves = self.nerves
        await nerves.tell(DESK, Joined(place=DESK, user=ADA), Joined(place=DESK, user=SOL), LevelsSet(users=((SOL, 50),)))
        owner = await nerves.arrive("hello", message_id=f"m{sender}", sender=sender)
        await nerves.at_rest()
        await nerves.vault.create(f"room:{ROOM}")
        await nerves.note_room(ROOM, owner)

        async def commit(conn: Connection) -> None:
            await conn.execute("UPDATE thread SET room_id = $1 WHERE id = $2", ROOM, owner)
            for number in range(uploads):
                self.rooms.media.add(f"mxc://x/upload{number}")
                query = "INSERT INTO matrix_upload (mxc, room_id, at_ms, due_ms) VALUES ($1, $2, 0, 0)"
                await conn.execute(query, f"mxc://x/upload{number}", ROOM)
            query = """INSERT INTO matrix_session (session_id, room_id, user_id, first_key, next_index, active, begun_ms)
                       VALUES ('s', $1, '@voice:x', $2, 0, $3, 0)"""
            await conn.execute(query, ROOM, b"sealed", True)

        await nerves.store.commit(commit)
        for number in range(events):
            await self.event(owner, f"$e{number}")
        return owner

    async def event(self, owner: str, event_id: str, *, ref: str = "", at: int = 0) -> None:
        """Have an event in the room and on the index."""
        self.rooms.events[event_id] = "words"
        now = self.nerves.clock.wall()
        await self.nerves.store.commit(
            lambda conn: room_events.note(
                conn,
                event_id=event_id,
                room_id=ROOM,
                owner=owner,
                place=THREAD,
                ref=ref,
                at=at or int(now * 1000),
                now=now,
                lifetime=60,
            )
        )

    async def say(self, owner: str, body: str, *, sender: str = SOL, **more: Any) -> None:
        """Let somebody say something in the thread's room."""
        at = self.nerves.clock.wall()
        more.setdefault("event_id", f"$said {body}")
        await self.nerves.tell(owner, Said(place=THREAD, sender=sender, body=body, at=at, **more))
        await self.nerves.at_rest()

    async def down(self, *, steps: int = 200) -> int:
        """Walk down, letting time pass where something waits; return how many steps that took."""
        for taken in range(steps):
            await self.nerves.copies.once()
            wait = await self.erasure.once()
            if not await self.nerves.count("erasure"):
                return taken
            self.nerves.clock.at += wait
        raise AssertionError("it did not come down")

    async def go_on(self) -> None:
        """Walk down until nothing is due for longer than clients have to hear of redactions."""
        while (wait := await self.erasure.once()) <= HEARD:
            await self.nerves.copies.once()
            self.nerves.clock.at += wait

    async def receipts(self) -> list[dict[str, Any]]:
        """Return what each receipt says; every one is good."""
        found = await self.nerves.store.fetch("SELECT id, body, signature FROM receipt ORDER BY id")
        receipts = [Receipt(id=row["id"], body=row["body"], signature=row["signature"]) for row in found]
        assert all(self.signer.holds(receipt) for receipt in receipts)
        return sorted((receipt.told for receipt in receipts), key=lambda told: str(told["what"]))
