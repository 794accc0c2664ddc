"""A line on PostgreSQL that several bridges want to lead."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bridge.app.bridge import Bridge
from bridge.app.standby import wait_for_lead
from bridge.config.load import load
from bridge.config.sections import Config
from bridge.lease import lead as lead_module
from bridge.lease import waiting
from bridge.lease.lead import Lead
from bridge.runtime.crash_points import never_crash
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.tables import lease_table
from bridge.tables.lease_table import place_of_lease
from policies.load import load as load_pack
from tests.bridge.papers import Papers
from tests.e2e.polling import wait_until
from tests.e2e.stack import ROOT
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer
from tests.free_ports import free_ports


@dataclass(slots=True)
class BridgeProcess:
    """A bridge that runs by itself. `ended`: its exit code, once the block of it is over; `said`: a file."""

    process: asyncio.subprocess.Process
    port: int
    said: Path
    ended: int | None = None

    @property
    def words(self) -> str:
        """Return what it has said so far."""
        return self.said.read_text(encoding="utf-8")

    async def waits(self) -> None:
        """Wait until it says that it waits."""
        await self._answers("/ready", (503, '{"role": "standby"}'))

    async def takes_webhooks(self) -> None:
        """Wait until it says that it takes webhooks."""
        await self._answers("/accepting", (200, ""))

    async def _answers(self, path: str, expected: tuple[int, str]) -> None:
        async def answered() -> bool | None:
            assert self.process.returncode is None, self.words
            with contextlib.suppress(aiohttp.ClientError):
                return (await ask(self.port, path)) == expected or None
            return None

        await wait_until(f"{path} is {expected[0]}", answered, every=0.05)


async def ask(at: int, path: str, method: str = "GET") -> tuple[int, str]:
    """Ask a bridge on this machine; return status and words."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"http://127.0.0.1:{at}{path}", data=b"x" if method == "POST" else None) as answer,
    ):
        return answer.status, await answer.text()


class SharedLine(Papers):
    """A line on PostgreSQL; each bridge of it has ports of its own."""

    ends: list[str]

    def place(self, server: str) -> PostgresPlace:
        """Return where the line's main database is on that server."""
        return PostgresPlace(server, "main")

    async def execute(self, statement: str) -> object:
        """Run a statement on the lease, as a technician would; `lease` is the table. Returns its first value."""
        server = load(self.path).database_url
        assert server is not None
        connection = await connect(place_of_lease(self.place(server)))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def machine(self, name: str) -> Config:
        """Return the configuration of a bridge on another machine, whose data directory is empty."""
        directory = self.directory / name
        directory.mkdir()
        return self.config().model_copy(update={"data_dir": directory})

    @contextlib.asynccontextmanager
    async def process(self, *options: str, data_dir: Path | None = None) -> AsyncIterator[BridgeProcess]:
        """Run another bridge of it as a process, by the command; it is told to stop when the block ends."""
        previous, config = self.raw["data_dir"], self.path.with_name(f"config-{secrets.token_hex(4)}.yaml")
        self.raw["data_dir"] = str(data_dir or previous)
        bridge_config = self.config()
        shutil.copyfile(self.path, config)
        self.raw["data_dir"] = previous
        said = config.with_suffix(".log")
        words = (sys.executable, "-P", "-m", "deploy", "bridge", "--config", str(config), *options)
        with said.open("wb") as output:
            process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=output, stderr=output)
        running = BridgeProcess(process, bridge_config.listen.port, said)
        try:
            yield running
            if process.returncode is None:
                process.terminate()
            running.ended = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def config(self) -> Config:
        """Return the configuration of another bridge."""
        base = free_ports()
        self.raw["listen"]["port"] = base
        self.raw["metrics"] = {"listen": f"127.0.0.1:{base + 1}"}
        return load(self.save())

    async def wait(self, config: Config, stack: AsyncExitStack) -> Lead:
        """Wait for the lead; at the end of the stack it is let go."""
        assert config.database_url is not None
        lead, _ = await wait_for_lead(config, config.database_url, stack=stack, end=self.ends.append)
        return lead

    async def lead(self, config: Config, stack: AsyncExitStack, *, take_over: bool = False) -> Bridge:
        """Wait for the lead and open the bridge, as the process does. `take_over`: a person says that it is to."""
        server = config.database_url
        assert server is not None
        lead, front = await wait_for_lead(config, server, stack=stack, end=self.ends.append, any_keys=take_over)
        pack = load_pack(config.line.packs, near=self.directory)
        return await Bridge.open(
            config=config, pack=pack, crash=never_crash, stack=stack, take_over=take_over, lead=lead, front=front
        )


async def shared_line(directory: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> SharedLine:
    """Make one, with a database of its own on the server. What a busy machine takes for a request is no fault of it."""
    monkeypatch.setattr(lead_module, "ANSWER_SECONDS", 60.0)
    line = SharedLine(directory)
    line.ends = []
    server = await make_line_database(f"line_{secrets.token_hex(6)}", postgres_server.url("postgres"))
    line.write("database_url", server)
    line.raw["database"] = {"url_file": line.file("database_url")}
    (directory / "bridge").mkdir()
    return line


def shorten_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a lease that is not renewed run out soon."""
    for module in (lease_table, lead_module, waiting):
        monkeypatch.setattr(module, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(lead_module, "MARGIN_SECONDS", 0.3)
    monkeypatch.setattr(lead_module, "RENEW_SECONDS", 0.1)


def lose_machine(bridge: Bridge) -> None:
    """Have a bridge's machine be lost: from now on it renews no lease; it lets go of nothing and closes nothing."""
    lead = bridge._resources.lead
    assert lead is not None
    assert lead._task is not None
    lead._task.cancel()
