"""A line for one test module, and the people at its desk.

Rule of this module: what is started here is ended here, clients before their line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from tests.e2e.nio_client import NioClient
from tests.e2e.stack import Stack
from tests.e2e.staff_client import Account, StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.free_ports import free_ports

HURRIED: Final[Mapping[str, Any]] = {
    "undo_seconds": 2,
    "undo_after_join_seconds": 2,
    "undo_after_switch_seconds": 2,
    "close_now_grace": 2,
}
"""Settings for tests that do not test these waits. Clients still have enough seconds to receive the end of a thread."""

S = TypeVar("S", bound=StaffClient)


@asynccontextmanager
async def run_line(
    directory: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    metrics: bool = False,
) -> AsyncIterator[StaffedLine]:
    """Run a line during the block.

    Its first start already has these `settings` of the pack, and `metrics`.
    """
    stack = Stack(directory)
    try:
        await stack.prepare()
        configured: dict[str, Any] = {}
        if metrics:
            configured = {"metrics": {"listen": f"127.0.0.1:{free_ports()}"}}
        lines = yaml.safe_load((stack.data / "config.yaml").read_text(encoding="utf-8"))["lines"]
        if settings is not None:
            pack = stack.data / "own.yaml"
            pack.write_text(yaml.safe_dump({"name": "own", "settings": dict(settings)}), encoding="utf-8")
            lines[0]["packs"].append(str(pack))
            configured["lines"] = lines
        stack.configure(**configured)
        await stack.start()
        yield StaffedLine(stack=stack, ready=stack.ready)
    finally:
        await stack.end()


@asynccontextmanager
async def bring_people(staffed_line: StaffedLine, opening: Iterable[Awaitable[S]]) -> AsyncIterator[list[S]]:
    """Log people in one after another and bring them to the desk; their clients end with the block."""
    clients: list[S] = []
    try:
        for each in opening:
            clients.append(await each)
            await staffed_line.bring_to_desk(clients[-1])
        yield clients
    finally:
        for client in clients:
            await client.stop()


async def log_in_nio(homeserver: str, account: Account) -> NioClient:
    """Log a person in at the second, independent client."""
    client = NioClient(homeserver, account)
    await client.start()
    return client
