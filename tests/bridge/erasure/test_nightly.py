"""The vacuum comes once a night, when nobody needs the line; the audit forgets in time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.model.audit_kinds import AuditKind
from bridge.config import load
from bridge.engine import configuration_notice
from bridge.erasure.nightly import Night
from bridge.matrix.api.module_api import Away, Vacuumed
from bridge.storage.database import Store
from bridge.tables import clock_trust
from bridge.tables.audit_log import Ledger
from tests.bridge.litter import everything, littered
from tests.deploy.kept_line import kept_line
from tests.fakes.nerves import Nerves

ZONE = "America/Chicago"


def at(day: int, hour: int) -> float:
    return datetime(2027, 3, day, hour, 30, tzinfo=ZoneInfo(ZONE)).timestamp()


class House:
    """A homeserver that counts vacuums."""

    def __init__(self) -> None:
        self.vacuums = 0
        self.away = False

    async def vacuum(self) -> Vacuumed:
        if self.away:
            raise Away(503)
        self.vacuums += 1
        return Vacuumed(engine="sqlite", seconds=1.5, bytes=1)


def night(
    nerves: Nerves,
    house: House,
    hours: tuple[int, int] = (3, 5),
    waited: list[float] | None = None,
    voice_store: Store | None = None,
) -> Night:
    async def quiet(most: float) -> None:
        if waited is not None:
            waited.append(most)

    made: Any = house
    return Night(
        store=nerves.store,
        voice_store=voice_store or nerves.store,
        vault=nerves.vault,
        clock=nerves.clock,
        house=made,
        hours=hours,
        zone=ZONE,
        retention=30 * 86_400,
        quiet=quiet,
    )


async def test_once_a_night_in_quiet_hours(nerves: Nerves) -> None:
    """Not by day, once by night however often it is looked at, again the next night; and it yields to words."""
    house, waited = House(), list[float]()
    for day, hour, count in ((1, 14, 0), (1, 2, 0), (1, 3, 1), (1, 4, 1), (1, 5, 1), (2, 3, 2), (3, 12, 2)):
        nerves.clock.at = at(day, hour)
        await night(nerves, house, waited=waited).once()
        assert house.vacuums == count, (day, hour)
    assert len(waited) == 4  # for the homeserver's and for ours


async def test_our_own_databases_are_rewritten_too(nerves: Nerves, tmp_path: Path) -> None:
    """What was deleted is in no byte of them after the night: rows, and Olm sessions as they were."""
    voice = Store(tmp_path / "voice.db", upgrades=())
    await voice.open()
    gone = [*await littered(nerves.store), *await littered(voice)]
    nerves.clock.at = at(1, 3)
    await night(nerves, House(), voice_store=voice).once()
    raw = everything(nerves.directory) + everything(tmp_path)
    assert not [data for data in gone if data in raw]
    await voice.close()


async def test_what_could_not_be_rewritten_is_tried_again(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours do not wait for a homeserver that is away, and are noted only when all are done; each is tried."""
    tried: list[Store] = []
    works = False

    async def rewrite(store: Store) -> bool:
        tried.append(store)
        return works

    monkeypatch.setattr(Store, "rewrite", rewrite)
    house = House()
    house.away, nerves.clock.at = True, at(1, 3)
    for _ in range(2):
        with pytest.raises(Away):
            await night(nerves, house).once()
    assert len(tried) == 4
    works = True
    for _ in range(2):
        with pytest.raises(Away):
            await night(nerves, house).once()
    assert len(tried) == 6


async def test_quiet_hours_go_by_the_clock_on_the_wall(nerves: Nerves) -> None:
    """A bridge that began with a wrong time does not rewrite the database in the middle of the day."""
    house = House()
    nerves.clock.at, nerves.clock.ahead = at(1, 3), 9 * 3600.0
    await night(nerves, house).once()
    assert house.vacuums == 0
    nerves.clock.at, nerves.clock.ahead = at(1, 12), -9 * 3600.0
    await night(nerves, house).once()
    assert house.vacuums == 1


@pytest.mark.parametrize(("hour", "quiet"), [(21, False), (22, True), (23, True), (0, True), (4, True), (5, False)])
async def test_hours_may_pass_midnight(nerves: Nerves, hour: int, quiet: bool) -> None:
    """From 22 to 5 is one night."""
    assert night(nerves, House(), (22, 5)).is_quiet(at(5, hour)) is quiet


async def test_a_homeserver_that_is_away_is_asked_again(nerves: Nerves) -> None:
    """What was not done is not noted as done."""
    house = House()
    nerves.clock.at, house.away = at(1, 3), True
    with pytest.raises(Away):
        await night(nerves, house).once()
    house.away = False
    await night(nerves, house).once()
    assert house.vacuums == 1


async def test_a_doubted_clock_stops_both(nerves: Nerves) -> None:
    """Nobody knows whether it is night, or how old anything is."""
    house, ledger = House(), Ledger(vault=nerves.vault)
    await nerves.store.commit(lambda conn: ledger.note(conn, "desk", [AuditKind.HOLD], now=at(1, 3) - 40 * 86_400))
    await nerves.store.commit(clock_trust.doubt)
    nerves.clock.at = at(1, 3)
    await night(nerves, house).once()
    assert (house.vacuums, await nerves.count("audit")) == (0, 1)
    await nerves.store.commit(clock_trust.trust)
    await night(nerves, house).once()
    assert (house.vacuums, await nerves.count("audit")) == (1, 0)


async def test_another_configuration_is_noted(tmp_path: Path) -> None:
    """The first start notes nothing, the same again nothing, a change one entry; no value is kept."""
    async with kept_line(tmp_path) as line:
        nerves = line.nerves

        async def start() -> int:
            await configuration_notice.note(nerves.store, nerves.vault, nerves.clock, load(line.layout.config))
            return await nerves.count("audit")

        assert [await start(), await start()] == [0, 0]
        line.layout.config.write_text(line.layout.config.read_text() + "quiet_hours: [1, 2]\n")
        assert [await start(), await start()] == [1, 1]
        assert await nerves.store.fetchval("SELECT kind FROM audit") == "configuration"


@pytest.mark.parametrize("hours", ["[3, 3]", "[0, 24]", "[-1, 3]", "[3]", "[3, 25]"])
async def test_quiet_hours_are_two_different_hours(tmp_path: Path, hours: str) -> None:
    """Anything else is an error of the configuration, by its path."""
    async with kept_line(tmp_path) as line:
        line.layout.config.write_text(line.layout.config.read_text() + f"quiet_hours: {hours}\n")
        with pytest.raises(Exception, match="quiet_hours"):
            load(line.layout.config)
