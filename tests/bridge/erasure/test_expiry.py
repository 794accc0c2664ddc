"""What has come to the end of its time goes, and nothing before that."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.actions import DESK, OFFICE
from bot.model.events import Joined, Read, Said
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import Muted, Suppress
from bridge.engine import transactional_actions
from bridge.matrix.api.module_api import Missing
from bridge.matrix.room_client import Permanent, Transient
from bridge.outbound.sms_sender import HORIZON
from bridge.runtime.priority_gate import AT_ONCE
from bridge.storage.database import Connection
from bridge.tables import clock_trust, room_events
from bridge.tables.suppression import keep as suppress
from tests.fakes.paper_rooms import ADA, ROOM, SOL, WayDown

DAY = 86_400


async def expiring(way: WayDown) -> set[str]:
    """Return the events that have a time."""
    return {row["event_id"] for row in await way.nerves.store.fetch("SELECT event_id FROM event WHERE expires IS NOT NULL")}


async def held(way: WayDown) -> str:
    """Return a thread whose voice is Ada."""
    owner = await way.furnish(events=0, uploads=0)
    await way.nerves.store.commit(lambda conn: conn.execute("DELETE FROM event"))
    await way.nerves.tell(owner, Assigned(voice=ADA), Joined(place="thread", user=ADA))
    await way.nerves.at_rest()
    return owner


async def test_what_nobody_saw_never_goes(way: WayDown) -> None:
    """Texts that the voice has not seen have no time, whoever else reads or speaks, however long it takes."""
    owner = await held(way)
    await way.event(owner, "$text", ref="in:a:0")
    await way.nerves.tell(owner, Read(place="thread", user=SOL, event_id="$text"))
    await way.nerves.at_rest()
    assert await expiring(way) == set()
    way.nerves.clock.at += 400 * DAY
    assert await way.sweep.once() is False
    assert way.rooms.events["$text"]


@pytest.mark.practice(17)
async def test_what_the_voice_saw_goes_after_its_lifetime(way: WayDown) -> None:
    """The voice's read receipt gives everything up to that event its time; what came after it has none; the card stays."""
    owner = await held(way)
    await way.event(owner, "$card", ref="card")
    for name in ("$one", "$two", "$three"):
        way.nerves.clock.at += 1
        await way.event(owner, name, ref=f"in:{name}:0")
    await way.nerves.tell(owner, Read(place="thread", user=ADA, event_id="$two"))
    await way.nerves.at_rest()
    assert await expiring(way) == {"$one", "$two"}
    way.nerves.clock.at += DAY - 1
    await way.sweep.once()
    assert way.rooms.events["$one"]
    way.nerves.clock.at += 1
    await way.sweep.once()
    said = {name for name, says in way.rooms.events.items() if says}
    assert said == {"$card", "$three"}
    assert await way.nerves.count("event") == 2


async def test_words_that_came_just_before_an_answer_are_not_called_seen(way: WayDown) -> None:
    """The voice's next message says that it has seen what was there, but for the last two seconds before it."""
    owner = await held(way)
    now = int(way.nerves.clock.at * 1000)
    await way.event(owner, "$old", at=now - 2000)
    await way.event(owner, "$new", at=now - 1999)
    await way.event(owner, "$mine", at=now)
    await way.say(owner, "an answer", sender=ADA, event_id="$mine")
    assert await expiring(way) == {"$old", "$mine"}


async def test_an_event_noted_late_is_not_seen_because_it_is_old(way: WayDown) -> None:
    """A clock that was set back does not make unseen words look seen: order and time must both say so."""
    owner = await held(way)
    now = int(way.nerves.clock.at * 1000)
    await way.event(owner, "$read", at=now)
    await way.event(owner, "$after", at=now - 3_600_000)
    await way.nerves.tell(owner, Read(place="thread", user=ADA, event_id="$read"))
    await way.nerves.at_rest()
    assert await expiring(way) == {"$read"}


async def test_a_doubted_clock_lets_nothing_go(way: WayDown) -> None:
    """After a jump neither an event nor a parked room goes by its age, until a supervisor says `!time ok` at the desk."""
    owner = await held(way)
    await way.event(owner, "$text")
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1"))
    await way.nerves.store.commit(clock_trust.doubt)
    assert await way.sweep.once() is False
    assert way.rooms.events["$text"]
    for sender, heard in ((ADA, False), (SOL, True)):
        said = Said(place=DESK, sender=sender, event_id=f"$t{sender}", body="!time ok", at=way.nerves.clock.at)
        await way.nerves.tell(DESK, said)
        await way.nerves.at_rest()
        assert await clock_trust.doubted(way.nerves.store) is not heard
    await way.sweep.once()
    assert not way.rooms.events["$text"]


async def test_one_that_cannot_be_redacted_holds_up_no_other(way: WayDown) -> None:
    """An event that the homeserver refuses to redact is told to the desk and tried again later; the others go."""
    owner = await held(way)
    for name in ("$one", "$two"):
        await way.event(owner, name)
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1"))
    way.rooms.faults.extend([Permanent(403, "M_FORBIDDEN"), Permanent(403, "M_FORBIDDEN"), Permanent(403, "M_FORBIDDEN")])
    await way.sweep.once()
    assert [what.split(" (")[0] for what in way.nerves.alarms] == ["a message whose time has come"]
    assert [name for name, says in way.rooms.events.items() if says] == ["$one"]


async def test_what_is_remembered_until_a_time_is_forgotten_after_it(way: WayDown) -> None:
    """Carriers' ids, early reports and taps, and receipts go when their own time is over, and not before; none in doubt."""
    store, now = way.nerves.store, int(way.nerves.clock.at)
    await way.nerves.arrive("words", message_id="id1")
    await way.nerves.at_rest()
    query = "INSERT INTO receipt (id, body, signature, until) VALUES ($1, '', $2, $3)"
    await store.commit(lambda conn: conn.execute(query, "old", b"", now + HORIZON + 1))
    tables = ("seen", "receipt")
    for later, kept in ((HORIZON, True), (HORIZON + 2, False)):
        way.nerves.clock.at = now + later
        await store.commit(clock_trust.doubt)
        await way.sweep.once()
        assert all([await way.nerves.count(table) for table in tables])
        await store.commit(clock_trust.trust)
        await way.sweep.once()
        way.sweep._pruned = 0.0
        assert all([await way.nerves.count(table) for table in tables]) is kept


async def test_a_superseded_edit_goes_and_the_newest_stays(way: WayDown) -> None:
    """Of a board or a card the newest edit stays; the one before gets its time when another takes its place."""
    await way.furnish(events=0)

    async def edit(event_id: str) -> None:
        now = way.nerves.clock.wall()
        await way.nerves.store.commit(
            lambda conn: room_events.note(
                conn, event_id=event_id, room_id=ROOM, owner=DESK, place=DESK, ref="edit:board", at=0, now=now, lifetime=DAY
            )
        )

    await edit("$e1")
    assert await expiring(way) == set()
    await edit("$e2")
    assert await expiring(way) == {"$e1"}


async def test_what_is_due_is_found_by_an_index(way: WayDown, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are of which none is due, looking reads none of them."""
    store, asked = way.nerves.store, list[tuple[str, tuple[Any, ...]]]()
    fetch = store.fetch

    async def noting(query: str, *args: Any) -> list[Any]:
        asked.append((query, args))
        return await fetch(query, *args)

    monkeypatch.setattr(store, "fetch", noting)
    await room_events.expired(store, 0, 48)
    await way.nerves.timers.tick()
    assert len(asked) >= 3
    for query, args in asked:
        steps = [row["detail"] for row in await store.db.fetch(f"EXPLAIN QUERY PLAN {query}", *args)]
        assert [step for step in steps if step.startswith("SCAN")] == [], query


async def test_what_was_redacted_and_can_still_be_read_is_not_gone(way: WayDown) -> None:
    """A homeserver that says yes to a redaction and does not do it: the event stays on the index, and the desk hears."""
    owner = await held(way)
    for name in ("$gone", "$stays"):
        await way.event(owner, name)
    way.rooms.stubborn.add("$stays")
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1"))
    await way.sweep.once()
    assert [row["event_id"] for row in await way.nerves.store.fetch("SELECT event_id FROM event")] == ["$stays"]
    assert way.nerves.alarms == ["a message whose time has come (it was redacted and can still be read)"]
    way.rooms.stubborn.clear()
    await way.sweep.once()
    assert await way.nerves.count("event") == 1, "not before its time"
    way.nerves.clock.at += 3600
    await way.sweep.once()
    assert (await way.nerves.count("event"), way.rooms.events["$stays"]) == (0, "")
    assert len(set(way.rooms.txns)) == len(way.rooms.txns), "the homeserver takes no transaction twice"


async def test_what_is_swept_is_overwritten_at_once(way: WayDown) -> None:
    """Each room of which something was redacted is overwritten; a homeserver that cannot keeps nothing from going."""
    owner = await held(way)
    await way.event(owner, "$one")
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1"))
    await way.sweep.once()
    assert way.rooms.asked == ["redact", "event", "censor"]
    await way.event(owner, "$two")
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1"))
    way.rooms.uncensored = Missing(404)
    await way.sweep.once()
    assert await way.nerves.count("event") == 0


async def test_a_hold_stops_a_sweep_in_its_middle(way: WayDown) -> None:
    """A hold that is set while the first of twenty events is being redacted keeps those that are not under way."""
    owner = await held(way)
    for number in range(20):
        await way.event(owner, f"$x{number}")
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1"))
    way.rooms.meanwhile = lambda: transactional_actions.hold(way.nerves.store, owner)
    await way.sweep.once()
    way.rooms.meanwhile = None
    kept = sum(bool(says) for says in way.rooms.events.values())
    assert kept >= 20 - AT_ONCE, "no more than the requests under way"
    assert await way.nerves.count("event") == kept
    assert way.nerves.alarms == []
    assert await way.sweep.once() is False
    await transactional_actions.release(way.nerves.store, owner)
    await way.sweep.once()
    assert not any(way.rooms.events.values())


async def test_what_offices_say_of_a_held_thread_stays(way: WayDown) -> None:
    """A notice in somebody's office about a thread on hold does not go by its age; after the release it does."""
    owner = await held(way)
    now = way.nerves.clock.at

    async def commit(conn: Connection) -> None:
        query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!off', 'office', $1, 'room:!off')"
        await conn.execute(query, ADA)
        await room_events.note(
            conn, event_id="$o", room_id="!off", owner=owner, place=OFFICE + ADA, at=0, now=now, lifetime=60
        )

    await way.nerves.store.commit(commit)
    await transactional_actions.hold(way.nerves.store, owner)
    assert await room_events.expired(way.nerves.store, now + 61, 48) == []
    await transactional_actions.release(way.nerves.store, owner)
    assert [row["event_id"] for row in await room_events.expired(way.nerves.store, now + 61, 48)] == ["$o"]


async def test_entries_and_dead_letters_end_by_themselves(way: WayDown) -> None:
    """A STOP entry goes when its time is over, a dead letter of the desk after a week; a thread's stays with its thread."""
    store, now = way.nerves.store, int(way.nerves.clock.at)
    owner = await held(way)

    async def commit(conn: Connection) -> None:
        await suppress(conn, b"h" * 32, Suppress(muted=Muted.STOP, until=now + 100), now=now)
        for short_id, whose in (("d", DESK), ("t", owner)):
            query = "INSERT INTO dead_letter (short_id, owner, kind, body, at) VALUES ($1, $2, 'Said', $3, $4)"
            await conn.execute(query, short_id, whose, b"sealed", now)

    await store.commit(commit)
    for later, entries, letters in ((90, 1, {"d", "t"}), (7 * DAY + 1, 0, {"t"})):
        way.nerves.clock.at = now + later
        way.sweep._pruned = 0.0
        await way.sweep.once()
        assert await way.nerves.count("suppression") == entries
        assert {row["short_id"] for row in await store.fetch("SELECT short_id FROM dead_letter")} == letters


async def in_three_rooms(way: WayDown) -> None:
    """Have three events in each of three offices, noted in turns, all of them over."""
    now = way.nerves.clock.at

    async def commit(conn: Connection) -> None:
        for n in range(9):
            room = f"!{n % 3}"
            query = """INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, 'office', $2, $3)
                       ON CONFLICT DO NOTHING"""
            await conn.execute(query, room, f"@{room}:x", f"room:{room}")
            await room_events.note(
                conn, event_id=f"${n}", room_id=room, owner=ADA, place=OFFICE + ADA, at=0, now=now - 61, lifetime=60
            )
            way.rooms.events[f"${n}"] = "words"

    await way.nerves.store.commit(commit)


async def test_what_is_over_goes_room_by_room(way: WayDown) -> None:
    """In whatever order events were noted, a room is overwritten once; while something went, there may be more."""
    await in_three_rooms(way)
    assert await way.sweep.once() is True
    assert not any(way.rooms.events.values())
    assert way.rooms.asked.count("censor") == 3
    assert await way.nerves.count("event") == 0
    assert await way.sweep.once() is False


async def test_a_room_that_cannot_be_reached_keeps_no_other(way: WayDown) -> None:
    """An answer that fails leaves that room's events for another look, some seconds later; the other rooms go."""
    await in_three_rooms(way)
    way.rooms.faults.append(Transient(503, "M_UNKNOWN"))
    assert await way.sweep.once() is False
    assert await way.nerves.count("event") == 3
    asked = len(way.rooms.asked)
    await way.sweep.once()
    assert len(way.rooms.asked) == asked, "not before its time"
    way.nerves.clock.at += 5
    await way.sweep.once()
    assert await way.nerves.count("event") == 0
    assert not any(way.rooms.events.values())
