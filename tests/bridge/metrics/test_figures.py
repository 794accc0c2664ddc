"""What stands in tables and files is in the metrics."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bot.model.actions import DESK
from bot.model.desk import Desk, DeskMember, QueueEntry, Role
from bot.model.events import TextArrived
from bot.model.flood import CrowdEntry, Flood
from bridge.matrix.room_keys import confirmed_identities
from bridge.metrics.server import CANARY_FILE, CANARY_SECONDS, MetricsServer
from bridge.storage.database import Transaction
from bridge.storage.serialization import kind_name
from bridge.tables import dead_letters, erasure_jobs, inbox, line_state, sent_texts
from bridge.tables.dead_letters import DeadLetter
from bridge.tables.inbox import InboxRow
from bridge.tables.sent_texts import SentTextRow
from tests.bridge.metrics.samples import value
from tests.fakes.bridge_harness import HANDSET, BridgeHarness


async def test_an_empty_line_has_zeros_and_says_what_it_does_not_know(metrics: MetricsServer) -> None:
    """Nothing waits is 0; what never happened is no number; a backup that was never made is infinitely old."""
    text = await metrics.text()
    for name in ("inbox_oldest_seconds", "outbox_oldest_seconds", "texts_unknown", "people_on_duty"):
        assert value(text, f"quietline_{name}") == 0
    for name in ("last_text_seconds", "canary_ok", "carrier_up"):
        assert math.isnan(value(text, f"quietline_{name}"))
    assert value(text, "quietline_backup_age_seconds") == math.inf
    assert value(text, "quietline_clock_trusted") == 1
    assert value(text, "quietline_module_ok") == 1
    assert value(text, "quietline_disk_free_bytes") > 0


async def test_what_a_person_must_look_into_is_counted(harness: BridgeHarness, metrics: MetricsServer) -> None:
    """Texts that may not have left, dead letters, erasures that fail, events that are not decided, a doubted clock."""
    letter = DeadLetter("0123abcd", InboxRow(DESK, kind_name(TextArrived), b""))

    async def commit(transaction: Transaction) -> None:
        for digest, unknown in ((b"a", True), (b"b", False)):
            await sent_texts.record(transaction, digest, SentTextRow("owner", "ref", unknown=unknown), until=1)
        await dead_letters.record(transaction, letter, at=0.0, notices=[InboxRow("nobody", "kind", b"")])
        for subject in ("tried", "fresh"):
            await erasure_jobs.begin(transaction, kind=erasure_jobs.ROOM, subject=subject, thread="", grace=0.0, now=0.0)
        await transaction.execute("UPDATE erasure SET tries = 5 WHERE subject = 'tried'")
        await line_state.put(transaction, line_state.CLOCK_DISTRUSTED, "1")

    await harness.database.commit(commit)
    text = await metrics.text()
    values = [value(text, f"quietline_{name}") for name in ("texts_unknown", "dead_letters", "erasures_failing")]
    assert values == [1, 1, 1]
    assert value(text, "quietline_clock_trusted") == 0


async def test_people_on_duty_and_who_waits(harness: BridgeHarness, metrics: MetricsServer) -> None:
    """Only people on duty count; a conversation that has an advocate does not wait, one of a flood does."""
    now = harness.clock.now()
    members = [
        DeskMember(user=f"@{name}:quietline.localhost", role=Role.ADVOCATE, on_duty=name != "cy")
        for name in ("a", "b", "cy")
    ]
    waiting = [QueueEntry(thread=f"t{n}", designation=f"D{n}", since=now - n, opened_at=now) for n in (40, 90)]
    assigned = QueueEntry(thread="t", designation="D", since=now - 500, opened_at=now, assignee=members[0].user)
    metrics._desk = lambda: Desk(roster=tuple(members), threads=(*waiting, assigned))
    text = await metrics.text()
    crowd = {"c": CrowdEntry(thread="c", designation="D", since=now - 600)}
    metrics._desk = lambda: Desk(roster=tuple(members), flood=Flood(crowd=crowd))
    flood = await metrics.text()
    assert value(flood, "quietline_threads_waiting") == 1
    assert value(flood, "quietline_longest_wait_seconds") == 600
    assert value(text, "quietline_people_on_duty") == 2
    assert value(text, "quietline_threads_waiting") == 2
    assert value(text, "quietline_longest_wait_seconds") == 90


@pytest.mark.parametrize(
    ("report", "ok"),
    [
        ({"ok": True, "at": -5}, 1),
        ({"ok": False, "at": -5}, 0),
        ({"ok": True, "at": -CANARY_SECONDS - 1}, 0),
        ({"ok": True, "at": -300, "valid_seconds": 100}, 0),
        ({"ok": True, "at": 3600}, 0),
        ({"ok": "yes", "at": -5}, 0),
        ({"at": -5}, 0),
        ([], 0),
        ("half a fi", 0),
    ],
    ids=["well", "ill", "old", "old by its own word", "of the future", "no bool", "half", "another shape", "no JSON"],
)
async def test_the_canary(harness: BridgeHarness, metrics: MetricsServer, tmp_path: Path, report: object, ok: int) -> None:
    """What a canary last said counts while it is fresh; one that is silent, or says nonsense, is not well."""
    if isinstance(report, dict):
        report = report | {"at": harness.clock.system_time() + report["at"]}
    written = report if isinstance(report, str) else json.dumps(report)
    (tmp_path / CANARY_FILE).write_text(written, encoding="utf-8")
    assert value(await metrics.text(), "quietline_canary_ok") == ok


async def test_the_age_of_an_undecided_event(harness: BridgeHarness, metrics: MetricsServer) -> None:
    """It grows while the event stands, and is that of the next one when it is decided."""
    monotonic = metrics._inbox_age._monotonic = _Ticks()
    age = "quietline_inbox_oldest_seconds"
    await harness.database.commit(lambda transaction: inbox.append(transaction, InboxRow("a", "kind", b"")))
    assert value(await metrics.text(), age) == 0
    monotonic.at += 60
    assert value(await metrics.text(), age) == 60
    await harness.database.commit(lambda transaction: inbox.append(transaction, InboxRow("b", "kind", b"")))
    await metrics._inbox_age.run_once()
    monotonic.at += 10
    await harness.database.commit(lambda transaction: inbox.delete_all(transaction, "a"))
    assert value(await metrics.text(), age) == 10
    await harness.database.commit(lambda transaction: inbox.delete_all(transaction, "b"))
    assert value(await metrics.text(), age) == 0
    assert HANDSET not in str(metrics._inbox_age._looks)


class _Ticks:
    at = 0.0

    def __call__(self) -> float:
        return self.at


async def test_supervisors_who_are_heard(harness: BridgeHarness, metrics: MetricsServer) -> None:
    """A supervisor at the desk counts once their identity is confirmed by the running bridge."""
    user, key = "@sol:quietline.localhost", "AbCd" * 10 + "xyz"

    async def commit(transaction: Transaction) -> None:
        for query, *values in (
            ("INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!desk', 'desk', 'desk', $1)", "desk"),
            ("INSERT INTO matrix_member (room_id, user_id, membership) VALUES ('!desk', $1, 'join')", user),
            ("INSERT INTO matrix_level (room_id, user_id, level) VALUES ('!desk', $1, 50)", user),
            ("INSERT INTO matrix_seen_identity (user_id, master_key) VALUES ($1, $2)", user, key),
        ):
            await transaction.execute(query, *values)

    await harness.database.commit(commit)
    assert value(await metrics.text(), "quietline_trusted_supervisors") == 0
    await harness.database.commit(lambda transaction: confirmed_identities.confirm(transaction, user, key))
    assert value(await metrics.text(), "quietline_trusted_supervisors") == 1
