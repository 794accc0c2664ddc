"""How a line goes, as `status` tells it and `doctor` judges it: texts, deaths, people, disk, backup."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bridge.app import run_history
from bridge.inbound.arrivals import HOUR, ArrivalHistory
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.tables import line_state
from bridge.tables.sent_texts import ID_RETENTION
from deploy.doctor import line_facts
from deploy.doctor.line_facts import status_rows, texts_probe
from deploy.inspect import shared_checks
from deploy.inspect.check_report import CheckResult
from tests.deploy.doctor.real_line import MIRA, NOOR, RealLine, real_line
from tests.deploy.line_directory import LineDirectory

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealLine]:
    async with real_line(tmp_path_factory.mktemp("facts")) as shared_line:
        yield shared_line


async def told(line: RealLine | LineDirectory) -> dict[str, CheckResult]:
    return {row.name: row for row in await status_rows(line.layout)}


async def asked(line: RealLine) -> CheckResult:
    (row,) = await texts_probe(line.config, seconds=30.0).ask()
    return row


async def test_status_tells_how_a_line_goes(line: RealLine) -> None:
    """Texts in and out, what waits, people, disk, deaths, backup, each in a row that is well; nobody is named."""
    now = int(time.time())
    hour = int(now // HOUR)
    await line.put(line_state.ARRIVALS, ArrivalHistory(last=hour - 5, gaps={}).text())
    await line.put(line_state.LAST_BACKUP, str(time.time() - 3 * 86_400))
    await line.execute(
        "INSERT INTO sent_text (hash, owner, ref, unknown, until) VALUES (X'01', 'x', 'y', 1, $1)",
        now - 2 * int(HOUR) + ID_RETENTION,
    )
    rows = await told(line)
    assert rows.keys() == {"disk", "texts", "desk", "backup", "restarts"}
    assert [row for row in rows.values() if not row.ok or row.warning] == []
    texts = "the last came [45] hours ago, the last left 2 hours ago; 0 wait for a decision, 0 to leave, 1 are unknown"
    assert re.fullmatch(texts, rows["texts"].what), rows["texts"]
    assert rows["desk"].what == "2 are at the desk, 1 of them supervisors"
    assert rows["backup"].what == "last made 3.0 days ago"
    assert not [name for row in rows.values() for name in (MIRA, NOOR, "mira", "noor") if name in row.what]


async def test_what_is_put_right_in_days_is_a_warning_and_what_keeps_texts_out_is_not_well(
    line: RealLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash loop, an old backup and an empty desk warn between two deaths; a full disk and a held lock are NOT."""
    before = {name: await line_state.get(line.harness.database, name) for name in (line_state.RUNS, line_state.LAST_BACKUP)}
    await run_history.record_start(line.harness.database, time.time())
    await line.put(line_state.LAST_BACKUP, str(time.time() - 20 * 86_400))
    move = "UPDATE matrix_member SET membership = $1 WHERE user_id = $2"
    await line.execute(move, "leave", MIRA)
    rows = await told(line)
    await line.execute(move, "join", MIRA)
    for name, value in before.items():
        await line.put(name, value or "")
    assert {name for name, row in rows.items() if row.warning} == {"restarts", "desk"} | {"backup"}
    assert all(row.ok and row.do for row in rows.values() if row.warning)
    assert "the bridge 1 time" in rows["restarts"].what
    monkeypatch.setattr(shared_checks, "MIN_FREE_BYTES", 2**62)
    monkeypatch.setattr(line_facts, "LOCK_MS", 100)
    other = SqliteConnection(line.config.data_dir / "main.db")
    other.execute("BEGIN IMMEDIATE")
    rows = await told(line)
    other.execute("ROLLBACK")
    other.close()
    assert {name for name, row in rows.items() if not row.ok} == {"disk", "database lock"}


async def test_an_event_that_stands_is_a_warning(line: RealLine) -> None:
    """The oldest event of two looks is the same one."""
    assert not (await asked(line)).warning
    await line.execute("INSERT INTO inbox (owner, kind, body) VALUES ('nobody', 'TextArrived', X'00')")
    row = await asked(line)
    await line.execute("DELETE FROM inbox WHERE owner = 'nobody'")
    assert (row.ok, row.warning) == (True, True)
    assert "the oldest was not decided at once" in row.what
