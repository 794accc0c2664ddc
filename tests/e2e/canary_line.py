"""A rehearsal line with a canary, and the canary's results.

Rule of this module: it reads `run/canary.json`, the line's databases and the homeserver's, and changes only the
configuration, before the line is started.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED
from tests.e2e.stack import Stack
from tests.fakes.database_file import rows, write
from tests.fakes.served import served

EVERY, SLOW, LIMIT = 5.0, 20.0, 20.0
"""Seconds between two trips, until a trip is slow, and until it is given up: as short as a loaded machine permits."""
SECONDS = 150.0
"""Seconds for which a test waits for a result of the canary."""


class CanaryLine:
    """The line; `calls` counts how often the person on call was called."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.calls = stack, 0

    async def wait_for(self, *, ok: bool, step: str = "", after: int = 0) -> dict[str, Any]:
        """Wait for the canary's result `ok` of a trip that ended after the time `after`; return the result."""

        async def said() -> dict[str, Any] | None:
            result = self.told()
            return result if result.get("ok") is ok and result["step"] == step and result["at"] > after else None

        async def seen() -> str:
            return f"{self.told()}{await self.stack.tail()}"

        return await wait_until(f"the canary says ok={ok} {step}", said, within=SECONDS, seen=seen)

    def told(self) -> dict[str, Any]:
        """Return the canary's last result, or an empty one."""
        try:
            result: dict[str, Any] = json.loads((self.stack.data / "run" / "canary.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return result

    async def wait_for_call(self, before: int) -> None:
        """Wait until the person on call was called more often than `before`."""

        async def called() -> bool | None:
            return self.calls > before or None

        await wait_until("the person on call is called", called, within=SECONDS, seen=self.stack.tail)

    @asynccontextmanager
    async def frozen(self, child: str) -> AsyncIterator[None]:
        """Freeze one process of the line during the block."""
        pid = self.stack.ready.pids[child]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def canary_stopped_after_a_trip(self) -> AsyncIterator[None]:
        """Freeze the canary between two trips, and wait until the data of its trips is overwritten."""
        while True:
            at = self.told()["at"]
            await self.wait_for(ok=True, after=at)
            async with self.frozen("canary"):
                if self._fetch("bridge/main.db", "SELECT id FROM thread"):
                    continue  # it was frozen during its next trip

                async def flushed() -> bool | None:
                    return not self._fetch("bridge/main.db", "SELECT id FROM erasure") or None

                await wait_until("what was erased is overwritten", flushed, within=SECONDS, seen=self.stack.tail)
                yield
                return

    async def left_behind(self) -> list[str]:
        """Return what remains of ended trips: table or place, and the number of rows."""
        counts = {
            name: len(self._fetch("bridge/main.db", query))
            for name, query in {
                "threads": "SELECT id FROM thread",
                "inbox": "SELECT seq FROM inbox",
                "outbox": "SELECT owner FROM outbox",
                "timers": "SELECT key FROM timer WHERE owner <> 'desk'",
                "texts": "SELECT owner FROM sent_text",
                "copies": "SELECT owner FROM carrier_copy",
                "tally": "SELECT kind FROM tally",
                "audit": "SELECT kind FROM audit WHERE about NOT IN ('line', 'desk')",
                "members": "SELECT room_id FROM matrix_member WHERE user_id LIKE '@canary:%'",
                "certificates": "SELECT id FROM erasure_certificate WHERE until > unixepoch() + 3700",
            }.items()
        }
        memberships = "SELECT room_id FROM local_current_membership WHERE user_id LIKE '@canary:%'"
        counts["memberships"] = len(self._fetch("homeserver/homeserver.db", memberships))
        counts["events"] = len(
            self._fetch("homeserver/homeserver.db", "SELECT event_id FROM events WHERE sender LIKE '@canary:%'")
        )
        counts["carrier"] = len(await self.stack.carrier.records())
        return [f"{name}: {count}" for name, count in counts.items() if count]

    def metric(self) -> str:
        """Return the value that the bridge has stored for the metric."""
        (row,) = self._fetch("bridge/main.db", "SELECT value FROM line WHERE name = 'canary_ok'")
        return str(row["value"])

    def execute(self, statement: str) -> None:
        """Change the bridge's database beside the running bridge."""
        write(self.stack.data / "bridge" / "main.db", statement)

    def _fetch(self, file: str, query: str) -> list[Any]:
        return rows(self.stack.data / file, query)

    async def answer_call(self, _request: web.Request) -> web.Response:
        """Accept a call to the person on call."""
        self.calls += 1
        return web.Response()


@asynccontextmanager
async def run_canary_line(directory: Path) -> AsyncIterator[CanaryLine]:
    """Run a line with a canary during the block, which begins after the first successful trip."""
    stack = Stack(directory)
    line = CanaryLine(stack)
    app = web.Application()
    app.add_routes([web.post("/call", line.answer_call)])
    async with served(app) as url:
        try:
            await stack.prepare()
            _configure(stack, url)
            await stack.start()
            await line.wait_for(ok=True)
            yield line
        finally:
            await stack.end()


def _configure(stack: Stack, call_url: str) -> None:
    for name, value in (("canary", secrets.token_hex(32)), ("call", f"{call_url}/call")):
        path = stack.data / "secrets" / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(value)
    pack = stack.data / "own.yaml"
    pack.write_text(yaml.safe_dump({"name": "own", "settings": dict(HURRIED)}), encoding="utf-8")
    lines = yaml.safe_load((stack.data / "config.yaml").read_text(encoding="utf-8"))["lines"]
    lines[0]["packs"].append(str(pack))
    lines[0]["on_call"] = {"webhook_file": str(stack.data / "secrets" / "call")}
    canary = {"secret_file": str(stack.data / "secrets" / "canary"), "handset": False}
    stack.configure(lines=lines, canary={**canary, "every": EVERY, "slow": SLOW, "limit": LIMIT})
