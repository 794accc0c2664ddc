"""A line whose clock was a year ahead at its first start: nothing of it stays late, and nothing is texted by it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from bot.lifecycle.retention import CLOSE
from bot.model.line_incidents import ClockJumped, TimesAhead
from bot.model.transactional_actions import SetTimer, Suppress, SuppressionReason, TrustClock
from bridge.engine import timers as module
from bridge.engine.clock_correction import ClockCorrection
from bridge.runtime.phone_number import Phone
from bridge.services import WakeUps
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.tables import clock_trust, line_state
from tests.fakes.bridge_harness import HANDSET, BridgeHarness, ManualClock

YEAR: Final = 365 * 86_400
DAYS: Final = 91 * 86_400
"""No stored time is further ahead than this."""
KEPT: Final = {
    ("suppression", "until"): "a STOP that is remembered longer keeps nobody from anything but a text",
    ("erasure_certificate", "until"): "a certificate holds no content",
    ("audit", "hour"): "the audit says what was noted, and bears its own code",
    ("revealed", "until"): "a start takes every number out of the offices",
    ("revealed", "granted"): "likewise",
}
"""Times that are not corrected, and why that hurts nobody."""
TEXT_TIMES: Final = ("created_at", "last_encrypted", "last_decrypted")
"""Columns with a time that is text."""
NO_TIMES: Final = frozenset(
    {
        *(
            "seq",
            "n",
            "id",
            "tries",
            "number",
            "count",
            "legal_hold",
            "screened",
            "in_flood",
            "of_people",
            "unknown",
            "version",
        ),
        *("destroys", "state", "gone", "grace", "level", "ready", "open", "shared", "cross_signed", "stale", "active"),
        *("next_index", "owed", "first_index", "floor", "accepted", "position", "joined", "announced", "spoke", "ours"),
        *("mark", "arrived", "back"),
    }
)
"""Columns with a number that is none."""


@pytest.fixture
async def harness(harness: BridgeHarness) -> BridgeHarness:
    await harness.engine.load()
    return harness


async def fill(harness: BridgeHarness, at: float) -> None:
    """Put a row into every table, each number in it that may be a time being that one, a day later."""

    async def commit(transaction: Transaction) -> None:
        for table, columns in (await tables(harness)).items():
            if table in {"desk", "thread", "line"} or "version" in table:
                continue
            values: list[Any] = []
            for name, kind in columns:
                if kind in {"TEXT", "BLOB", "BYTEA"}:
                    values.append(b"x" if kind != "TEXT" else moment(at) if name in TEXT_TIMES else "x")
                else:
                    is_ms = name.endswith("_ms") or (table, name) == ("event", "at")
                    values.append(0 if name in NO_TIMES else int(at + 86_400) * (1000 if is_ms else 1))
            marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
            names = ", ".join(name for name, _ in columns)
            await transaction.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values)  # noqa: S608 - of the schema

    await harness.database.commit(commit)


def moment(at: float) -> str:
    """Write a time as the Olm store does."""
    return datetime.fromtimestamp(at).isoformat(sep=" ", timespec="microseconds")  # noqa: DTZ006 - as it does


async def tables(harness: BridgeHarness) -> dict[str, list[tuple[str, str]]]:
    """Return name and type of every column of every table, rooms first."""
    rows = await harness.database.fetch("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    by_table = {}
    for name in sorted((row["name"] for row in rows), key=lambda each: (each != "matrix_room", each != "matrix_session")):
        columns = await harness.database.fetch(f"SELECT name, type FROM pragma_table_info('{name}')")  # noqa: S608 - see above
        by_table[name] = [(row["name"], row["type"].upper()) for row in columns]
    return by_table


async def too_late(harness: BridgeHarness, now: float) -> set[tuple[str, str]]:
    """Return table and column of every stored time that is further ahead than any can be."""
    late_columns = set()
    for table, columns in (await tables(harness)).items():
        for name, kind in columns:
            if kind in {"BLOB", "BYTEA"} or name in NO_TIMES:
                continue
            is_ms = name.endswith("_ms") or (table, name) == ("event", "at")
            limit: Any = int(now + DAYS) * (1000 if is_ms else 1)
            if kind == "TEXT":
                if name not in TEXT_TIMES:
                    continue
                limit = moment(now + DAYS)
            query = f"SELECT COUNT(*) FROM {table} WHERE {name} > $1"  # noqa: S608 - of the schema
            if await harness.database.fetchval(query, limit):
                late_columns.add((table, name))
    return late_columns


@pytest.mark.sqlite_only
async def test_every_stored_time_is_corrected(harness: BridgeHarness) -> None:
    """In each table, each number is a time that is corrected, or is named here with the reason why not."""
    await fill(harness, harness.clock.at + YEAR)
    late = await too_late(harness, harness.clock.at)
    assert len(late) > 30, "the rows are there"
    await harness.clock_correction(harness.services).run(YEAR)
    assert await too_late(harness, harness.clock.at) == KEPT.keys()


async def test_times_of_the_right_clock_are_left_alone(harness: BridgeHarness) -> None:
    """What ends within its usual time is not touched, whatever is said to lie ahead."""
    now = harness.clock.at

    async def commit(transaction: Transaction) -> None:
        await transaction.execute("INSERT INTO seen (hash, until) VALUES ($1, $2)", b"x", int(now) + 8 * 86_400)
        await line_state.put(transaction, line_state.LAST_BACKUP, str(now - 5))
        await line_state.put(transaction, line_state.ARRIVALS, '{"last": 5, "gaps": {}}')

    await harness.database.commit(commit)
    await harness.clock_correction(harness.services).run(YEAR)
    assert await harness.database.fetchval("SELECT until FROM seen") == int(now) + 8 * 86_400
    assert await line_state.get_time(harness.database, line_state.LAST_BACKUP) == now - 5
    assert await line_state.get(harness.database, line_state.ARRIVALS) is not None


async def test_times_of_the_line_are_corrected(harness: BridgeHarness) -> None:
    """When a backup was made, when the line began; what came when is forgotten, for its weeks are none."""
    ahead = harness.clock.at + YEAR
    runs = f'{{"first": {ahead}, "running": true, "deaths": [{ahead}]}}'

    async def commit(transaction: Transaction) -> None:
        for name, value in (
            (line_state.LAST_BACKUP, str(ahead)),
            (line_state.RUNS, runs),
            (f"{line_state.STRAY_ALERT}channel", str(ahead)),
            (line_state.ARRIVALS, f'{{"last": {int(ahead // 3600)}, "gaps": {{}}}}'),
        ):
            await line_state.put(transaction, name, value)

    await harness.database.commit(commit)
    await harness.clock_correction(harness.services).run(YEAR)
    assert await line_state.get_time(harness.database, line_state.LAST_BACKUP) == harness.clock.at
    assert await line_state.get(harness.database, line_state.RUNS) == runs.replace(str(ahead), str(harness.clock.at))
    assert await line_state.get_time(harness.database, f"{line_state.STRAY_ALERT}channel") == harness.clock.at
    assert await line_state.get(harness.database, line_state.ARRIVALS) is None


async def test_a_crash_leaves_all_of_it_or_nothing(harness: BridgeHarness) -> None:
    """A death within the commit changes nothing, and the next start does it; a second time finds nothing to do."""
    await harness.database.commit(lambda transaction: clock_trust.add_ahead(transaction, YEAR))
    await harness.vault.create("t1")
    due = harness.clock.at + YEAR + 8
    await harness.database.commit(lambda transaction: module.write(transaction, "t1", SetTimer(key=CLOSE, due=due)))

    async def die(transaction: Transaction, *, now: float, seconds: int) -> None:
        raise RuntimeError

    dying = ClockCorrection(harness.services, suppression=harness.suppression, message_ttl=86_400, others=die)
    with pytest.raises(RuntimeError):
        await dying.run(YEAR)
    assert await harness.database.fetchval("SELECT due FROM timer") == due
    assert (await clock_trust.seconds_ahead(harness.database), await harness.count("inbox")) == (YEAR, 0)
    for _ in range(2):
        await harness.timers.recover()
    assert await harness.database.fetchval("SELECT due FROM timer") == due - YEAR
    assert (await clock_trust.seconds_ahead(harness.database), await harness.count("inbox")) == (0, 1)


async def test_by_a_clock_that_was_behind_nothing_is_over_a_year_early(harness: BridgeHarness) -> None:
    """A STOP, what came from the carrier before, and words in a room end when they would have ended; it is done once."""
    now = int(harness.clock.at)
    digest = await harness.suppression.digest(Phone(HANDSET))
    stop = Suppress(reason=SuppressionReason.STOP, until=now + 100)

    async def commit(transaction: Transaction) -> None:
        await clock_trust.add_ahead(transaction, -YEAR)
        await harness.suppression.write(transaction, digest, stop, now=now)
        await transaction.execute("INSERT INTO seen (hash, until) VALUES ($1, $2)", b"x", now + 100)
        await transaction.execute(
            "INSERT INTO event (event_id, room_id, owner, at, expires) VALUES ('$e', '!r', 'desk', 0, $1)", now + 100
        )

    await harness.database.commit(commit)
    harness.clock.at += YEAR
    for _ in range(2):
        await harness.timers.recover()
    until = now + 100 + YEAR
    assert await harness.suppression.lookup(harness.database, Phone(HANDSET), now=until - 1) == {SuppressionReason.STOP}
    assert await harness.suppression.lookup(harness.database, Phone(HANDSET), now=until) == frozenset()
    for column in ("until FROM suppression", "until FROM seen", "expires FROM event"):
        assert await harness.database.fetchval(f"SELECT {column}") == until
    assert [event.seconds for event in await told(harness, TimesAhead)] == [-YEAR]


async def told(harness: BridgeHarness, kind: type) -> list[Any]:
    """Return the events of a kind that stand in the desk's inbox."""
    rows = await harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = 'desk' AND kind = $1", kind.__name__)
    return [serialization.decode(r["kind"], await harness.vault.open("desk", "inbox", r["body"])) for r in rows]


async def test_a_line_that_was_begun_a_year_ahead_goes_on_by_the_right_clock(tmp_path: Path) -> None:
    """Put right while nothing runs: the desk is told once; after `!time ok` times are right, and nothing leaves."""
    right = ManualClock().at
    first = BridgeHarness(tmp_path, clock=ManualClock(right + YEAR))
    sample = clock_trust.ClockSample(right + YEAR, 1000.0, "b")
    await first.open()
    await first.run()
    owner = await first.receive_text("hello", message_id="m1")
    await first.wait_until_drained()
    await timers_of(first, sample)._clock_check.record_sample()
    texts_before = len(first.carrier.sent)
    await first.close()

    again = BridgeHarness(tmp_path, clock=ManualClock(right + 100))
    await again.open()
    await again.engine.load()
    timers = timers_of(again, clock_trust.ClockSample(right + 100, 1100.0, "b"))
    await timers.recover()
    assert [event.seconds for event in await told(again, ClockJumped)] == [-YEAR]
    assert await told(again, TimesAhead) == [], "not while a person has not said that the clock is right"
    await again.database.commit(clock_trust.trust)
    with pytest.raises(module.SystemClockCorrected):
        await timers.run_once()
    assert await clock_trust.is_distrusted(again.database), "nothing goes by its age before the times are right"
    again.clock.at += 10
    for _ in range(2):
        await timers_of(again, clock_trust.ClockSample(right + 110, 1110.0, "b")).recover()
    assert not await clock_trust.is_distrusted(again.database)
    assert [event.seconds for event in await told(again, TimesAhead)] == [YEAR]
    await again.run()
    await again.wait_until_drained()
    life = (await again.thread(owner)).lifecycle
    assert (life.last_inbound, life.since) == (right, right)
    assert await again.database.fetchval("SELECT COUNT(*) FROM timer WHERE due > $1", right + DAYS) == 0
    assert len(again.carrier.sent) == 0, f"the greeting left before: {texts_before}"
    await again.close()


def timers_of(harness: BridgeHarness, sample: clock_trust.ClockSample) -> module.Timers:
    """Return timers on a machine whose clocks stand so."""
    services = harness.services_with(WakeUps(engine=harness.engine.queue.wake))
    return module.Timers(
        services,
        wait_until_idle=harness.wait_until_idle,
        late_after=harness.pack.settings.late_after_seconds,
        correction=harness.clock_correction(services),
        system_time=harness.clock.now,
        sample=lambda: sample,
    )


async def test_a_person_trusts_a_clock_by_which_the_bridge_does_not_go(harness: BridgeHarness) -> None:
    """`!time ok` in a run that goes by another clock counts from the next start; in one that goes by it, at once."""
    perform = harness.transactional_actions.perform
    for offset, doubted in ((-float(YEAR), True), (0.0, False)):
        harness.clock.offset = offset
        await harness.database.commit(clock_trust.distrust)
        await harness.database.commit(partial(perform, owner="desk", action=TrustClock()))
        assert await clock_trust.is_distrusted(harness.database) is doubted
        assert await clock_trust.is_trusted_from_next_start(harness.database) is doubted
