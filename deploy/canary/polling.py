"""Polls for a condition that is not notified.

Rule of this module: it has no time limit; the caller sets one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POLL_SECONDS: Final = 0.5


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until the condition is true. Raises what `condition` raises."""
    while True:
        if await condition():
            return
        await asyncio.sleep(POLL_SECONDS)
