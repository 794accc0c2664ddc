"""`quietline audit`: read beside a running line, and honest about what was changed."""

from __future__ import annotations

import json
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
    """As text and as JSON; a thread is six letters."""
    await write(line)
    result = await _invoke(line, "--json")
    report = json.loads(result.output)
    assert (result.exit_code, report["ok"], report["problems"]) == (0, True, [])
    assert [entry["kind"] for entry in report["entries"]] == ["trust", "hold"]
    assert (report["entries"][0]["of"], len(report["entries"][1]["of"])) == ("desk", 6)
    assert all(entry["hour"].endswith("Z") and ":" not in entry["hour"] for entry in report["entries"])
    text = await _invoke(line)
    assert f"hold  {report['entries'][1]['of']}" in text.output


async def test_a_change_is_told_and_not_well(line: LineDirectory) -> None:
    """A person with the database alone cannot take a line out unseen."""
    await write(line)
    await line.execute("DELETE FROM audit WHERE kind = 'trust'")
    result = await _invoke(line, "--json")
    assert (result.exit_code, json.loads(result.output)["ok"]) == (1, False)
    assert "NOT" in (await _invoke(line)).output


async def _invoke(line: LineDirectory, *words: str) -> Any:
    return await invoke(["audit", "--data", str(line.layout.data), *words])
