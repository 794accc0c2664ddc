"""`quietline audit`: read beside a running line, and honest about what was changed."""

from __future__ import annotations

import re
import time
from typing import Any

from bot.model.audit_kinds import AuditKind
from bridge.tables.audit_log import AuditLog
from tests.deploy.line_directory import LineDirectory
from tests.deploy.verb import invoke


async def write(line: LineDirectory) -> None:
    audit = AuditLog(vault=line.harness.vault)
    for owner, kind in (
        ("desk", AuditKind.TRUST),
        (await line.harness.receive_text("hello", message_id="1"), AuditKind.HOLD),
    ):
        await line.harness.database.commit(
            lambda transaction, owner=owner, kind=kind: audit.record(transaction, owner, [kind], now=time.time())  # type: ignore[misc]
        )


async def test_it_tells_kinds_and_hours(line: LineDirectory) -> None:
    """A thread is six letters."""
    await write(line)
    result = await _invoke(line)
    assert result.exit_code == 0
    assert re.search(r"Z +trust\n", result.output)
    assert re.search(r"Z +hold +\w{6}\n", result.output)
    assert "NOT" not in result.output


async def test_a_change_is_told_and_not_well(line: LineDirectory) -> None:
    """A person with the database alone cannot take a line out unseen."""
    await write(line)
    await line.execute("DELETE FROM audit WHERE kind = 'trust'")
    result = await _invoke(line)
    assert (result.exit_code, "NOT" in result.output) == (1, True)


async def _invoke(line: LineDirectory, *words: str) -> Any:
    return await invoke(["audit", "--data", str(line.layout.data), *words])
