"""What a line remembers of a phone beyond its thread: STOP and blocks, as slow keyed hashes that end."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.pwhash import argon2id

from bot.model.desk import Desk, DeskMember, Role
from bot.model.events import MessageSent, TimerDue
from bot.model.transactional_actions import Suppress, SuppressionReason
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Reader, Transaction
from bridge.tables import clock_trust
from bridge.tables.suppression import Suppression
from tests.bot.hypothesis_settings import COMMON, EXPLORES
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import HANDSET, BridgeHarness

SUE = "@sue:line.example"
OTHER = "+12065550123"
DAY = 86_400


@pytest.fixture
async def harness(harness: BridgeHarness) -> BridgeHarness:
    await harness.run()
    return harness


async def end_thread(harness: BridgeHarness) -> None:
    """Let a thread be gone as an end leaves it: no row, no key."""
    owner = await harness.thread_id(HANDSET)

    async def gone(transaction: Transaction) -> None:
        for table in ("outbox", "timer", "inbox"):
            await transaction.execute(f"DELETE FROM {table} WHERE owner = $1", owner)  # noqa: S608 - one of three words
        await transaction.execute("DELETE FROM thread WHERE id = $1", owner)

    await harness.database.commit(gone)
    await harness.vault.destroy(owner)


async def block(harness: BridgeHarness, owner: str, words: str = "!block") -> None:
    """Let a supervisor block a thread's phone."""
    harness.engine._desk = Desk(roster=(DeskMember(user=SUE, role=Role.SUPERVISOR),))
    said = MessageSent(place="thread", sender=SUE, event_id=f"$b{time.monotonic_ns()}", body=words, at=harness.clock.at)
    await harness.deliver(owner, said)
    await harness.wait_until_drained()


async def test_a_stop_outlives_its_thread(harness: BridgeHarness) -> None:
    """The next thread of a phone that said STOP begins stopped: it is shown, it is loud, and nothing leaves until START."""
    await harness.receive_text("STOP", message_id="m1")
    await harness.wait_until_drained()
    await end_thread(harness)
    harness.carrier.sent.clear()
    owner = await harness.receive_text("hello again", message_id="m2")
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).consent.stopped
    assert (harness.messages_shown(owner), harness.carrier.sent) == (["hello again"], [])
    await harness.receive_text("START", message_id="m3")
    await harness.wait_until_drained()
    assert await harness.count("suppression") == 0
    await end_thread(harness)
    owner = await harness.receive_text("hi", message_id="m4")
    await harness.wait_until_drained()
    assert not (await harness.thread(owner)).consent.stopped
    assert len(harness.carrier.sent) == 1


async def test_it_survives_a_restart_and_a_restored_database(harness: BridgeHarness, tmp_path: Path) -> None:
    """With main.db and the key it is known again; with another key it means nothing; `keys.db` is not needed."""
    await harness.receive_text("STOP", message_id="m1")
    await harness.wait_until_drained()
    (row,) = await harness.database.fetch("SELECT hash, muted, until FROM suppression")
    now = harness.clock.at
    phone = Phone(HANDSET)
    assert await harness.suppression.lookup(harness.database, phone, now=now) == {SuppressionReason.STOP}
    again = Suppression(key=bytes(range(2, 34)), line="main")
    assert await again.digest(phone) == row["hash"]
    assert await again.lookup(harness.database, Phone(OTHER), now=now) == frozenset()
    for stranger in (
        Suppression(key=bytes(32), line="main"),
        Suppression(key=bytes(range(2, 34)), line="other"),
    ):
        assert await stranger.lookup(harness.database, phone, now=now) == frozenset()


async def test_an_entry_ends(harness: BridgeHarness) -> None:
    """Numbers are given to others: after its time an entry counts for nothing, and the next one takes it away."""
    await harness.receive_text("STOP", message_id="m1")
    await harness.wait_until_drained()
    ttl = harness.pack.settings.suppression_ttl
    assert ttl == 180 * DAY
    later = harness.clock.at + ttl
    assert await harness.suppression.lookup(harness.database, Phone(HANDSET), now=later - 2) == {SuppressionReason.STOP}
    assert await harness.suppression.lookup(harness.database, Phone(HANDSET), now=later + 1) == frozenset()
    digest = await harness.suppression.digest(Phone(OTHER))
    change = Suppress(reason=SuppressionReason.STOP, until=later + DAY)
    await harness.database.commit(lambda transaction: harness.suppression.write(transaction, digest, change, now=later + 1))
    assert [row["hash"] for row in await harness.database.fetch("SELECT hash FROM suppression")] == [digest]


async def test_no_entry_ends_by_a_clock_that_is_doubted(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that jumps ahead by two years makes nobody forget a STOP: neither is it passed over, nor deleted."""
    answers: list[frozenset[SuppressionReason]] = []
    ask = harness.suppression.reasons

    async def reasons(reader: Reader, digest: bytes, *, now: float) -> frozenset[SuppressionReason]:
        answers.append(await ask(reader, digest, now=now))
        return answers[-1]

    await harness.receive_text("STOP", message_id="m1")
    await harness.wait_until_drained()
    await end_thread(harness)
    await harness.database.commit(clock_trust.distrust)
    harness.clock.at += 2 * 365 * DAY
    digest = await harness.suppression.digest(Phone(OTHER))
    change = Suppress(reason=SuppressionReason.STOP, until=harness.clock.at + DAY)
    await harness.database.commit(
        lambda transaction: harness.suppression.write(transaction, digest, change, now=harness.clock.at)
    )
    assert await harness.count("suppression") == 2
    monkeypatch.setattr(harness.suppression, "reasons", reasons)
    owner = await harness.receive_text("hello", message_id="m2")

    async def shown() -> bool:
        return harness.messages_shown(owner) == ["hello"]

    await wait_until("the text is shown", shown, every=0.02)
    assert answers == [{SuppressionReason.STOP}]


@pytest.mark.sqlite_only
@pytest.mark.usefixtures("real_hash")
async def test_no_number_is_in_it_and_it_is_slow(
    harness: BridgeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the number nor the fast hash of threads stands there; a guess costs the memory and passes OWASP names."""
    costs: list[tuple[int, int]] = []
    slow = argon2id.kdf

    def hashed(*args: Any, **how: Any) -> bytes:
        costs.append((how["memlimit"], how["opslimit"]))
        return slow(*args, **how)

    monkeypatch.setattr(argon2id, "kdf", hashed)
    await harness.receive_text("STOP", message_id="m1")
    await harness.wait_until_drained()
    (row,) = await harness.database.fetch("SELECT hash FROM suppression")
    assert len(row["hash"]) == 32
    assert row["hash"] != harness.vault.phone_hash("main", Phone(HANDSET))
    written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal"))
    assert HANDSET[2:].encode() not in written
    assert costs
    assert all(limit >= 19 * 1024 * 1024 and passes >= 2 for limit, passes in costs)


async def test_a_blocked_phone_makes_no_thread(harness: BridgeHarness) -> None:
    """After its thread is gone, what a blocked phone sends makes no thread, key, room or card; the desk counts it once."""
    owner = await harness.receive_text("you", message_id="m1")
    await harness.wait_until_drained()
    await block(harness, owner)
    text_count = len(harness.carrier.sent)
    await harness.receive_text("you again", message_id="m2")
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["you"]
    await end_thread(harness)
    keys = await harness.vault.owners()
    for message_id in ("m3", "m3", "m4"):
        await harness.receive_text("and again", message_id=message_id)
    await harness.wait_until_drained()
    assert await harness.count("thread") == 0
    assert await harness.vault.owners() == keys
    assert (harness.engine.desk.dropped_texts, len(harness.carrier.sent)) == (3, text_count)
    harness.clock.at += 8 * DAY
    owner = await harness.receive_text("hello", message_id="m5")
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["hello"]


async def test_no_block_ends_by_a_clock_that_is_not_trusted(harness: BridgeHarness) -> None:
    """A start a year ahead: neither the text nor the timer ends it. Once the clock is trusted again, the next text does."""
    owner = await harness.receive_text("you", message_id="m1")
    await harness.wait_until_drained()
    await block(harness, owner)
    await harness.database.commit(clock_trust.distrust)
    harness.clock.at += 365 * DAY
    text_count = len(harness.carrier.sent)
    await harness.deliver(owner, TimerDue(key="block"))
    await harness.receive_text("you again", message_id="m2")
    await harness.wait_until_drained()
    assert (harness.messages_shown(owner), len(harness.carrier.sent)) == (["you"], text_count)
    await harness.database.commit(clock_trust.trust)
    await harness.receive_text("and again", message_id="m3")
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["you", "and again"]


async def test_a_stop_and_its_memory_are_one_commit(harness: BridgeHarness) -> None:
    """While nothing can be written a STOP is neither half honoured nor lost: then both stand, and one answer left."""
    owner = await harness.receive_text("hi", message_id="m1")
    await harness.wait_until_drained()
    await harness.receive_text("STOP", message_id="m2")
    harness.database.full = True
    before = harness.database.rejected_commits
    await wait_until("it was tried again", lambda: _rejected(harness, before + 2), every=0.01)
    assert (await harness.thread(owner)).consent.stopped == (await harness.count("suppression") == 1)
    harness.database.full = False
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).consent.stopped
    assert await harness.count("suppression") == 1
    assert len(harness.carrier.sent) == 2


async def _rejected(harness: BridgeHarness, count: int) -> bool | None:
    return harness.database.rejected_commits >= count or None


async def test_a_stop_waits_for_memory_and_is_not_lost(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be hashed a STOP waits, and is neither buried nor half done; so does a new texter."""
    owner = await harness.receive_text("hi", message_id="m1")
    await harness.wait_until_drained()

    tries = 0

    def fails(*_: object, **__: object) -> bytes:
        nonlocal tries
        tries += 1
        raise RuntimeError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(argon2id, "kdf", fails)
        await harness.receive_text("STOP", message_id="m2")
        other = await harness.receive_text("hello", message_id="m3", sender=OTHER)

        async def tried() -> bool | None:
            return tries >= 4 or None

        await wait_until("each was tried again", tried, every=0.01)
        assert not (await harness.thread(owner)).consent.stopped
        assert harness.messages_shown(other) == []
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).consent.stopped
    assert harness.messages_shown(other) == ["hello"]
    assert (await harness.count("suppression"), await harness.count("dead_letter"), await harness.count("thread")) == (
        1,
        0,
        2,
    )


moves = st.lists(st.sampled_from(("STOP", "START", "words", "block", "end")), min_size=2, max_size=9)


@settings(COMMON, max_examples=60 if EXPLORES else 12)
@given(moves=moves)
def test_whatever_happened_before_a_new_thread_begins_as_it_must(moves: list[str]) -> None:
    """STOP, START, blocks and ends in any order: the next thread is stopped, or is not there, exactly when it must be."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_walk(Path(directory), moves))


async def _walk(directory: Path, moves: list[str]) -> None:
    harness = BridgeHarness(directory)
    await harness.open()
    await harness.run()
    stopped = blocked = alive = False
    confirmed = 0
    try:
        for n, move in enumerate(moves):
            if move == "end":
                if alive:
                    await end_thread(harness)
                alive = False
                continue
            if move == "block":
                if alive:
                    await block(harness, await harness.thread_id(HANDSET))
                    blocked = True
                continue
            await harness.receive_text(move, message_id=f"m{n}")
            await harness.wait_until_drained()
            alive |= not blocked
            # A blocked phone's STOP counts as well, without a confirmation; its START does not.
            confirmed += move == "STOP" and not stopped and not blocked
            stopped = (stopped or move == "STOP") and (blocked or move != "START")
            assert await harness.count("thread") == int(alive)
            if alive:
                assert (await harness.thread(await harness.thread_id(HANDSET))).consent.stopped == stopped
            kinds = {row["muted"] for row in await harness.database.fetch("SELECT muted FROM suppression")}
            assert kinds == ({"stop"} if stopped else set()) | ({"block"} if blocked else set())
        stop_text = harness.pack.say("stop", "en")
        assert [body for _, body in harness.carrier.sent].count(stop_text) == confirmed
    finally:
        await harness.close()
