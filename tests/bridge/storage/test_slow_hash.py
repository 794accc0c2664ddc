"""The slow hash runs in threads; look-ups of strangers in threads that let everything else go first."""

from __future__ import annotations

import os
import sys
import threading

from bridge.storage.slow_hash import BACKGROUND_NICENESS, SlowHashPool


def niceness() -> int:
    """Return by how much the priority of the thread that calls it is lower than usual."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def test_background_work_lets_the_rest_go_first() -> None:
    """Where threads have a priority of their own, that of a background pool is lower, and of no other thread."""
    before = niceness()
    background, usual = SlowHashPool(background=True), SlowHashPool()
    lower = BACKGROUND_NICENESS if sys.platform == "linux" else 0
    assert await background.run(niceness) == min(before + lower, 19)
    assert await usual.run(niceness) == before
    assert niceness() == before
