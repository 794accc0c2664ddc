"""The table `early_tap`: taps on what the homeserver has of ours and we have not noted, because we were killed in between.

Rule of this module: a tap is kept, sealed, for as long as a row of the outbox may stand; it is heard once more, with the
name of what it is on, by the commit that notes that. All functions run inside the caller's commit. Times are seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.events import ReactionAdded
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.storage.vault import Vault
from bridge.tables import inbox

RETENTION: Final = 86_400
"""For how long a tap waits for us to know what it is on. A row of the outbox rarely stands that long."""


async def record(
    transaction: Transaction, vault: Vault, owner: str, reaction: ReactionAdded, target: str, *, now: float
) -> None:
    """Keep a tap on what may be ours and not noted yet."""
    await transaction.execute(
        """INSERT INTO early_tap (event_id, target, owner, body, until) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT DO NOTHING""",
        reaction.event_id,
        target,
        owner,
        (await inbox.seal(vault, owner, reaction)).body,
        int(now) + RETENTION,
    )


async def deliver(conn: Transaction, vault: Vault, owner: str, target: str, ref: str) -> bool:
    """Put the taps that came before we knew this event as ours into the inbox; return whether there were any."""
    rows = await conn.fetch("DELETE FROM early_tap WHERE target = $1 AND owner = $2 RETURNING body", target, owner)
    for row in rows:
        reaction = serialization.decode_as(ReactionAdded, await vault.open(owner, inbox.CONTEXT, row["body"]))
        await inbox.append(conn, await inbox.seal(vault, owner, replace(reaction, target=ref)))
    return bool(rows)


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Forget the taps of an owner."""
    await transaction.execute("DELETE FROM early_tap WHERE owner = $1", owner)
