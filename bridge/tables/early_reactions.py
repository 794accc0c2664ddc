"""The table `early_reaction`: reactions (sealed) to an event of ours that is not on the deletion index yet.

Rules of this module: the bridge sent the event and was killed before it noted it (`room_events`). A reaction to it waits
here as long as an outbox row may wait, and the commit that puts the event on the index delivers it to the inbox. All
functions run inside the caller's commit. Times are seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.events import ReactionAdded
from bridge.runtime import log
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import inbox

RETENTION: Final = 86_400
"""For how long a reaction waits for its event to be noted. A row of the outbox rarely waits that long."""


async def record(
    transaction: Transaction, vault: Vault, owner: str, reaction: ReactionAdded, target: str, *, now: float
) -> None:
    """Keep a reaction to an event that may be ours and not noted yet. For an owner without a key none is kept."""
    sealed = await inbox.try_seal(vault, owner, reaction)
    if sealed is None:
        return
    await transaction.execute(
        """INSERT INTO early_reaction (event_id, target, owner, body, until) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT DO NOTHING""",
        reaction.event_id,
        target,
        owner,
        sealed.body,
        int(now) + RETENTION,
    )


async def deliver(transaction: Transaction, vault: Vault, owner: str, target: str, ref: str) -> bool:
    """Put the reactions that came before this event was noted as ours into the inbox; return whether there were any.

    An unreadable row is skipped: the rest of the commit is more important than a reaction.
    """
    rows = await transaction.fetch(
        "DELETE FROM early_reaction WHERE target = $1 AND owner = $2 RETURNING body", target, owner
    )
    for row in rows:
        try:
            reaction = serialization.decode_as(ReactionAdded, await vault.open(owner, inbox.CONTEXT, row["body"]))
        except (CannotOpen, ValueError, KeyError, TypeError) as error:
            log.failure("early_reactions.unreadable", error)
            continue
        await inbox.append(transaction, await inbox.seal(vault, owner, replace(reaction, target=ref)))
    return bool(rows)


async def delete(transaction: Transaction, owner: str) -> None:
    """Forget the early reactions of an owner."""
    await transaction.execute("DELETE FROM early_reaction WHERE owner = $1", owner)


async def delete_expired(transaction: Transaction, now: int) -> None:
    """Delete the early reactions that have waited too long for their event."""
    await transaction.execute("DELETE FROM early_reaction WHERE until < $1", now)
