"""The tables `carrier_copy` and `copy_result`: the carrier's copies of texts, and what became of those that are settled."""

from __future__ import annotations

from bridge.storage.database import Transaction


async def expedite(transaction: Transaction, owner: str, now: float) -> None:
    """Let an owner's copies go now: nothing needs them any more."""
    await transaction.execute("UPDATE carrier_copy SET due = $2 WHERE owner = $1 AND due > $2", owner, now)


async def disown(transaction: Transaction, owner: str, now: float) -> None:
    """Let an owner's copies go now, and forget whose they were."""
    await transaction.execute("UPDATE carrier_copy SET owner = '', ref = '', due = $2 WHERE owner = $1", owner, now)


async def reassign(transaction: Transaction, owner: str, to: str) -> None:
    """Give copies and results of an owner to another: of a thread to the erasure that waits for them."""
    await transaction.execute("UPDATE carrier_copy SET owner = $2 WHERE owner = $1", owner, to)
    await transaction.execute("UPDATE copy_result SET owner = $2 WHERE owner = $1", owner, to)
