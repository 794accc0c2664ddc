"""What a line remembers of a phone beyond its thread: STOP and blocks, as slow keyed hashes that end."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.desk import Desk, Role, Seat
from bot.model.events import Said
from bot.model.transactional_actions import Muted, Suppress
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Connection
from bridge.tables.suppression import Suppression, keep
from tests.bot.effort import COMMON, EXPLORES
from tests.e2e.waiting import PATIENCE
from tests.fakes.nerves import HANDSET, Nerves

SUE = "@sue:line.example"
OTHER = "+12065550123"
DAY = 86_400


@pytest.fixture
async def nerves(tmp_path: Path) -> AsyncIterator[Nerves]:
    made = Nerves(tmp_path)
    await made.open()
    await made.run()
    yield made
    await made.end()


async def end_thread(nerves: Nerves, sender: str = HANDSET) -> None:
    """Let a thread be gone as an end leaves it: no row, no key."""
    owner = await nerves.thread_of(sender)

    async def gone(conn: Connection) -> None:
        for table in ("outbox", "timer", "inbox"):
            await conn.execute(f"DELETE FROM {table} WHERE owner = $1", owner)  # noqa: S608 - one of three words
        await conn.execute("DELETE FROM thread WHERE id = $1", owner)

    await nerves.store.commit(gone)
    await nerves.vault.destroy(owner)


async def block(nerves: Nerves, owner: str, words: str = "!block") -> None:
    """Let a supervisor block a thread's phone."""
    nerves.engine._desk = Desk(roster=(Seat(user=SUE, role=Role.SUPERVISOR),))
    said = Said(place="thread", sender=SUE, event_id=f"$b{time.monotonic_ns()}", body=words, at=nerves.clock.at)
    await nerves.tell(owner, said)
    await nerves.at_rest()


async def test_a_stop_outlives_its_thread(nerves: Nerves) -> None:
    """The next thread of a phone that said STOP begins stopped: it is shown, it is loud, and nothing leaves until START."""
    await nerves.arrive("STOP", message_id="m1")
    await nerves.at_rest()
    await end_thread(nerves)
    nerves.paper.sent.clear()
    owner = await nerves.arrive("hello again", message_id="m2")
    await nerves.at_rest()
    assert (await nerves.thread(owner)).consent.stopped
    assert (nerves.posts(owner), nerves.paper.sent) == (["hello again"], [])
    await nerves.arrive("START", message_id="m3")
    await nerves.at_rest()
    assert await nerves.count("suppression") == 0
    await end_thread(nerves)
    owner = await nerves.arrive("hi", message_id="m4")
    await nerves.at_rest()
    assert not (await nerves.thread(owner)).consent.stopped
    assert len(nerves.paper.sent) == 1


async def test_it_survives_a_restart_and_a_restored_database(nerves: Nerves, tmp_path: Path) -> None:
    """With main.db and the key it is known again; with another key it means nothing; `keys.db` is not needed."""
    await nerves.arrive("STOP", message_id="m1")
    await nerves.at_rest()
    (row,) = await nerves.store.fetch("SELECT hash, muted, until FROM suppression")
    now = nerves.clock.at
    phone = Phone(HANDSET)
    assert await nerves.suppression.of(nerves.store, phone, now=now) == {Muted.STOP}
    again = Suppression(key=bytes(range(2, 34)), line="main")
    assert await again.digest(phone) == row["hash"]
    assert await again.of(nerves.store, Phone(OTHER), now=now) == frozenset()
    for stranger in (Suppression(key=bytes(32), line="main"), Suppression(key=bytes(range(2, 34)), line="other")):
        assert await stranger.of(nerves.store, phone, now=now) == frozenset()


async def test_an_entry_ends(nerves: Nerves) -> None:
    """Numbers are given to others: after its time an entry counts for nothing, and the next one takes it away."""
    await nerves.arrive("STOP", message_id="m1")
    await nerves.at_rest()
    ttl = nerves.pack.settings.suppression_ttl
    assert ttl == 180 * DAY
    later = nerves.clock.at + ttl
    assert await nerves.suppression.of(nerves.store, Phone(HANDSET), now=later - 2) == {Muted.STOP}
    assert await nerves.suppression.of(nerves.store, Phone(HANDSET), now=later + 1) == frozenset()
    digest = await nerves.suppression.digest(Phone(OTHER))
    told = Suppress(muted=Muted.STOP, until=later + DAY)
    await nerves.store.commit(lambda conn: keep(conn, digest, told, now=later + 1))
    assert [row["hash"] for row in await nerves.store.fetch("SELECT hash FROM suppression")] == [digest]


async def test_no_number_is_in_it_and_it_is_slow(nerves: Nerves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the number nor the fast hash of threads stands there; a guess costs the memory and passes OWASP names."""
    costs: list[tuple[Any, int, int]] = []
    slow = hash_secret_raw

    def hashed(*args: Any, **how: Any) -> bytes:
        costs.append((how["type"], how["memory_cost"], how["time_cost"]))
        return slow(*args, **how)

    monkeypatch.setattr("bridge.storage.slow_hash.hash_secret_raw", hashed)
    await nerves.arrive("STOP", message_id="m1")
    await nerves.at_rest()
    (row,) = await nerves.store.fetch("SELECT hash FROM suppression")
    assert len(row["hash"]) == 32
    assert row["hash"] != nerves.vault.phone_hash("main", Phone(HANDSET))
    written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal"))
    assert HANDSET[2:].encode() not in written
    assert costs
    assert all(kind is Type.ID and kib >= 19 * 1024 and passes >= 2 for kind, kib, passes in costs)


async def test_hashing_does_not_hold_the_loop_up(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """While phones are hashed the event loop goes on: here it is the loop that lets the hashing end."""
    let_go = threading.Event()
    # False, and too late, where nothing else runs meanwhile.
    monkeypatch.setattr(Suppression, "_slow", lambda _self, _number: bytes([let_go.wait(PATIENCE)]))
    hashed = asyncio.gather(*(nerves.suppression.digest(Phone(f"+1206555{n:04}")) for n in range(3)))
    await asyncio.sleep(0)
    let_go.set()
    assert set(await hashed) == {bytes([True])}


async def test_a_blocked_phone_makes_no_thread(nerves: Nerves) -> None:
    """After its thread is gone, what a blocked phone sends makes no thread, key, room or card; the desk counts it once."""
    owner = await nerves.arrive("you", message_id="m1")
    await nerves.at_rest()
    await block(nerves, owner)
    sent = len(nerves.paper.sent)
    await nerves.arrive("you again", message_id="m2")
    await nerves.at_rest()
    assert nerves.posts(owner) == ["you"]
    await end_thread(nerves)
    keys = await nerves.vault.owners()
    for message_id in ("m3", "m3", "m4"):
        await nerves.arrive("and again", message_id=message_id)
    await nerves.at_rest()
    assert await nerves.count("thread") == 0
    assert await nerves.vault.owners() == keys
    assert (nerves.engine.desk.dropped, len(nerves.paper.sent)) == (3, sent)
    nerves.clock.at += 8 * DAY
    owner = await nerves.arrive("hello", message_id="m5")
    await nerves.at_rest()
    assert nerves.posts(owner) == ["hello"]


async def test_a_block_that_is_taken_back_is_forgotten(nerves: Nerves) -> None:
    """`!block off` lets the next thread be like any other."""
    owner = await nerves.arrive("you", message_id="m1")
    await nerves.at_rest()
    await block(nerves, owner)
    await block(nerves, owner, "!block off")
    assert await nerves.count("suppression") == 0


async def test_a_stop_and_its_memory_are_one_commit(nerves: Nerves) -> None:
    """While nothing can be written a STOP is neither half honoured nor lost: then both stand, and one answer left."""
    owner = await nerves.arrive("hi", message_id="m1")
    await nerves.at_rest()
    await nerves.arrive("STOP", message_id="m2")
    nerves.store.full = True
    await asyncio.sleep(0.3)
    assert (await nerves.thread(owner)).consent.stopped == (await nerves.count("suppression") == 1)
    nerves.store.full = False
    await nerves.at_rest()
    assert (await nerves.thread(owner)).consent.stopped
    assert await nerves.count("suppression") == 1
    assert len(nerves.paper.sent) == 2


async def test_a_stop_waits_for_memory_and_is_not_lost(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be hashed a STOP waits, and is neither buried nor half done; so does a new texter."""
    owner = await nerves.arrive("hi", message_id="m1")
    await nerves.at_rest()

    def fails(*_: object, **__: object) -> bytes:
        raise HashingError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr("bridge.storage.slow_hash.hash_secret_raw", fails)
        await nerves.arrive("STOP", message_id="m2")
        other = await nerves.arrive("hello", message_id="m3", sender=OTHER)
        await asyncio.sleep(0.2)
        assert not (await nerves.thread(owner)).consent.stopped
        assert nerves.posts(other) == []
    await nerves.at_rest()
    assert (await nerves.thread(owner)).consent.stopped
    assert nerves.posts(other) == ["hello"]
    assert (await nerves.count("suppression"), await nerves.count("dead_letter"), await nerves.count("thread")) == (1, 0, 2)


moves = st.lists(st.sampled_from(("STOP", "START", "words", "block", "end")), min_size=2, max_size=9)


@settings(COMMON, max_examples=60 if EXPLORES else 12)
@given(moves=moves)
def test_whatever_happened_before_a_new_thread_begins_as_it_must(moves: list[str]) -> None:
    """STOP, START, blocks and ends in any order: the next thread is stopped, or is not there, exactly when it must be."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_walk(Path(directory), moves))


async def _walk(directory: Path, moves: list[str]) -> None:
    nerves = Nerves(directory)
    await nerves.open()
    await nerves.run()
    stopped = blocked = alive = False
    confirmed = 0
    try:
        for n, move in enumerate(moves):
            if move == "end":
                if alive:
                    await end_thread(nerves)
                alive = False
                continue
            if move == "block":
                if alive:
                    await block(nerves, await nerves.thread_of(HANDSET))
                    blocked = True
                continue
            await nerves.arrive(move, message_id=f"m{n}")
            await nerves.at_rest()
            alive |= not blocked
            if not blocked:
                confirmed += move == "STOP" and not stopped
                stopped = (stopped or move == "STOP") and move != "START"
            assert await nerves.count("thread") == int(alive)
            if alive:
                assert (await nerves.thread(await nerves.thread_of(HANDSET))).consent.stopped == stopped
            kinds = {row["muted"] for row in await nerves.store.fetch("SELECT muted FROM suppression")}
            assert kinds == ({"stop"} if stopped else set()) | ({"block"} if blocked else set())
        stop_text = nerves.pack.say("stop", "en")
        assert [body for _, body in nerves.paper.sent].count(stop_text) == confirmed
    finally:
        await nerves.end()
