"""A line's directory with everything that `up` writes, and a bridge without a homeserver at work in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from bot.model.actions import DESK
from bridge.config.load import load
from bridge.config.sections import Config
from bridge.storage.database import Value
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import write_line_files
from tests.fakes.bridge_harness import BridgeHarness

VAULT_KEY, INDEX_KEY = bytes(range(32)), bytes(range(1, 33))
"""The keys that `BridgeHarness` works with."""
ADA, SOL = "@ada:quietline.localhost", "@sol:quietline.localhost"


class LineDirectory:
    """`layout` and `config` as a technician has them; `harness` is the bridge."""

    def __init__(self, layout: Layout, harness: BridgeHarness) -> None:
        self.layout, self.harness = layout, harness

    @property
    def config(self) -> Config:
        """The configuration as it stands now."""
        return load(self.layout.config)

    async def execute(self, query: str, *values: Value) -> None:
        """Commit one statement."""
        await self.harness.database.commit(lambda transaction: transaction.execute(query, *values))

    async def audit_kinds(self) -> list[str]:
        """Return the kind of each entry of the audit."""
        return [row["kind"] for row in await self.harness.database.fetch("SELECT kind FROM audit ORDER BY seq")]

    async def desk(self) -> None:
        """Have a desk with an advocate and a supervisor."""
        await self.execute(
            "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!desk', 'desk', $1, $1)", DESK
        )
        for user, membership in ((ADA, "join"), (SOL, "invite"), ("@gone:quietline.localhost", "leave")):
            await self.execute(
                "INSERT INTO matrix_member (room_id, user_id, membership) VALUES ('!desk', $1, $2)", user, membership
            )
        await self.execute("INSERT INTO matrix_level (room_id, user_id, level) VALUES ('!desk', $1, 50)", SOL)


@contextlib.asynccontextmanager
async def line_directory(directory: Path) -> AsyncIterator[LineDirectory]:
    """Make it, and close it whatever happens."""
    before = os.umask(0o077)  # as the bridge does
    layout = Layout(directory / "line")
    write_line_files(layout, Ports(8448))
    for name, key in (("vault.key", VAULT_KEY), ("index.key", INDEX_KEY)):
        (layout.secrets / name).write_text(key.hex())
    harness = BridgeHarness(layout.bridge)
    await harness.open()
    try:
        yield LineDirectory(layout, harness)
    finally:
        await harness.close()
        os.umask(before)
