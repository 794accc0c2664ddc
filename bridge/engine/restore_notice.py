"""What a line that was restored from a backup reports at the desk, once.

Rule of this module: `quietline restore` leaves the notice in the table `line`; the first start sends it to the desk in the
commit that deletes it. Texts that were on their way when the backup was made are unknown: they are counted, and never sent.
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
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import Vault
from bridge.tables import inbox
from bridge.tables.audit_log import AuditLog

RESTORE_ROW: Final = "restored"
"""The row of `line` with when the backup was made, and how many texts were unfinished then."""
ROSTER_ROW: Final = "restored_roster"
"""The row of `line` with who was at the desk: they are invited in place of the configuration's first roster."""
LINE_SUBJECT: Final = "line"
"""Whose entry of the audit it is."""


async def notify_desk(database: Database, vault: Vault, clock: Clock) -> None:
    """Tell the desk that the line was restored, if it was and nobody has. At the start, when the desk has its key."""
    found = await database.fetchval("SELECT value FROM line WHERE name = $1", RESTORE_ROW)
    if found is None:
        return
    told, now = json.loads(found), clock.now()
    hours = max(0, int(now - int(told["made"])) // 3600)
    inbox_row = await inbox.seal(vault, DESK, LineRestored(hours=hours, unfinished=int(told["unfinished"])))
    audit = AuditLog(vault=vault)

    async def commit(conn: Transaction) -> None:
        await inbox.append(conn, inbox_row)
        await audit.record(conn, LINE_SUBJECT, [AuditKind.RESTORE], now=now)
        await conn.execute("DELETE FROM line WHERE name = $1", RESTORE_ROW)

    await database.commit(commit)
    log.event("bridge.restored")


async def first_roster(database: Database, configured: list[Staff]) -> list[Staff]:
    """Return whom to invite to a new desk: those who were there, or the first roster of the configuration."""
    found: Any = await database.fetchval("SELECT value FROM line WHERE name = $1", ROSTER_ROW)
    return [Staff(**seat) for seat in json.loads(found)] if found is not None else configured
