"""What a line that was restored from a backup reports at the desk, once.

Rule of this module: `quietline restore` leaves the notice in the table `line`; the first start sends it to the desk in the
commit that deletes it. Texts that were on their way when the backup was made are unknown: they are counted, and never sent.
"""

from __future__ import annotations

import json
from typing import Final

from bot.model.actions import DESK
from bot.model.audit_kinds import AuditKind
from bot.model.line_incidents import LineRestored
from bridge.config import Staff
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import Vault
from bridge.tables import inbox, line_state
from bridge.tables.audit_log import AuditLog

LINE_SUBJECT: Final = "line"
"""Whose entry of the audit it is."""


async def notify_desk(database: Database, vault: Vault, clock: Clock) -> None:
    """Tell the desk that the line was restored, if it was and nobody has. At the start, when the desk has its key."""
    found = await line_state.get(database, line_state.RESTORE)
    if found is None:
        return
    told, now = json.loads(found), clock.now()
    hours = max(0, int(now - int(told["made"])) // 3600)
    inbox_row = await inbox.seal(vault, DESK, LineRestored(hours=hours, unfinished=int(told["unfinished"])))
    audit = AuditLog(vault=vault)

    async def commit(conn: Transaction) -> None:
        await inbox.append(conn, inbox_row)
        await audit.record(conn, LINE_SUBJECT, [AuditKind.RESTORE], now=now)
        await line_state.delete(conn, line_state.RESTORE)

    await database.commit(commit)
    log.event("bridge.restored")


async def first_roster(database: Database, configured: list[Staff]) -> list[Staff]:
    """Return whom to invite to a new desk: those who were there, or the first roster of the configuration."""
    found = await line_state.get(database, line_state.RESTORED_ROSTER)
    return [Staff(**seat) for seat in json.loads(found)] if found is not None else configured
