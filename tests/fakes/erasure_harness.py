"""A fake homeserver that keeps rooms until they are purged, and whole erasures on it.

Rules of this module: only the homeserver is faked; index, engine, vault and certificates are real. `faults` are raised
first, by any request, `delete_faults` by requests to delete an upload; `uncensored` is the result of overwriting;
`on_redact` is called during a redaction; a room is purged at the `purge_requests`-th request, because a real purge takes
time; `leftovers`: rows that a purge left, and that the next one deletes; `is_removed`: a failed purge has already removed
us from the room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from bot.model.actions import DESK, THREAD
from bot.model.events import MemberJoined, MessageSent, PowerLevelsChanged
from bridge.erasure.certificate import CertificateSigner, ErasureCertificate
from bridge.erasure.expiry import ExpiryWorker
from bridge.erasure.job_runner import REDACTION_DELIVERY_SECONDS, ErasureRunner
from bridge.erasure.room_steps import PersonSteps, RoomSteps
from bridge.matrix.api.http_client import Permanent
from bridge.matrix.api.module_api import ModuleClient, RoomState, RoomStatus
from bridge.matrix.room_client import ErasureProbe, RoomClient
from bridge.storage.database import Transaction
from bridge.tables import room_events
from tests.fakes.bridge_harness import BridgeHarness

ROOM, ADA, SOL = "!room", "@ada:x", "@sol:x"


@dataclass(slots=True)
class FakeRooms:
    """`events`: the content of each event of the one room (empty: redacted). `times`: when it was sent, in milliseconds.

    `requests`: the requests, in order.
    """

    events: dict[str, str] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    members: set[str] = field(default_factory=lambda: {ADA, SOL})
    media: set[str] = field(default_factory=set)
    present: bool = True
    is_removed: bool = False
    unredactable: set[str] = field(default_factory=set)
    purge_requests: int = 2
    leftovers: int = 0
    requests: list[str] = field(default_factory=list)
    txns: list[str] = field(default_factory=list)
    uncensored: Exception | None = None
    on_redact: Callable[[], Awaitable[object]] | None = None
    faults: deque[Exception] = field(default_factory=deque)
    delete_faults: deque[Exception] = field(default_factory=deque)
    database: str = "sqlite"

    def _ask(self, what: str) -> None:
        self.requests.append(what)
        if self.faults:
            raise self.faults.popleft()

    async def redact(self, room_id: str, event_id: str, txn: str) -> str:
        self._ask("redact")
        if self.on_redact is not None:
            await self.on_redact()
        if self.is_removed or not self.present:
            raise Permanent(403, "M_FORBIDDEN")
        self.txns.append(txn)
        if event_id not in self.unredactable and event_id in self.events:
            self.events[event_id] = ""
        return f"${txn}"

    async def readable(self, room_id: str) -> list[tuple[str, int]]:
        self._ask("readable")
        if self.is_removed or not self.present:
            raise Permanent(403, "M_FORBIDDEN")
        return [(event_id, self.times.get(event_id, 0)) for event_id, says in self.events.items() if says]

    async def censor(self, room_id: str) -> int:
        self._ask("censor")
        if self.uncensored is not None:
            raise self.uncensored
        return 0

    async def empty(self, room_id: str) -> int:
        self._ask("empty")
        if self.is_removed or not self.present:
            raise Permanent(403, "M_FORBIDDEN")
        member_count, self.members = len(self.members), set()
        return member_count

    async def is_event_gone(self, room_id: str, event_id: str) -> bool:
        self._ask("event")
        return not self.present or not self.events.get(event_id)

    async def room(self, room_id: str) -> RoomStatus:
        self._ask("room")
        state = RoomState.PRESENT if self.present else RoomState.GONE
        return RoomStatus(
            state=state,
            events=len(self.events) if self.present else 0,
            uncensored=0,
            leftovers=0 if self.present else self.leftovers,
            database=self.database,
        )

    async def purge(self, room_id: str) -> RoomState:
        self._ask("purge")
        self.purge_requests -= 1
        if self.purge_requests > 0:
            return RoomState.PURGING
        self.present, self.leftovers = False, 0
        return RoomState.GONE

    async def delete_media(self, address: str) -> None:
        self._ask("delete")
        if self.delete_faults:
            raise self.delete_faults.popleft()
        self.media.discard(address)

    async def is_media_deleted(self, address: str) -> bool:
        self._ask("media")
        return address not in self.media


class ErasureHarness:
    """Erasure and sweep on `rooms`, with the parts of `harness`; a new one continues where an earlier one ended."""

    def __init__(self, harness: BridgeHarness, rooms: FakeRooms) -> None:
        self.harness, self.rooms = harness, rooms
        self.signer = CertificateSigner(vault=harness.vault)
        self.on_keys_destroyed: list[str] = []
        self.caught_up = True
        services, retention = harness.services, harness.pack.settings.receipt_retention
        steps = RoomSteps(
            services,
            signer=self.signer,
            retention=retention,
            room_client=cast("RoomClient", rooms),
            module_client=cast("ModuleClient", rooms),
            erasure_probe=cast("ErasureProbe", rooms),
            priority_gate=harness.outbox.priority_gate,
            on_keys_destroyed=self.on_keys_destroyed.append,
        )
        self.runner = ErasureRunner(
            services,
            steps={**steps.steps(), **PersonSteps(services, signer=self.signer, retention=retention).steps()},
            yield_to_foreground=harness.outbox.priority_gate.yield_to_foreground,
            alert=harness._alert,
        )
        self.expiry = ExpiryWorker(services, rooms=steps, suppression=harness.suppression, alert=harness._alert)

    async def create_thread_room(self, *, events: int = 3, uploads: int = 1, sender: str = "+12065550199") -> str:
        """Make a texter's room with some events and uploads, and a supervisor at the desk."""
        harness = self.harness
        await harness.deliver(
            DESK,
            MemberJoined(place=DESK, user=ADA),
            MemberJoined(place=DESK, user=SOL),
            PowerLevelsChanged(users=((SOL, 50),)),
        )
        owner = await harness.receive_text("hello", message_id=f"m{sender[-4:]}", sender=sender)
        await harness.wait_until_drained()
        await harness.vault.create(f"room:{ROOM}")
        await harness.note_room(ROOM, owner)

        async def commit(transaction: Transaction) -> None:
            await transaction.execute("UPDATE thread SET room_id = $1 WHERE id = $2", ROOM, owner)
            for number in range(uploads):
                self.rooms.media.add(f"mxc://x/upload{number}")
                query = "INSERT INTO matrix_upload (mxc, room_id, at_ms, due_ms) VALUES ($1, $2, 0, 0)"
                await transaction.execute(query, f"mxc://x/upload{number}", ROOM)
            query = """INSERT INTO matrix_session (session_id, room_id, user_id, first_key, next_index, active, begun_ms)
                       VALUES ('s', $1, '@puppet:x', $2, 0, $3, 0)"""
            await transaction.execute(query, ROOM, b"sealed", True)

        await harness.database.commit(commit)
        for number in range(events):
            await self.add_event(owner, f"$e{number}")
        return owner

    async def add_event(self, owner: str, event_id: str, *, ref: str = "", at: int = 0) -> None:
        """Add an event to the room and to the deletion index."""
        self.rooms.events[event_id] = "words"
        now = self.harness.clock.now()
        await self.harness.database.commit(
            lambda transaction: room_events.record_ours(
                transaction,
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

    async def send_message(self, owner: str, body: str, *, sender: str = SOL, **more: Any) -> None:
        """Send a person's message in the thread's room."""
        at = self.harness.clock.now()
        more.setdefault("event_id", f"$said {body}")
        await self.harness.deliver(owner, MessageSent(place=THREAD, sender=sender, body=body, at=at, **more))
        await self.harness.wait_until_drained()

    async def run_to_end(self) -> int:
        """Perform all steps, setting the clock forward where a step waits; return how many steps that took."""
        for step in range(200):
            await self.harness.carrier_copies.run_once()
            wait = await self.runner.run_once()
            if not await self.harness.count("erasure"):
                return step
            self.harness.clock.at += wait
        raise AssertionError("it did not come down")

    async def run_until_grace(self) -> None:
        """Perform steps until the next one is due later than the time that clients have to receive redactions."""
        while (wait := await self.runner.run_once()) <= REDACTION_DELIVERY_SECONDS:
            await self.harness.carrier_copies.run_once()
            self.harness.clock.at += wait

    async def certificates(self) -> list[dict[str, Any]]:
        """Return the content of each certificate, after checking its signature."""
        rows = await self.harness.database.fetch("SELECT id, body, signature FROM erasure_certificate ORDER BY id")
        certificates = [ErasureCertificate(id=row["id"], body=row["body"], signature=row["signature"]) for row in rows]
        assert all(self.signer.verify(each) for each in certificates)
        return sorted((each.content for each in certificates), key=lambda content: str(content["what"]))
