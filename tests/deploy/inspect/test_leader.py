"""Who leads, and how it is handed over: as `status`, `doctor` and `handover` say it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config.load import load
from bridge.config.sections import Config
from bridge.lease import lead as lead_module
from bridge.lease import waiting as waiting_module
from bridge.lease.lead import Lead
from bridge.lease.waiting import Waiting, host_name
from bridge.storage.errors import Unavailable
from bridge.storage.postgres_connection import PostgresPlace
from bridge.tables import lease_table
from deploy.inspect import handover
from deploy.inspect.handover import hand_over
from deploy.inspect.leader import check_leader, leader_rows, read_leadership
from tests.bridge.lease.leases import LeasedLine
from tests.bridge.papers import Papers
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer
from tests.free_ports import free_ports


class LedLine(LeasedLine):
    """A line with a database and a configuration of its own."""

    config: Config
    name: str

    def execute(self, statement: str) -> None:
        self.server.execute(self.name, statement.replace(" lease", ' "main_lease".lease', 1))


@pytest.fixture
async def line(postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LedLine]:
    papers, name = Papers(tmp_path), f"line_{secrets.token_hex(6)}"
    server = await make_line_database(name, postgres_server.url("postgres"))
    papers.write("database_url", server)
    papers.raw["database"] = {"url_file": papers.file("database_url")}
    led_line = LedLine(postgres_server, PostgresPlace(server, "main"), tmp_path / "keys.db")
    # What a busy machine takes for a request is no fault of the server.
    monkeypatch.setattr(lead_module, "ANSWER_SECONDS", 60.0)
    for module in (lease_table, lead_module, waiting_module):  # where nobody renews it
        monkeypatch.setattr(module, "LEASE_SECONDS", 600.0)
    # Each of them stands for a process of its own.
    monkeypatch.setattr(waiting_module, "own_identity", lambda: secrets.token_hex(16))
    led_line.config, led_line.name = load(papers.save()), name
    yield led_line
    assert led_line.ends == []


async def first(line: LedLine) -> Lead:
    """Have one lead, which makes the file of keys."""
    lead = await line.bridge().try_once()
    assert lead is not None
    line.keys.touch()
    return lead


async def led(line: LedLine) -> tuple[Lead, Waiting]:
    """Have one lead and one wait."""
    lead = await first(line)
    waiting = line.bridge()
    assert await waiting.try_once() is None
    return lead, waiting


async def said(line: LedLine) -> tuple[bool, str]:
    row = await asyncio.to_thread(check_leader, line.config)
    return row.ok, row.what


async def test_who_leads_is_told(line: LedLine) -> None:
    """Nobody yet, one alone, one with another that waits, one that has not renewed its lease, nobody any more."""
    assert await said(line) == (True, "no bridge leads just now, none wait")
    lead, waiting = await led(line)
    assert await said(line) == (True, f"the bridge on {host_name()} (epoch 1), one waits")
    line.execute("UPDATE lease SET until = clock_timestamp() - interval '1 minute'")
    ok, what = await said(line)
    assert (ok, what) == (False, f"the bridge on {host_name()} had the lease, and has not renewed it; one waits")
    await lead.close()
    await waiting.close()

    async def nobody() -> bool | None:
        return await said(line) == (True, "no bridge leads just now, none wait") or None

    await wait_until("the server has noticed", nobody)
    assert [row.name for row in await asyncio.to_thread(leader_rows, line.config)] == ["leader"]


async def test_a_line_on_sqlite_has_one_bridge(tmp_path: Path) -> None:
    """`status` says nothing of it, nor of a server that is away; there is nothing to hand over."""
    papers = Papers(tmp_path)
    config = load(papers.save())
    assert check_leader(config).ok
    assert leader_rows(config) == []
    assert not (await hand_over(config)).ok
    papers.write("database_url", f"postgresql://quietline:secret@127.0.0.1:{free_ports()}/line")
    papers.raw["database"] = {"url_file": papers.file("database_url")}
    assert await asyncio.to_thread(leader_rows, load(papers.save())) == []


async def test_a_handover_needs_one_that_leads_and_one_that_waits(line: LedLine) -> None:
    """Nothing is asked of a leader whom nobody would follow."""
    [row] = (await hand_over(line.config)).checks
    assert (row.ok, row.what) == (False, "no bridge leads")
    lead = await first(line)
    [row] = (await hand_over(line.config)).checks
    assert (row.ok, row.what) == (False, "no bridge waits")
    await lead._renew()
    assert not lead.handover.is_set()
    await lead.close()


async def test_a_leader_hears_the_wish_and_the_next_one_leads(line: LedLine) -> None:
    lead, waiting = await led(line)
    lead.start()
    asking = asyncio.create_task(hand_over(line.config))
    await lead.handover.wait()
    await lead.close()
    later = await line.waits_until_it_leads(waiting)
    [row] = (await asking).checks
    assert row.ok
    assert f"the bridge on {host_name()} leads (epoch 2), after " in row.what
    await later._renew()
    assert not later.handover.is_set()
    await later.close()


async def test_nothing_is_handed_over_to_a_bridge_that_does_not_see_the_keys(line: LedLine) -> None:
    """Their volume follows the leader: that one is asked nothing, and what to do is said. With the volume it is asked."""
    lead, waiting = await led(line)
    away = line.keys.with_name("of the other machine")
    line.keys.rename(away)
    assert await waiting.try_once() is None
    assert await said(line) == (True, f"the bridge on {host_name()} (epoch 1), one waits, without keys.db")
    [row] = (await hand_over(line.config)).checks
    assert (row.ok, row.what, row.do) == (
        False,
        "the bridge that waits does not see keys.db",
        f"Nothing was changed. {handover.MOVE}",
    )
    await lead._renew()
    assert not lead.handover.is_set()
    another = line.bridge()
    away.rename(line.keys)
    assert await another.try_once() is None
    assert await said(line) == (True, f"the bridge on {host_name()} (epoch 1), 2 wait, 1 without keys.db")
    await another.close()
    assert await waiting.try_once() is None
    lead.start()
    asking = asyncio.create_task(hand_over(line.config))
    await lead.handover.wait()
    await lead.close()
    later = await line.waits_until_it_leads(waiting)
    assert (await asking).ok
    await later.close()


async def test_the_same_bridge_that_leads_again_is_no_handover(line: LedLine) -> None:
    """As where the other one has an older copy of the keys: it is said, and what to do."""
    lead, waiting = await led(line)
    lead.start()
    again = line.bridge()
    again._identity = lead._identity
    asking = asyncio.create_task(hand_over(line.config))
    await lead.handover.wait()
    await lead.close()
    later = await line.waits_until_it_leads(again)
    [row] = (await asking).checks
    assert (row.ok, row.what) == (False, f"the same bridge leads again, on {host_name()}")
    await later.close()
    await waiting.close()


async def test_a_wish_that_is_not_heard_in_time_is_taken_back(line: LedLine) -> None:
    """A leader that comes to itself later goes on."""
    lead, waiting = await led(line)
    [row] = (await hand_over(line.config, timeout_seconds=0.1)).checks
    assert (row.ok, row.what) == (False, "the leader has not let go within 0 s")
    await lead._renew()
    assert not lead.handover.is_set()
    await lead.close()
    await waiting.close()


async def test_a_wish_that_cannot_be_taken_back_is_not_said_to_be(line: LedLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server goes away meanwhile: a leader that wakes later would let go, and the report said that it does not."""
    lead, waiting = await led(line)
    real = lease_table.ask_handover

    async def away(connection: Any, *, wanted: bool = True) -> int | None:
        if not wanted:
            raise Unavailable("08006")
        return await real(connection, wanted=wanted)

    monkeypatch.setattr(lease_table, "ask_handover", away)
    with pytest.raises(Unavailable):
        await hand_over(line.config, timeout_seconds=0.1)
    await lead.close()
    await waiting.close()


async def test_a_wish_that_a_person_gave_up_is_taken_back(line: LedLine) -> None:
    """Ctrl-C while the leader is frozen: it goes on when it wakes, and gives nothing to anybody."""
    lead, waiting = await led(line)
    asking = asyncio.create_task(hand_over(line.config))

    async def asked() -> bool | None:
        lease = (await asyncio.to_thread(read_leadership, str(line.config.database_url))).lease
        return (lease is not None and lease.handover) or None

    await wait_until("the wish stands", asked)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await lead._renew()
    assert not lead.handover.is_set()
    await lead.close()
    await waiting.close()


async def test_what_ends_one_bridge_asks_only_that_one(line: LedLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said where the bridge waits, it leaves the leader on another machine alone; where it leads, it asks."""
    lead, waiting = await led(line)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(handover, "host_name", lambda: "another-machine")
        [row] = (await hand_over(line.config, here=True)).checks
    assert (row.ok, row.what) == (True, "the bridge of this machine does not lead")
    await lead._renew()
    assert not lead.handover.is_set()
    lead.start()
    asking = asyncio.create_task(hand_over(line.config, here=True))
    await lead.handover.wait()
    await lead.close()
    later = await line.waits_until_it_leads(waiting)
    assert (await asking).ok
    await later.close()


async def test_a_second_bridge_is_waited_for(line: LedLine) -> None:
    """One that is only starting when the leader is to be stopped takes over all the same."""
    lead = await first(line)
    lead.start()
    asking = asyncio.create_task(hand_over(line.config, here=True, wait=STEP_TIMEOUT))
    await asyncio.sleep(0)
    waiting = line.bridge()
    assert await waiting.try_once() is None
    await lead.handover.wait()
    await lead.close()
    later = await line.waits_until_it_leads(waiting)
    assert (await asking).ok
    await later.close()
