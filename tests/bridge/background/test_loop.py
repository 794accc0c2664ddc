"""One loop for everything that runs beside the texts: no wake-up is lost, failures wait, a refused token ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.http_client import IdentityTakenOver, TokenRefused, Transient
from bridge.storage.errors import Corrupt, Unavailable

LONG = 3600.0


class Turns:
    """Turns of a loop: each takes the next answer, and waits for more when there is none."""

    def __init__(self, *answers: float | Exception) -> None:
        self.answers, self.taken = list(answers), 0
        self.begun, self.done = asyncio.Event(), asyncio.Event()

    async def run_once(self) -> float:
        self.taken += 1
        self.begun.set()
        answer = self.answers.pop(0)
        if not self.answers:
            self.done.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def _while_running(loop: BackgroundLoop, wait: Callable[[], Awaitable[object]]) -> None:
    running = asyncio.create_task(loop.run())
    try:
        await wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_it_runs_again_at_once_while_there_is_more() -> None:
    """Zero seconds mean: more is due now."""
    turns = Turns(0.0, 0.0, LONG)
    await _while_running(BackgroundLoop("test", turns.run_once, max_sleep=LONG), turns.done.wait)
    assert turns.taken == 3


async def test_a_wake_up_ends_the_sleep() -> None:
    """A loop that sleeps for an hour works when it is woken."""
    turns = Turns(LONG, LONG)
    loop = BackgroundLoop("test", turns.run_once, max_sleep=LONG)

    async def wake() -> None:
        await turns.begun.wait()
        loop.wake()
        await turns.done.wait()

    await _while_running(loop, wake)
    assert turns.taken == 2


async def test_a_wake_up_during_work_is_not_lost() -> None:
    """What was committed while the loop worked is looked at in one more turn."""
    has_started, go_on, again, turns = asyncio.Event(), asyncio.Event(), asyncio.Event(), 0

    async def run_once() -> float:
        nonlocal turns
        turns += 1
        has_started.set()
        if turns == 1:
            await go_on.wait()
        else:
            again.set()
        return LONG

    loop = BackgroundLoop("test", run_once, max_sleep=LONG)

    async def during() -> None:
        await has_started.wait()
        loop.wake()
        go_on.set()
        await again.wait()

    await _while_running(loop, during)
    assert turns == 2


@pytest.mark.parametrize("error", [Unavailable("SQLITE_FULL"), OSError(), Transient(502, "")])
async def test_what_passes_is_tried_again(error: Exception) -> None:
    """A full disk and a homeserver that is away end no loop."""
    turns = Turns(error, error, LONG)
    await _while_running(BackgroundLoop("test", turns.run_once, max_sleep=LONG, retry=(0.0, 0.0)), turns.done.wait)
    assert turns.taken == 3


@pytest.mark.parametrize(
    "error",
    [TokenRefused(401, "M_UNKNOWN_TOKEN"), IdentityTakenOver("@line:q.test"), Corrupt("SQLITE_CORRUPT"), ValueError()],
)
async def test_what_no_waiting_heals_ends_it(error: Exception) -> None:
    """A refused token, a bridge in our place and a bug end the loop; so does a damaged page without a policy for it."""
    with pytest.raises(type(error)):
        await BackgroundLoop("test", Turns(error).run_once, max_sleep=LONG).run()
