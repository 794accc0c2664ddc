"""Lines whose lease is tried: a database on a real server, and bridges that want to lead it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bridge.lease.lead import Lead
from bridge.lease.waiting import Waiting
from bridge.storage.errors import Unavailable
from bridge.storage.postgres_connection import PostgresPlace
from bridge.tables.lease_table import place_of_lease
from tests.e2e.polling import wait_until
from tests.fakes.database_engine import place_of
from tests.fakes.postgres_server import PostgresServer

TELL: Final = "from bridge.lease.process_identity import own_identity; print(own_identity(), flush=True); input()"


@contextlib.contextmanager
def living_process(code: str = TELL, *arguments: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a process that tells its identity and waits; yields that, and what kills it and returns once it is dead."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def kill() -> None:
        process.kill()
        process.wait()

    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), kill
    finally:
        process.kill()
        process.communicate()


@dataclass(slots=True)
class LeasedLine:
    """One line. `ends`: why bridges of it ended."""

    server: PostgresServer
    place: PostgresPlace
    keys: Path
    ends: list[str] = field(default_factory=list)

    def bridge(self) -> Waiting:
        """Return a bridge that wants to lead."""
        return Waiting(self.place, self.keys, end=self.ends.append)

    def execute(self, statement: str) -> None:
        """Run a statement as a technician would; `lease` is the table."""
        table = f'"{place_of_lease(self.place).schema}".lease'
        self.server.execute("postgres", statement.replace(" lease", f" {table}", 1))

    async def waits_until_it_leads(self, bridge: Waiting) -> Lead:
        """Have it look until it leads, as it does by itself: a server that does not answer in time is asked again."""

        async def look() -> Lead | None:
            with contextlib.suppress(Unavailable):
                return await bridge.try_once()
            return None

        return await wait_until("it leads", look, every=0.02)


def leased_line(server: PostgresServer, directory: Path) -> LeasedLine:
    """Make one."""
    return LeasedLine(server, place_of(directory / "main.db", server.url("postgres")), directory / "keys.db")


async def successor(line: LeasedLine, stack: contextlib.AsyncExitStack) -> Lead:
    """Have another bridge lead, once it may; the stack closes both."""
    bridge = line.bridge()
    stack.push_async_callback(bridge.close)
    lead = await line.waits_until_it_leads(bridge)
    stack.push_async_callback(lead.close)
    return lead
