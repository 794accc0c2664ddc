"""A trip says how far it came, and ends within its limit whatever does not answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from bot.model.line_incidents import CanaryStep
from deploy.canary.handsets import Unreachable
from deploy.canary.round_trip import make_trip

ROOM = "!room"
LIMIT = 0.2
"""Seconds; a test of what hangs has no other end."""


async def hang() -> None:
    """Answer never."""
    await asyncio.Event().wait()


@dataclass(kw_only=True)
class Line:
    """A line that hangs at one step, or refuses there: handset and reader in one."""

    hangs: str = ""
    refuses: str = ""
    texts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    async def _at(self, step: str) -> None:
        if step == self.refuses:
            raise Unreachable
        if step == self.hangs:
            await hang()

    async def text(self, message_id: str, words: str) -> None:
        await self._at("text")
        self.texts.append(words)

    async def received_texts(self) -> list[str]:
        await self._at("received")
        return self.answers

    async def invitation(self) -> str:
        await self._at("room")
        return ROOM

    async def read(self, words: str) -> None:
        await self._at("keys")
        assert words == self.texts[-1]

    async def say(self, room_id: str, words: str) -> None:
        await self._at("answer")
        assert room_id == ROOM
        self.answers.append(words)


async def test_a_trip_that_is_well() -> None:
    """Text, room, words and answer: no step failed; what is texted and answered is another each time."""
    line = Line()
    for _ in range(2):
        trip = await make_trip(line, line, slow=60, limit=60)
        assert (trip.step, trip.room) == (None, ROOM)
    assert len({*line.texts, *line.answers}) == 4


@pytest.mark.parametrize("how", ["hangs", "refuses"])
@pytest.mark.parametrize(
    ("at", "step"),
    [
        ("text", CanaryStep.TEXT),
        ("room", CanaryStep.ROOM),
        ("keys", CanaryStep.KEYS),
        ("answer", CanaryStep.ANSWER),
        ("received", CanaryStep.ANSWER),
    ],
)
async def test_a_trip_says_where_it_ended(how: str, at: str, step: CanaryStep) -> None:
    """Whatever does not answer, or refuses, is the step that is told."""
    line = Line(hangs=at) if how == "hangs" else Line(refuses=at)
    trip = await make_trip(line, line, slow=LIMIT, limit=LIMIT)
    assert trip.step is step


async def test_a_slow_trip_is_none_that_is_well() -> None:
    """A trip that came back later than it should is called slow."""
    line = Line()
    assert (await make_trip(line, line, slow=0.0, limit=60)).step is CanaryStep.SLOW
