"""Who a new texter is, is looked up after the carrier has its answer and before anything is decided, whatever is killed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bot.model.transactional_actions import Muted, Suppress
from bridge.carriers.adapter import InboundText
from bridge.inbound.rate_limits import Floods
from bridge.inbound.screening import AT_ONCE
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Connection
from bridge.tables.suppression import Suppression, keep
from tests.e2e.waiting import PATIENCE, until
from tests.fakes.nerves import HANDSET, Nerves

OTHER = "+12065550123"
DAY = 86_400


class Slow:
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
        self.gate.wait(3 * PATIENCE)
        with self._lock:
            self._under_way -= 1
            self.ended += 1
        return number.ljust(32)


class Died(BaseException):
    """The process is gone."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    made = Slow()
    monkeypatch.setattr(Suppression, "_slow", lambda _self, number: made.hash(number))
    yield made
    made.gate.set()


async def comes(nerves: Nerves, body: str, message_id: str, sender: str = HANDSET) -> str:
    """Take a text in as the webhook does, and nothing more."""
    await nerves.webhook.take(InboundText(message_id=message_id, sender=Phone(sender), text=body))
    return await nerves.thread_of(sender)


async def remembered(nerves: Nerves, muted: Muted, sender: str = HANDSET) -> None:
    """Remember something of a phone, as an earlier thread of it would have."""
    digest = await nerves.suppression.digest(Phone(sender))
    told = Suppress(muted=muted, until=nerves.clock.at + DAY)
    await nerves.store.commit(lambda conn: keep(conn, digest, told, now=nerves.clock.at))


async def again(nerves: Nerves, directory: Path) -> Nerves:
    """End the process and begin anew on its files."""
    await nerves.end()
    made = Nerves(directory)
    await made.open()
    await made.run()
    return made


def dies_at(nerves: Nerves, point: CrashPoint) -> None:
    """Let nothing that stands behind this point happen."""

    def crash(now: CrashPoint) -> None:
        if now is point:
            raise Died

    nerves.crash = crash


def has_shown(nerves: Nerves, owner: str, body: str) -> Callable[[], Awaitable[bool | None]]:
    async def shown() -> bool | None:
        return body in nerves.posts(owner) or None

    return shown


async def test_no_carrier_waits_for_the_look_up(nerves: Nerves, slow: Slow) -> None:
    """However slow look-ups are, new texters are acknowledged at once; before, nothing is shown, sent or given a room."""
    await nerves.store.commit(_warm)
    await nerves.run()
    await asyncio.gather(*(comes(nerves, "hello", f"m{n}", f"+1206555{n:04}") for n in range(40)))
    await until("look-ups are under way", lambda: _under_way(slow), every=0.01)
    await asyncio.sleep(0.2)
    assert (await nerves.count("thread"), await nerves.count("inbox"), await nerves.count("warm_room")) == (40, 40, 1)
    assert await nerves.store.fetchval("SELECT COUNT(*) FROM thread WHERE designation <> '' OR room_id IS NOT NULL") == 0
    assert (nerves.shown, nerves.paper.sent, nerves.engine.desk.threads) == ([], [], ())
    assert (slow.most, slow.ended) == (AT_ONCE, 0)
    slow.gate.set()
    await nerves.at_rest()
    assert len(nerves.engine.desk.threads) == 40
    assert await nerves.count("warm_room") == 0


async def test_no_other_thread_waits_for_a_look_up(nerves: Nerves, slow: Slow) -> None:
    """While hundreds of new texters wait, whoever is known is shown and answered at once."""
    slow.gate.set()
    await nerves.run()
    owner = await comes(nerves, "hello", "k1")
    await nerves.at_rest()
    slow.gate.clear()
    for n in range(200):
        await comes(nerves, "hello", f"m{n}", f"+1206556{n:04}")
    await comes(nerves, "are you there", "k2")
    await until("the known one is shown", has_shown(nerves, owner, "are you there"), every=0.01)
    assert await nerves.store.fetchval("SELECT COUNT(*) FROM thread WHERE NOT screened") == 200
    slow.gate.set()
    await nerves.at_rest()


async def test_a_stop_waits_for_one_look_up_at_most(nerves: Nerves, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A STOP that is to be remembered in the middle of a flood is not put behind all of its look-ups."""
    slow.gate.set()
    await nerves.run()
    owner = await comes(nerves, "hello", "k1")
    await nerves.at_rest()
    slow.gate.clear()
    slow.begun.clear()
    for n in range(60):
        await comes(nerves, "hello", f"m{n}", f"+1206556{n:04}")
    await until("look-ups are under way", lambda: _under_way(slow), every=0.01)
    asked, digest = list[str](), Suppression.digest

    async def noted(suppression: Suppression, phone: Phone) -> bytes:
        asked.append(phone.reveal())
        return await digest(suppression, phone)

    monkeypatch.setattr(Suppression, "digest", noted)
    await comes(nerves, "STOP", "k2")

    async def waits() -> bool | None:
        return HANDSET in asked or None

    await until("the STOP waits to be remembered", waits, every=0.01)
    slow.gate.set()
    await nerves.at_rest()
    assert slow.begun[AT_ONCE] == HANDSET
    assert "STOP" in nerves.posts(owner)
    assert len(slow.begun) == 61


async def test_what_came_meanwhile_is_shown_in_its_order(nerves: Nerves, slow: Slow) -> None:
    """Texts that follow the first before it is looked up are shown behind it, once and in order."""
    await nerves.run()
    owner = await comes(nerves, "one", "m1")
    for n, body in enumerate(("two", "three", "three")):
        await comes(nerves, body, f"m{2 + min(n, 1)}")
    assert nerves.posts(owner) == []
    slow.gate.set()
    await nerves.at_rest()
    assert nerves.posts(owner) == ["one", "two", "three"]
    assert len(nerves.paper.sent) == 1


async def test_what_waits_is_looked_up_after_a_restart(nerves: Nerves, slow: Slow, tmp_path: Path) -> None:
    """Killed between a carrier's 2xx and the look-up: it is made at the next start, and both texts are shown, in order."""
    await comes(nerves, "one", "m1")
    owner = await comes(nerves, "two", "m2")
    slow.gate.set()
    later = await again(nerves, tmp_path)
    await later.at_rest()
    assert later.posts(owner) == ["one", "two"]
    assert len(later.paper.sent) == 1
    await later.end()


async def test_killed_when_a_thread_may_begin(nerves: Nerves, tmp_path: Path) -> None:
    """Killed right after the look-up is kept: the thread has its room, and its words are shown once."""
    await nerves.store.commit(_warm)
    dies_at(nerves, CrashPoint.SCREENED)
    owner = await comes(nerves, "one", "m1")
    with pytest.raises(Died):
        await nerves.screening.look(owner)
    later = await again(nerves, tmp_path)
    await later.at_rest()
    assert await later.store.fetchval("SELECT room_id FROM thread WHERE id = $1", owner) == "!warm"
    assert (await later.count("warm_room"), later.posts(owner), len(later.paper.sent)) == (0, ["one"], 1)
    await later.end()


async def test_killed_when_a_blocked_phone_was_turned_away(nerves: Nerves, tmp_path: Path) -> None:
    """Killed before its key is gone: nothing else of it stands, it is counted once, and the key belongs to nobody."""
    await nerves.engine.load()
    await remembered(nerves, Muted.BLOCK)
    dies_at(nerves, CrashPoint.TURNED_AWAY)
    owner = await comes(nerves, "you", "m1")
    await comes(nerves, "you again", "m2")
    with pytest.raises(Died):
        await nerves.screening.look(owner)
    later = await again(nerves, tmp_path)
    await later.at_rest()
    assert await later.vault.has(owner)
    assert (await later.count("thread"), later.engine.desk.dropped) == (0, 2)
    await comes(later, "you", "m1")
    await later.screening.look(owner)
    assert (await later.count("thread"), await later.vault.has(owner)) == (0, False)
    await later.end()


async def test_nothing_of_a_blocked_phone_is_kept(nerves: Nerves) -> None:
    """Each of its texts is counted once, and row, words, key and the carrier's copy go; its next text fares no better."""
    await remembered(nerves, Muted.BLOCK)
    await nerves.run()
    owners = []
    for n in range(3):
        owners.append(await comes(nerves, "you", f"m{n}"))
        await comes(nerves, "you", f"m{n}")
    await nerves.at_rest()
    await until("its keys are gone", lambda: _keyless(nerves, owners), every=0.01)
    assert (await nerves.count("thread"), await nerves.count("inbox"), nerves.engine.desk.dropped) == (0, 0, 3)
    assert (nerves.shown, nerves.paper.sent, nerves.engine.desk.threads) == ([], [], ())
    copies = await nerves.store.fetch("SELECT owner, ref, due FROM carrier_copy")
    assert [(row["owner"], row["ref"], row["due"]) for row in copies] == [("", "", nerves.clock.at)] * 3


async def test_a_blocked_phone_makes_no_flood(tmp_path: Path) -> None:
    """However often a blocked phone texts, whoever comes next is greeted as if it had not."""
    nerves = Nerves(tmp_path)
    nerves.floods = Floods(per_number_per_hour=2, per_minute=2)
    await nerves.open()
    await remembered(nerves, Muted.BLOCK)
    await nerves.run()
    for n in range(6):
        await comes(nerves, "you", f"m{n}")
        await nerves.at_rest()
    owner = await comes(nerves, "hello", "h1", OTHER)
    await nerves.at_rest()
    assert (nerves.posts(owner), len(nerves.paper.sent)) == (["hello"], 1)
    await nerves.end()


async def test_who_cannot_be_looked_up_is_a_dead_letter(nerves: Nerves) -> None:
    """A thread whose phone does not open holds nobody else up; what came of it is kept, and the desk hears of it."""
    owner = await comes(nerves, "hello", "m1")
    broken = "UPDATE thread SET phone = $2 WHERE id = $1"
    await nerves.store.commit(lambda conn: conn.execute(broken, owner, b"\x01 no phone"))
    await nerves.run()
    other = await comes(nerves, "hi", "m2", OTHER)
    await nerves.at_rest()
    assert (nerves.posts(owner), nerves.posts(other)) == ([], ["hi"])
    short_id = await nerves.store.fetchval("SELECT short_id FROM dead_letter")
    (alert,) = [body for body in nerves.posts("desk") if short_id in body]
    assert "somebody new could not be shown" in alert
    assert f"!retry {short_id}" in alert


async def test_a_full_disk_postpones_a_look_up(nerves: Nerves) -> None:
    """While nothing can be written the look-up waits, and is then made once."""
    await nerves.engine.load()
    owner = await comes(nerves, "hello", "m1")
    nerves.store.full = True
    await nerves.run()
    await until("it was tried", lambda: _refused(nerves), every=0.01)
    nerves.store.full = False
    await until("it is shown", has_shown(nerves, owner, "hello"), every=0.02)
    await nerves.at_rest()
    assert len(nerves.engine.desk.threads) == 1


async def _under_way(slow: Slow) -> bool | None:
    return slow.most == AT_ONCE or None


async def _refused(nerves: Nerves) -> bool | None:
    return bool(nerves.store.refused) or None


async def _keyless(nerves: Nerves, owners: list[str]) -> bool | None:
    return not await nerves.vault.owners() & set(owners) or None


async def _warm(conn: Connection) -> None:
    await conn.execute("INSERT INTO warm_room (room_id, designation) VALUES ('!warm', 'amber heron')")
