"""What cannot be handled becomes a dead letter and costs itself: the rest of the commit stands, the desk hears once."""

from __future__ import annotations

import pytest

from bot.model.actions import DESK
from bot.model.events import Event, IgnoreReason, MessageIgnored, MessageSent
from bot.model.line_incidents import DeadLetterRecorded, HomeserverIncident, HomeserverIncidentKind
from bridge.matrix.api import events
from bridge.storage.errors import Unavailable
from bridge.tables import dead_letters, inbox
from bridge.tables.dead_letters import MAX_UNHANDLED, SERIES_SECONDS, UNHANDLED, WITHOUT_KEY
from tests.fakes.ingest_harness import (
    ADA,
    DESK_ROOM,
    THREAD_ROOM,
    WARM_ROOM,
    IngestHarness,
    message,
    text_content,
)


async def letters(ingest: IngestHarness) -> list[tuple[str, str, bytes]]:
    """Return owner, kind and body of every dead letter."""
    rows = await ingest.harness.database.fetch("SELECT owner, kind, body FROM dead_letter ORDER BY at, short_id")
    return [(row["owner"], row["kind"], bytes(row["body"])) for row in rows]


def incidents(inbox_events: list[tuple[str, Event]]) -> list[DeadLetterRecorded]:
    return [event for _, event in inbox_events if isinstance(event, DeadLetterRecorded)]


async def test_a_thread_without_its_key_costs_its_own_events(ingest: IngestHarness) -> None:
    """An older keys.db was put back: what is said at the desk in that commit arrives, and the desk hears once, by name."""
    await ingest.harness.vault.destroy(ingest.thread)
    query = "UPDATE thread SET designation = 'amber heron' WHERE id = $1"
    await ingest.harness.database.commit(lambda transaction: transaction.execute(query, ingest.thread))
    await ingest.trust_ada()
    receipt = events.ReadReceipt(room_id=THREAD_ROOM, user_id=ADA, event_id="$x")
    inbox_events = await ingest.take(
        receipt,
        message(text_content("lost"), event_id="$a"),
        message(text_content("here"), room=DESK_ROOM, event_id="$b"),
        message(text_content("lost too"), event_id="$c"),
    )
    assert [event.body for _, event in inbox_events if isinstance(event, MessageSent)] == ["here"]
    [incident] = incidents(inbox_events)
    assert (incident.designation, incident.keyless) == ("amber heron", True)
    assert await letters(ingest) == [(ingest.thread, WITHOUT_KEY, b"")] * 2
    assert ingest.woken == [DESK]


async def test_what_the_program_fails_on_costs_itself(ingest: IngestHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in one event: those before and after it arrive, its author hears, the desk hears, the words are not kept."""
    original = ingest.ingest._from_message

    async def fails(transaction: object, place: object, item: events.DecryptedMessage) -> MessageSent:
        if item.content["body"] == "bad":
            raise RuntimeError("a bug")
        return await original(transaction, place, item)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest.ingest, "_from_message", fails)
    inbox_events = await ingest.take(
        message(text_content("one"), event_id="$a"),
        message(text_content("bad"), event_id="$b"),
        message(text_content("two"), event_id="$c"),
    )
    said = [event for owner, event in inbox_events if owner == ingest.thread]
    assert [event.body if isinstance(event, MessageSent) else event for event in said] == [
        "one",
        MessageIgnored(place="thread", sender=ADA, event_id="$b", reason=IgnoreReason.UNREADABLE),
        "two",
    ]
    assert len(incidents(inbox_events)) == 1
    assert await letters(ingest) == [(ingest.thread, UNHANDLED, b"")]
    indexed = await ingest.harness.database.fetch("SELECT event_id FROM event ORDER BY n")
    assert [row["event_id"] for row in indexed] == ["$a", "$b", "$c"]


@pytest.mark.parametrize(
    ("room", "has_raw"),
    [(WARM_ROOM, False), ("!erased", False), (THREAD_ROOM, True), (DESK_ROOM, True), ("", True)],
    ids=["without an owner", "forgotten", "thread", "desk", "no room"],
)
async def test_of_a_room_that_is_being_erased_no_event_is_kept(ingest: IngestHarness, room: str, has_raw: bool) -> None:
    """Under the desk's key its ids and ciphertext would outlive the room; the failure itself is recorded."""
    unhandled = events.UnhandledEvent(room_id=room, event_id="$a", sender=ADA, encrypted=True, at=0, raw='{"type":"x"}')
    database = ingest.harness.database
    await database.commit(lambda transaction: ingest.ingest.record_dead_letter(transaction, unhandled))
    [(owner, kind, body)] = await letters(ingest)
    assert (owner, kind) == (ingest.thread if room == THREAD_ROOM else DESK, UNHANDLED)
    assert bool(body) is has_raw


async def test_a_full_disk_is_no_fault_of_an_event(ingest: IngestHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be tried again fails the whole commit, so that nothing is lost."""

    async def full(*_args: object) -> MessageSent:
        raise Unavailable("SQLITE_FULL")

    monkeypatch.setattr(ingest.ingest, "_from_message", full)
    with pytest.raises(Unavailable):
        await ingest.take(message(text_content("one")))
    assert await letters(ingest) == []


async def test_a_series_is_told_once_and_bounded(ingest: IngestHarness) -> None:
    """Whoever may write can cause as many as they like: one alert, until none came for a day, and so many are kept."""
    database, vault, now = ingest.harness.database, ingest.harness.vault, ingest.harness.clock.at

    async def record(at: float) -> bool:
        return await database.commit(
            lambda transaction: dead_letters.record_unhandled(
                transaction, vault, DESK, UNHANDLED, now=at, raw='{"type":"x"}'
            )
        )

    assert [await record(now), await record(now + SERIES_SECONDS - 1)] == [True, False]
    assert await record(now + 2 * SERIES_SECONDS - 2) is False
    assert await record(now + 3 * SERIES_SECONDS) is True
    for _ in range(MAX_UNHANDLED):
        await record(now + 3 * SERIES_SECONDS)
    rows = await letters(ingest)
    assert len(rows) == MAX_UNHANDLED
    assert await vault.open(DESK, inbox.CONTEXT, rows[0][2]) == b'{"type":"x"}'


@pytest.mark.parametrize(
    ("room", "designation"), [(THREAD_ROOM, "amber heron"), (DESK_ROOM, ""), (WARM_ROOM, None), ("!unknown", None)]
)
async def test_a_gap_that_was_cut_is_told_at_the_desk(ingest: IngestHarness, room: str, designation: str | None) -> None:
    """The desk hears in which room words may not have been taken; a room in which nobody writes is nobody's concern."""
    query = "UPDATE thread SET designation = 'amber heron' WHERE id = $1"
    await ingest.harness.database.commit(lambda transaction: transaction.execute(query, ingest.thread))
    incidents_told = await ingest.take(events.GapTruncated(room_id=room))
    expected = [] if designation is None else [HomeserverIncident(kind=HomeserverIncidentKind.GAP, designation=designation)]
    assert incidents_told == [(DESK, incident) for incident in expected]
