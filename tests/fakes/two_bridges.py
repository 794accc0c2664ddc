"""Two bridges on one line: one PostgreSQL database, one directory of keys, two ports, and a carrier that texts.

Rules of this module: bridges are real processes, started with the second configuration file that a person would write; what
stands in front of them sends a webhook to whichever takes it, as a proxy with two upstreams does; processes are ended by
their id, whatever the test did. There is no homeserver: texts come in and the greeting of each texter leaves without one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from aiohttp import web

from bot.model.actions import SendMessage
from bridge.lease import lease_table
from bridge.runtime.settings import read_secret
from bridge.storage import serialization
from bridge.storage.key_file import KeyFile
from bridge.storage.postgres_connection import PostgresPlace
from bridge.storage.postgres_database import LEASE_SCHEMA
from bridge.storage.vault import Vault
from deploy.data_dir import postgres_snapshot
from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.offline import line_snapshot
from deploy.stack.provision import NUMBER, write_line_files
from tests.deploy.processes import free_port_base
from tests.e2e.carrier_api import CarrierApi
from tests.e2e.polling import wait_until
from tests.e2e.stack import ROOT
from tests.fakes.database_engine import make_line_database

PACK: Final = """\
name: crowded
settings: {new_threads_per_minute: 10000, new_threads_per_number_per_hour: 10000, cap: 50}
"""
"""Every new texter is greeted, however many there are."""
START_SECONDS: Final = 60.0
NAMES: Final = ("one", "two")


class TwoBridges:
    """The line. `running` for the length of a block; then `start` bridges by name, and kill, freeze or wake them."""

    def __init__(self, directory: Path, server: str) -> None:
        """Make it. `server`: the URL of a database on the server, on which another one may be made."""
        self.layout, self._server = Layout(data=directory / "data"), server
        self.ports, self.front_port = Ports(base=free_port_base()), free_port_base()
        self.bridges: dict[str, Process] = {}
        self.database = ""
        self._own_ports: dict[str, int] = {}
        self.carrier = CarrierApi(self.ports.url("carrier"), NUMBER)
        self.refused = Counter[int]()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run carrier and proxy; whatever was started is ended."""
        write_line_files(self.layout, self.ports)
        self.database = await make_line_database(f"line_{secrets.token_hex(6)}", self._server)
        url_file = self.layout.secrets / "database_url"
        url_file.touch(mode=0o600)
        url_file.write_text(self.database, encoding="utf-8")
        config = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))
        config["database"] = {"url_file": str(url_file)}
        config["listen"]["public_base_url"] = f"http://127.0.0.1:{self.front_port}"
        config["log_level"] = "DEBUG"
        pack = self.layout.data / "crowded.yaml"
        pack.write_text(PACK, encoding="utf-8")
        config["lines"][0]["packs"] = ["base", "rehearsal", str(pack)]
        self.layout.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        for name in ("carrier.json", "carrier.yaml"):
            if (file := self.layout.data / name).is_file():
                file.write_text(file.read_text().replace(str(self.ports.bridge), str(self.front_port)))
        async with self._proxy():
            carrier = await self._spawn("deploy.rehearsal", "--config", str(self.layout.carrier), log="carrier")
            try:
                yield
            finally:
                for process in (*self.bridges.values(), carrier):
                    await end(process)

    async def start(self, name: str) -> None:
        """Start a bridge, or start it again."""
        port = self._own_ports.setdefault(name, free_port_base())
        if name in self.bridges:
            await end(self.bridges[name])
        self.bridges[name] = await self._spawn(
            "deploy", "bridge", "--config", str(self.layout.config), "--listen", f"127.0.0.1:{port}", log=name
        )

    async def role(self, name: str) -> str:
        """Return what a bridge says of itself; empty when it does not answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as http,
                http.get(f"http://127.0.0.1:{self._own_ports[name]}/ready") as answer,
            ):
                return str((await answer.json())["role"])
        except (aiohttp.ClientError, TimeoutError):
            return ""

    async def wait_until_taking(self, name: str) -> float:
        """Wait until it takes webhooks, which without a homeserver is all that a leader does; return the seconds."""
        began = time.monotonic()

        async def probe() -> bool | None:
            assert self.bridges[name].returncode is None, await self._logs()
            return (await self._takes(name) and self.holder_pid() == self.bridges[name].pid) or None

        await wait_until(f"{name} takes webhooks", probe, within=START_SECONDS, every=0.05, seen=self._logs)
        return time.monotonic() - began

    async def _takes(self, name: str) -> bool:
        """Whether a webhook is looked at: one that is not signed is refused as such, and not with 503."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as http,
                http.post(
                    f"http://127.0.0.1:{self._own_ports[name]}/carriers/main/inbound", data=b"quietline=check"
                ) as answer,
            ):
                return answer.status not in {503, 404}
        except (aiohttp.ClientError, TimeoutError):
            return False

    def holder_pid(self) -> int:
        """Return the id of the process that holds the lease."""
        with postgres_snapshot.snapshot(PostgresPlace(self.database, LEASE_SCHEMA.format("main"))) as database:
            lease = lease_table.peek(database)
        return int(lease.holder.split(" ")[2]) if lease is not None and lease.holder and not lease.released else 0

    def kill(self, name: str, number: signal.Signals) -> None:
        """Send a bridge a signal."""
        self.bridges[name].send_signal(number)

    async def pair(self) -> tuple[str, str]:
        """Have both run; return who leads and who waits."""

        async def settled() -> tuple[str, str] | None:
            for name in NAMES:
                if name not in self.bridges or self.bridges[name].returncode is not None:
                    await self.start(name)
            roles = {name: await self.role(name) for name in NAMES}
            leaders = [name for name in NAMES if self.holder_pid() == self.bridges[name].pid and await self._takes(name)]
            waiting = [name for name in NAMES if roles[name] == "standby"]
            return (leaders[0], waiting[0]) if len(leaders) == len(waiting) == 1 else None

        return await wait_until("one leads and one waits", settled, within=START_SECONDS, every=0.2, seen=self._logs)

    async def take_over(self, leader: str, other: str, number: signal.Signals) -> float:
        """Send the leader a signal and wait until the other leads; return the seconds.

        One that was frozen is woken, and ends.
        """
        self.kill(leader, number)
        seconds = await self.wait_until_taking(other)
        if number is signal.SIGSTOP:
            self.kill(leader, signal.SIGCONT)
        code = await self.bridges[leader].wait()
        log = self.layout.log(leader).read_text(encoding="utf-8")
        # Who was frozen in the middle of a change of keys.db is ended by the other.
        ended = number is signal.SIGKILL or " lease.former_leader_ended" in self.layout.log(other).read_text()
        assert code == (-signal.SIGKILL if ended else 1), log[-2000:]
        assert ended or "does not lead its line any more" in log
        return seconds

    async def _logs(self) -> str:
        return "\n".join(self.layout.log(name).read_text(encoding="utf-8")[-2000:] for name in self.bridges)

    async def stop(self) -> None:
        """Stop every bridge that runs, in order."""
        for process in self.bridges.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()

    def logged(self, event: str) -> int:
        """Count how often bridges have logged an event."""
        return sum(self.layout.log(name).read_text(encoding="utf-8").count(f" {event}") for name in self.bridges)

    def rows(self, query: str) -> list[Any]:
        """Read the main database beside the bridges: tuples."""
        with line_snapshot(self.layout.bridge, self.database) as database:
            return [tuple(row) for row in database.fetch(query)]

    async def texts_kept(self) -> Counter[str]:
        """Count every text that is on its way to a room, by its words: how often it will be shown."""
        config = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))
        keys = KeyFile(path=self.layout.bridge / "keys.db")
        vault = Vault(
            keys=keys,
            vault_key=bytes.fromhex(read_secret(Path(config["keys"]["vault_key_file"]))),
            index_key=bytes.fromhex(read_secret(Path(config["keys"]["index_key_file"]))),
        )
        await keys.open()
        try:
            found = Counter[str]()
            for owner, txn, kind, body in self.rows("SELECT owner, txn, kind, body FROM outbox WHERE way = 'matrix'"):
                action = serialization.decode(kind, await vault.open(owner, f"outbox {txn}", body))
                if isinstance(action, SendMessage) and not action.notice:
                    found[action.body] += 1
            return found
        finally:
            await keys.close()

    @contextlib.asynccontextmanager
    async def _proxy(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:

            async def forward(request: web.Request) -> web.Response:
                body = await request.read()
                for port in tuple(self._own_ports.values()):
                    url = f"http://127.0.0.1:{port}{request.raw_path}"
                    try:
                        async with http.request(request.method, url, data=body, headers=request.headers) as answer:
                            if answer.status != 503:
                                return web.Response(status=answer.status, body=await answer.read())
                    except (aiohttp.ClientError, TimeoutError):
                        continue
                self.refused[503] += 1
                return web.Response(status=503)

            application = web.Application()
            application.add_routes([web.route("*", "/{path:.*}", forward)])
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", self.front_port).start()
                yield
            finally:
                await runner.cleanup()

    async def _spawn(self, module: str, *arguments: str, log: str) -> Process:
        self.layout.log(log).parent.mkdir(parents=True, exist_ok=True)
        with self.layout.log(log).open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", module, *arguments),
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )


async def end(process: Process) -> None:
    """Kill a process that may be frozen, and wait for its end."""
    if process.returncode is None:
        process.kill()
    await process.wait()
