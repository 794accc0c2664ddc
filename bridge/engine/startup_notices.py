"""What a line that was restored from a backup must know and say, once.

Rule of this module: `quietline restore` leaves it in the `line` table; the first start tells the desk, in the commit that
takes it away. Texts that were on their way when the backup was made are unknown: they are counted, and never sent.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bot.model.actions import DESK
from bot.model.audit_kinds import AuditKind
from bot.model.line_incidents import LineRestored
from bridge.config import Staff
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import inbox
from bridge.tables.audit_log import Ledger

RESTORED: Final = "restored"
"""The row of `line` with when the backup was made, and how many texts were unfinished then."""
ROSTER: Final = "restored_roster"
"""The row of `line` with who was at the desk: they are invited in place of the configuration's first roster."""
LINE: Final = "line"
"""Whose entry of the audit it is."""


async def tell(store: Store, vault: Vault, clock: Clock) -> None:
    """Tell the desk that the line was restored, if it was and nobody has. At the start, when the desk has its key."""
    found = await store.fetchval("SELECT value FROM line WHERE name = $1", RESTORED)
    if found is None:
        return
    told, now = json.loads(found), clock.wall()
    hours = max(0, int(now - int(told["made"])) // 3600)
    letter = await inbox.seal(vault, DESK, LineRestored(hours=hours, unfinished=int(told["unfinished"])))
    ledger = Ledger(vault=vault)

    async def commit(conn: Connection) -> None:
        await inbox.put(conn, letter)
        await ledger.note(conn, LINE, [AuditKind.RESTORE], now=now)
        await conn.execute("DELETE FROM line WHERE name = $1", RESTORED)

    await store.commit(commit)
    log.event("bridge.engine.startup_notices")


async def staff(store: Store, configured: list[Staff]) -> list[Staff]:
    """Return whom to invite to a new desk: those who were there, or the first roster of the configuration."""
    found: Any = await store.fetchval("SELECT value FROM line WHERE name = $1", ROSTER)
    return [Staff(**seat) for seat in json.loads(found)] if found is not None else configured
