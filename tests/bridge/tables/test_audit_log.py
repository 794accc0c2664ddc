"""The audit: in order, by the hour, forgetting in time, and nobody without the vault key alters it unseen."""

from __future__ import annotations

import pytest

from bot.model.actions import DESK, THREAD
from bot.model.audit_kinds import AuditKind
from bot.model.events import MemberJoined, MessageSent, PowerLevelsChanged
from bot.model.thread_desk_events import Assigned
from bridge.tables import audit_log
from bridge.tables.audit_log import AuditEntry, AuditLog
from bridge.tables.line_state import AUDIT_FLOOR, AUDIT_HEAD
from tests.fakes.bridge_harness import BridgeHarness

HOUR = 3600
ANA, BEN = "@ana:line.example", "@ben:line.example"


async def write(harness: BridgeHarness, count: int = 5, *, owner: str = "desk") -> AuditLog:
    """Note some kinds, one an hour."""
    audit = AuditLog(vault=harness.vault)
    for n, kind in enumerate(list(AuditKind)[:count]):
        now = harness.clock.at + n * HOUR + 1234
        await harness.database.commit(
            lambda transaction, now=now, kind=kind: audit.record(transaction, owner, [kind], now=now)  # type: ignore[misc]
        )
    return audit


async def check(harness: BridgeHarness, audit: AuditLog, *, expired: float = 0.0) -> list[str]:
    marks = [
        await harness.database.fetchval("SELECT value FROM line WHERE name = $1", name)
        for name in (AUDIT_HEAD, AUDIT_FLOOR)
    ]
    return audit.verify(await audit_log.newest_entries(harness.database, 1000), *marks, expired=expired)


async def test_it_holds_hours_and_kinds_in_order(harness: BridgeHarness) -> None:
    """Entries are rounded down to the hour; what was noted first is first; nothing is wrong with an untouched one."""
    audit = await write(harness)
    entries = await audit_log.newest_entries(harness.database, 100)
    assert [entry.kind for entry in entries] == [kind.value for kind in list(AuditKind)[:5]]
    assert all(entry.hour % HOUR == 0 for entry in entries)
    assert await check(harness, audit) == []


@pytest.mark.practice(26)
@pytest.mark.sqlite_only
async def test_the_order_of_what_was_said_can_be_told_from_it_alone(harness: BridgeHarness) -> None:
    """Two conversations within one hour: in which the limits came before everything else that was said, and in which not.

    The hour tells nothing; the numbers of the entries do, and the chain shows that nobody changed their order.
    """
    await harness.run()
    orders: list[list[str]] = []
    for n, (user, words) in enumerate(((ANA, ("!limits", "!tips", "hello")), (BEN, ("hello", "!tips", "!limits")))):
        await harness.deliver(DESK, MemberJoined(place=DESK, user=user), PowerLevelsChanged(users=()))
        await harness.wait_until_drained()
        owner = await harness.receive_text("hello", message_id=f"{n}", sender=f"+1206555012{n}")
        await harness.wait_until_drained()
        await harness.deliver(owner, Assigned(assignee=user), MemberJoined(place=THREAD, user=user))
        await harness.wait_until_drained()
        for body in words:
            said = MessageSent(place=THREAD, sender=user, event_id=f"${n}{body}", body=body, at=harness.clock.now())
            await harness.deliver(owner, said)
            await harness.wait_until_drained()
            harness.clock.at += 1
        about = (await harness.vault.derive_for(owner, "audit")).hex()[:6]
        orders.append(
            [entry.kind for entry in await audit_log.newest_entries(harness.database, 100) if entry.about == about]
        )
    assert orders[0] == ["first_text_in", "greeting", "claim", "limits", "first_words_out", "device"]
    assert orders[1] == ["first_text_in", "greeting", "claim", "first_words_out", "device", "limits"]
    entries = await audit_log.newest_entries(harness.database, 100)
    assert len({entry.hour for entry in entries}) == 1
    audit = AuditLog(vault=harness.vault)
    assert await check(harness, audit) == []
    # What the two said last, put before what they said first.
    last, first = (next(e.seq for e in entries if e.kind == kind and e.seq > 6) for kind in ("limits", "first_words_out"))
    await harness.database.commit(
        lambda transaction: transaction.execute("UPDATE audit SET seq = -seq WHERE seq IN ($1, $2)", first, last)
    )
    await harness.database.commit(
        lambda transaction: transaction.execute(
            "UPDATE audit SET seq = CASE seq WHEN -$1 THEN $2 ELSE $1 END WHERE seq < 0", first, last
        )
    )
    assert await check(harness, audit)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET kind = 'later' WHERE seq = 3",
        "UPDATE audit SET hour = hour + 3600 WHERE seq = 2",
        "UPDATE audit SET about = 'somebody' WHERE seq = 4",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 5",
        "DELETE FROM audit WHERE seq >= 4",
        "DELETE FROM audit",
        "INSERT INTO audit (hour, about, kind, mac) SELECT hour, about, kind, mac FROM audit WHERE seq = 2",
        "UPDATE audit SET seq = CASE seq WHEN 2 THEN -3 WHEN 3 THEN -2 END WHERE seq IN (2, 3)",
        "DELETE FROM line WHERE name = 'audit_head'",
        "UPDATE line SET value = '[]' WHERE name = 'audit_head'",
        "UPDATE line SET value = replace(value, '1', '2') WHERE name = 'audit_head'",
        "INSERT INTO line (name, value) SELECT 'audit_floor', value FROM line WHERE name = 'audit_head'",
        "INSERT INTO line (name, value) VALUES ('audit_floor', 'null')",
    ],
)
@pytest.mark.sqlite_only
async def test_whoever_has_the_database_alone_is_seen(harness: BridgeHarness, statement: str) -> None:
    """Changed, dropped, cut off at either end, inserted, reordered, without its marks or with false ones: it is told."""
    audit = await write(harness)
    await harness.database.commit(lambda transaction: transaction.execute(statement))
    assert await check(harness, audit)


async def test_what_is_old_is_forgotten_and_the_rest_still_holds(harness: BridgeHarness) -> None:
    """Expired entries go, the chain holds on from a sealed mark; that young ones went could not be passed off as expiry."""
    audit = await write(harness)
    before = harness.clock.at + 3 * HOUR
    old = await harness.database.fetchrow("SELECT value FROM line WHERE name = 'audit_head'")
    assert await harness.database.commit(lambda transaction: audit.expire(transaction, before)) == 3
    assert [entry.seq for entry in await audit_log.newest_entries(harness.database, 100)] == [4, 5]
    assert await check(harness, audit, expired=before) == []
    assert await check(harness, audit, expired=before - 2 * HOUR) == ["entries were forgotten before their time"]
    assert old is not None
    await harness.database.commit(lambda transaction: transaction.execute("DELETE FROM audit WHERE seq = 4"))
    assert await check(harness, audit, expired=before)


async def test_no_entry_names_a_thread_for_longer_than_it_lives(harness: BridgeHarness) -> None:
    """Six letters that only the thread's key makes: the same while it lives, anybody's when it has ended."""
    owner = await harness.receive_text("hello", message_id="1")
    audit = await write(harness, 2, owner=owner)
    entries = await audit_log.newest_entries(harness.database, 9)
    assert entries[0].about == entries[1].about != owner[:6]
    assert len(entries[0].about) == 6
    assert owner not in repr(entries)
    assert audit_log.format_entries(entries).split()[1:3] == ["first_text_in", entries[0].about]
    await harness.vault.destroy(owner)
    await harness.database.commit(
        lambda transaction: audit.record(transaction, owner, [AuditKind.END], now=harness.clock.at)
    )
    assert (await audit_log.newest_entries(harness.database, 1))[0].about == "gone"
    assert audit_log.format_entries([]) == "Nothing is noted."


def test_a_room_shows_the_hours_of_the_lines_clock() -> None:
    """With the line's zone the hours are those on its wall; without one they are in UTC, and say so."""
    entry = AuditEntry(seq=1, hour=1_800_000_000, about="ab12cd", kind="end", mac=b"")
    assert audit_log.format_entries([entry], "America/New_York") == "2027-01-15 03h  end  ab12cd"
    assert audit_log.format_entries([entry]) == "2027-01-15T08Z  end  ab12cd"
