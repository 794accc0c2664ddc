"""Somebody's second device, which they verify themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.scene import Scene
from tests.e2e.seat import Seat

if TYPE_CHECKING:
    from tests.e2e.strict import StrictClient


@asynccontextmanager
async def second_device(
    scene: Scene, seat: Seat, *, verified: bool = True, homeserver: str | None = None
) -> AsyncIterator[StrictClient]:
    """Log somebody in a second time, on a device that they verify themselves; `homeserver`: at another address."""
    key = await strict(seat).recovery_key()
    account = next(a for a in scene.ready.accounts if a.mxid == seat.mxid)
    second = type(strict(seat))(homeserver or scene.ready.homeserver, account)
    try:
        await second.start()
        if verified:
            await second.verify(key)
        yield second
    finally:
        await second.stop()


def strict(seat: Seat) -> StrictClient:
    """Return the seat as the strict client that it is."""
    from tests.e2e.strict import StrictClient

    if not isinstance(seat, StrictClient):
        pytest.fail("this needs the strict client, which has no build for this C library")
    return seat
