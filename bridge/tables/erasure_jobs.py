"""The table `erasure`: what is on its way down, a room or what was kept of a texter, and its next step."""

from __future__ import annotations

import secrets
from typing import Final

from bridge.storage.database import Transaction

ROOM, PERSON = "room", "person"
"""What is on its way down: a room, or what was kept of a texter."""
FIRST_STEP: Final = {ROOM: "redact", PERSON: "key"}


async def begin(transaction: Transaction, *, kind: str, subject: str, thread: str, patience: float, now: float) -> str:
    """Put something on its way down; return what the way is called. What is on its way already is left so."""
    job_id = secrets.token_hex(8)
    await transaction.execute(
        """INSERT INTO erasure (id, kind, subject, thread, step, due, patience, began)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT (subject) DO NOTHING""",
        job_id,
        kind,
        subject,
        thread,
        FIRST_STEP[kind],
        now,
        patience,
    )
    return job_id


async def forget_thread(transaction: Transaction, thread: str) -> None:
    """Forget of which thread a room was."""
    await transaction.execute("UPDATE erasure SET thread = '' WHERE thread = $1", thread)
