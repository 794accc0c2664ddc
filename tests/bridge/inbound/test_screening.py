"""Who a new texter is, is looked up after the carrier has its answer and before anything is decided, whatever is killed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bot.model.transactional_actions import Suppress, SuppressionReason
from bridge.carriers.adapter import Ignored, InboundText
from bridge.inbound.screening import MAX_IN_FLIGHT, NewThreadRateLimit
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Transaction
from bridge.tables.suppression import Suppression
from policies.designations import FIRST, SECOND
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.fakes.bridge_harness import HANDSET, BridgeHarness

OTHER = "+12065550123"
DAY = 86_400


class SlowDigests:
    """Look-ups that end when they are let. `most`: how many were under way at once; `begun`: whose, in their order."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.most = self.ended = 0
        self.begun: list[str] = []
        self._under_way = 0
        self._lock = threading.Lock()

    def hash(self, number: bytes) -> bytes:
        with self._lock:
            self.begun.append(number.decode())
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        # Longer than any test waits for what must not wait for it.
        self.gate.wait(3 * STEP_TIMEOUT)
        with self._lock:
            self._under_way -= 1
            self.ended += 1
        return number.ljust(32)


class ProcessDied(BaseException):
    """The process is gone."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDigests]:
    digests = SlowDigests()
    monkeypatch.setattr(Suppression, "_slow_digest", lambda _self, number: digests.hash(number))
    yield digests
    digests.gate.set()


async def comes(harness: BridgeHarness, body: str, message_id: str, sender: str = HANDSET) -> str:
    """Take a text in as the webhook does, and nothing more."""
    await harness.webhook.accept_text(InboundText(message_id=message_id, sender=Phone(sender), text=body))
    return await harness.thread_id(sender)


async def block(harness: BridgeHarness) -> None:
    """Remember the handset as blocked, as an earlier thread of it would have."""
    digest = await harness.suppression.digest(Phone(HANDSET))
    change = Suppress(reason=SuppressionReason.BLOCK, until=harness.clock.at + DAY)
    await harness.database.commit(
        lambda transaction: harness.suppression.write(transaction, digest, change, now=harness.clock.at)
    )


async def again(harness: BridgeHarness, directory: Path) -> BridgeHarness:
    """End the process and begin again on its files."""
    await harness.close()
    next_harness = BridgeHarness(directory)
    await next_harness.open()
    await next_harness.run()
    return next_harness


def dies_at(harness: BridgeHarness, point: CrashPoint) -> None:
    """Let nothing that stands behind this point happen."""

    def crash(now: CrashPoint) -> None:
        if now is point:
            raise ProcessDied

    harness.crash = crash


def has_shown(harness: BridgeHarness, owner: str, body: str) -> Callable[[], Awaitable[bool | None]]:
    async def shown() -> bool | None:
        return body in harness.messages_shown(owner) or None

    return shown


async def _looked(harness: BridgeHarness) -> bool | None:
    return not harness.engine.queue._present or None


async def test_no_carrier_waits_for_the_look_up(harness: BridgeHarness, slow: SlowDigests) -> None:
    """However slow look-ups are, new texters are acknowledged at once; before, nothing is shown, sent or given a room."""
    await harness.database.commit(_warm)
    await harness.run()
    await asyncio.gather(*(comes(harness, "hello", f"m{n}", f"+1206555{n:04}") for n in range(40)))
    await wait_until("look-ups are under way", lambda: _under_way(slow), every=0.01)
    for row in await harness.database.fetch("SELECT id FROM thread"):
        harness.engine.queue.wake(row["id"])
    await wait_until("the engine has looked at every inbox", lambda: _looked(harness), every=0.01)
    assert (await harness.count("thread"), await harness.count("inbox"), await harness.count("warm_room")) == (40, 40, 1)
    assert (
        await harness.database.fetchval("SELECT COUNT(*) FROM thread WHERE designation <> '' OR room_id IS NOT NULL") == 0
    )
    assert (harness.shown, harness.carrier.sent, harness.engine.desk.threads) == ([], [], ())
    assert (slow.most, slow.ended) == (MAX_IN_FLIGHT, 0)
    slow.gate.set()
    await harness.wait_until_drained()
    assert len(harness.engine.desk.threads) == 40
    assert await harness.count("warm_room") == 0


@pytest.mark.practice(14)
async def test_a_designation_comes_from_chance_and_not_from_the_phone(tmp_path: Path, slow: SlowDigests) -> None:
    """The same phones, in the same order, under the same keys, are called otherwise on each line, in both words.

    So it is after an end as well: what the second line knows of a phone is what the first knows after it forgot it. Were a
    word made from the number, from its hash or from the order, it would come again.
    """
    slow.gate.set()
    phones = [f"+1206557{n:04}" for n in range(40)]
    named = list[list[list[str]]]()
    for line in ("one", "other"):
        harness = BridgeHarness(tmp_path / line)
        harness.directory.mkdir()
        await harness.open()
        await harness.run()
        owners = [await comes(harness, "hello", f"m{n}", phone) for n, phone in enumerate(phones)]
        await harness.wait_until_drained()
        rows = await harness.database.fetch("SELECT id, designation FROM thread")
        of_thread = {row["id"]: row["designation"].split(" ") for row in rows}
        named.append([of_thread[owner] for owner in owners])
        await harness.close()
    assert all(one in FIRST and two in SECOND for line in named for one, two in line)
    # By chance a first word comes again once in some two hundred, so five of forty once in a hundred million runs.
    for word in (0, 1):
        assert sum(one[word] == other[word] for one, other in zip(*named, strict=True)) < 5


async def test_a_stop_waits_for_one_look_up_at_most(
    harness: BridgeHarness, slow: SlowDigests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A STOP that is to be remembered in the middle of a flood is not put behind all of its look-ups."""
    slow.gate.set()
    await harness.run()
    owner = await comes(harness, "hello", "k1")
    await harness.wait_until_drained()
    slow.gate.clear()
    slow.begun.clear()
    for n in range(60):
        await comes(harness, "hello", f"m{n}", f"+1206556{n:04}")
    await wait_until("look-ups are under way", lambda: _under_way(slow), every=0.01)
    phones, digest = list[str](), Suppression.digest

    async def noted(suppression: Suppression, phone: Phone, *, background: bool = False) -> bytes:
        phones.append(phone.reveal())
        return await digest(suppression, phone, background=background)

    monkeypatch.setattr(Suppression, "digest", noted)
    await comes(harness, "STOP", "k2")

    async def waits() -> bool | None:
        return HANDSET in phones or None

    await wait_until("the STOP waits to be remembered", waits, every=0.01)
    slow.gate.set()
    await harness.wait_until_drained()
    assert slow.begun[MAX_IN_FLIGHT] == HANDSET
    assert "STOP" in harness.messages_shown(owner)
    assert len(slow.begun) == 61


async def test_what_came_meanwhile_is_shown_in_its_order(harness: BridgeHarness, slow: SlowDigests) -> None:
    """Texts that follow the first before it is looked up are shown behind it, once and in order."""
    await harness.run()
    owner = await comes(harness, "one", "m1")
    for n, body in enumerate(("two", "three", "three")):
        await comes(harness, body, f"m{2 + min(n, 1)}")
    assert harness.messages_shown(owner) == []
    slow.gate.set()
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["one", "two", "three"]
    assert len(harness.carrier.sent) == 1


async def test_what_waits_is_looked_up_after_a_restart(harness: BridgeHarness, slow: SlowDigests, tmp_path: Path) -> None:
    """Killed between a carrier's 2xx and the look-up: it is made at the next start, and both texts are shown, in order."""
    await comes(harness, "one", "m1")
    owner = await comes(harness, "two", "m2")
    slow.gate.set()
    later = await again(harness, tmp_path)
    await later.wait_until_drained()
    assert later.messages_shown(owner) == ["one", "two"]
    assert len(later.carrier.sent) == 1
    await later.close()


async def test_killed_when_a_thread_may_begin(harness: BridgeHarness, tmp_path: Path) -> None:
    """Killed right after the look-up is kept: the thread has its room, and its words are shown once."""
    await harness.database.commit(_warm)
    dies_at(harness, CrashPoint.SCREENED)
    owner = await comes(harness, "one", "m1")
    with pytest.raises(ProcessDied):
        await harness.screening.screen(owner)
    later = await again(harness, tmp_path)
    await later.wait_until_drained()
    assert await later.database.fetchval("SELECT room_id FROM thread WHERE id = $1", owner) == "!warm"
    assert (await later.count("warm_room"), later.messages_shown(owner), len(later.carrier.sent)) == (0, ["one"], 1)
    await later.close()


async def test_killed_when_a_blocked_phone_was_turned_away(harness: BridgeHarness, tmp_path: Path) -> None:
    """Killed before its key is gone: nothing else of it stands, it is counted once, and the key belongs to nobody."""
    await harness.engine.load()
    await block(harness)
    dies_at(harness, CrashPoint.TURNED_AWAY)
    owner = await comes(harness, "you", "m1")
    await comes(harness, "you again", "m2")
    with pytest.raises(ProcessDied):
        await harness.screening.screen(owner)
    later = await again(harness, tmp_path)
    await later.wait_until_drained()
    assert await later.vault.has_key(owner)
    assert (await later.count("thread"), later.engine.desk.dropped_texts) == (0, 2)
    await comes(later, "you", "m1")
    await later.screening.screen(owner)
    assert (await later.count("thread"), await later.vault.has_key(owner)) == (0, False)
    await later.close()


async def test_nothing_of_a_blocked_phone_is_kept(harness: BridgeHarness) -> None:
    """Each of its texts is counted once, and row, words, key and the carrier's copy go; its next text fares no better."""
    await block(harness)
    await harness.run()
    owners = []
    for n in range(3):
        owners.append(await comes(harness, "you", f"m{n}"))
        await comes(harness, "you", f"m{n}")
    await harness.wait_until_drained()
    await wait_until("its keys are gone", lambda: _keyless(harness, owners), every=0.01)
    assert (await harness.count("thread"), await harness.count("inbox"), harness.engine.desk.dropped_texts) == (0, 0, 3)
    assert (harness.shown, harness.carrier.sent, harness.engine.desk.threads) == ([], [], ())
    copies = await harness.database.fetch("SELECT owner, ref, due FROM carrier_copy")
    assert [(row["owner"], row["ref"], row["due"]) for row in copies] == [("", "", harness.clock.at)] * 3


async def test_nothing_of_a_blocked_phone_on_hold_is_deleted(harness: BridgeHarness, slow: SlowDigests) -> None:
    """A hold set while it is looked up keeps thread, words, dead letters and key, unscreened; released, all of it goes."""
    slow.gate.set()
    await harness.engine.load()
    await block(harness)
    slow.gate.clear()
    slow.begun.clear()
    owner = await comes(harness, "you", "m1")
    await harness.screening._record_dead_letters(owner, RuntimeError())
    await comes(harness, "you again", "m2")

    async def begun() -> bool | None:
        return bool(slow.begun) or None

    screening = asyncio.create_task(harness.screening.screen(owner))
    await wait_until("the look-up is under way", begun, every=0.01)
    await harness.set_legal_hold(owner, on=True)
    slow.gate.set()
    await screening
    query = "SELECT COUNT(*) FROM thread WHERE NOT screened"
    assert (await harness.database.fetchval(query), await harness.count("dead_letter")) == (1, 1)
    assert await harness.database.fetchval("SELECT COUNT(*) FROM inbox WHERE owner = $1", owner) == 1
    assert await harness.vault.has_key(owner)
    assert await harness.database.fetchval("SELECT COUNT(*) FROM carrier_copy WHERE owner = $1", owner) == 2
    await harness.set_legal_hold(owner, on=False)
    await harness.screening.screen(owner)
    assert (await harness.count("thread"), await harness.count("dead_letter")) == (0, 0)
    assert not await harness.vault.has_key(owner)


async def test_a_stop_of_a_blocked_phone_is_remembered(harness: BridgeHarness) -> None:
    """Its thread goes like any other of a blocked phone, and after the block the phone begins stopped."""
    await harness.engine.load()
    await block(harness)
    first = await comes(harness, "you", "m1")
    await harness.database.commit(lambda transaction: transaction.execute("UPDATE inbox SET body = $1", b"damaged"))
    await harness.screening.screen(first)
    assert await harness.count("suppression") == 1
    await harness.screening.screen(await comes(harness, "Stop.", "m2"))
    assert (await harness.count("thread"), await harness.count("suppression")) == (0, 2)
    later = harness.clock.at + 2 * 86_400
    harness.clock.at = later
    assert await harness.suppression.lookup(harness.database, Phone(HANDSET), now=later) == {SuppressionReason.STOP}
    owner = await comes(harness, "hello", "m3")
    await harness.screening.screen(owner)
    assert (await harness.thread(owner)).consent.stopped


@pytest.mark.parametrize(("first", "stopped"), [("STOP", True), ("hello", False)])
async def test_a_stop_whose_look_up_failed_stops_what_is_answered_next(
    harness: BridgeHarness, first: str, stopped: bool
) -> None:
    """The next text of that phone is looked up: it begins stopped, and nothing answers it by itself."""
    await harness.engine.load()
    owner = await comes(harness, first, "m1")
    await harness.screening._record_dead_letters(owner, RuntimeError())
    await comes(harness, "are you there", "m2")
    await harness.run()
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).consent.stopped is stopped
    assert (harness.carrier.sent == []) is stopped
    assert "are you there" in harness.messages_shown(owner)


async def test_a_blocked_phone_makes_no_flood(tmp_path: Path) -> None:
    """However often a blocked phone texts, whoever comes next is greeted as if it had not."""
    harness = BridgeHarness(tmp_path)
    harness.rate_limit = NewThreadRateLimit(per_number_per_hour=2, per_minute=2)
    await harness.open()
    await block(harness)
    await harness.run()
    for n in range(6):
        await comes(harness, "you", f"m{n}")
        await harness.wait_until_drained()
    owner = await comes(harness, "hello", "h1", OTHER)
    await harness.wait_until_drained()
    assert (harness.messages_shown(owner), len(harness.carrier.sent)) == (["hello"], 1)
    await harness.close()


async def test_who_cannot_be_looked_up_is_a_dead_letter(harness: BridgeHarness) -> None:
    """A thread whose phone does not open holds nobody else up; what came of it is kept, and the desk hears of it."""
    owner = await comes(harness, "hello", "m1")
    broken = "UPDATE thread SET phone = $2 WHERE id = $1"
    await harness.database.commit(lambda transaction: transaction.execute(broken, owner, b"\x01 no phone"))
    await harness.run()
    other = await comes(harness, "hi", "m2", OTHER)
    await harness.wait_until_drained()
    assert (harness.messages_shown(owner), harness.messages_shown(other)) == ([], ["hi"])
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter")
    (alert,) = [body for body in harness.messages_shown("desk", notices=True) if short_id in body]
    assert "somebody new could not be shown" in alert
    assert f"!retry {short_id}" in alert


async def test_a_full_disk_postpones_a_look_up(harness: BridgeHarness) -> None:
    """While nothing can be written the look-up waits, and is then made once."""
    await harness.engine.load()
    owner = await comes(harness, "hello", "m1")
    harness.database.full = True
    await harness.run()
    await wait_until("it was tried", lambda: _refused(harness), every=0.01)
    harness.database.full = False
    await wait_until("it is shown", has_shown(harness, owner, "hello"), every=0.02)
    await harness.wait_until_drained()
    assert len(harness.engine.desk.threads) == 1


async def _under_way(slow: SlowDigests) -> bool | None:
    return slow.most == MAX_IN_FLIGHT or None


async def _refused(harness: BridgeHarness) -> bool | None:
    return bool(harness.database.rejected_commits) or None


async def _keyless(harness: BridgeHarness, owners: list[str]) -> bool | None:
    return not await harness.vault.owners() & set(owners) or None


async def _warm(transaction: Transaction) -> None:
    await transaction.execute("INSERT INTO warm_room (room_id, designation) VALUES ('!warm', 'amber heron')")


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_stop_to_a_group_is_the_stop_of_its_sender(harness: BridgeHarness, is_known: bool) -> None:
    """Whoever says STOP to a group gets no more texts; nothing else there is taken, and the desk hears of the group."""
    await harness.run()
    if is_known:
        await harness.receive_text("hello", message_id="1")
        await harness.wait_until_drained()
    before = await harness.count("thread"), len(harness.carrier.sent)
    for number, body in enumerate(("hi all", "STOP", "STOP")):
        text = InboundText(message_id=f"g{min(number, 1)}", sender=Phone(HANDSET), text=body)
        await harness.webhook.report_ignored(Ignored("group", text.message_id, text))
        await harness.wait_until_drained()
        if number == 0:
            assert (await harness.count("thread"), len(harness.carrier.sent)) == before
    assert await harness.suppression.lookup(harness.database, Phone(HANDSET), now=harness.clock.at) == {
        SuppressionReason.STOP
    }
    assert harness.messages_shown(await harness.thread_id(HANDSET)).count("STOP") == 1
    assert len([body for body in harness.messages_shown("desk", notices=True) if "group" in body]) == 1
