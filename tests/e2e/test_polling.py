"""What the scenarios wait with."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.polling import together


async def test_what_is_done_together_ends_together() -> None:
    """Where one fails the others are at their end when it is raised: none goes on beside the next test."""
    ended = asyncio.Event()

    async def plays_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await together(plays_on(), fails())
    assert ended.is_set()


async def test_what_is_done_together_returns_what_each_returned() -> None:
    async def one() -> int:
        return 1

    async def two() -> int:
        return 2

    assert await together(one(), two()) == [1, 2]
