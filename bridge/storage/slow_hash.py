"""The slow hash, for values that can be guessed by trying all: agreed words and phone numbers.

Rules of this module: it never runs in the event loop, and few run at a time. The input is keyed first, so that nobody can
try values with the database alone.

Source: RFC 9106 (Argon2id; section 4: a salt of 16 bytes, a tag of 32) and the OWASP Password Storage Cheat Sheet, which
names these parameters (19 MiB, two passes, one lane). libsodium's Argon2id has always one lane
(doc.libsodium.org/password_hashing/default_phf).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from nacl.pwhash import argon2id

P = ParamSpec("P")
T = TypeVar("T")

MEMORY_KIB: Final = 19 * 1024
TIME_COST: Final = 2
HASH_BYTES: Final = 32
SALT_BYTES: Final = 16
BACKGROUND_NICENESS: Final = 10
"""By how much the priority of a background thread is lower: the default of `nice`."""
MAX_THREADS: Final = 2
"""So many times 19 MiB, and as many threads: a flood must not take the machine's memory."""


def slow_hash(keyed: bytes, salt: bytes) -> bytes:
    """Return 32 bytes for a keyed value. `salt`: 16 bytes. 10 to 25 ms. Raises `RuntimeError` without memory."""
    return argon2id.kdf(HASH_BYTES, keyed, salt, opslimit=TIME_COST, memlimit=MEMORY_KIB * 1024)


class SlowHashPool:
    """Does slow work in threads, in turns. One for each purpose: agreed words do not wait for a flood of strangers."""

    def __init__(self, *, background: bool = False) -> None:
        """`background`: the threads have a lower priority (Linux), so that conversations come first."""
        self._slots = asyncio.Semaphore(MAX_THREADS)
        self._threads = ThreadPoolExecutor(MAX_THREADS, initializer=_lower_priority) if background else None

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns. Raises `OSError` when the machine has no memory or no thread for it now."""
        async with self._slots:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))
            except (MemoryError, RuntimeError):
                # The last is what libsodium says, and Python when it can start no thread.
                raise OSError("no memory for a slow hash now") from None


def _lower_priority() -> None:
    """Lower the priority of the thread that calls it. Linux alone has one for each thread (setpriority(2), "C library")."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):  # slower conversations are no reason to refuse a look-up
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BACKGROUND_NICENESS)
