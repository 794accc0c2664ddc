"""What has come to the end of its time goes, and nothing before that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from bot.model.actions import DESK, OFFICE
from bot.model.events import MemberJoined, MessageRead, MessageSent
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import Suppress, SuppressionReason
from bridge.erasure import expiry
from bridge.matrix.api.http_client import Permanent, Transient
from bridge.matrix.api.module_api import ModuleNotLoaded
from bridge.runtime.priority_gate import MAX_BACKGROUND
from bridge.storage.database import Transaction
from bridge.storage.errors import Corrupt
from bridge.tables import (
    carrier_copies,
    clock_trust,
    room_events,
)
from bridge.tables.sent_texts import ID_RETENTION
from tests.fakes.erasure_harness import ADA, ROOM, SOL, ErasureHarness

DAY = 86_400


async def expiring(erasure: ErasureHarness) -> set[str]:
    """Return the events that have a time."""
    return {
        row["event_id"]
        for row in await erasure.harness.database.fetch("SELECT event_id FROM event WHERE expires IS NOT NULL")
    }


async def held(erasure: ErasureHarness) -> str:
    """Return a thread whose assignee is Ada."""
    owner = await erasure.create_thread_room(events=0, uploads=0)
    await erasure.harness.database.commit(lambda transaction: transaction.execute("DELETE FROM event"))
    await erasure.harness.deliver(owner, Assigned(assignee=ADA), MemberJoined(place="thread", user=ADA))
    await erasure.harness.wait_until_drained()
    return owner


async def test_what_nobody_saw_never_goes(erasure: ErasureHarness) -> None:
    """Texts that the assignee has not seen have no time, whoever else reads or speaks, however long it takes."""
    owner = await held(erasure)
    await erasure.add_event(owner, "$text", ref="in:a:0")
    await erasure.harness.deliver(owner, MessageRead(place="thread", user=SOL, event_id="$text"))
    await erasure.harness.wait_until_drained()
    assert await expiring(erasure) == set()
    erasure.harness.clock.at += 400 * DAY
    assert await erasure.expiry.run_once() > 0
    assert erasure.rooms.events["$text"]


@pytest.mark.practice(17)
async def test_what_the_assignee_saw_goes_after_its_lifetime(erasure: ErasureHarness) -> None:
    """The assignee's read receipt gives everything up to that event its time.

    What came after it has none; the card stays.
    """
    owner = await held(erasure)
    await erasure.add_event(owner, "$card", ref="card")
    for name in ("$one", "$two", "$three"):
        erasure.harness.clock.at += 1
        await erasure.add_event(owner, name, ref=f"in:{name}:0")
    await erasure.harness.deliver(owner, MessageRead(place="thread", user=ADA, event_id="$two"))
    await erasure.harness.wait_until_drained()
    assert await expiring(erasure) == {"$one", "$two"}
    erasure.harness.clock.at += DAY - 1
    await erasure.expiry.run_once()
    assert erasure.rooms.events["$one"]
    erasure.harness.clock.at += 1
    await erasure.expiry.run_once()
    said = {name for name, says in erasure.rooms.events.items() if says}
    assert said == {"$card", "$three"}
    assert await erasure.harness.count("event") == 2


async def test_words_that_came_just_before_an_answer_are_not_called_seen(erasure: ErasureHarness) -> None:
    """The assignee's next message says that it has seen what was there, but for the last two seconds before it."""
    owner = await held(erasure)
    now = int(erasure.harness.clock.at * 1000)
    await erasure.add_event(owner, "$old", at=now - 2000)
    await erasure.add_event(owner, "$new", at=now - 1999)
    await erasure.add_event(owner, "$mine", at=now)
    await erasure.send_message(owner, "an answer", sender=ADA, event_id="$mine")
    assert await expiring(erasure) == {"$old", "$mine"}


async def test_an_event_noted_late_is_not_seen_because_it_is_old(erasure: ErasureHarness) -> None:
    """A clock that was set back does not make unseen words look seen: order and time must both say so."""
    owner = await held(erasure)
    now = int(erasure.harness.clock.at * 1000)
    await erasure.add_event(owner, "$read", at=now)
    await erasure.add_event(owner, "$after", at=now - 3_600_000)
    await erasure.harness.deliver(owner, MessageRead(place="thread", user=ADA, event_id="$read"))
    await erasure.harness.wait_until_drained()
    assert await expiring(erasure) == {"$read"}


async def test_a_doubted_clock_lets_nothing_go(erasure: ErasureHarness) -> None:
    """After a jump neither an event nor a parked room goes by its age, until a supervisor says `!time ok` at the desk."""
    owner = await held(erasure)
    await erasure.add_event(owner, "$text")
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = 1"))
    await erasure.harness.database.commit(clock_trust.distrust)
    assert await erasure.expiry.run_once() > 0
    assert erasure.rooms.events["$text"]
    for sender, heard in ((ADA, False), (SOL, True)):
        said = MessageSent(place=DESK, sender=sender, event_id=f"$t{sender}", body="!time ok", at=erasure.harness.clock.at)
        await erasure.harness.deliver(DESK, said)
        await erasure.harness.wait_until_drained()
        assert await clock_trust.is_distrusted(erasure.harness.database) is not heard
    await erasure.expiry.run_once()
    assert not erasure.rooms.events["$text"]


async def test_one_that_cannot_be_redacted_holds_up_no_other(erasure: ErasureHarness) -> None:
    """An event that the homeserver refuses to redact is told to the desk and tried again later; the others go."""
    owner = await held(erasure)
    for name in ("$one", "$two"):
        await erasure.add_event(owner, name)
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = 1"))
    erasure.rooms.faults.extend(
        [Permanent(403, "M_FORBIDDEN"), Permanent(403, "M_FORBIDDEN"), Permanent(403, "M_FORBIDDEN")]
    )
    await erasure.expiry.run_once()
    assert [what.split()[0] for what in erasure.harness.alerts] == ["message"]
    assert [name for name, says in erasure.rooms.events.items() if says] == ["$one"]


async def test_what_is_remembered_until_a_time_is_forgotten_after_it(erasure: ErasureHarness) -> None:
    """Carriers' ids, early reports and taps, and receipts go when their own time is over, and not before; none in doubt."""
    database, now = erasure.harness.database, int(erasure.harness.clock.at)
    await erasure.harness.receive_text("words", message_id="id1")
    await erasure.harness.wait_until_drained()
    query = "INSERT INTO erasure_certificate (id, body, signature, until) VALUES ($1, '', $2, $3)"
    await database.commit(lambda transaction: transaction.execute(query, "old", b"", now + ID_RETENTION + 1))
    tables = ("seen", "erasure_certificate")
    for later, is_kept in ((ID_RETENTION, True), (ID_RETENTION + 2, False)):
        erasure.harness.clock.at = now + later
        await database.commit(clock_trust.distrust)
        await erasure.expiry.run_once()
        assert all([await erasure.harness.count(table) for table in tables])
        await database.commit(clock_trust.trust)
        await erasure.expiry.run_once()
        erasure.expiry._last_pruning = 0.0
        assert all([await erasure.harness.count(table) for table in tables]) is is_kept


async def test_a_superseded_edit_goes_and_the_newest_stays(erasure: ErasureHarness) -> None:
    """Of a board or a card the newest edit stays; the one before gets its time when another takes its place."""
    await erasure.create_thread_room(events=0)

    async def edit(event_id: str) -> None:
        now = erasure.harness.clock.now()
        await erasure.harness.database.commit(
            lambda transaction: room_events.record_ours(
                transaction,
                event_id=event_id,
                room_id=ROOM,
                owner=DESK,
                place=DESK,
                ref="edit:board",
                at=0,
                now=now,
                lifetime=DAY,
            )
        )

    await edit("$e1")
    assert await expiring(erasure) == set()
    await edit("$e2")
    assert await expiring(erasure) == {"$e1"}


@pytest.mark.sqlite_only
async def test_what_is_due_is_found_by_an_index(erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are of which none is due, looking reads none of them."""
    database = erasure.harness.database
    with noted(database, monkeypatch) as queries:
        await room_events.due_events(database, 0, 48)
        await erasure.harness.timers.fire_due()
    assert len(queries) >= 3
    for query, args in queries:
        assert await scanned(database, query, args) == set(), query


@pytest.mark.sqlite_only
async def test_copies_are_found_by_an_index(erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of a flood are due in a day: looking for others, and at one of them, goes through no copy and no thread."""
    database = erasure.harness.database
    with noted(database, monkeypatch) as queries:
        for distrusted in (False, True):
            await carrier_copies.due_copies(database, 0, 48, clock_distrusted=distrusted)
        await carrier_copies.may_delete(database, 1)
    assert len(queries) == 3
    for query, args in queries:
        # What is left: ends that wait, and results of copies whose owner nobody knows, once for all of those.
        assert await scanned(database, query, args) <= {"x", "r"}, query


@contextmanager
def noted(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Note what a database is asked."""
    queries = list[tuple[str, tuple[Any, ...]]]()

    async def noting(ask: Callable[..., Awaitable[Any]], query: str, *args: Any) -> Any:
        queries.append((query, args))
        return await ask(query, *args)

    with monkeypatch.context() as patched:
        # `fetchrow` and `fetchval` ask by it.
        patched.setattr(database, "fetch", partial(noting, database.fetch))
        yield queries


async def scanned(database: Any, query: str, args: tuple[Any, ...]) -> set[str]:
    """Return the tables, as the query calls them, that it goes through from one end to the other."""
    steps = [row["detail"].split() for row in await database.fetch(f"EXPLAIN QUERY PLAN {query}", *args)]
    return {step[1] for step in steps if step[0] == "SCAN"}


async def test_what_was_redacted_and_can_still_be_read_is_not_gone(erasure: ErasureHarness) -> None:
    """A homeserver that says yes to a redaction and does not do it: the event stays on the index, and the desk hears."""
    owner = await held(erasure)
    for name in ("$gone", "$stays"):
        await erasure.add_event(owner, name)
    erasure.rooms.unredactable.add("$stays")
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = 1"))
    await erasure.expiry.run_once()
    assert [row["event_id"] for row in await erasure.harness.database.fetch("SELECT event_id FROM event")] == ["$stays"]
    assert erasure.harness.alerts == ["message still_readable"]
    erasure.rooms.unredactable.clear()
    await erasure.expiry.run_once()
    assert await erasure.harness.count("event") == 1, "not before its time"
    erasure.harness.clock.at += 3600
    await erasure.expiry.run_once()
    assert (await erasure.harness.count("event"), erasure.rooms.events["$stays"]) == (0, "")
    assert len(set(erasure.rooms.txns)) == len(erasure.rooms.txns), "the homeserver takes no transaction twice"


async def test_what_is_swept_is_overwritten_at_once(erasure: ErasureHarness) -> None:
    """Each room of which something was redacted is overwritten; a homeserver that cannot keeps nothing from going."""
    owner = await held(erasure)
    await erasure.add_event(owner, "$one")
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = 1"))
    await erasure.expiry.run_once()
    assert erasure.rooms.requests == ["redact", "event", "censor"]
    await erasure.add_event(owner, "$two")
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = 1"))
    erasure.rooms.uncensored = ModuleNotLoaded(404)
    await erasure.expiry.run_once()
    assert await erasure.harness.count("event") == 0


async def test_nothing_is_sealed_again_while_no_key_can_be_destroyed(
    erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try would leave one more key; sessions are pruned all the same."""
    done = note_key_work(monkeypatch, damaged="destroy_passing_keys")
    for _ in range(2):
        with pytest.raises(Corrupt):
            await erasure.expiry.run_once()
    assert done == ["destroy_passing_keys", "prune_ratchets"] * 2


def note_key_work(monkeypatch: pytest.MonkeyPatch, *, damaged: str = "") -> list[str]:
    """Replace what the cleaning does with keys and sessions; return the list of what it did. `damaged`: what fails."""
    done: list[str] = []

    async def work(*_arguments: object, name: str, **_more: object) -> None:
        done.append(name)
        if name == damaged:
            raise Corrupt("page")

    for name in ("destroy_passing_keys", "prune_ratchets", "seal_again"):
        monkeypatch.setattr(expiry, name, partial(work, name=name))
    return done


async def test_a_hold_stops_expiry_in_its_middle(erasure: ErasureHarness) -> None:
    """A hold that is set while the first of twenty events is being redacted keeps those that are not under way."""
    owner = await held(erasure)
    for number in range(20):
        await erasure.add_event(owner, f"$x{number}")
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = 1"))
    erasure.rooms.on_redact = lambda: erasure.harness.set_legal_hold(owner, on=True)
    await erasure.expiry.run_once()
    erasure.rooms.on_redact = None
    remaining = sum(bool(says) for says in erasure.rooms.events.values())
    assert remaining >= 20 - MAX_BACKGROUND, "no more than the requests under way"
    assert await erasure.harness.count("event") == remaining
    assert erasure.harness.alerts == []
    assert await erasure.expiry.run_once() > 0
    await erasure.harness.set_legal_hold(owner, on=False)
    await erasure.expiry.run_once()
    assert not any(erasure.rooms.events.values())


async def test_what_offices_say_of_a_held_thread_stays(erasure: ErasureHarness) -> None:
    """A notice in a person's office about a thread on hold does not go by its age; after the release it does."""
    owner = await held(erasure)
    now = erasure.harness.clock.at

    async def commit(transaction: Transaction) -> None:
        query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!off', 'office', $1, 'room:!off')"
        await transaction.execute(query, ADA)
        await room_events.record(
            transaction, event_id="$o", room_id="!off", owner=owner, place=OFFICE + ADA, at=0, now=now, lifetime=60
        )

    await erasure.harness.database.commit(commit)
    await erasure.harness.set_legal_hold(owner, on=True)
    assert await room_events.due_events(erasure.harness.database, now + 61, 48) == []
    await erasure.harness.set_legal_hold(owner, on=False)
    assert [event.event_id for event in await room_events.due_events(erasure.harness.database, now + 61, 48)] == ["$o"]


async def test_entries_and_dead_letters_end_by_themselves(erasure: ErasureHarness) -> None:
    """A STOP entry goes when its time is over, a dead letter of the desk after a week; a thread's stays with its thread."""
    database, now = erasure.harness.database, int(erasure.harness.clock.at)
    owner = await held(erasure)

    async def commit(transaction: Transaction) -> None:
        stop = Suppress(reason=SuppressionReason.STOP, until=now + 100)
        await erasure.harness.suppression.write(transaction, b"h" * 32, stop, now=now)
        for short_id, whose in (("d", DESK), ("t", owner)):
            query = "INSERT INTO dead_letter (short_id, owner, kind, body, at) VALUES ($1, $2, 'MessageSent', $3, $4)"
            await transaction.execute(query, short_id, whose, b"sealed", now)

    await database.commit(commit)
    for later, entries, inbox_rows in ((90, 1, {"d", "t"}), (7 * DAY + 1, 0, {"t"})):
        erasure.harness.clock.at = now + later
        erasure.expiry._last_pruning = 0.0
        await erasure.expiry.run_once()
        assert await erasure.harness.count("suppression") == entries
        assert {row["short_id"] for row in await database.fetch("SELECT short_id FROM dead_letter")} == inbox_rows


async def in_three_rooms(erasure: ErasureHarness) -> None:
    """Have three events in each of three offices, noted in turns, all of them over."""
    now = erasure.harness.clock.at

    async def commit(transaction: Transaction) -> None:
        for n in range(9):
            room = f"!{n % 3}"
            query = """INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, 'office', $2, $3)
                       ON CONFLICT DO NOTHING"""
            await transaction.execute(query, room, f"@{room}:x", f"room:{room}")
            await room_events.record(
                transaction, event_id=f"${n}", room_id=room, owner=ADA, place=OFFICE + ADA, at=0, now=now - 61, lifetime=60
            )
            erasure.rooms.events[f"${n}"] = "words"

    await erasure.harness.database.commit(commit)


async def test_what_is_over_goes_room_by_room(erasure: ErasureHarness) -> None:
    """In whatever order events were noted, a room is overwritten once; while something went, there may be more."""
    await in_three_rooms(erasure)
    assert await erasure.expiry.run_once() == 0
    assert not any(erasure.rooms.events.values())
    assert erasure.rooms.requests.count("censor") == 3
    assert await erasure.harness.count("event") == 0
    assert await erasure.expiry.run_once() > 0


async def test_a_room_that_cannot_be_reached_keeps_no_other(erasure: ErasureHarness) -> None:
    """An answer that fails leaves that room's events for another look, some seconds later; the other rooms go."""
    await in_three_rooms(erasure)
    erasure.rooms.faults.append(Transient(503, "M_UNKNOWN"))
    assert await erasure.expiry.run_once() > 0
    assert await erasure.harness.count("event") == 3
    request_count = len(erasure.rooms.requests)
    await erasure.expiry.run_once()
    assert len(erasure.rooms.requests) == request_count, "not before its time"
    erasure.harness.clock.at += 5
    await erasure.expiry.run_once()
    assert await erasure.harness.count("event") == 0
    assert not any(erasure.rooms.events.values())
