"""The points at which an erasure may be interrupted.

Rule of this module: each of them is hit once over a homeserver on paper (`test_job_runner_crash`) and, where a real one
does it differently, over a real one (`crash/test_erasure_steps`).
"""

from __future__ import annotations

from typing import Final

from bridge.runtime.crash_points import CrashPoint

ERASURE_CRASH_POINTS: Final = frozenset(
    {
        CrashPoint.EVENT_EXPIRED,
        CrashPoint.COPY_DELETED,
        CrashPoint.ROOM_REDACTED,
        CrashPoint.ROOM_EMPTIED,
        CrashPoint.ROOM_CENSORED,
        CrashPoint.UPLOADS_DELETED,
        CrashPoint.ROOM_KEY_DESTROYED,
        CrashPoint.ROOM_PURGED,
        CrashPoint.ROOM_LOOKED,
        CrashPoint.PERSON_KEY_DESTROYED,
        CrashPoint.ERASURE_SIGNED,
        CrashPoint.DATABASE_REWRITTEN,
    }
)
