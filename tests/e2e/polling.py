"""Waits that report what they waited for.

Rule of this module: no test uses a fixed sleep. Every wait names its step in words and has a deadline; when the deadline
passes it reports the step and what was seen last. `assert_never` is the only way to wait for something not to happen.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

STEP_TIMEOUT = 60.0
"""The default seconds for a step. No test asserts them: they end a step that hangs."""
MOST_BUSY = 4.0
"""The largest factor by which a step's seconds grow, on a machine with more load than cores."""
HANG_TIMEOUT = 60.0
"""Seconds that the last call of a probe may take."""
late: Final[list[str]] = []
"""Steps that took longer than the limit of an idle machine, and restarts of strict clients: reported after all tests."""


class StepFailed(AssertionError):  # noqa: N818 - reads as what it is: a step failed
    """A step of a scenario did not happen in time, or something happened that must not."""


async def wait_until(
    step: str,
    probe: Callable[[], Awaitable[T | None]],
    *,
    within: float = STEP_TIMEOUT,
    every: float = 0.15,
    seen: Callable[[], Awaitable[str]] | None = None,
) -> T:
    """Call `probe` until it returns something true, and return that.

    `within` and `every` in seconds; a busy machine has more of them (`busy`). Raises :class:`StepFailed` with `step`, the
    time it had, and the result of `seen`; also when `probe` itself has not returned `HANG_TIMEOUT` seconds after the
    deadline.
    """
    began = time.monotonic()
    limit = asyncio.timeout(within * MOST_BUSY + HANG_TIMEOUT)
    try:
        async with limit:
            while True:
                if answer := await probe():
                    if (waited := time.monotonic() - began) > within:
                        late.append(f"reached after {waited:.0f} s, {within:.0f} s on a free machine: {step}")
                    return answer
                if time.monotonic() >= began + within * busy():
                    break
                await asyncio.sleep(every)
    except TimeoutError:
        if not limit.expired():
            raise
        raise StepFailed(f"nothing answers any more after {time.monotonic() - began:.0f} s: {step}") from None
    last = f"\n  seen: {await seen()}" if seen else ""
    raise StepFailed(f"step not reached in {time.monotonic() - began:.0f} s: {step}{last}")


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Run coroutines at once; return their results. When one fails, the others are cancelled and it raises."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def busy() -> float:
    """Return the factor by which a step may take longer than on an idle machine: the load per core, 1 to `MOST_BUSY`."""
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), MOST_BUSY)


async def assert_never(
    step: str,
    probe: Callable[[], Awaitable[T | None]],
    *,
    during: float,
    every: float = 0.25,
) -> None:
    """Check that `probe` returns nothing true for `during` seconds. Raises :class:`StepFailed` as soon as it does."""
    deadline = time.monotonic() + during
    while True:
        if answer := await probe():
            raise StepFailed(f"happened although it must not: {step}: {shorten(repr(answer), 300)}")
        if time.monotonic() >= deadline:
            return
        await asyncio.sleep(every)


def shorten(text: str, limit: int = 60) -> str:
    """Return one line of at most `limit` characters: enough to recognise a message in failure output."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
