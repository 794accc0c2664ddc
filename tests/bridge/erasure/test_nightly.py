"""The vacuum comes once a night, when nobody needs the line; the audit forgets in time."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.model.audit_kinds import AuditKind
from bridge.app import startup
from bridge.config.load import load
from bridge.erasure.nightly import NightlyMaintenance
from bridge.matrix.api.module_api import HomeserverUnreachable, VacuumResult
from bridge.storage.database import Database
from bridge.tables import clock_trust, line_state
from bridge.tables.audit_log import AuditLog
from tests.bridge.deleted_rows import all_bytes, fill_and_delete, found_in
from tests.deploy.line_directory import line_directory
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import make_database

ZONE = "America/Chicago"


def at(day: int, hour: int) -> float:
    return datetime(2027, 3, day, hour, 30, tzinfo=ZoneInfo(ZONE)).timestamp()


class FakeModuleClient:
    """A homeserver that counts vacuums."""

    def __init__(self) -> None:
        self.vacuums = 0
        self.away = False
        self.fault: Exception | None = None

    async def vacuum(self) -> VacuumResult:
        if self.away:
            raise HomeserverUnreachable(503)
        self.vacuums += 1
        if self.fault is not None:
            raise self.fault
        return VacuumResult(engine="postgres", seconds=1.5, bytes=1, database="postgres-full")


def nightly_at(
    harness: BridgeHarness,
    module_client: FakeModuleClient,
    hours: tuple[int, int] = (3, 5),
    waited: list[float] | None = None,
    puppet_database: Database | None = None,
) -> NightlyMaintenance:
    async def quiet(most: float) -> None:
        if waited is not None:
            waited.append(most)

    client: Any = module_client
    return NightlyMaintenance(
        harness.services,
        puppet_database=puppet_database or harness.database,
        module_client=client,
        hours=hours,
        zone=ZONE,
        retention=30 * 86_400,
        wait_for_pause=quiet,
    )


async def test_once_a_night_in_quiet_hours(harness: BridgeHarness) -> None:
    """Not by day, once by night however often it is looked at, again the next night; and it yields to words."""
    module_client, waited = FakeModuleClient(), list[float]()
    for day, hour, count in ((1, 14, 0), (1, 2, 0), (1, 3, 1), (1, 4, 1), (1, 5, 1), (2, 3, 2), (3, 12, 2)):
        harness.clock.at = at(day, hour)
        await nightly_at(harness, module_client, waited=waited).run_once()
        assert module_client.vacuums == count, (day, hour)
    assert len(waited) == 4  # for the homeserver's and for ours


@pytest.mark.sqlite_only
async def test_our_own_databases_are_rewritten_too(harness: BridgeHarness, tmp_path: Path) -> None:
    """What was deleted is in no byte of them after the night: rows, and Olm sessions as they were."""
    puppet = make_database(tmp_path / "voice.db")
    await puppet.open()
    texts = [*await fill_and_delete(harness.database), *await fill_and_delete(puppet)]
    harness.clock.at = at(1, 3)
    await nightly_at(harness, FakeModuleClient(), puppet_database=puppet).run_once()
    raw = all_bytes(harness.directory) + all_bytes(tmp_path)
    assert found_in(raw, texts) == []
    await puppet.close()


async def test_what_could_not_be_rewritten_is_tried_again(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours do not wait for a homeserver that is away, and are noted only when all are done; each is tried."""
    tried: list[Database] = []
    works = False

    async def rewrite(database: Database) -> bool:
        tried.append(database)
        return works

    monkeypatch.setattr(type(make_database(harness.directory / "any.db")), "vacuum", rewrite)
    module_client = FakeModuleClient()
    module_client.away, harness.clock.at = True, at(1, 3)
    for _ in range(2):
        with pytest.raises(HomeserverUnreachable):
            await nightly_at(harness, module_client).run_once()
    assert len(tried) == 4
    works = True
    for _ in range(2):
        with pytest.raises(HomeserverUnreachable):
            await nightly_at(harness, module_client).run_once()
    assert len(tried) == 6


async def test_quiet_hours_go_by_the_clock_on_the_wall(harness: BridgeHarness) -> None:
    """A bridge that began with a wrong time does not rewrite the database in the middle of the day."""
    module_client = FakeModuleClient()
    harness.clock.at, harness.clock.offset = at(1, 3), 9 * 3600.0
    await nightly_at(harness, module_client).run_once()
    assert module_client.vacuums == 0
    harness.clock.at, harness.clock.offset = at(1, 12), -9 * 3600.0
    await nightly_at(harness, module_client).run_once()
    assert module_client.vacuums == 1


@pytest.mark.parametrize(
    ("hour", "wait_for_pause"), [(21, False), (22, True), (23, True), (0, True), (4, True), (5, False)]
)
async def test_hours_may_pass_midnight(harness: BridgeHarness, hour: int, wait_for_pause: bool) -> None:
    """From 22 to 5 is one night."""
    assert nightly_at(harness, FakeModuleClient(), (22, 5)).is_quiet(at(5, hour)) is wait_for_pause


async def test_a_homeserver_that_is_away_is_asked_again(harness: BridgeHarness) -> None:
    """What was not done is not noted as done."""
    module_client = FakeModuleClient()
    harness.clock.at, module_client.away = at(1, 3), True
    with pytest.raises(HomeserverUnreachable):
        await nightly_at(harness, module_client).run_once()
    module_client.away = False
    await nightly_at(harness, module_client).run_once()
    assert module_client.vacuums == 1


@pytest.mark.parametrize(
    "fault", [HomeserverUnreachable(0), HomeserverUnreachable(500), HomeserverUnreachable(503, "QUIETLINE_TIMED_OUT")]
)
async def test_a_vacuum_of_which_nobody_knows_that_it_ended_is_not_begun_all_night(
    harness: BridgeHarness, fault: Exception
) -> None:
    """No answer in time, a fault, the database's own time-out: the next try is a day later, also after a restart."""
    module_client = FakeModuleClient()
    module_client.fault, harness.clock.at = fault, at(1, 3)
    with pytest.raises(HomeserverUnreachable):
        await nightly_at(harness, module_client).run_once()
    for hour in (3, 4):
        harness.clock.at = at(1, hour) + 960
        await nightly_at(harness, module_client).run_once()
    assert module_client.vacuums == 1
    module_client.fault, harness.clock.at = None, at(2, 3)
    await nightly_at(harness, module_client).run_once()
    assert module_client.vacuums == 2
    assert await line_state.get(harness.database, line_state.VACUUM_BEGUN) is None


async def test_what_was_vacuumed_and_for_how_long_is_kept(harness: BridgeHarness) -> None:
    """For `doctor`."""
    harness.clock.at = at(1, 3)
    await nightly_at(harness, FakeModuleClient()).run_once()
    result = await line_state.get(harness.database, line_state.VACUUM_RESULT)
    assert json.loads(result or "") == {"database": "postgres-full", "seconds": 1.5}


async def test_a_doubted_clock_stops_both(harness: BridgeHarness) -> None:
    """Nobody knows whether it is night, or how old anything is."""
    module_client, audit = FakeModuleClient(), AuditLog(vault=harness.vault)
    await harness.database.commit(
        lambda transaction: audit.record(transaction, "desk", [AuditKind.HOLD], now=at(1, 3) - 40 * 86_400)
    )
    await harness.database.commit(clock_trust.distrust)
    harness.clock.at = at(1, 3)
    await nightly_at(harness, module_client).run_once()
    assert (module_client.vacuums, await harness.count("audit")) == (0, 1)
    await harness.database.commit(clock_trust.trust)
    await nightly_at(harness, module_client).run_once()
    assert (module_client.vacuums, await harness.count("audit")) == (1, 0)


async def test_another_configuration_is_noted(tmp_path: Path) -> None:
    """The first start notes nothing, the same again nothing, a change one entry; no value is kept."""
    async with line_directory(tmp_path) as line:
        harness = line.harness

        async def start() -> int:
            await startup.record_configuration(harness.database, harness.vault, harness.clock, load(line.layout.config))
            return await harness.count("audit")

        assert [await start(), await start()] == [0, 0]
        line.layout.config.write_text(line.layout.config.read_text() + "quiet_hours: [1, 2]\n")
        assert [await start(), await start()] == [1, 1]
        assert await harness.database.fetchval("SELECT kind FROM audit") == "configuration"


@pytest.mark.parametrize("hours", ["[3, 3]", "[0, 24]", "[-1, 3]", "[3]", "[3, 25]"])
async def test_quiet_hours_are_two_different_hours(tmp_path: Path, hours: str) -> None:
    """Anything else is an error of the configuration, by its path."""
    async with line_directory(tmp_path) as line:
        line.layout.config.write_text(line.layout.config.read_text() + f"quiet_hours: {hours}\n")
        with pytest.raises(Exception, match="quiet_hours"):
            load(line.layout.config)
