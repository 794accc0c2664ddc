"""Two handsets, and how a test looks at them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.e2e.polling import STEP_TIMEOUT

if TYPE_CHECKING:
    from tests.bridge.carriers.rehearsal_harness import RehearsalHarness

A, B = "+15555550101", "+15555550102"


def words(stand: RehearsalHarness) -> list[str]:
    """Return the texts of all webhooks so far, in their order."""
    return [json.loads(request.body)["text"] for request in stand.receiver.to("/inbound")]


async def handset(stand: RehearsalHarness, number: str = A) -> Any:
    return await stand.get("/api/texts", handset=number)


async def until_status(stand: RehearsalHarness, status: str, number: str = A) -> None:
    end = asyncio.get_running_loop().time() + STEP_TIMEOUT
    while [text["status"] for text in await handset(stand, number)][-1:] != [status]:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
