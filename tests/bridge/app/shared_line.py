"""A line on PostgreSQL that several bridges want to lead."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from pathlib import Path

from bridge.app.bridge import Bridge
from bridge.app.standby import wait_for_lead
from bridge.config import Config, load
from bridge.lease.lead import Lead
from bridge.runtime.crash_points import never_crash
from policies.load import load as load_pack
from tests.bridge.test_config import Papers
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer
from tests.free_ports import free_ports


class SharedLine(Papers):
    """A line on PostgreSQL; each bridge of it has ports of its own."""

    ends: list[str]

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

    async def lead(self, config: Config, stack: AsyncExitStack) -> Bridge:
        """Wait for the lead and open the bridge, as the process does."""
        assert config.database_url is not None
        lead, front = await wait_for_lead(config, config.database_url, stack=stack, end=self.ends.append)
        pack = load_pack(config.line.packs, near=self.directory)
        return await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack, lead=lead, front=front)


async def shared_line(directory: Path, postgres_server: PostgresServer) -> SharedLine:
    """Make one, with a database of its own on the server."""
    made = SharedLine(directory)
    made.ends = []
    server = await make_line_database(f"line_{secrets.token_hex(6)}", postgres_server.url("postgres"))
    made.write("database_url", server)
    made.raw["database"] = {"url_file": made.file("database_url")}
    (directory / "bridge").mkdir()
    return made
