"""Two bridges on one line: one PostgreSQL database, one directory of keys, two ports, and a carrier that texts.

Rules of this module: bridges are real processes with a person's command line for a second one (in a run of the tests forks,
`tests/forked_children.py`). Each has its own connection to the database, which can be cut. A proxy with two upstreams, at
the carrier's address, sends each webhook to the bridge that accepts it. Processes are ended by their id in any case. Texts
are received and greetings are sent also without a homeserver.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import yaml
from aiohttp import web

from bot.model.actions import SendMessage
from bridge.runtime.settings import read_secret
from bridge.storage import serialization
from bridge.storage.key_file import KeyFile
from bridge.storage.postgres_connection import PostgresPlace
from bridge.storage.postgres_transaction import LEASE_SCHEMA
from bridge.storage.vault import Vault
from bridge.tables import lease_table
from deploy.data_dir import postgres_snapshot
from deploy.data_dir.offline import line_snapshot
from deploy.stack.provision import SLUG, run_homeserver, write_line_files
from tests.e2e.polling import wait_until
from tests.e2e.stack import start_module
from tests.fakes.database_engine import make_line_database
from tests.fakes.served import answering, served
from tests.fakes.silent_server import SilentServer
from tests.fakes.stack_without_up import StackWithoutUp
from tests.forked_children import Fork
from tests.free_ports import free_ports

CROWDED: Final[Mapping[str, Any]] = {
    "new_threads_per_minute": 10_000,
    "new_threads_per_number_per_hour": 10_000,
    "cap": 50,
    "undo_seconds": 8,
    "undo_after_join_seconds": 8,
    "undo_after_switch_seconds": 8,
}
"""The pack's settings: every new texter is greeted, without limits, and an answer waits long enough for a takeover."""
START_SECONDS: Final = 60.0
NAMES: Final = ("one", "two")
LEADER, STANDBY = "leader", "standby"


class TwoBridges(StackWithoutUp):
    """The line: `running` during a block; `pair` starts both bridges; a test kills, freezes or cuts off the leader."""

    def __init__(self, directory: Path, server: str, *, settings: Mapping[str, Any] | None = None) -> None:
        """Make the line. `server`: the URL of a database on a server where another one may be made.

        `settings`: further settings of the pack.
        """
        super().__init__(directory)
        self._settings = {**CROWDED, **(settings or {})}
        self._server = server
        self.bridges: dict[str, Process | Fork] = {}
        self._ways: dict[str, SilentServer] = {}
        self.database = ""
        self._own_ports = {name: free_ports() for name in NAMES}
        self._has_homeserver = False

    @contextlib.asynccontextmanager
    async def running(self, *, homeserver: bool = False) -> AsyncIterator[None]:
        """Run carrier and proxy, and with `homeserver` a homeserver; end every process that was started."""
        async with contextlib.AsyncExitStack() as stack:
            if homeserver:
                await self.provision()
                await stack.enter_async_context(run_homeserver(self.layout, self.ports))
            else:
                write_line_files(self.layout, self.ports)
            self._has_homeserver = homeserver
            self.database = await make_line_database(f"line_{secrets.token_hex(6)}", self._server)
            pack = yaml.safe_dump({"name": "crowded", "settings": self._settings})
            self.write_configuration(pack, database=self.database)
            port = urlsplit(self.database).port
            assert port is not None
            for name in NAMES:
                self._ways[name] = await stack.enter_async_context(SilentServer(port))
            stack.push_async_callback(self._end_all)
            await stack.enter_async_context(self._proxy())
            self.bridges["carrier"] = await self.start_carrier()
            yield
        self.assert_nothing_logged()

    async def start_bridge(self, name: str) -> None:
        """Start or restart a bridge."""
        address = f"127.0.0.1:{self._own_ports[name]}"
        words = ("--config", str(self._own_configuration(name)), "--listen", address)
        self.bridges[name] = await start_module("deploy", "bridge", *words, log=self.layout.log(name))

    def _own_configuration(self, name: str) -> Path:
        """Write the line's present configuration with this bridge's own URL of the database."""
        url_file, own = self.data / "secrets" / f"database_url_{name}", self.data / f"config-{name}.yaml"
        url_file.touch(mode=0o600)
        url_file.write_text(self._ways[name].url(self.database), encoding="utf-8")
        configuration = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))
        own.write_text(
            yaml.safe_dump({**configuration, "database": {"url_file": str(url_file)}}, sort_keys=False), encoding="utf-8"
        )
        return own

    async def role(self, name: str) -> str:
        """Return a bridge's role. Without a homeserver a bridge is never ready; it leads when it accepts webhooks."""
        url = f"http://127.0.0.1:{self._own_ports[name]}"
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
                async with http.get(f"{url}/ready") as answer:
                    said = str((await answer.json())["role"])
                if self._has_homeserver or said == STANDBY or self._holder() != self.bridges[name].pid:
                    return said
                async with http.post(f"{url}/carriers/{SLUG}/inbound", data=b"quietline=check") as answer:
                    return LEADER if answer.status not in {404, 503} else said
        except (aiohttp.ClientError, TimeoutError):
            return ""

    async def pair(self) -> tuple[str, str]:
        """Start both; return the leader and the standby."""

        async def settled() -> tuple[str, str] | None:
            for name in NAMES:
                if name not in self.bridges or self.bridges[name].returncode is not None:
                    await self.start_bridge(name)
            roles = {await self.role(name): name for name in NAMES}
            return (roles[LEADER], roles[STANDBY]) if roles.keys() == {LEADER, STANDBY} else None

        return await wait_until("one leads and one waits", settled, within=START_SECONDS, every=0.2, seen=self._logs)

    async def wait_until_leading(self, name: str) -> float:
        """Wait until a bridge leads; return the seconds that it took."""
        began = time.monotonic()

        async def leads() -> bool | None:
            assert self.bridges[name].returncode is None, await self._logs()
            return await self.role(name) == LEADER or None

        await wait_until(f"{name} leads", leads, within=START_SECONDS, every=0.05, seen=self._logs)
        return time.monotonic() - began

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Freeze a bridge during the block."""
        self.bridges[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.bridges[name].send_signal(signal.SIGCONT)

    async def take_over(self, leader: str, other: str, number: signal.Signals) -> float:
        """Send the leader a signal and wait until the other leads; return the seconds that it took.

        A frozen bridge is then continued, and ends.
        """
        self.bridges[leader].send_signal(number)
        seconds = await self.wait_until_leading(other)
        if number is signal.SIGSTOP:
            self.bridges[leader].send_signal(signal.SIGCONT)
        await self._has_ended(leader, other, killed=number is signal.SIGKILL)
        return seconds

    async def cut_off(self, leader: str, other: str) -> float:
        """Cut the leader's connection to the database and wait until the other leads; return the seconds that it took.

        The connection is repaired after the former leader has ended.
        """
        self._ways[leader].cut()
        try:
            seconds = await self.wait_until_leading(other)
            await self._has_ended(leader, other)
        finally:
            self._ways[leader].mend()
        return seconds

    async def _has_ended(self, leader: str, other: str, *, killed: bool = False) -> None:
        """Wait until a former leader has ended: by itself and with an explanation, unless it was killed."""
        async with asyncio.timeout(START_SECONDS):
            code = await self.bridges[leader].wait()
        log = self.layout.log(leader).read_text(encoding="utf-8")
        # A bridge that froze in the middle of a change of keys.db is ended by the other.
        was_killed = killed or " lease.former_leader_ended" in self.layout.log(other).read_text()
        assert code == (-signal.SIGKILL if was_killed else 1), log[-2000:]
        assert was_killed or "does not lead its line any more" in log

    async def stop_bridges(self) -> None:
        """Stop every running bridge, by an orderly stop."""
        for name in NAMES:
            if self.bridges[name].returncode is None:
                self.bridges[name].send_signal(signal.SIGTERM)
                await self.bridges[name].wait()

    def logged(self, event: str) -> int:
        """Count how often bridges have logged an event."""
        return sum(self.layout.log(name).read_text(encoding="utf-8").count(f" {event}") for name in NAMES)

    def rows(self, query: str) -> list[Any]:
        """Return rows of the main database, read beside the bridges."""
        with line_snapshot(self.layout.bridge, self.database) as database:
            return [tuple(row) for row in database.fetch(query)]

    async def texts_kept(self) -> Counter[str]:
        """Count, by its words, how often each text would be shown in a room. No bridge may run."""
        config = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))
        keys = KeyFile(path=self.layout.bridge / "keys.db")
        vault_key, index_key = (
            bytes.fromhex(read_secret(Path(config["keys"][name]))) for name in ("vault_key_file", "index_key_file")
        )
        vault = Vault(keys=keys, vault_key=vault_key, index_key=index_key)
        await keys.open()
        try:
            copies = Counter[str]()
            for owner, txn, kind, body in self.rows("SELECT owner, txn, kind, body FROM outbox WHERE transport = 'matrix'"):
                action = serialization.decode(kind, await vault.open(owner, f"outbox {txn}", body))
                if isinstance(action, SendMessage) and not action.notice:
                    copies[action.body] += 1
            return copies
        finally:
            await keys.close()

    def _holder(self) -> int:
        """Return the id of the process that holds the lease."""
        with postgres_snapshot.snapshot(PostgresPlace(self.database, LEASE_SCHEMA.format("main"))) as database:
            lease = lease_table.peek(database)
        return int(lease.holder.split(" ")[2]) if lease is not None and lease.holder and not lease.released else 0

    async def _logs(self) -> str:
        return "\n".join(self.layout.log(name).read_text(encoding="utf-8")[-2000:] for name in NAMES)

    @contextlib.asynccontextmanager
    async def _proxy(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:

            async def forward(request: web.Request) -> web.Response:
                body, status, said = await request.read(), 503, b""
                for port in self._own_ports.values():
                    url = f"http://127.0.0.1:{port}{request.raw_path}"
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                        async with http.request(request.method, url, data=body, headers=request.headers) as answer:
                            status, said = answer.status, await answer.read()
                            if status != 503:
                                break
                return web.Response(status=status, body=said)

            async with served(answering(forward), port=self.ports.bridge):
                yield

    async def _end_all(self) -> None:
        for process in self.bridges.values():
            if process.returncode is None:
                process.kill()  # which also ends a frozen one
            await process.wait()
