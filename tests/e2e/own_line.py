"""A line of one module's own, and the people at its desk.

Rule of this module: what is begun here is ended here, the people before their line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.e2e.crossnio import CrossNio
from tests.e2e.scene import Scene
from tests.e2e.seat import Account, Seat
from tests.e2e.stack import Stack

S = TypeVar("S", bound=Seat)


@asynccontextmanager
async def running(
    directory: Path, *, settings: Mapping[str, Any] | None = None, log_level: str | None = None
) -> AsyncIterator[Scene]:
    """Run a line for the length of the block; with an agency's own `settings`, or logging as told, it is started again."""
    stack = Stack(directory)
    try:
        await stack.start()
        configured: dict[str, Any] = {} if log_level is None else {"log_level": log_level}
        if settings is not None:
            pack = stack.data / "own.yaml"
            pack.write_text(yaml.safe_dump({"name": "own", "settings": dict(settings)}), encoding="utf-8")
            configured["lines"] = yaml.safe_load((stack.data / "config.yaml").read_text(encoding="utf-8"))["lines"]
            configured["lines"][0]["packs"].append(str(pack))
        if configured:
            stack.configure(**configured)
            await stack.kill("bridge")
            await stack.well()
        yield Scene(stack=stack, ready=stack.ready)
    finally:
        await stack.end()


@asynccontextmanager
async def seated(scene: Scene, opening: Iterable[Awaitable[S]]) -> AsyncIterator[list[S]]:
    """Log people in one after another and take them to the desk; their clients end with the block."""
    seats: list[S] = []
    try:
        for each in opening:
            seats.append(await each)
            await scene.seated(seats[-1])
        yield seats
    finally:
        for seat in seats:
            await seat.stop()


async def nio(homeserver: str, account: Account) -> CrossNio:
    """Log somebody in at the second, independent client."""
    seat = CrossNio(homeserver, account)
    await seat.start()
    return seat
