"""A number stands in two offices for a minute, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from bot.model.actions import RevealNumber
from bridge.matrix.api.http_client import Permanent, Transient
from bridge.outbound.dispatcher import OutboxTask
from bridge.outbound.number_reveal import LOOK_INTERVAL, REVEAL_SECONDS, NumberReveals
from bridge.runtime.crash_points import CrashPoint
from bridge.services import WakeUps
from bridge.storage.database import Transaction
from bridge.tables import outbox
from tests.fakes.bridge_harness import HANDSET, BridgeHarness
from tests.fakes.room_sender_harness import FakeRoomClient, RoomSenderHarness

ANA, SUE = "@ana:line.example", "@sue:line.example"
GRANT = RevealNumber(users=(ANA, SUE), designation="amber heron")


class ProcessDied(Exception):  # noqa: N818 - it says what happened
    """The process ends here."""


class FakeOffices(FakeRoomClient):
    """Offices on paper: what stands in them."""

    def __init__(self) -> None:
        super().__init__()
        self.stands: dict[str, tuple[str, str]] = {}
        self.refuses: Exception | None = None
        self.refuses_in = ""
        """The only room of which it refuses; empty: all."""
        self.takes_nothing_in = ""
        self.answers_nothing_in = ""
        self.on_send: Callable[[], None] = lambda: None
        self.on_prepare: Callable[[str], Awaitable[None]] | None = None

    async def send(self, room_id: str, *rest: object) -> str:
        _, txn, _, content = rest
        assert isinstance(content, dict)
        if room_id == self.takes_nothing_in:
            raise Transient(503, "")
        self.sent.append(str(txn))
        self.stands[f"${txn}"] = (room_id, content["body"])
        self.on_send()
        if room_id == self.answers_nothing_in:
            raise Transient(0, "")
        return f"${txn}"

    async def prepare_sessions(self, room_id: str) -> None:
        if self.on_prepare is not None:
            await self.on_prepare(room_id)

    async def redact(self, room_id: str, event_id: str, txn: str) -> None:
        if self.refuses is not None and self.refuses_in in {"", room_id}:
            raise self.refuses
        where, _ = self.stands.pop(event_id, (room_id, ""))
        assert where == room_id

    async def find(self, room_id: str, speaker: object, txn: str) -> str | None:
        return f"${txn}" if f"${txn}" in self.stands else None


class RevealHarness:
    """A thread whose number may be seen, and two people with offices. `dies`: where the process ends."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness, self.room_client = harness, FakeOffices()
        self.dies: CrashPoint | None = None

    @property
    def reveals(self) -> NumberReveals:
        """Make what a process that has just begun has."""
        return NumberReveals(
            self.harness.services_with(WakeUps(), crash=self._crash),
            room_client=self.room_client,  # type: ignore[arg-type]
            lifetime=86_400,
        )

    async def task(self, *, offices: tuple[str, ...] = (ANA, SUE)) -> OutboxTask:
        task = await RoomSenderHarness(self.harness).task(GRANT)
        await self.harness.database.commit(_make_desk)
        for user in offices:
            await self.harness.database.commit(
                lambda transaction, user=user: transaction.execute(  # type: ignore[misc]
                    "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, 'office', $2, $1)",
                    f"!{user[1:4]}",
                    user,
                )
            )
        return task

    def _crash(self, point: CrashPoint) -> None:
        if point is self.dies:
            raise ProcessDied


@pytest.fixture
async def offices(tmp_path: Path) -> AsyncIterator[RevealHarness]:
    bridge_harness = BridgeHarness(tmp_path)
    await bridge_harness.open()
    yield RevealHarness(bridge_harness)
    await bridge_harness.close()


async def _make_desk(transaction: Transaction) -> None:
    await transaction.execute(
        "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!desk', 'desk', '', '!desk')"
    )
    for user in (ANA, SUE):
        await transaction.execute(
            "INSERT INTO matrix_member (room_id, user_id, membership) VALUES ('!desk', $1, 'join')", user
        )


async def test_who_has_left_the_desk_since_gets_no_number(offices: RevealHarness) -> None:
    """Two people agreed, and one was removed before the number could be shown: it stands in the other office alone."""
    task = await offices.task()
    await offices.harness.database.commit(
        lambda transaction: transaction.execute("UPDATE matrix_member SET membership = 'leave' WHERE user_id = $1", ANA)
    )
    await offices.reveals.show(task, GRANT)
    assert [room for room, _ in offices.room_client.stands.values()] == ["!sue"]


async def test_the_number_is_in_both_offices_for_a_minute(offices: RevealHarness) -> None:
    """It stands there, word for word, and goes when sixty seconds are over; nothing of it stays noted."""
    task = await offices.task()
    await offices.reveals.show(task, GRANT)
    assert sorted(room for room, _ in offices.room_client.stands.values()) == ["!ana", "!sue"]
    assert all(HANDSET in body and "amber heron" in body for _, body in offices.room_client.stands.values())
    offices.harness.clock.at += 59
    await offices.reveals.retract_due()
    assert len(offices.room_client.stands) == 2
    offices.harness.clock.at += 1
    await offices.reveals.retract_due()
    assert offices.room_client.stands == {}
    assert await offices.harness.count("revealed") == 0
    assert await offices.harness.database.fetchval("SELECT COUNT(*) FROM event WHERE room_id IN ('!ana', '!sue')") == 0


@pytest.mark.parametrize("point", [CrashPoint.REVEAL_SENT, CrashPoint.REVEAL_TAKEN_BACK])
async def test_a_crash_in_between_leaves_no_number(offices: RevealHarness, point: CrashPoint) -> None:
    """Killed after it was shown or after it was taken back: what stands goes at the start."""
    task = await offices.task()
    reveals = offices.reveals
    if point is CrashPoint.REVEAL_TAKEN_BACK:
        await reveals.show(task, GRANT)
    offices.dies = point
    with pytest.raises(ProcessDied):
        await (reveals.show(task, GRANT) if point is CrashPoint.REVEAL_SENT else reveals.run_once())
    offices.dies = None
    later = offices.reveals
    await later.run_once()
    if point is CrashPoint.REVEAL_SENT:
        assert offices.room_client.stands == {}, "the request was noted"
        await later.show(task, GRANT)
        assert len(offices.room_client.stands) == 2, "the same transactions: nothing is shown twice"
        offices.harness.clock.at += 60
        await later.retract_due()
    assert offices.room_client.stands == {}
    assert await offices.harness.count("revealed") == 0


@pytest.mark.parametrize(("errcode", "rows"), [("QUIETLINE_NOT_OUR_ROOM", 0), ("M_FORBIDDEN", 2)])
async def test_a_refusal_is_not_taken_for_gone(offices: RevealHarness, errcode: str, rows: int) -> None:
    """What is not there any more is forgotten; what the homeserver refuses to take out is tried again."""
    await offices.reveals.show(await offices.task(), GRANT)
    offices.room_client.refuses = Permanent(403, errcode)
    await offices.reveals.run_once()
    assert await offices.harness.count("revealed") == rows
    offices.room_client.refuses = None
    offices.harness.clock.at += 120
    await offices.reveals.retract_due()
    assert len(offices.room_client.stands) == (0 if rows else 2)


@pytest.mark.parametrize("late", [False, True])
async def test_a_number_whose_request_was_not_answered_goes(offices: RevealHarness, late: bool) -> None:
    """The answer is lost, and the conversation ends with its row: it is found after a minute, or a minute later."""
    task = await offices.task()
    offices.room_client.answers_nothing_in = "!ana"
    with pytest.raises(Transient):
        await offices.reveals.show(task, GRANT)
    await offices.harness.database.commit(partial(outbox.delete_all, owner=task.owner))
    shown = dict(offices.room_client.stands)
    assert [room for room, _ in shown.values()] == ["!ana"]
    if late:
        offices.room_client.stands.clear()
    offices.harness.clock.at += 60
    await offices.reveals.retract_due()
    if late:
        offices.room_client.stands.update(shown)
        offices.harness.clock.at += 60
        await offices.reveals.retract_due()
    assert offices.room_client.stands == {}
    offices.harness.clock.at += 60
    await offices.reveals.retract_due()
    assert await offices.harness.count("revealed") == 0


async def test_no_number_is_requested_after_its_minute(offices: RevealHarness) -> None:
    """The first message took until the minute was over: the other office gets none, and nothing is left of the first."""
    task = await offices.task()

    def take_long() -> None:
        offices.harness.clock.at += REVEAL_SECONDS

    offices.room_client.on_send = take_long
    await offices.reveals.show(task, GRANT)
    assert [room for room, _ in offices.room_client.stands.values()] == ["!ana"]
    await offices.reveals.retract_due()
    assert offices.room_client.stands == {}
    assert await offices.harness.count("revealed") == 0


async def test_a_request_that_is_performed_late_is_found_within_seconds(offices: RevealHarness) -> None:
    """It is looked for every ten seconds, for some minutes: a number stands no longer than that."""
    task = await offices.task()
    offices.room_client.answers_nothing_in = "!ana"
    with pytest.raises(Transient):
        await offices.reveals.show(task, GRANT)
    shown = dict(offices.room_client.stands)
    offices.room_client.stands.clear()
    for _ in range(12):
        offices.harness.clock.at += LOOK_INTERVAL
        await offices.reveals.retract_due()
    offices.room_client.stands.update(shown)
    offices.harness.clock.at += LOOK_INTERVAL
    await offices.reveals.retract_due()
    assert offices.room_client.stands == {}


@pytest.mark.parametrize("shown", [True, False])
async def test_a_grant_that_comes_late_shows_nothing(offices: RevealHarness, shown: bool) -> None:
    """A minute after the grant no number is shown any more; what an earlier try showed goes."""
    task = await offices.task()
    if shown:
        offices.dies = CrashPoint.REVEAL_SENT
        with pytest.raises(ProcessDied):
            await offices.reveals.show(task, GRANT)
        offices.dies = None
    offices.harness.clock.at += 60
    await offices.reveals.show(task, GRANT)
    assert len(offices.room_client.stands) == (1 if shown else 0)
    await offices.reveals.retract_due()
    assert offices.room_client.stands == {}


async def test_another_device_shows_no_number_twice(offices: RevealHarness) -> None:
    """Our device was replaced within the minute, so the homeserver knows no transaction: what it showed is found."""
    task = await offices.task()
    offices.dies = CrashPoint.REVEAL_SENT
    with pytest.raises(ProcessDied):
        await offices.reveals.show(task, GRANT)
    offices.dies, offices.room_client.forgot = None, True
    offices.room_client.sent.clear()
    await offices.reveals.show(task, GRANT)
    assert (len(offices.room_client.sent), len(offices.room_client.stands)) == (1, 2), "the first is found, not sent again"
    offices.harness.clock.at += 60
    await offices.reveals.retract_due()
    assert offices.room_client.stands == {}


async def test_what_cannot_be_taken_back_now_is_tried_again(offices: RevealHarness) -> None:
    """While the homeserver does not answer the row stands."""
    await offices.reveals.show(await offices.task(), GRANT)
    offices.room_client.refuses = Transient(503, "")
    with pytest.raises(Transient):
        await offices.reveals.run_once()
    offices.room_client.refuses = None
    await offices.reveals.run_once()
    assert offices.room_client.stands == {}


async def test_the_number_has_a_session_of_its_own(offices: RevealHarness) -> None:
    """What was said before it, and is said after it, is under other keys; its own goes when it is taken back."""
    database, task = offices.harness.database, await offices.task()

    async def session(name: str, room: str) -> None:
        started_ms = int(offices.harness.clock.at * 1000)
        query = """INSERT INTO matrix_session (session_id, room_id, user_id, first_key, next_index, active, begun_ms)
                   VALUES ($1, $2, '@policy:x', $3, 0, $4, $5)"""
        await database.commit(lambda transaction: transaction.execute(query, name, room, b"sealed", True, started_ms))

    offices.harness.clock.at -= 60
    for room in ("!ana", "!sue"):
        await session(f"before {room}", room)
    offices.harness.clock.at += 60
    await offices.reveals.show(task, GRANT)
    assert await database.fetchval("SELECT COUNT(*) FROM matrix_session WHERE active") == 0, "it begins one"
    for room in ("!ana", "!sue"):
        await session(f"number {room}", room)
    await offices.reveals.run_once()
    session_ids = {row["session_id"] for row in await database.fetch("SELECT session_id FROM matrix_session")}
    assert session_ids == {"before !ana", "before !sue"}


async def test_the_number_is_in_no_row(offices: RevealHarness) -> None:
    """Neither in the action nor in any byte of the database."""
    await offices.reveals.show(await offices.task(), GRANT)
    await offices.harness.database.checkpoint()
    assert HANDSET not in repr(GRANT)
    for file in offices.harness.directory.iterdir():
        assert HANDSET.encode() not in file.read_bytes(), file.name
