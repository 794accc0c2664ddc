"""A bridge that waits: what it answers, what it leaves alone, and when it leads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.app import main, port
from bridge.app.bridge import Bridge
from bridge.app.line_files import KEYS, CannotStart, CannotStartYet, missing_keys
from bridge.config.load import ConfigError, load
from bridge.config.sections import Config
from bridge.lease import waiting as waiting_module
from bridge.lease.key_file_age import peek_epoch
from bridge.runtime.service_notifier import ServiceState
from deploy.inspect.handover import hand_over
from tests.bridge.app.shared_line import SharedLine, ask, lose_machine, shared_line, shorten_leases
from tests.bridge.papers import Papers
from tests.conftest import FIGURES
from tests.e2e.polling import assert_never, wait_until
from tests.fakes.postgres_server import PostgresServer, bridge_server, running_postgres
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms


@pytest.fixture
async def line(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SharedLine]:
    shared = await shared_line(tmp_path, postgres_server, monkeypatch)
    yield shared
    assert shared.ends == []


async def test_the_second_waits_and_answers_and_leads_when_the_first_has_gone(line: SharedLine) -> None:
    """Live, not ready, every webhook refused to be repeated; it opens no key before it leads, and has its port then."""
    first, second = line.config(), line.config()
    async with AsyncExitStack() as beside:
        async with AsyncExitStack() as stack:
            await line.lead(first, stack)
            assert (await ask(first.listen.port, "/ready"))[1] == '{"role": "starting"}'
            assert (await ask(first.listen.port, "/accepting"))[0] == 200
            waiting = asyncio.create_task(line.lead(second, beside))

            async def answers() -> bool | None:
                with contextlib.suppress(aiohttp.ClientError):
                    return (await ask(second.listen.port, "/live"))[0] == 200
                return None

            await wait_until("it answers", answers, every=0.02)
            assert await ask(second.listen.port, "/ready") == (503, '{"role": "standby"}')
            assert (await ask(second.listen.port, "/running"))[0] == 200
            assert (await ask(second.listen.port, "/accepting"))[0] == 503
            for path in ("/carriers/main/inbound", "/carriers/main/status/secret"):
                assert (await ask(second.listen.port, path, "POST"))[0] == 503
            assert second.metrics is not None
            assert "quietline_leader 0" in (await ask(second.metrics.address[1], "/metrics"))[1]
            assert not waiting.done()
            assert peek_epoch(line.directory / "bridge" / "keys.db") == 1
        await waiting
        assert peek_epoch(line.directory / "bridge" / "keys.db") == 2
        assert await ask(second.listen.port, "/ready") == (503, '{"role": "starting"}')
        assert (await ask(second.listen.port, "/carriers/main/inbound", "POST"))[0] == 403


async def test_a_line_goes_on_as_soon_as_its_volume_is_attached(
    line: SharedLine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pytestconfig: pytest.Config,
) -> None:
    """After the loss of a machine, which let go of nothing: another one without the keys waits, and leads with the file."""
    first, second = line.config(), line.machine("other machine")
    async with AsyncExitStack() as beside, AsyncExitStack() as stack:
        leader = await line.lead(first, stack)
        following = asyncio.create_task(line.lead(second, beside))
        await wait_until("it waits", partial(waits, second), every=0.02)
        assert not await said_no_keys(caplog)
        lose_machine(leader)
        shorten_leases(monkeypatch)  # not before: a busy machine's pause would be the loss of a leader
        await line.execute("UPDATE lease SET until = clock_timestamp()")
        await wait_until("the lease has run out", partial(said_no_keys, caplog), every=0.02)
        assert await line.execute("SELECT released FROM lease") is False
        await assert_never("it leads without keys", partial(is_done, following), during=1.5)
        assert await waits(second)
        attached = time.monotonic()
        shutil.copyfile(first.data_dir / KEYS, second.data_dir / KEYS)
        await following
        seconds = time.monotonic() - attached
    pytestconfig.stash[FIGURES].append(f"a volume of keys that is attached: {seconds:.1f} s until its line is led")
    assert peek_epoch(second.data_dir / KEYS) == 2
    assert line.ends == ["a commit found another epoch in the lease, or no lease"], "the first one's, when it was closed"
    line.ends.clear()


async def test_a_bridge_whose_volume_is_not_mounted_waits_for_it(line: SharedLine) -> None:
    """Its data directory is missing: no key is made there, nothing is handed over to it, and it leads with the volume.

    It does not end with 2, after which systemd would not start it again; where it cannot write it ends with 1.
    """
    first, volume = line.config(), line.directory / "volume" / "bridge"
    async with AsyncExitStack() as stack:
        await line.lead(first, stack)
        async with line.process(data_dir=volume) as other:
            await other.waits()
            await wait_until("it has looked for the keys", partial(refuses_to_hand_over, first), every=0.1)
            assert await line.execute("SELECT epoch FROM lease WHERE NOT handover") == 1
            await stack.aclose()
            await assert_never("it makes keys of its own", partial(exists, volume / KEYS), during=1.5)
            await other.waits()
            assert missing_keys(volume / KEYS) in other.words
            shutil.copyfile(first.data_dir / KEYS, volume / KEYS)
            await other.takes_webhooks()
            assert peek_epoch(volume / KEYS) == 2
    nowhere = line.directory / "vault_key" / "bridge"
    async with line.process(data_dir=nowhere) as away:
        await away.process.wait()
    assert (other.ended, away.ended) == (0, 1)
    assert away.words == f"{nowhere}: cannot be written to; is its disk mounted?\n"


async def refuses_to_hand_over(config: Config) -> bool | None:
    """Whether `quietline handover` says that there is nobody to hand over to, for want of the keys."""
    [row] = (await hand_over(config)).checks
    return (row.ok, row.what) == (False, "the bridge that waits does not see keys.db") or None


async def said_no_keys(caplog: pytest.LogCaptureFixture) -> bool | None:
    """Whether a bridge said that it could lead, and has no keys."""
    return "lease.no_keys" in caplog.text or None


async def exists(path: Path) -> bool | None:
    return is_file(path) or None


def is_file(path: Path) -> bool:
    return path.is_file()


async def is_done(task: asyncio.Task[Bridge]) -> bool | None:
    return task.done() or None


async def waits(config: Config) -> bool | None:
    """Whether a bridge says that it waits."""
    with contextlib.suppress(aiohttp.ClientError):
        return (await ask(config.listen.port, "/ready")) == (503, '{"role": "standby"}') or None
    return None


async def test_one_that_waits_needs_a_port_of_its_own(line: SharedLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one machine: it says how it is given."""
    monkeypatch.setattr(port, "PORT_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(port, "PORT_RETRY_SECONDS", 0.01)
    config = line.config()
    with socket.create_server(("127.0.0.1", config.listen.port)):
        async with AsyncExitStack() as stack, AsyncExitStack() as other:
            await line.wait(config, stack)
            with pytest.raises(CannotStart, match="--listen HOST:PORT"):
                await line.wait(config, other)


async def test_a_line_is_led_whatever_port_the_waiting_bridge_has(
    line: SharedLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose port is still taken takes the lease when the leader has gone: it does not wait for the port first."""
    config, tried = line.config(), asyncio.Event()
    once = port.try_to_listen

    async def try_to_listen(*where: Any) -> int | None:
        tried.set()
        return await once(*where)

    monkeypatch.setattr(port, "try_to_listen", try_to_listen)
    with socket.create_server(("127.0.0.1", config.listen.port)):
        async with AsyncExitStack() as other:
            async with AsyncExitStack() as stack:
                await line.wait(config, stack)
                waiting = asyncio.create_task(line.wait(config, other))
                await tried.wait()
                assert not waiting.done()
            await waiting


async def test_a_server_that_is_away_is_told_at_the_start(line: SharedLine) -> None:
    line.write("database_url", f"postgresql://quietline:secret@127.0.0.1:{free_ports()}/line")
    async with AsyncExitStack() as stack:
        with pytest.raises(CannotStartYet):
            await line.wait(line.config(), stack)


async def test_a_server_that_is_away_is_waited_for_by_one_that_waits(
    tmp_path: Path,
    outside_programs: OutsidePrograms,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server is restarted while one leads and one waits: one of them leads then, the other takes over later."""
    with running_postgres(outside_programs) as server:
        if server is None:
            return
        line = await shared_line(tmp_path, bridge_server(server), monkeypatch)
        first, second = line.config(), line.config()
        database = str(first.database_url).rpartition("/")[2]

        async def has_failed() -> bool | None:
            return "lease.not_read" in caplog.text or waiting.done() or None

        async def renewed() -> bool | None:
            return until() > before or None

        def until() -> datetime:
            [(expiry,)] = server.execute(database, "SELECT until FROM main_lease.lease")
            assert isinstance(expiry, datetime)
            return expiry

        async with AsyncExitStack() as beside:
            async with AsyncExitStack() as stack:
                await line.wait(first, stack)
                waiting = asyncio.create_task(line.wait(second, beside))
                await wait_until("it waits", partial(waits, second), every=0.02)
                await asyncio.to_thread(server.stop)
                await wait_until("it has looked while the server was away", has_failed, every=0.05)
                assert not waiting.done(), "one that waits goes on waiting"
                assert await waits(second)
                await asyncio.to_thread(server.start)
                before = until()
                await wait_until("the lease is renewed, or another's", renewed, within=60, every=0.2)
            # On a machine so slow that the lease ran out meanwhile, the second one leads already.
            lead = await waiting
            assert (lead.epoch, lead.holds) == (2, True)


async def test_a_password_that_is_being_replaced_ends_no_bridge(
    line: SharedLine, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the file has by then is tried, for a minute. After that a person is needed."""
    monkeypatch.setattr(waiting_module, "REFUSED_LOOK_SECONDS", 0.05)
    config = line.config()
    right = str(config.database_url)
    wrong = postgres_server.url(right.rpartition("/")[2], password="wrong")

    async def refused() -> bool | None:
        return "lease.server_refused" in caplog.text or starting.done() or None

    line.write("database_url", wrong)
    async with AsyncExitStack() as stack:
        starting = asyncio.create_task(line.wait(config, stack))
        await wait_until("the server has refused it", refused, every=0.02)
        assert not starting.done()
        line.write("database_url", right)
        assert (await starting).holds
    line.write("database_url", wrong)
    monkeypatch.setattr(waiting_module, "REFUSED_SECONDS", 0.1)
    async with AsyncExitStack() as stack:
        with pytest.raises(CannotStart, match="refuses this user or password"):
            await line.wait(line.config(), stack)


async def test_one_that_waits_is_what_systemd_waits_for(
    line: SharedLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ready as a service, and alive."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        async with AsyncExitStack() as stack, AsyncExitStack() as other:
            await line.wait(line.config(), stack)
            waiting = asyncio.create_task(line.wait(line.config(), other))
            said = [(await asyncio.get_running_loop().sock_recv(systemd, 100)).decode() for _ in range(3)]
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
    assert said == [ServiceState.READY, ServiceState.ALIVE, ServiceState.ALIVE]


def test_a_bridge_listens_where_it_is_told(tmp_path: Path) -> None:
    """In place of the configuration's: webhooks, and metrics where it has any. Anything else is refused."""
    papers = Papers(tmp_path)
    config = load(papers.save())
    moved = main._listening_at(config, {"listen": "[::1]:8449", "metrics": "127.0.0.1:9465"})
    assert (moved.listen.host, moved.listen.port, moved.metrics) == ("::1", 8449, None)
    assert moved.listen.public_base_url == config.listen.public_base_url
    papers.raw["metrics"] = {"listen": "127.0.0.1:9464"}
    moved = main._listening_at(load(papers.save()), {"listen": None, "metrics": "127.0.0.1:9465"})
    assert moved.metrics is not None
    assert moved.metrics.address == ("127.0.0.1", 9465)
    with pytest.raises(ConfigError, match="--listen"):
        main._listening_at(config, {"listen": "8449"})
