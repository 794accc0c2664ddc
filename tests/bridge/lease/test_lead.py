"""Two bridges on one line: one leads, and what it does after it has lost that has no effect."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bridge.lease import lead as lead_module
from bridge.lease import waiting
from bridge.lease.key_file_age import peek_epoch
from bridge.lease.lead import Lead
from bridge.lease.process_identity import is_dead
from bridge.lease.waiting import Waiting
from bridge.runtime import clock
from bridge.runtime.request_guard import guard
from bridge.storage.database import Transaction, Work
from bridge.storage.errors import Busy, InUse, LeadLost, Unavailable
from bridge.storage.key_file import KeyFile
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace, connect
from bridge.storage.postgres_database import PostgresDatabase
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.tables import lease_table
from bridge.tables.lease_table import place_of_lease
from tests.bridge.lease.leases import LeasedLine, leased_line, living_process, successor
from tests.e2e.polling import wait_until
from tests.fakes.postgres_server import PostgresServer, bridge_server, running_postgres
from tests.fakes.served import answering, served
from tests.fakes.silent_server import SilentServer
from tests.outside_programs import OutsidePrograms, false_clock

WRAPPED = bytes(61)
FREEZE = """import os, signal, sqlite3, sys
from bridge.lease.process_identity import own_identity
file = sqlite3.connect(sys.argv[1])
file.execute("BEGIN EXCLUSIVE")
print(own_identity(), flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
"""A process that is frozen within a transaction of a file."""


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a lease run out soon, and nobody renew it by itself."""
    for module in (lease_table, lead_module, waiting):
        monkeypatch.setattr(module, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr(lead_module, "MARGIN_SECONDS", 0.1)


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no holder be known on this machine, as when the two are on two machines."""
    monkeypatch.setattr(waiting, "is_dead", lambda *_, **__: False)


@pytest.fixture
async def line(postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LeasedLine:
    # What a busy machine takes for a request is no fault of the server.
    monkeypatch.setattr(lead_module, "ANSWER_SECONDS", 60.0)
    return leased_line(postgres_server, tmp_path)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as exit_stack:
        yield exit_stack


async def first(line: LeasedLine, stack: AsyncExitStack) -> Lead:
    bridge = line.bridge()
    stack.push_async_callback(bridge.close)
    lead = await bridge.try_once()
    assert lead is not None
    stack.push_async_callback(lead.close)
    return lead


async def opened(line: LeasedLine, lead: Lead, stack: AsyncExitStack) -> PostgresDatabase:
    database = PostgresDatabase(line.place, fence=lead.fence)
    await database.open()
    stack.push_async_callback(database.close)
    await database.commit(lambda transaction: transaction.execute("CREATE TABLE IF NOT EXISTS word (said TEXT)"))
    return database


def say(word: str) -> Work[None]:
    async def work(transaction: Transaction) -> None:
        await transaction.execute("INSERT INTO word (said) VALUES ($1)", word)

    return work


async def said(database: PostgresDatabase) -> list[str]:
    return [row["said"] for row in await database.fetch("SELECT said FROM word ORDER BY said")]


async def test_the_first_leads_at_once_and_the_second_waits(line: LeasedLine, stack: AsyncExitStack) -> None:
    """A new line waits for nobody; while one leads another does not, however often it looks; a release is taken at once."""
    lead = await first(line, stack)
    other = line.bridge()
    stack.push_async_callback(other.close)
    assert [await other.try_once() for _ in range(3)] == [None, None, None]
    assert (lead.epoch, lead.holds, lead.is_lost) == (1, True, False)
    await lead.close()
    later = await other.try_once()
    assert later is not None
    assert later.epoch == 2
    await later.wait_for_former_requests()  # a bridge that let go has no request under way
    await later.close()
    assert line.ends == []


async def test_a_lease_is_renewed_as_long_as_its_holder_lives(
    line: LeasedLine, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch, strangers: None, short_leases: None
) -> None:
    """Many times its length: who waits sees another end of it at each look."""
    monkeypatch.setattr(lead_module, "RENEW_SECONDS", 0.01)
    lead = await first(line, stack)
    ends = set[str]()
    lead.start()
    server = await connect(place_of_lease(line.place))
    stack.push_async_callback(server.close)

    async def renewed() -> bool | None:
        row = await lease_table.read(server)
        assert row is not None
        ends.add(row.until)
        return len(ends) > 20 or None

    await wait_until("it was renewed", renewed, every=0.01)
    assert (lead.is_lost, line.ends) == (False, [])


async def test_a_lease_that_ran_out_is_taken_and_whoever_had_it_commits_nothing(
    line: LeasedLine, stack: AsyncExitStack, strangers: None, short_leases: None
) -> None:
    """A frozen leader that wakes: its commits raise, keep nothing and end it; so do its keys, its requests, its renewal."""
    lead = await first(line, stack)
    database = await opened(line, lead, stack)
    await database.commit(say("before"))
    keys = KeyFile(path=line.keys, epoch=lead.epoch, on_loss=lead.lose)
    await keys.open()
    stack.push_async_callback(keys.close)
    await keys.insert("first", WRAPPED)

    later = await successor(line, stack)
    assert later.epoch == 2
    with pytest.raises(LeadLost):
        await database.commit(say("after"))
    with pytest.raises(LeadLost):
        await database.wait_for_failure()
    with pytest.raises(Unavailable):
        await database.commit(say("once more"))
    now = await opened(line, later, stack)
    await now.commit(say("by the next"))
    assert await said(now) == ["before", "by the next"]
    with pytest.raises(LeadLost):
        await lead.confirm()
    assert line.ends == ["a commit found another epoch in the lease, or no lease"]

    next_keys = KeyFile(path=line.keys, epoch=later.epoch, on_loss=later.lose)
    await next_keys.open()
    stack.push_async_callback(next_keys.close)
    for change in (keys.insert("second", WRAPPED), keys.replace("first", WRAPPED), keys.delete("first")):
        with pytest.raises(LeadLost):
            await change
    together = [keys.insert(f"texter {n}", WRAPPED) for n in range(5)]
    assert {type(each) for each in await asyncio.gather(*together, return_exceptions=True)} == {LeadLost}
    assert await next_keys.owners() == {"first"}
    await next_keys.delete("first")
    assert await next_keys.owners() == set()
    assert peek_epoch(line.keys) == 2
    late = KeyFile(path=line.keys, epoch=lead.epoch)  # it was frozen before it opened the file
    with pytest.raises(LeadLost):
        await late.open()
    await late.close()


async def test_who_was_frozen_in_the_middle_of_a_key_is_ended(
    line: LeasedLine, stack: AsyncExitStack, short_leases: None
) -> None:
    """It has `keys.db` locked for ever, and the next one has to read there before it leads: on one machine it ends it."""
    keys = KeyFile(path=line.keys, epoch=1)
    await keys.open()
    await keys.close()
    await opened(line, await line.waits_until_it_leads(line.bridge()), stack)
    with living_process(FREEZE, str(line.keys)) as (identity, _kill):
        line.execute(f"UPDATE lease SET holder = '{identity}'")  # noqa: S608 - words of ours
        assert (await line.waits_until_it_leads(line.bridge())).epoch == 3
        assert is_dead(identity)


async def test_a_commit_in_the_middle_is_ended_at_the_server(
    line: LeasedLine, stack: AsyncExitStack, strangers: None, short_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader that is frozen within a commit holds its lock for ever: the next one has the server end it."""
    lead = await first(line, stack)
    database = await opened(line, lead, stack)
    inside, woken = asyncio.Event(), asyncio.Event()

    async def freezes(transaction: Transaction) -> None:
        await transaction.execute("INSERT INTO word (said) VALUES ('half')")
        inside.set()
        await woken.wait()
        await transaction.execute("INSERT INTO word (said) VALUES ('other half')")

    frozen = asyncio.create_task(database.commit(freezes))
    await inside.wait()
    later = await successor(line, stack)
    now = await opened(line, later, stack)
    await now.commit(say("whole"))
    woken.set()
    with pytest.raises(Unavailable):
        await frozen
    assert await said(now) == ["whole"]


async def test_the_dead_are_known_on_their_own_machine(line: LeasedLine, stack: AsyncExitStack) -> None:
    """A bridge that was killed here is followed at once, with nothing to wait for."""
    await first(line, stack)
    other = line.bridge()
    stack.push_async_callback(other.close)
    with living_process() as (identity, kill):
        line.execute(f"UPDATE lease SET holder = '{identity}', until = clock_timestamp() + interval '1 day'")  # noqa: S608 - our own word
        assert await other.try_once() is None
        kill()
    later = await other.try_once()
    assert later is not None
    await later.wait_for_former_requests()
    await later.close()


async def test_a_server_s_clock_that_jumps_ends_no_lease(line: LeasedLine, stack: AsyncExitStack, strangers: None) -> None:
    """Run out by the server's clock is not enough: for its whole length it must not have changed before our eyes."""
    lead = await first(line, stack)
    line.execute("UPDATE lease SET until = clock_timestamp() - interval '1 hour'")
    other = line.bridge()
    stack.push_async_callback(other.close)
    assert [await other.try_once() for _ in range(3)] == [None] * 3
    await lead.confirm()
    assert line.ends == []


async def test_a_server_s_clock_that_is_behind_keeps_the_next_one_waiting(
    line: LeasedLine, stack: AsyncExitStack, strangers: None, short_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that by that clock has not run out is left alone, though its holder stopped long ago by ours."""
    await first(line, stack)
    line.execute("UPDATE lease SET until = clock_timestamp() + interval '1 hour'")
    other = line.bridge()
    stack.push_async_callback(other.close)
    assert await other.try_once() is None
    later = clock.seconds_since_boot() + 1800.0
    monkeypatch.setattr(waiting, "seconds_since_boot", lambda: later)
    assert await other.try_once() is None
    line.execute("UPDATE lease SET until = clock_timestamp() - interval '1 second'")
    assert await other.try_once() is None, "what has changed is seen for the first time"
    monkeypatch.setattr(waiting, "seconds_since_boot", lambda: later + 1800.0)
    next_lead = await other.try_once()
    assert next_lead is not None
    await next_lead.close()


async def test_a_server_whose_clock_is_an_hour_behind_gives_leases(
    outside_programs: OutsidePrograms, stack: AsyncExitStack, tmp_path: Path, strangers: None, short_leases: None
) -> None:
    """A real one. The first leads at once, the next when the lease has run out by that clock, and the first no more."""
    server = bridge_server(stack.enter_context(running_postgres(outside_programs)))
    environment = false_clock(server.directory / "clock.so", "-1h")
    if environment is None:
        outside_programs.lack("faketime")
        pytest.skip("faketime is not on this machine")
    server.stop()
    server.environment = environment
    server.start()
    [(theirs,)] = server.execute("postgres", "SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8")
    assert 3500 < time.time() - theirs < 3700
    line = leased_line(server, tmp_path)
    lead = await first(line, stack)
    database = await opened(line, lead, stack)
    await database.commit(say("before"))
    later = await successor(line, stack)
    assert later.epoch == 2
    with pytest.raises(LeadLost):
        await database.commit(say("after"))
    assert await said(await opened(line, later, stack)) == ["before"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE lease SET epoch = epoch + 1",
        "UPDATE lease SET epoch = 0",
        "UPDATE lease SET holder = 'another'",
        "UPDATE lease SET released = TRUE",
        "DELETE FROM lease",
        "DROP TABLE lease",
        "ALTER TABLE lease RENAME epoch TO era",
    ],
)
async def test_a_lease_that_is_edited_or_gone_ends_who_led(line: LeasedLine, stack: AsyncExitStack, damage: str) -> None:
    """It fails closed, with a sentence: no commit, no request, no renewal."""
    lead = await first(line, stack)
    database = await opened(line, lead, stack)
    line.execute(damage)
    with pytest.raises(LeadLost):
        await database.commit(say("after"))
    assert line.ends == ["a commit found another epoch in the lease, or no lease"]
    with pytest.raises(LeadLost):
        await lead.confirm()
    assert await said(database) == []


@pytest.mark.parametrize("damage", ["UPDATE lease SET holder = 'x'", "DELETE FROM lease", "DROP TABLE lease"])
async def test_a_renewal_finds_it_as_well(
    line: LeasedLine, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """A line on which nothing happens ends, too."""
    monkeypatch.setattr(lead_module, "RENEW_SECONDS", 0.01)
    lead = await first(line, stack)
    lead.start()
    line.execute(damage)

    async def ended() -> list[str] | None:
        return line.ends or None

    await wait_until("it ended", ended, every=0.01)
    assert line.ends[0] in {"the lease is another's", "the lease cannot be read"}


async def test_a_table_that_is_made_again_gives_no_epoch_twice(
    line: LeasedLine, stack: AsyncExitStack, strangers: None, short_leases: None
) -> None:
    """After it was dropped, or an old database was put back: above what keys.db knows, and not before a lease's length."""
    lead = await first(line, stack)
    keys = KeyFile(path=line.keys, epoch=lead.epoch)
    await keys.open()
    await keys.close()
    with contextlib.closing(SqliteConnection(line.keys)) as file:
        file.execute("UPDATE epoch SET number = 7")
    line.execute("DROP TABLE lease")
    later = await successor(line, stack)
    assert later.epoch == 8


async def test_two_leaders_by_a_hand_edited_lease_do_not_both_commit(
    line: LeasedLine, stack: AsyncExitStack, strangers: None
) -> None:
    """Freed by hand while somebody leads, and given back by hand while another does: only whom the row names commits.

    The keys are the second one's, whatever the row says: what the first one wrote could not be opened.
    """
    one = await first(line, stack)
    of_one = await opened(line, one, stack)
    keys_of_one = KeyFile(path=line.keys, epoch=one.epoch, on_loss=one.lose)
    await keys_of_one.open()
    stack.push_async_callback(keys_of_one.close)
    line.execute("UPDATE lease SET released = TRUE")
    two = await successor(line, stack)
    of_two = await opened(line, two, stack)
    keys_of_two = KeyFile(path=line.keys, epoch=two.epoch, on_loss=two.lose)
    await keys_of_two.open()
    stack.push_async_callback(keys_of_two.close)
    assert (one.epoch, one.is_lost, two.is_lost) == (1, False, False), "both believe that they lead"
    line.execute("UPDATE lease SET epoch = 1, released = FALSE, until = clock_timestamp() + interval '8 seconds'")
    with pytest.raises(LeadLost):
        await of_two.commit(say("by the second"))
    with pytest.raises(LeadLost):
        await keys_of_one.insert("texter", WRAPPED)
    assert (one.is_lost, two.is_lost) == (True, True)
    assert not await keys_of_two.is_on_disk("texter")
    await keys_of_two.insert("texter", WRAPPED)
    await of_one.commit(say("by the first"))
    assert await said(of_one) == ["by the first"]


async def test_who_leads_by_a_server_that_was_replaced_ends(
    line: LeasedLine, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica was promoted while its primary goes on: the bridge of the primary sees the next leader's epoch in the keys.

    Before that, and while the file cannot be read, it goes on.
    """
    monkeypatch.setattr(lead_module, "KEYS_SECONDS", 0.01)
    lead = await first(line, stack)
    await with_keys(line, lead)
    looks: list[int | Exception] = []

    def look(path: Path, *, recovers: bool) -> int:
        looks.append(Busy("SQLITE_BUSY"))
        if len(looks) == 1:
            raise Busy("SQLITE_BUSY")
        looks[-1] = epoch = peek_epoch(path, recovers=recovers)
        return epoch

    monkeypatch.setattr(lead_module, "peek_epoch", look)
    watch = asyncio.create_task(lead.watch_keys(line.keys))
    await wait_until("it has looked again", lambda: _is_longer(looks, 2), every=0.01)
    assert not lead.is_lost
    of_the_next = KeyFile(path=line.keys, epoch=lead.epoch + 1)
    await of_the_next.open()
    stack.push_async_callback(of_the_next.close)
    await wait_until("it is lost", lambda: _is_lost(lead), every=0.01)
    watch.cancel()
    assert line.ends == ["another bridge has keys.db, and leads by another database server"]


async def _is_longer(looks: list[int | Exception], count: int) -> bool | None:
    return len(looks) > count or None


async def _is_lost(lead: Lead) -> bool | None:
    return lead.is_lost or None


async def test_an_older_file_of_keys_is_not_the_line_s(line: LeasedLine, stack: AsyncExitStack, tmp_path: Path) -> None:
    """A copy of before, on a volume that is not that of the last leader: nobody leads with it unless a person says so."""
    lead = await first(line, stack)
    await with_keys(line, lead)
    await lead.close()
    with contextlib.closing(SqliteConnection(line.keys)) as file:
        file.execute("UPDATE epoch SET number = 0")
    other, override = line.bridge(), Waiting(line.place, line.keys, end=line.ends.append, any_keys=True)
    stack.push_async_callback(other.close)
    assert await other.try_once() is None
    later = await override.try_once()
    assert later is not None
    await later.close()


async def with_keys(line: LeasedLine, lead: Lead) -> None:
    """Have its `keys.db` be the line's."""
    keys = KeyFile(path=line.keys, epoch=lead.epoch)
    await keys.open()
    await keys.close()
    await lead.note_keys()


async def test_a_leader_that_is_cut_off_ends_before_another_leads(
    line: LeasedLine, stack: AsyncExitStack, strangers: None, short_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes back from the server, and no connection breaks: it ends when its lease runs out, with a sentence."""
    monkeypatch.setattr(lead_module, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(lead_module, "ANSWER_SECONDS", 3.0)
    async with SilentServer(line.server.port) as between:
        cut = LeasedLine(line.server, PostgresPlace(between.url(line.place.url), line.place.schema), line.keys)
        lead = await first(cut, stack)
        monkeypatch.setattr(lead_module, "ANSWER_SECONDS", 0.1)
        lead.start()
        between.cut()
        later = await successor(line, stack)

        async def ended() -> list[str] | None:
            return cut.ends or None

        await wait_until("the first one ended", ended, every=0.02)
    assert cut.ends[0] in {"the database did not answer until the lease ran out", "the lease is another's"}
    with pytest.raises(LeadLost):
        await lead.confirm()

    async def leads() -> bool | None:
        with contextlib.suppress(Unavailable):  # no answer within 0.1 s
            await later.confirm()
            return True
        return None

    await wait_until("the other one leads", leads)
    assert line.ends == []


async def test_who_let_go_leaves_it_to_others(
    line: LeasedLine, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until another has taken it, and no longer: then it waits as any other does. Without another it leads again."""
    lead = await first(line, stack)
    await lead.close()
    other, again = line.bridge(), line.bridge()
    stack.push_async_callback(again.close)
    original, looks = again._read, list[object]()

    async def counted(connection: PostgresConnection) -> object:
        looks.append(look := await original(connection))
        return look

    async def looked_twice() -> bool | None:
        return len(looks) > 1 or None

    monkeypatch.setattr(again, "_read", counted)
    leaving = asyncio.create_task(again.wait_for_new_leader(3600.0))
    await wait_until("it has looked twice", looked_twice, every=0.02)
    assert not leaving.done()
    later = await other.try_once()
    assert later is not None
    await leaving
    await later.close()
    await again.wait_for_new_leader(0.1)
    last = await again.try_once()
    assert last is not None
    await last.close()


async def test_two_that_look_at_once_have_one_winner(line: LeasedLine, stack: AsyncExitStack, strangers: None) -> None:
    for _ in range(5):
        bridges = [line.bridge() for _ in range(4)]
        leads = [lead for lead in await asyncio.gather(*(bridge.try_once() for bridge in bridges)) if lead is not None]
        assert len(leads) == 1
        for bridge in bridges:
            await bridge.close()
        await leads[0].close()


async def test_a_command_that_needs_the_line_stopped_is_kept_away_and_keeps_away(
    line: LeasedLine, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`upgrade` and `migrate` do not begin while a bridge leads or waits, and no bridge leads while one of them works."""
    monkeypatch.setattr("bridge.storage.postgres_database.LEADER_MS", 50)
    bridge = line.bridge()
    lead = await bridge.try_once()
    assert lead is not None
    with pytest.raises(InUse):
        await PostgresDatabase(line.place, leads=True).open()
    await lead.close()
    command = PostgresDatabase(line.place, leads=True)
    await command.open()
    other = line.bridge()
    stack.push_async_callback(other.close)
    assert await other.try_once() is None
    await command.close()
    lead = await line.waits_until_it_leads(other)
    await lead.close()


async def test_a_lease_that_ran_out_while_the_machine_slept_goes_on_if_nobody_took_it(
    line: LeasedLine, stack: AsyncExitStack, short_leases: None
) -> None:
    """Before bytes leave it is renewed; nothing is lost, and nothing left meanwhile."""
    lead = await first(line, stack)

    async def ran_out() -> bool | None:
        return not lead.holds or None

    await wait_until("it ran out", ran_out, every=0.02)
    await lead.confirm()
    assert (lead.is_lost, line.ends) == (False, [])


async def test_who_let_go_sends_nothing_more(line: LeasedLine, stack: AsyncExitStack) -> None:
    """What asks after the release is refused, though the lease would have lasted; the process goes on, and waits."""
    lead = await first(line, stack)
    await lead.confirm()
    await lead.close()
    with pytest.raises(LeadLost):
        await lead.confirm()
    assert (lead.holds, line.ends) == (False, [])


async def test_nothing_leaves_for_a_server_once_the_lead_is_lost(
    line: LeasedLine, stack: AsyncExitStack, strangers: None, short_leases: None
) -> None:
    """The question comes when the connection stands, right before the first byte: who froze in between asks."""
    received = list[str]()

    async def note(request: web.Request) -> web.Response:
        received.append(request.path)
        return web.Response()

    url = await stack.enter_async_context(served(answering(note)))
    lead = await first(line, stack)
    http = await stack.enter_async_context(aiohttp.ClientSession(url))
    guard(http, lead.confirm)
    await (await http.post("/one", data=b"words")).read()
    later = await successor(line, stack)
    with pytest.raises(LeadLost):
        await http.post("/two", data=b"words")
    assert received == ["/one"]
    assert line.ends == ["the lease is another's"]
    assert later.holds or not later.is_lost


async def test_the_next_one_waits_for_a_request_of_a_former_leader(
    line: LeasedLine, stack: AsyncExitStack, strangers: None, short_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the frozen one had asked of a carrier may still arrive: until that has ended no text leaves."""
    monkeypatch.setattr(lead_module, "REQUEST_SECONDS", 0.4)
    await first(line, stack)
    before = clock.seconds_since_boot()
    later = await successor(line, stack)
    await later.wait_for_former_requests()
    assert clock.seconds_since_boot() - before >= 0.4


async def test_a_line_whose_keys_are_not_here_is_left_alone(
    line: LeasedLine, stack: AsyncExitStack, strangers: None
) -> None:
    """A machine to which the volume of the keys is not attached leads nothing, until it is."""
    lead = await first(line, stack)
    database = PostgresDatabase(line.place, fence=lead.fence)
    await database.open()
    await database.commit(lambda transaction: transaction.execute("CREATE TABLE desk (id TEXT)"))
    await database.commit(lambda transaction: transaction.execute("INSERT INTO desk VALUES ('desk')"))
    await database.close()
    await lead.close()
    other = line.bridge()
    stack.push_async_callback(other.close)
    assert await other.try_once() is None
    keys = KeyFile(path=line.keys)
    await keys.open()
    await keys.close()
    later = await other.try_once()
    assert later is not None
    await later.close()
