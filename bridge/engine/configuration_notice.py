"""Noting in the audit that the line runs with another configuration than before.

Rule of this module: a keyed hash of the configuration is kept, which tells that it changed and nothing else.
"""

from __future__ import annotations

from typing import Final

from bot.model.audit_kinds import AuditKind
from bridge.config import Config
from bridge.engine.startup_notices import LINE
from bridge.runtime.clock import Clock
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables.audit_log import Ledger

CONFIGURED: Final = "configured"


async def note(store: Store, vault: Vault, clock: Clock, config: Config) -> None:
    """Note a change since the last start; the first start is none."""
    digest = vault.keyed_hash("configuration", config.model_dump_json()).hex()
    before = await store.fetchval("SELECT value FROM line WHERE name = $1", CONFIGURED)
    if digest == before:
        return
    ledger = Ledger(vault=vault)

    async def commit(conn: Connection) -> None:
        if before is not None:
            await ledger.note(conn, LINE, [AuditKind.CONFIGURATION], now=clock.wall())
        await conn.execute(
            "INSERT INTO line (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            CONFIGURED,
            digest,
        )

    await store.commit(commit)
