"""Agreeing on words for a phone, as after a call: asked for in the room, said in the office, gone at once."""

from __future__ import annotations

import asyncio

from tests.e2e.scene import NOTE, Scene, Talk
from tests.e2e.seat import Seat
from tests.e2e.waiting import until


async def agree(scene: Scene, seat: Seat, talk: Talk, *words: str) -> str:
    """Agree on a codeword and, behind it, a duress word or "-"; returns the office in which they were said."""
    office = next(room for room, name in (await seat.joined()).items() if name == "office")
    command = await seat.say(talk.room, "!codeword")
    await talk.receipt(command, NOTE)
    asks = f"Codeword for {talk.designation}"
    await seat.find(office, "the bot asks", lambda i: i.sender == scene.ready.bot and asks in i.body)
    for word in words:
        before = await _redacted(seat, office)
        # It is gone before the client has seen its own words come back, so nobody waits for that.
        saying = asyncio.create_task(seat.say(office, word))

        async def gone(before: int = before) -> bool | None:
            return await _redacted(seat, office) > before or None

        await until("what was said in the office is redacted", gone)
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
    await talk.told("A codeword is agreed")
    return office


async def _redacted(seat: Seat, room: str) -> int:
    return sum(item.kind == "redacted" and item.sender == seat.mxid for item in await seat.items(room))
