"""Notes in the audit that the line runs with another configuration than before.

Rule of this module: it keeps a keyed hash of the configuration, which shows that it changed and nothing else.
"""

from __future__ import annotations

from typing import Final

from bot.model.audit_kinds import AuditKind
from bridge.config import Config
from bridge.engine.restore_notice import LINE_SUBJECT
from bridge.runtime.clock import Clock
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import Vault
from bridge.tables.audit_log import AuditLog

CONFIGURATION_ROW: Final = "configured"


async def record(database: Database, vault: Vault, clock: Clock, config: Config) -> None:
    """Note a change since the last start; the first start is none."""
    digest = vault.keyed_hash("configuration", config.model_dump_json()).hex()
    before = await database.fetchval("SELECT value FROM line WHERE name = $1", CONFIGURATION_ROW)
    if digest == before:
        return
    audit = AuditLog(vault=vault)

    async def commit(conn: Transaction) -> None:
        if before is not None:
            await audit.record(conn, LINE_SUBJECT, [AuditKind.CONFIGURATION], now=clock.now())
        await conn.execute(
            "INSERT INTO line (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            CONFIGURATION_ROW,
            digest,
        )

    await database.commit(commit)
