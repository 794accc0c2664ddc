"""One round trip: a text to the line, read in its room, answered there, and the answer back at the handset.

Rules of this module: it reports only how far it came and how long that took. It ends within its limit, whatever is frozen.
The erasure of its thread is checked after the success was reported.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from bot.model.line_incidents import CanaryStep
from deploy.canary.handsets import Unreachable, wait_until

if TYPE_CHECKING:
    from deploy.canary.handsets import Handset

WORDS_BYTES: Final = 16


class RoomReader(Protocol):
    """The canary's account: the methods that a trip uses."""

    async def invitation(self) -> str:
        """Wait for a room and join it; return its id."""

    async def read(self, words: str) -> None:
        """Wait until these words can be read."""

    async def say(self, room_id: str, words: str) -> None:
        """Send words to that room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """The result of a trip. `step`: the failed step, or None; `seconds`: its duration; `room`: its room, or ""."""

    step: CanaryStep | None
    seconds: float
    room: str = ""


async def make_trip(handset: Handset, reader: RoomReader, *, slow: float, limit: float) -> Trip:
    """Make one trip; `slow` and `limit` in seconds."""
    loop = asyncio.get_running_loop()
    start, words, answer = loop.time(), secrets.token_hex(WORDS_BYTES), secrets.token_hex(WORDS_BYTES)
    step, room = CanaryStep.TEXT, ""
    try:
        async with asyncio.timeout(limit):
            await handset.text(secrets.token_hex(WORDS_BYTES), words)
            step = CanaryStep.ROOM
            room = await reader.invitation()
            step = CanaryStep.KEYS
            await reader.read(words)
            step = CanaryStep.ANSWER
            await reader.say(room, answer)
            await wait_until(partial(_has_arrived, handset, answer))
    except (TimeoutError, Unreachable):
        return Trip(step=step, seconds=loop.time() - start, room=room)
    seconds = loop.time() - start
    return Trip(step=CanaryStep.SLOW if seconds > slow else None, seconds=seconds, room=room)


async def _has_arrived(handset: Handset, answer: str) -> bool:
    return answer in await handset.received_texts()
