"""Each owner is worked on by one task at a time; no wake-up is lost, and a full disk loses none either."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bridge.background import loop
from bridge.background.loop import OwnerQueue
from bridge.storage.errors import Unavailable


class Work:
    """Work that waits until it may go on. `most`: how many tasks were ever at one owner."""

    def __init__(self) -> None:
        self.turns, self.at, self.most = Counter[str](), Counter[str](), 0
        self.go_on = asyncio.Event()
        self.failures: list[Exception] = []

    async def __call__(self, owner: str) -> None:
        self.turns[owner] += 1
        self.at[owner] += 1
        self.most = max(self.most, self.at[owner])
        try:
            await self.go_on.wait()
            if self.failures:
                raise self.failures.pop()
        finally:
            self.at[owner] -= 1


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_owner_is_worked_on_by_one_task_and_once_more_for_wake_ups_meanwhile() -> None:
    """Many wake-ups during the work make one more turn; owners do not wait for each other."""
    work = Work()
    queue = OwnerQueue("test", work, workers=3)
    running = asyncio.create_task(queue.run())
    for owner in ("a", "b", "a"):
        queue.wake(owner)
    await _settle()
    assert work.turns == {"a": 1, "b": 1}
    for _ in range(5):
        queue.wake("a")
    await _settle()
    work.go_on.set()
    await _settle()
    assert work.turns == {"a": 2, "b": 1}
    assert work.most == 1
    queue.wake("a")
    await _settle()
    assert work.turns["a"] == 3
    running.cancel()


@pytest.mark.parametrize("error", [Unavailable("SQLITE_FULL"), OSError()])
async def test_a_full_disk_loses_no_owner(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner comes again; a bug ends the queue and with it the process."""
    monkeypatch.setattr(loop, "RETRY_SECONDS", 0.0)
    work = Work()
    work.go_on.set()
    work.failures = [error]
    queue = OwnerQueue("test", work, workers=1)
    running = asyncio.create_task(queue.run())
    queue.wake("a")
    await _settle()
    assert work.turns == {"a": 2}
    work.failures = [ValueError()]
    queue.wake("a")
    with pytest.raises(ExceptionGroup):
        await running


async def test_who_ranks_lower_comes_first() -> None:
    """Of owners that wait, those of a lower rank are worked on first, and within a rank in the order of their wake-ups."""
    done: list[str] = []

    async def work(owner: str) -> None:
        done.append(owner)

    queue = OwnerQueue("test", work, workers=1, rank=lambda owner: 0 if owner == "desk" else 1)
    for owner in ("a", "b", "desk", "c"):
        queue.wake(owner)
    running = asyncio.create_task(queue.run())
    await _settle()
    running.cancel()
    assert done == ["desk", "a", "b", "c"]
