"""One damaged value of the table `line` costs what it was for, and ends no part of the line."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from bot.model.line_incidents import GapKind, TextsMissing
from bridge.app import run_history
from bridge.engine import retention_change, startup_notices
from bridge.engine.verb_requests import VerbRequests
from bridge.inbound.arrivals import Arrivals
from bridge.inbound.carrier_backfill import CarrierBackfill
from bridge.metrics import figures
from bridge.runtime import log
from bridge.shift_calendar.kept_copy import CalendarState
from bridge.tables import line_state
from bridge.tables.cross_table import stored_times
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.damaged_values import AT, STRAY, WHOLE, damaged

NOTHING = figures.LineState(ready=True, people_on_duty=0, waiting_since=(), carrier_up=None, has_canary=True)


async def put(harness: BridgeHarness, name: str, value: str) -> None:
    await harness.database.commit(lambda transaction: line_state.put(transaction, name, value))


async def stored(harness: BridgeHarness, name: str) -> str | None:
    value: str | None = await harness.database.fetchval(line_state.GET, name)
    return value


def backfill(harness: BridgeHarness) -> CarrierBackfill:
    services, webhook = harness.services, harness.webhook
    return CarrierBackfill(services, carrier=harness.carrier, webhook=webhook, hourly_alerts=harness.hourly_alerts)


async def read_figures(harness: BridgeHarness) -> None:
    await figures.read(harness.services, NOTHING, inbox_oldest=0.0, data=harness.directory, canary=None)


async def read_arrivals(harness: BridgeHarness) -> None:
    await harness.database.commit(lambda transaction: Arrivals().note(transaction, harness.clock.now()))


async def read_calendar(harness: BridgeHarness) -> None:
    state = CalendarState.parse(await line_state.get(harness.database, line_state.CALENDAR_STATE))
    int(harness.clock.now() - state.read_at + state.failing_since)
    assert isinstance(state.told, bool)


async def read_sample(harness: BridgeHarness) -> None:
    harness.carrier.can_list = False
    await backfill(harness).report_absence()
    harness.carrier.can_list = True
    await harness.timers.recover()


async def read_runs(harness: BridgeHarness) -> None:
    await read_figures(harness)
    await run_history.record_stop(harness.database)
    await run_history.record_start(harness.database, harness.clock.now())


async def read_number(harness: BridgeHarness, name: str) -> None:
    assert math.isfinite(await line_state.get_time(harness.database, name))
    int(await line_state.get(harness.database, name) or 0)


async def read_time(harness: BridgeHarness, name: str) -> None:
    assert math.isfinite(await line_state.get_time(harness.database, name))


async def read_history(harness: BridgeHarness) -> None:
    await line_state.has_other_history(harness.database, "3")
    await harness.sms_sender.recover()


READERS: dict[str, Callable[[BridgeHarness], Awaitable[object]]] = {
    **dict.fromkeys(
        (line_state.ALARM_TEST, line_state.CHECK_FOUND, line_state.STAFF_CHANGES),
        lambda harness: VerbRequests(harness.services).run_once(),
    ),
    **dict.fromkeys((line_state.DRILLED, line_state.LAST_BACKUP, line_state.CANARY_STEP), read_figures),
    **{
        name: partial(read_number, name=name)
        for name in (line_state.EVENTS_LOST, line_state.EVENTS_RETURNED, line_state.MEMBERS_RETURNED)
    },
    **{
        name: partial(read_time, name=name)
        for name in (line_state.MODULE_MISSING, line_state.REWRITTEN, line_state.VACUUMED, line_state.VACUUM_BEGUN)
    },
    line_state.ALARM_TEST_RESULT: lambda harness: line_state.get(harness.database, line_state.ALARM_TEST_RESULT),
    line_state.ARRIVALS: read_arrivals,
    line_state.CALENDAR_STATE: read_calendar,
    line_state.CARRIER_ACCOUNTS: lambda harness: harness.carrier_copies.note_account(),
    line_state.CARRIER_WATERMARK: lambda harness: backfill(harness).run_once(),
    line_state.CLOCK_AHEAD: lambda harness: harness.timers.recover(),
    line_state.CLOCK_SAMPLE: read_sample,
    line_state.KEYS_MISSING: lambda harness: startup_notices.report_missing_keys(harness.database, harness.vault, ()),
    line_state.OLD_ROOMS: lambda harness: line_state.get(harness.database, line_state.OLD_ROOMS),
    line_state.RESTORE: lambda harness: startup_notices.report_restore(harness.database, harness.vault, harness.clock),
    line_state.RESTORED_ROSTER: lambda harness: startup_notices.first_roster(harness.database, []),
    line_state.RETENTION: lambda harness: retention_change.apply(harness.services, harness.pack),
    line_state.RUNS: read_runs,
    line_state.SERVER_HISTORY: read_history,
    STRAY: lambda harness: harness.hourly_alerts.alert(TextsMissing(kind=GapKind.UNLISTED)),
    line_state.VACUUM_RESULT: lambda harness: line_state.get(harness.database, line_state.VACUUM_RESULT),
}
"""What reads each name in the running bridge. The doctor reads the rest: `tests/deploy/doctor/test_database_probes.py`."""


def test_each_name_is_tried() -> None:
    """There is an example of each name that has a reader, and something that reads it."""
    names = {STRAY if name == line_state.STRAY_ALERT else name for name in line_state.readers()}
    assert names == WHOLE.keys() == READERS.keys()


def test_whole_values_are_read_as_they_are() -> None:
    """What the line and its verbs write is damaged for nobody."""
    assert {name: line_state.as_read(name, value) for name, value in WHOLE.items()} == WHOLE


@pytest.mark.parametrize("name", WHOLE)
async def test_a_damaged_value_ends_no_part_of_the_line(harness: BridgeHarness, name: str) -> None:
    """Its readers go on, times are corrected, and after a start it is whole or gone."""
    await harness.engine.load()
    failed = []
    for value in damaged(name):
        now = harness.clock.now()
        correct = partial(stored_times.make_times_earlier, now=now - 60, seconds=60, message_ttl=60)
        harness.hourly_alerts._last_alerts.clear()  # so that the alert reads the table
        for part in (partial(harness.database.commit, correct), partial(READERS[name], harness)):
            await put(harness, name, value)
            try:
                await part()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its value
                failed.append(f"{value!r}: {type(error).__name__}: {error}")
        await put(harness, name, value)
        await harness.database.commit(partial(line_state.replace_damaged, now=now))
        remaining = await stored(harness, name)
        if remaining is not None and line_state.as_read(name, remaining) != remaining:
            failed.append(f"{value!r}: stays {remaining!r}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(
    ("name", "stand_in"),
    [
        (line_state.CARRIER_WATERMARK, "1"),
        (line_state.CHECK_FOUND, None),
        (line_state.CLOCK_SAMPLE, "0 0"),
        (line_state.MODULE_MISSING, "0"),
        (line_state.OLD_ROOMS, line_state.KEPT),
        (line_state.RETENTION, None),
        (STRAY, None),
    ],
)
async def test_what_guards_something_is_read_as_that_which_guards_it(
    harness: BridgeHarness, name: str, stand_in: str | None
) -> None:
    """The carrier is asked for all, the clock is doubted, rooms stay; another fact is read as if it was never noted."""
    await put(harness, name, "{")
    assert await line_state.get(harness.database, name) == stand_in
    assert await harness.database.commit(partial(line_state.replace_damaged, now=AT)) == 1
    assert await stored(harness, name) == stand_in
    assert await harness.database.commit(partial(line_state.replace_damaged, now=AT)) == 0


@pytest.mark.parametrize("name", [line_state.EVENTS_LOST, line_state.EVENTS_RETURNED])
async def test_events_are_looked_for_up_to_the_start(harness: BridgeHarness, name: str) -> None:
    """Until when they may be lost, or have returned, is not known: each that is older than the start may be one."""
    await put(harness, name, "NaN")
    assert await line_state.get(harness.database, name) is None
    await harness.database.commit(partial(line_state.replace_damaged, now=AT))
    assert await stored(harness, line_state.EVENTS_LOST) == str(int(AT * 1000))
    assert await stored(harness, line_state.EVENTS_RETURNED) is None


async def test_another_history_is_assumed(harness: BridgeHarness) -> None:
    """A server that may have been replaced counts as one that was: texts may have left that it does not know."""
    for value in ('{"history": "3"}', "{", '{"history": "3", "changed": NaN}'):
        await put(harness, line_state.SERVER_HISTORY, value)
        assert await line_state.has_other_history(harness.database, "3")
        assert await line_state.history_changed_at(harness.database) == 0.0


async def test_a_damaged_entry_costs_itself(harness: BridgeHarness) -> None:
    """Of lists whose entries do not depend on each other the rest is read; a list of accounts is whole or nothing."""
    removed, added = (
        {"user": f"@{name}:q.localhost", "role": role} for name, role in (("a", "removed"), ("b", "advocate"))
    )
    lists = {
        line_state.STAFF_CHANGES: ([removed, {**added, "role": "remoued"}, added], [removed, added]),
        line_state.RESTORED_ROSTER: ([{"mxid": "@a:q.localhost", "rolf": "supervisor"}], []),
        line_state.CHECK_FOUND: (["disk", None], ["disk"]),
        line_state.CARRIER_ACCOUNTS: ([["ab", 0.0], ["cd"]], None),
    }
    for name, (entries, rest) in lists.items():
        await put(harness, name, json.dumps(entries))
        value = await line_state.get(harness.database, name)
        assert (None if value is None else json.loads(value)) == rest


async def test_damage_is_logged_once_with_its_name(harness: BridgeHarness, caplog: pytest.LogCaptureFixture) -> None:
    """Some values are read every two seconds: each damaged one is told once, without what it holds."""
    caplog.set_level(logging.ERROR, log.LOGGER_NAME)
    await put(harness, line_state.KEYS_MISSING, "2 of a test")
    for _ in range(3):
        await line_state.get(harness.database, line_state.KEYS_MISSING)
    assert caplog.messages == ["bridge.damaged_fact_read kind=keys_missing"]
