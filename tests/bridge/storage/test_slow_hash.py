"""The slow hash runs in threads; look-ups of strangers in threads that let everything else go first."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from bridge.storage.slow_hash import BACKGROUND_NICENESS, HASH_BYTES, SlowHashPool, slow_hash


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


@pytest.mark.usefixtures("real_hash")
def test_the_hash_is_argon2id_as_others_compute_it() -> None:
    """OpenSSL's Argon2id with 19 MiB, two passes and one lane gives the same: stored hashes depend on no library."""
    keyed, salt = b"a keyed value", b"sixteen bytes it"
    other = Argon2id(salt=salt, length=HASH_BYTES, iterations=2, lanes=1, memory_cost=19 * 1024)
    assert slow_hash(keyed, salt) == other.derive(keyed)
