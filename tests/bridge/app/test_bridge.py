"""What ends the bridge."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.model.actions import DESK
from bridge.app import bridge as module
from bridge.app import main, matrix_workers
from bridge.app.bridge import Bridge
from bridge.app.line_files import CannotStart
from bridge.app.run_history import RunHistory
from bridge.config.load import load
from bridge.config.sections import ShiftCalendar
from bridge.inbound import sync_watchdog
from bridge.matrix.api.http_client import TokenRefused
from bridge.matrix.olm.olm_store import keys_with_session
from bridge.runtime.crash_points import never_crash
from bridge.shift_calendar.follower import CalendarState
from bridge.shift_calendar.source import AddressSource, fetch, source_of
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable
from bridge.storage.sqlite_connection import snapshot
from bridge.storage.sqlite_database import SqliteDatabase
from bridge.tables import line_state, timers
from bridge.tables.timers import Timer
from policies.load import load as load_pack
from policies.shifts.content_lines import MOST_BYTES
from tests.bridge.metrics.samples import value
from tests.bridge.papers import Papers
from tests.bridge.shift_calendar.test_public_address import Resolver, server
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.fakes.served import answering, served
from tests.free_ports import free_ports
from tests.policies.shifts.calendars import calendar, each_day


@pytest.mark.parametrize("of_puppet", [False, True], ids=["main.db", "voice.db"])
async def test_whatever_ends_the_syncing_of_a_database_ends_the_bridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_puppet: bool
) -> None:
    """It raises what it was, to be started again: else every commit would wait, and the process look alive."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()

    async def fails() -> None:
        raise RuntimeError("can't start new thread")

    async def nothing(_conn: Transaction) -> None:
        pass

    async with AsyncExitStack() as stack:
        bridge = await start(papers, stack)
        resources = bridge._resources
        database = resources.puppet_database if of_puppet else resources.services.database
        assert isinstance(database, SqliteDatabase)
        running = asyncio.create_task(bridge.run())
        await asyncio.sleep(0)
        assert not running.done()
        monkeypatch.setattr(database._wal, "sync", fails)
        with contextlib.suppress(Unavailable):
            await database.commit(nothing)
        with pytest.raises(ExceptionGroup) as failure:
            await running
        assert failure.group_contains(RuntimeError, match="new thread")


async def test_ready_tells_a_role_and_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it starts: live, not ready, and webhooks are its own. With its desk: leader. While it hands over: neither.

    Its own file alone names room and accounts.
    """
    papers = Papers(tmp_path)
    port = papers.raw["listen"]["port"] = free_ports()
    run = tmp_path / "run"
    run.mkdir()
    (run / "bridge.json").write_text("of a bridge that was killed")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:

        async def ask(path: str) -> tuple[int, str]:
            async with http.get(path) as answer:
                return answer.status, await answer.text()

        async with AsyncExitStack() as stack:
            bridge = await start(papers, stack, run_directory=run)
            assert not (run / "bridge.json").exists()
            assert await ask("/live") == (200, "")
            assert await ask("/running") == (200, "")
            assert await ask("/ready") == (503, '{"role": "starting"}')
            assert await ask("/accepting") == (200, "")
            monkeypatch.setattr(bridge.matrix_workers, "desk_room", lambda: "!desk")
            assert await ask("/ready") == (200, '{"role": "leader"}')
            assert '"!desk"' in (run / "bridge.json").read_text()
            bridge._hands_over = True
            assert await ask("/ready") == (503, '{"role": "standby"}')
            assert await ask("/accepting") == (503, "")
        assert not (run / "bridge.json").exists()


@pytest.mark.parametrize("public", [False, True], ids=["inside", "outside"])
async def test_a_running_bridge_fetches_its_calendar_from_the_public_network_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: bool
) -> None:
    """From its configuration to the shifts that decisions see: over https, kept while it fails, taken up by a start.

    The server is one of this machine under a name of the public network; only where that counts as public is it asked.
    """
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()
    address = tmp_path / "calendar_address"
    papers.raw["lines"][0]["calendar"] = {"address_file": str(address)}
    answers = [calendar(each_day(start="20260101T000000", end="20260102T000000"))]

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=answers[0])

    async with server(tmp_path, answer) as there:
        address.write_text(there.url, encoding="utf-8")
        address.chmod(0o600)
        fetcher = partial(fetch, resolver=Resolver("127.0.0.1"), tls=there.tls)
        fetcher = partial(fetcher, allowed="127.0.0.1".__eq__) if public else fetcher

        def named(settings: ShiftCalendar) -> AddressSource:
            source = source_of(settings)
            assert isinstance(source, AddressSource)
            assert source.fetch is fetch
            return AddressSource(source.file, fetch=fetcher, every=0.01, retry_seconds=0.01, alert_after=0.0)

        monkeypatch.setattr(module, "source_of", named)

        async def running(holds: Callable[[CalendarState, bool], bool]) -> None:
            """Run until that holds of how the calendar stands and of whether there are shifts."""
            async with AsyncExitStack() as stack:
                bridge = await start(papers, stack)
                assert bridge.calendar is not None
                follower, database = bridge.calendar, bridge._resources.services.database
                task = asyncio.create_task(bridge.run())

                async def reached() -> bool:
                    state = CalendarState.parse(await line_state.get(database, line_state.CALENDAR_STATE))
                    return task.done() or holds(state, follower.shifts is not None)

                await wait_until("the calendar stands so", reached)
                assert not task.done()
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

        if not public:
            await running(lambda state, on: state.told and not on)
            assert there.asked == []
            return
        await running(lambda state, on: state.read_at > 0 and on)
        assert {request.path for request in there.asked} == {"/private-7f3a/plan.ics"}
        answers[0] = b"x" * (MOST_BYTES + 1)
        await running(lambda state, on: state.told and on)


async def test_a_start_on_a_promoted_replica_begins_new_olm_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both databases, whose states are older than what was sent; once, and not at a start on the same server."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()
    row = """INSERT INTO crypto_olm_session
        (account_id, session_id, sender_key, session, used, encrypts) VALUES ('@x:y', $1, 'device', $2, 0, TRUE)"""

    async def encrypting(history: str) -> list[set[str]]:
        """Start on a server with this history, then begin a session; return who encrypted after the start."""
        monkeypatch.setattr(SqliteDatabase, "history", history)
        async with AsyncExitStack() as stack:
            resources = (await start(papers, stack))._resources
            databases = (resources.services.database, resources.puppet_database)
            keys = [await keys_with_session(database, "@x:y", ["device"]) for database in databases]
            for database in databases:
                await database.commit(lambda transaction: transaction.execute(row, history + str(keys), b""))
            return keys

    assert await encrypting("00000001") == [set(), set()]
    assert await encrypting("00000001") == [{"device"}] * 2
    assert await encrypting("00000002") == [set(), set()]
    assert await encrypting("00000002") == [{"device"}] * 2


async def test_before_the_homeserver_answers_no_undo_window_ends(tmp_path: Path) -> None:
    """A running line asks its sync: words wait for the homeserver, other timers do not."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()
    async with AsyncExitStack() as stack:
        bridge = await start(papers, stack)
        services = bridge._resources.services
        for key in ("send", "other"):
            timer = Timer(DESK, key, services.clock.now())
            await services.database.commit(partial(timers.put, timer=timer, destroys=False))
        await bridge.timers.fire_due()
        assert await timers.is_set(services.database, "send")
        assert not await timers.is_set(services.database, "other")


async def start(papers: Papers, stack: AsyncExitStack, run_directory: Path | None = None) -> Bridge:
    config = load(papers.save())
    config.data_dir.mkdir(exist_ok=True)
    pack = load_pack(config.line.packs, near=papers.directory)
    return await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack, run_directory=run_directory)


@pytest.mark.parametrize("heals", [False, True], ids=["for a minute", "for a moment"])
async def test_a_token_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heals: bool) -> None:
    """Refused for a minute it ends the start, with its file; refused for a moment it is for the next start to try."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()
    monkeypatch.setattr(matrix_workers, "TOKEN_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(matrix_workers, "TOKEN_RETRY_SECONDS", 0.01)

    async def answer(request: web.Request) -> web.Response:
        if heals and request.path.endswith("/whoami"):
            return web.json_response({"user_id": "@policy:quietline.localhost"})
        return web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401)

    async with AsyncExitStack() as stack:
        papers.raw["homeserver"]["url"] = await stack.enter_async_context(served(answering(answer)))
        bridge = await start(papers, stack)
        with pytest.raises(ExceptionGroup) as failure:
            await bridge.run()
    assert failure.group_contains(TokenRefused) == heals
    assert failure.group_contains(CannotStart, match=r"as_token: the homeserver refuses") != heals


@pytest.mark.parametrize("heals", [False, True], ids=["for a minute", "for a moment"])
async def test_identities_that_the_registration_does_not_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heals: bool
) -> None:
    """Refused for a minute they end the start, with what is to be compared; refused for a moment they are made then."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()
    monkeypatch.setattr(matrix_workers, "TOKEN_WAIT_SECONDS", STEP_TIMEOUT if heals else 0.3)
    monkeypatch.setattr(matrix_workers, "TOKEN_RETRY_SECONDS", 0.5)
    refused, profile_update = list[str](), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/displayname"):
            profile_update.set()
        if request.path.endswith("/versions") or (heals and len(refused) == 2):
            return web.json_response({})
        refused.append(request.path)
        return web.json_response({"errcode": "M_FORBIDDEN"}, status=403)

    async with AsyncExitStack() as stack:
        papers.raw["homeserver"]["url"] = await stack.enter_async_context(served(answering(answer)))
        bridge = await start(papers, stack)
        running, waiting = asyncio.create_task(bridge.run()), asyncio.create_task(profile_update.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        assert profile_update.is_set() == heals
        running.cancel()
        waiting.cancel()
        (result, _) = await asyncio.gather(running, waiting, return_exceptions=True)
    if not heals:
        assert isinstance(result, ExceptionGroup)
        (problem,) = _problems(result)
        for word in ("@policy", "@line-", "M_FORBIDDEN", "registration", "server_name"):
            assert word in problem


@pytest.mark.parametrize(
    ("server", "too_old"),
    [
        ("Synapse/1.154.0", True),
        ("Synapse/0.99.5", True),
        ("Synapse/1.155.0", False),
        ("Synapse/9.0", False),
        ("caddy", False),
    ],
)
async def test_a_synapse_that_is_too_old_ends_the_start(
    tmp_path: Path, server: str, too_old: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its address, its version and what to do; a newer one is tried, and told; so is one behind a proxy that hides it."""
    caplog.set_level(logging.INFO)
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()
    was_asked = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if not request.path.endswith("/versions"):
            was_asked.set()
        return web.json_response({"errcode": "M_UNKNOWN"}, status=500, headers={"Server": server})

    async with AsyncExitStack() as stack:
        url = papers.raw["homeserver"]["url"] = await stack.enter_async_context(served(answering(answer)))
        bridge = await start(papers, stack)
        running = asyncio.create_task(bridge.run())
        waiting = asyncio.create_task(was_asked.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        assert running.done() == too_old
        running.cancel()
        waiting.cancel()
        (failure, _) = await asyncio.gather(running, waiting, return_exceptions=True)
    assert ("homeserver.newer_than_tested" in caplog.text) == (server == "Synapse/9.0")
    if too_old:
        assert isinstance(failure, ExceptionGroup)
        (problem,) = _problems(failure)
        assert f"{url}: Synapse {server[8:].rpartition('.')[0]} is too old" in problem
        assert "1.155" in problem


def _problems(group: ExceptionGroup[Exception]) -> list[str]:
    """Return what the start would say."""
    return main._final_problems(main._leaf_errors(group))


async def test_metrics_are_served_before_the_homeserver_is_reached(tmp_path: Path) -> None:
    """On a port of their own, where one is configured: a line whose homeserver is away says so there."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = base = free_ports()
    papers.raw["metrics"] = {"listen": f"127.0.0.1:{base + 1}"}

    async def scraped() -> bytes | None:
        with contextlib.suppress(aiohttp.ClientError):
            async with http.get(f"http://127.0.0.1:{base + 1}/metrics") as answer:
                return await answer.read()
        return None

    async with AsyncExitStack() as stack, aiohttp.ClientSession() as http:
        bridge = await start(papers, stack)
        running = asyncio.create_task(bridge.run())
        text = await wait_until("the metrics answer", scraped, every=0.02)
        assert value(text, "quietline_ready") == 0
        async with http.get(f"http://127.0.0.1:{base}/metrics") as answer:
            assert answer.status == 404  # what a proxy shows the carrier
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_a_homeserver_that_does_not_come_is_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut the line may come back alone: nobody sees a text then, so the person on call is called."""
    monkeypatch.setattr(sync_watchdog, "STALL_SECONDS", 0.0)
    papers, calls = Papers(tmp_path), list[bytes]()
    papers.raw["listen"]["port"] = free_ports()
    papers.raw["homeserver"]["url"] = f"http://127.0.0.1:{free_ports()}"

    async def answer(request: web.Request) -> web.Response:
        calls.append(await request.read())
        return web.Response()

    async def called() -> bool | None:
        return bool(calls) or None

    async with AsyncExitStack() as stack:
        papers.write("call", await stack.enter_async_context(served(answering(answer))))
        papers.line["on_call"] = {"webhook_file": papers.file("call")}
        bridge = await start(papers, stack)
        running = asyncio.create_task(bridge.run())
        await wait_until("the person on call is called", called, every=0.02)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_an_ordered_stop_is_no_death(tmp_path: Path) -> None:
    """A start after one notes nothing; a start after anything else notes that the run before it died."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()

    async def run(error: Exception | None = None) -> None:
        async with AsyncExitStack() as stack:
            await start(papers, stack)
            if error is not None:
                raise error

    def told() -> RunHistory:
        with snapshot(load(papers.path).data_dir / "main.db") as db:
            history = RunHistory.parse(line_state.peek(db, line_state.RUNS))
        assert history is not None
        return history

    await run()
    assert (told().running, told().deaths) == (False, ())
    await run()
    assert told().deaths == ()
    with pytest.raises(RuntimeError):
        await run(RuntimeError("a fault of ours"))
    assert (told().running, told().deaths) == (True, ())
    await run()
    assert (told().running, len(told().deaths)) == (False, 1)
