"""Notes in the audit that the line runs with another configuration than before.

Rule of this module: it keeps a keyed hash of the configuration, which shows that it changed and nothing else.
"""

from __future__ import annotations

from bot.model.audit_kinds import AuditKind
from bridge.config import Config
from bridge.engine.restore_notice import LINE_SUBJECT
from bridge.runtime.clock import Clock
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import Vault
from bridge.tables import line_state
from bridge.tables.audit_log import AuditLog


async def record(database: Database, vault: Vault, clock: Clock, config: Config) -> None:
    """Note a change since the last start; the first start is none."""
    digest = vault.keyed_hash("configuration", config.model_dump_json()).hex()
    before = await line_state.get(database, line_state.CONFIGURATION)
    if digest == before:
        return
    audit = AuditLog(vault=vault)

    async def commit(conn: Transaction) -> None:
        if before is not None:
            await audit.record(conn, LINE_SUBJECT, [AuditKind.CONFIGURATION], now=clock.now())
        await line_state.put(conn, line_state.CONFIGURATION, digest)

    await database.commit(commit)
