"""What the scenarios wait with."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e import polling
from tests.e2e.polling import together, wait_until


async def test_what_is_done_together_ends_together() -> None:
    """Where one fails the others are at their end when it is raised: none goes on beside the next test."""
    end = asyncio.Event()

    async def plays_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            end.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await together(plays_on(), fails())
    assert end.is_set()


async def test_what_is_done_together_returns_what_each_returned() -> None:
    async def one() -> int:
        return 1

    async def two() -> int:
        return 2

    assert await together(one(), two()) == [1, 2]


async def test_a_step_that_only_a_busy_machine_has_time_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails nothing, and is read by whoever asks why a run took long."""
    late_steps: list[str] = []
    monkeypatch.setattr(polling, "late", late_steps)
    monkeypatch.setattr(polling, "busy", lambda: 60 / 0.01)  # no load of this machine ends the second wait
    looks = iter((None, None, True))

    async def third_time() -> bool | None:
        return next(looks)

    assert await wait_until("here at once", third_time, within=60, every=0)
    assert late_steps == []
    looks = iter((None, None, True))
    assert await wait_until("here in the end", third_time, within=0.01, every=0.015)
    (said,) = late_steps
    assert said.endswith("s on a free machine: here in the end")
