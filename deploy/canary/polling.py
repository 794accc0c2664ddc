"""Waits for what nobody tells.

Rule of this module: it sets no limit; its caller does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POLL_SECONDS: Final = 0.5


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until the answer is yes. Raises what `condition` raises."""
    while True:
        if await condition():
            return
        await asyncio.sleep(POLL_SECONDS)
