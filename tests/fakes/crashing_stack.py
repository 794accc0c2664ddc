"""A line whose bridge is killed at a named point: a real homeserver, the real carrier, and a bridge started by hand.

Rules of this module: homeserver and carrier stay for the whole of a test module; the bridge is started again as soon as
it died, and that is all the help it gets. What is counted is read from the files that it left.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from bot.model.transactional_actions import SuppressionReason
from bridge.matrix.service import CONFIRMATIONS_SIGNED
from bridge.runtime.crash_points import CrashPoint
from bridge.storage.database import Transaction
from bridge.storage.key_file import OWNER_BYTES
from bridge.storage.marked_sets import SetName
from bridge.storage.postgres_database import database_of
from bridge.storage.vault import MARK, PASSING
from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.offline import line_snapshot
from deploy.stack.provision import NUMBER, SLUG, mxid, provision, run_homeserver
from deploy.stack.readiness import BridgeReady
from deploy.stack.synapse_config import SERVER_NAME
from tests.e2e.polling import wait_until
from tests.e2e.stack import ROOT, ReadyFile, Stack
from tests.e2e.staff_client import Account
from tests.fakes import database_engine
from tests.fakes.crashable_bridge import CRASH_FILE
from tests.fakes.database_file import write
from tests.fakes.key_file_reader import wrapped_keys
from tests.fakes.provisioned_homeserver import put_homeserver

PACK: Final = """\
name: hurried
settings:
  {undo_seconds: 1, undo_after_join_seconds: 1, undo_after_switch_seconds: 1, close_now_grace: 2 s, cap: 50}
"""
START_SECONDS: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1


class CrashingStack(Stack):
    """What scenes need of a stack, without `up`. `crashes` counts how often the bridge was killed by its own hand."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.layout, self.ports = Layout(data=self.data), Ports(base=self.base)
        self.crashes = 0
        self._before_start: list[Callable[[], None]] = []
        self._crash_file = directory / "order"
        self._accounts: tuple[Account, ...] = ()
        self._desk = ""
        self._server: str | None = None
        self._bridge: Process | None = None
        self._restart_task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> ReadyFile:
        """What `ready.json` would say."""
        return ReadyFile(
            homeserver=self.ports.url("homeserver"),
            server_name=SERVER_NAME,
            bridge=self.ports.url("bridge"),
            carrier=self.ports.url("carrier"),
            bot=mxid("policy"),
            slug=SLUG,
            number=NUMBER,
            voice=mxid(f"line-{SLUG}"),
            desk_room=self._desk,
            accounts=self._accounts,
            pids={},
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run homeserver, carrier and bridge for the length of the block; nothing of them is left after it."""
        await put_homeserver(self.layout)
        accounts = await provision(self.layout, self.ports)
        self._accounts = tuple(Account(user=a.user, mxid=mxid(a.user), password=a.password, role=a.role) for a in accounts)
        pack = self.data / "hurried.yaml"
        pack.write_text(PACK, encoding="utf-8")
        lines = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))["lines"]
        lines[0]["packs"] = ["base", "rehearsal", str(pack)]
        self.configure(lines=lines, log_level="DEBUG")
        if database_engine.is_postgres():
            self._server = await database_engine.make_line_database(f"line_{secrets.token_hex(6)}")
            url_file = self.data / "secrets" / "database_url"
            url_file.touch(mode=0o600)
            url_file.write_text(self._server, encoding="utf-8")
            self.configure(database={"url_file": str(url_file)})
        async with run_homeserver(self.layout, self.ports):
            carrier = await self._spawn("deploy.rehearsal", "--config", str(self.layout.carrier), log="carrier")
            try:
                self._restart_task = asyncio.create_task(self._restart_loop())
                await self.up()
                yield
            finally:
                if self._restart_task is not None:
                    self._restart_task.cancel()
                    await asyncio.gather(self._restart_task, return_exceptions=True)
                for process in (self._bridge, carrier):
                    if process is not None and process.returncode is None:
                        process.kill()
                        await process.wait()

    def crash_at(self, point: CrashPoint) -> None:
        """Have the bridge die at this point, the next time it comes there."""
        whole = self._crash_file.with_suffix(".new")
        whole.write_text(point.name, encoding="utf-8")
        whole.replace(self._crash_file)

    def cancel_crash(self) -> None:
        """Take the order back, so that one test's failure is not the next one's death."""
        self._crash_file.unlink(missing_ok=True)

    async def up(self) -> None:
        """Wait until the bridge says that it is ready."""

        async def asked() -> str | None:
            assert self._restart_task is not None
            if self._restart_task.done():
                self._restart_task.result()
            with contextlib.suppress(aiohttp.ClientError):
                async with aiohttp.ClientSession() as http, http.get(f"{self.ports.url('bridge')}/ready") as answer:
                    said = BridgeReady.read(self.layout.bridge_file) if answer.status == 200 else None
                    return said.desk_room if said is not None else None
            return None

        self._desk = await wait_until("the bridge is ready", asked, within=START_SECONDS, seen=self.tail)

    def rows(self, query: str) -> list[Any]:
        """Read the main database beside the running bridge: tuples."""
        with line_snapshot(self.layout.bridge, self._server) as database:
            return [tuple(row) for row in database.fetch(query)]

    async def suppress(self, digest: bytes, muted: SuppressionReason) -> None:
        """Remember something of a phone for a day, as an earlier thread of it would have: the bridge starts with it."""
        keys = self.layout.bridge / "keys.db"
        mark = f"{MARK}{SetName.SUPPRESSION.value}".encode().ljust(OWNER_BYTES, b"\0")

        async def beside(transaction: Transaction) -> None:
            query = "INSERT INTO suppression (hash, muted, until) VALUES ($1, $2, $3)"
            await transaction.execute(query, digest, muted.value, int(time.time()) + 86_400)
            await transaction.execute("DELETE FROM marked_set WHERE name = $1", SetName.SUPPRESSION.value)

        async def commit() -> None:
            database = database_of(self.layout.bridge / "main.db", self._server)
            await database.open()
            await database.commit(beside)
            await database.close()

        def edit() -> None:
            with ThreadPoolExecutor(max_workers=1) as thread:
                thread.submit(asyncio.run, commit()).result()
            write(keys, "UPDATE slot SET owner = zeroblob(264), wrapped = zeroblob(61) WHERE owner = $1", mark)

        await self.between_starts(edit)

    async def between_starts(self, edit: Callable[[], None]) -> None:
        """Kill the bridge, change its files before it starts again, and wait until it is ready."""
        deaths = self.crashes
        self._before_start.append(edit)
        assert self._bridge is not None
        self._bridge.kill()

        async def died() -> bool | None:
            return self.crashes > deaths or None

        await wait_until("the bridge was killed", died, within=START_SECONDS)
        await self.up()

    def orphan_keys(self) -> set[str]:
        """Return owners in `keys.db` that own nothing."""
        return (
            {owner for owner in wrapped_keys(self.layout.bridge / "keys.db") if not owner.startswith(PASSING)}
            - {row[0] for row in self.rows("SELECT id FROM thread UNION SELECT key_owner FROM matrix_room")}
            - {"desk", "copies", CONFIRMATIONS_SIGNED}
            - {MARK + name.value for name in SetName}
        )

    async def _restart_loop(self) -> None:
        while True:
            self._bridge = await self._spawn("tests.fakes.crashable_bridge", str(self.layout.config), log="bridge")
            code = await self._bridge.wait()
            assert code == -signal.SIGKILL, f"the bridge ended by itself with {code}: {await self.tail()}"
            self.crashes += 1
            while self._before_start:
                self._before_start.pop()()

    async def _spawn(self, module: str, *arguments: str, log: str) -> Process:
        with self.layout.log(log).open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", module, *arguments),
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), CRASH_FILE: str(self._crash_file)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,
            )


def die_with_parent() -> None:
    """Have a child end with us: a test run that is killed itself leaves nothing behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
