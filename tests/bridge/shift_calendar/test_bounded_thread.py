"""Calls that may hang: the wait is bounded, one hangs at most, and the end of the process waits for none."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from bridge.shift_calendar.source import BoundedThread, StillHanging
from tests.e2e.polling import STEP_TIMEOUT, wait_until

ENDS = """
import asyncio, threading
from bridge.shift_calendar.source import BoundedThread

async def main():
    begun = threading.Event()
    def hang():
        begun.set()
        threading.Event().wait()
    waiting = asyncio.create_task(BoundedThread().run(hang))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    waiting.cancel()

asyncio.run(main())
print("ended")
"""


async def test_what_a_call_returns_or_raises_comes_back() -> None:
    """One after the other, in another thread than the loop's."""
    thread = BoundedThread()
    assert await thread.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(FileNotFoundError):
        await thread.run(lambda: open("/nothing/here"))  # noqa: PTH123, SIM115 - it is never open
    assert await thread.run(lambda: 5) == 5


async def test_a_call_that_hangs_is_not_waited_for_and_stays_the_only_one() -> None:
    """While it hangs nothing else is begun; when it has ended, the next call is."""
    began, free, calls = threading.Event(), threading.Event(), list[int]()
    thread = BoundedThread(bound=0.05)

    def hang() -> None:
        calls.append(1)
        began.set()
        free.wait()

    for _ in range(3):
        with pytest.raises(StillHanging):
            await thread.run(hang)
    assert began.wait(STEP_TIMEOUT)
    assert calls == [1]
    free.set()

    async def well() -> bool:
        try:
            return await thread.run(lambda: True)
        except StillHanging:
            return False

    await wait_until("the next call is made", well)


def test_the_end_of_a_process_waits_for_no_call_that_hangs() -> None:
    """With a thread of the event loop's own it would wait until the drive is back."""
    process = subprocess.run([sys.executable, "-P", "-c", ENDS], check=True, capture_output=True, text=True, timeout=120)
    assert process.stdout == "ended\n"
