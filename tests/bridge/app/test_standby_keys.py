"""A copy of `keys.db` in place of the file: what tells the two apart, and what a line does where a person takes it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.model.actions import DESK
from bot.model.line_incidents import KeysMissing
from bot.model.thread_desk_events import ThreadParked
from bridge.app import standby
from bridge.app.bridge import Bridge
from bridge.app.line_files import KEYS, CannotStart, CannotStartYet, damaged_file, stale_keys
from bridge.carriers.adapter import InboundText
from bridge.inbound.webhook import NotStored
from bridge.lease.key_file_age import peek_epoch
from bridge.lease.waiting import Waiting
from bridge.matrix.rooms.room_state import Room, RoomKind, record_room
from bridge.outbound import pager
from bridge.runtime.phone_number import Phone
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.tables import inbox, line_state, threads, warm_rooms
from bridge.tables.warm_rooms import WarmRoom
from deploy.data_dir.offline import accept_lost_keys
from tests.bridge.app.shared_line import BridgeProcess, SharedLine, lose_machine, shared_line, shorten_leases
from tests.e2e.polling import wait_until
from tests.fakes.postgres_server import PostgresServer

T = TypeVar("T")
BEFORE, SINCE, LATER = Phone("+12065550177"), Phone("+12065550178"), Phone("+12065550179")


@pytest.fixture
async def line(tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> SharedLine:
    shorten_leases(monkeypatch)
    return await shared_line(tmp_path, postgres_server, monkeypatch)


async def take(bridge: Bridge, sender: Phone, message_id: str) -> None:
    await bridge.webhook.accept_text(InboundText(message_id=message_id, sender=sender, text="words"))


async def events_told(bridge: Bridge, kind: type[T]) -> list[T]:
    """Return what the desk is about to hear of that kind."""
    services = bridge._resources.services
    query = "SELECT body FROM inbox WHERE owner = 'desk' AND kind = $1 ORDER BY seq"
    rows: list[Any] = await services.database.fetch(query, kind.__name__)
    return [serialization.decode_as(kind, await services.vault.open(DESK, inbox.CONTEXT, row["body"])) for row in rows]


async def keyless(bridge: Bridge) -> int:
    """Count the conversations that stand without their key."""
    services = bridge._resources.services
    owners = await threads.key_owners(services.database)
    return len([owner for owner in owners if not await services.vault.has_key(owner)])


async def test_an_older_file_is_led_with_when_a_person_says_so(line: SharedLine) -> None:
    """A bridge that is a process says which file, and what to do. One start with `--take-over` takes it, and no other."""
    at, older = line.config(), line.directory / "kept.db"
    async with AsyncExitStack() as stack:
        await line.lead(at, stack)
    shutil.copyfile(at.data_dir / KEYS, older)
    async with AsyncExitStack() as stack:
        await line.lead(at, stack)
    newest = line.directory / "newest.db"
    shutil.copyfile(at.data_dir / KEYS, newest)
    shutil.copyfile(older, at.data_dir / KEYS)
    async with line.process() as refused:
        await refused.waits()
        await wait_until("it says so", partial(has_said, refused, stale_keys(at.data_dir / KEYS)), every=0.05)
        assert peek_epoch(at.data_dir / KEYS) == 1
    async with line.process("--take-over") as leader:
        await leader.takes_webhooks()
        assert peek_epoch(at.data_dir / KEYS) == 3
    async with line.process() as again:
        await again.takes_webhooks()
    shutil.copyfile(newest, at.data_dir / KEYS)
    async with line.process() as older_now:
        await older_now.waits()
    assert (refused.ended, leader.ended, again.ended, older_now.ended) == (0, 0, 0, 0)


@pytest.mark.parametrize("failures", [0, 1, 3])
async def test_who_is_on_call_is_called_when_nobody_leads_for_an_older_file(
    line: SharedLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failures: int
) -> None:
    """Until a way has accepted the call, and not at once: the bridge that has the newer file may be starting again."""
    at, now, call_times, calls_to_fail = line.config(), 0.0, list[float](), failures

    async def call(on_call: object, _http: object) -> bool:
        nonlocal calls_to_fail
        assert on_call == at.line.on_call
        call_times.append(now)
        calls_to_fail -= 1
        if calls_to_fail == 0:
            raise RuntimeError
        return calls_to_fail < 0

    monkeypatch.setattr(pager, "call", call)
    monkeypatch.setattr(standby, "seconds_since_boot", lambda: now)
    stale = standby.UnusableKeysAlert(at, "a problem")
    expected = [1060.0, 1120.0, 1240.0, 1480.0][: failures + 1]
    try:
        # Another bridge leads between 1700 and 1800, and between 1900 and 5300.
        for now in [*range(1000, 1710, 10), *range(1800, 1910, 10), *range(5300, 5410, 10)]:  # noqa: B007 - read above
            stale()
            if stale._call_task is not None:
                await asyncio.gather(stale._call_task, return_exceptions=True)
        assert call_times == [*expected, 5360.0], "none within an hour of one that was accepted"
        assert capsys.readouterr().err == "a problem\n" * 3
    finally:
        await stale.close()


async def test_a_key_file_that_is_of_use_in_between_is_waited_for_again(
    line: SharedLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds before a call count from when the file was last of no use without a pause."""
    at, now, call_times = line.config(), 0.0, list[float]()

    async def call(_on_call: object, _http: object) -> bool:
        call_times.append(now)
        return True

    monkeypatch.setattr(pager, "call", call)
    monkeypatch.setattr(standby, "seconds_since_boot", lambda: now)
    stale = standby.UnusableKeysAlert(at, "a problem")
    try:
        for now in [1000.0, 1010.0, 1055.0, *range(1100, 1190, 10)]:  # noqa: B007 - read above
            stale()
            if stale._call_task is not None:
                await stale._call_task
        assert call_times == [1160.0]
    finally:
        await stale.close()


@pytest.mark.parametrize("harm", ["damaged", "locked"])
async def test_a_file_that_cannot_be_looked_at_is_not_held_against_the_server(line: SharedLine, harm: str) -> None:
    """At a start: the sentence names the file, and does not say that PostgreSQL is damaged or away."""
    at = line.config()
    keys = at.data_dir / KEYS
    async with AsyncExitStack() as stack:
        await line.lead(at, stack)
    if harm == "damaged":
        keys.write_bytes(b"no database at all" * 500)
        async with AsyncExitStack() as stack:
            with pytest.raises(CannotStart) as said:
                await line.wait(at, stack)
        assert said.value.problems == [damaged_file(keys)]
        return
    with contextlib.closing(SqliteConnection(keys)) as other:
        other.execute("BEGIN EXCLUSIVE")
        async with AsyncExitStack() as stack:
            with pytest.raises(CannotStartYet) as away:
                await line.wait(at, stack)
    assert str(away.value).startswith(f"{keys}: another process keeps it locked")


async def test_a_file_that_is_missing_is_said_by_who_waits(line: SharedLine) -> None:
    """It goes on waiting, and leads as soon as the file is there."""
    at, other, reports = line.config(), line.machine("other"), list[bool]()
    assert at.database_url is not None
    keys = other.data_dir / KEYS
    waiting = Waiting(line.place(at.database_url), keys, end=line.ends.append, on_missing=lambda: reports.append(True))
    async with AsyncExitStack() as stack:
        await line.lead(at, stack)
        leading = asyncio.create_task(waiting.run())
    await wait_until("it says so", partial(any_of, reports), every=0.05)
    assert not leading.done()
    shutil.copyfile(at.data_dir / KEYS, keys)
    lead = await leading
    await lead.close()


async def add_room(bridge: Bridge, room_id: str, kind: RoomKind, *, thread: str = "") -> None:
    """Have the line have made a room: an office, of a thread, or, without one, in stock."""
    services = bridge._resources.services
    owner = "@ada:x" if kind == "office" else thread
    room = Room(room_id=room_id, kind=kind, owner=owner, key_owner=f"room:{room_id}")
    await services.vault.create(room.key_owner)

    async def commit(transaction: Transaction) -> None:
        await record_room(transaction, room, members={}, levels={})
        if thread:
            await transaction.execute("UPDATE thread SET room_id = $1 WHERE id = $2", room_id, thread)
        elif kind == "thread":
            await warm_rooms.add(transaction, WarmRoom(room_id, f"amber {room_id}"))

    await services.database.commit(commit)


async def test_rooms_that_were_made_since_are_of_use(line: SharedLine) -> None:
    """In a thread's room without a key nothing is said: the stock and a conversation's new room get one at the start.

    So the next texters are read. The room of a conversation without a key stays as it is. The desk hears of both. An
    office needs none.
    """
    at_one, at_two = line.machine("one"), line.machine("two")
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as led_by_one:
            one = await line.lead(at_one, led_by_one)
            await take(one, BEFORE, "id1")
            before = await thread_of(one, BEFORE)
            shutil.copyfile(at_one.data_dir / KEYS, at_two.data_dir / KEYS)
            await take(one, SINCE, "id2")
            since = await thread_of(one, SINCE)
            await add_room(one, "!stock", "thread")
            await add_room(one, "!office", "office")
            await add_room(one, "!again", "thread", thread=before)
            await add_room(one, "!since", "thread", thread=since)
            lose_machine(one)
            two = await line.lead(at_two, stack, take_over=True)
        vault = two._resources.services.vault
        rooms = ("!stock", "!office", "!again", "!since")
        assert [await vault.has_key(f"room:{room_id}") for room_id in rooms] == [True, False, True, False]
        assert await events_told(two, KeysMissing) == [KeysMissing(conversations=2)]


@pytest.mark.parametrize("on_hold", [False, True], ids=["free", "on legal hold"])
async def test_a_person_says_that_keys_are_lost(line: SharedLine, on_hold: bool) -> None:
    """The next start ends who has none: number, rows and room go, and their next text is a new one.

    One on legal hold stays, and stays refused.
    """
    at_one, at_two = line.machine("one"), line.machine("two")
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as led_by_one:
            one = await line.lead(at_one, led_by_one)
            await take(one, BEFORE, "id1")
            shutil.copyfile(at_one.data_dir / KEYS, at_two.data_dir / KEYS)
            await take(one, SINCE, "id2")
            since = await thread_of(one, SINCE)
            await add_room(one, "!since", "thread", thread=since)
            hold = partial(threads.set_legal_hold, thread=since, on=on_hold)
            await one._resources.services.database.commit(hold)
            lose_machine(one)
            two = await line.lead(at_two, led_by_one, take_over=True)
            with pytest.raises(NotStored):
                await take(two, SINCE, "id3")
        await accept_lost_keys(at_two)
        again = await line.lead(at_two, stack)
        services = again._resources.services
        assert await line_state.get(services.database, line_state.KEYS_LOST) is None
        assert await events_told(again, ThreadParked) == ([] if on_hold else [ThreadParked(thread=since)])
        assert await keyless(again) == (2 if on_hold else 1), "the room's own goes with its job"
        jobs = await services.database.fetch("SELECT kind, subject, thread FROM erasure ORDER BY kind")
        expected = [] if on_hold else [("person", since, ""), ("room", "!since", "")]
        assert [(row["kind"], row["subject"], row["thread"]) for row in jobs] == expected
        if on_hold:
            with pytest.raises(NotStored):
                await take(again, SINCE, "id4")
        else:
            await take(again, SINCE, "id4")
            assert await thread_of(again, SINCE) not in {since, await thread_of(again, BEFORE)}
        await take(again, BEFORE, "id5")


async def thread_of(bridge: Bridge, phone: Phone) -> str:
    """Return the thread of a phone."""
    services = bridge._resources.services
    thread = await threads.find_by_phone(services.database, services.vault.phone_hash("main", phone))
    assert thread is not None
    return thread


async def any_of(flags: list[bool]) -> bool | None:
    return bool(flags) or None


async def has_said(bridge: BridgeProcess, words: str) -> bool | None:
    """Whether a process has said that."""
    return words in bridge.words or None
