"""The way down of what is over: every step once, in order, and nothing signed that was not looked for."""

from __future__ import annotations

import json

import pytest

from bot.model.events import TimerDue
from bot.model.thread import State
from bridge.engine import transactional_actions
from bridge.erasure.certificate import Receipt
from bridge.erasure.job_runner import HEARD
from bridge.matrix.api.module_api import Away, Missing, Refused
from bridge.matrix.room_client import Permanent, Transient
from bridge.tables.leftovers import OF_PERSON, OF_ROOM
from tests.fakes.nerves import HANDSET
from tests.fakes.paper_rooms import ROOM, WayDown

GRACE, CLIENTS = 72 * 3600.0, 7 * 86_400.0
PERSON_STEPS = ("key", "copies", "person", "flush")
STEPS = ("redact", "empty", "censor", "uploads", "destroy", "purge", "look", "forget", "sign", *PERSON_STEPS)


@pytest.mark.practice(16, 17)
async def test_closed_now_everything_goes_and_the_receipts_say_so(way: WayDown) -> None:
    """`!close now`: room, people, uploads, keys, number, rows and the carrier's copies go, and were looked for."""
    owner = await way.furnish(events=120, uploads=2)
    number_of_texts = len(way.nerves.paper.sent) + 1
    await way.say(owner, "!close now")
    assert await way.nerves.store.fetchrow("SELECT id FROM thread") is None
    began = way.nerves.clock.at
    await way.down()
    assert way.nerves.clock.at - began <= 60

    rooms = way.rooms
    assert (rooms.present, rooms.members, rooms.media) == (False, set(), set())
    assert not any(rooms.events.values())
    assert rooms.asked.index("empty") > max(n for n, asked in enumerate(rooms.asked) if asked == "redact")
    assert rooms.asked.index("purge") > rooms.asked.index("censor") > rooms.asked.index("empty")
    assert way.keys_gone == [ROOM]
    assert await way.nerves.vault.owners() == {"desk", "copies"}
    for table, _ in {*OF_ROOM, *OF_PERSON} - {("timer", "owner"), ("event", "owner")}:
        assert await way.nerves.count(table) == 0, table
    conversation, person = await way.receipts()
    assert conversation["gone"] == {"events": 120, "keys": 1, "rooms": 1, "uploads": 2}
    assert person["carrier"] == {"copies deleted, confirmed": number_of_texts}
    assert person["gone"] == {"keys": 1, "people": 1}


@pytest.mark.practice(16, 17)
async def test_a_close_leaves_number_and_flags_for_the_grace_and_the_room_for_its_clients(way: WayDown) -> None:
    """Parked: content goes at once, the room after `client_grace`, number and flags after `grace`; each has its receipt."""
    owner = await way.furnish()
    await way.say(owner, "!close")
    assert (await way.nerves.thread(owner)).life.closes
    await _pass(way, owner, 600, "close")
    thread = await way.nerves.thread(owner)
    assert (thread.life.state, thread.designation) == (State.PARKED, "")
    (row,) = await way.nerves.store.fetch("SELECT room_id, designation, phone FROM thread WHERE id = $1", owner)
    assert (row["room_id"], row["designation"]) == (None, "")
    await way.go_on()
    assert not any(way.rooms.events.values())
    assert (way.rooms.members, way.rooms.present) == (set(), True)
    assert not await way.nerves.vault.has(f"room:{ROOM}")
    assert await way.nerves.vault.has(owner)
    assert await way.receipts() == []

    await _pass(way, owner, GRACE, "end")
    assert await way.nerves.store.fetchval("SELECT COUNT(*) FROM thread") == 0
    assert await way.nerves.store.fetchval("SELECT COUNT(*) FROM erasure WHERE thread <> ''") == 0
    await way.go_on()
    assert [told["what"] for told in await way.receipts()] == ["person"]
    assert way.rooms.present
    way.nerves.clock.at += CLIENTS
    await way.down()
    assert [told["what"] for told in await way.receipts()] == ["conversation", "person"]


@pytest.mark.parametrize(
    "fault",
    [
        Transient(503, "", 1.0),
        Transient(0, ""),
        Away(503, "QUIETLINE_BUSY"),
        Missing(404),
        Refused(403, "X"),
        Permanent(403, "M"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_whatever_the_homeserver_answers_it_is_tried_again(way: WayDown, fault: Exception) -> None:
    """A refusal, a silence or a broken connection at any question costs time only, and is not taken for gone."""
    owner = await way.furnish(uploads=0)
    await way.say(owner, "!close now")
    for _ in range(40):
        # Every other question fails.
        way.rooms.faults.append(fault)
        await way.erasure.once()
        way.rooms.faults.clear()
        way.nerves.clock.at += 31
        await way.nerves.copies.once()
        await way.erasure.once()
        way.nerves.clock.at += 31
    assert [told["what"] for told in await way.receipts()] == ["conversation", "person"]
    assert not way.rooms.present


async def test_what_stays_is_told_to_the_desk_and_nothing_is_signed(way: WayDown) -> None:
    """A message that the homeserver redacts and still shows keeps the room from being called erased, and is an alert."""
    owner = await way.furnish()
    way.rooms.stubborn.add("$e1")
    await way.say(owner, "!close now")
    for _ in range(60):
        await way.erasure.once()
        await way.nerves.copies.once()
        way.nerves.clock.at += 300
    assert [told["what"] for told in await way.receipts()] == ["person"]
    assert "empty" not in way.rooms.asked
    assert any("can still be read" in what for what in way.nerves.alarms)
    way.rooms.stubborn.clear()
    await way.down()
    assert [told["what"] for told in await way.receipts()] == ["conversation", "person"]


async def test_what_is_not_on_the_index_is_found_before_people_are_removed(way: WayDown) -> None:
    """Words that reached the room without being noted are redacted too, before and after people are removed."""
    owner = await way.furnish()
    way.rooms.events["$unnoted"] = "words"
    await way.say(owner, "!close now")
    while await way.nerves.store.fetchval("SELECT step FROM erasure WHERE kind = 'room'") != "purge":
        way.nerves.clock.at += await way.erasure.once()
    assert not way.rooms.events["$unnoted"]
    way.rooms.events["$late"] = "words"
    await way.down()
    assert not any(way.rooms.events.values())
    told = (await way.receipts())[0]
    assert told["gone"]["events"] == 5


@pytest.mark.practice(16)
async def test_who_is_in_the_room_hears_of_the_redactions_before_they_are_removed(way: WayDown) -> None:
    """Between the last redaction and the removal clients have a moment, also over a new start: who is out hears no more."""
    owner = await way.furnish()
    await way.say(owner, "!close now")
    while any(way.rooms.events.values()):
        await way.erasure.once()
    for _ in range(10):
        await way.erasure.once()
    assert way.rooms.members
    way.nerves.clock.at += HEARD - 0.1
    again = WayDown(way.nerves, way.rooms)
    await again.erasure.once()
    assert way.rooms.members
    way.nerves.clock.at += 0.1
    await again.erasure.once()
    assert not way.rooms.members


async def test_a_hold_stops_before_the_next_step_and_release_goes_on(way: WayDown) -> None:
    """Held while its room is on its way down: no further step, however long; released: to the end."""
    owner = await way.furnish()
    await way.say(owner, "!close")
    await _pass(way, owner, 600, "close")
    await way.erasure.once()
    assert await transactional_actions.hold(way.nerves.store, owner)
    asked = len(way.rooms.asked)
    for _ in range(20):
        await way.erasure.once()
        way.nerves.clock.at += CLIENTS
    assert len(way.rooms.asked) == asked
    await _pass(way, owner, GRACE, "end")
    assert await way.nerves.vault.has(owner), "a hold keeps what still exists"
    assert await transactional_actions.release(way.nerves.store, owner)
    await _pass(way, owner, 2 * 3600, "end")
    await way.down()
    assert len(await way.receipts()) == 2


async def test_a_hold_keeps_a_thread_from_being_closed(way: WayDown) -> None:
    """A held thread is neither closed now, nor parked when its time comes, nor do its messages expire."""
    owner = await way.furnish()
    await transactional_actions.hold(way.nerves.store, owner)
    await way.say(owner, "!close now")
    await way.say(owner, "!close", sender="@sol:x", event_id="$c2")
    await _pass(way, owner, 600, "close")
    assert (await way.nerves.thread(owner)).life.state is not State.PARKED
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = 1"))
    assert await way.sweep.once() is False
    assert all(way.rooms.events.values())
    await transactional_actions.release(way.nerves.store, owner)
    await way.sweep.once()
    assert not any(way.rooms.events.values())


async def test_a_text_to_a_parked_thread_begins_a_new_conversation(way: WayDown) -> None:
    """While the old room is on its way down a text gets a new designation and no room of the old; nothing is lost."""
    owner = await way.furnish()
    await way.say(owner, "!close")
    before = (await way.nerves.thread(owner)).designation
    await _pass(way, owner, 600, "close")
    again = await way.nerves.arrive("it is me", message_id="again")
    await way.nerves.at_rest()
    assert again == owner
    thread = await way.nerves.thread(owner)
    assert thread.life.state is State.WAITING
    assert thread.designation not in ("", before)
    (row,) = await way.nerves.store.fetch("SELECT room_id, designation FROM thread WHERE id = $1", owner)
    assert (row["room_id"], row["designation"]) == (None, thread.designation)
    assert way.nerves.posts(owner)[-1] == "it is me"
    way.nerves.clock.at += CLIENTS
    await way.down()
    assert await way.nerves.store.fetchval("SELECT COUNT(*) FROM thread") == 1
    assert await way.nerves.vault.has(owner)


async def test_a_text_while_a_thread_ends_is_another_ones(way: WayDown) -> None:
    """A texter whose thread ends between look-up and commit is taken in as a stranger, with every word."""
    owner = await way.furnish()
    keep = way.nerves.webhook._keep
    ended: list[str] = []

    async def ends_first(text: object, known: str | None, phone_hash: bytes) -> None:
        if known is not None and not ended:
            ended.append(known)
            await way.say(owner, "!close now")
            while await way.nerves.store.fetchval("SELECT COUNT(*) FROM erasure WHERE step = 'key'"):
                await way.erasure.once()
        await keep(text, known, phone_hash)  # type: ignore[arg-type]

    way.nerves.webhook._keep = ends_first  # type: ignore[method-assign]
    other = await way.nerves.arrive("do not lose me", message_id="late", sender=HANDSET)
    await way.nerves.at_rest()
    assert other != owner
    assert way.nerves.posts(other) == ["do not lose me"]


async def test_a_receipt_cannot_be_altered(way: WayDown) -> None:
    """A receipt whose words, or whose id, somebody changed does not hold; its times are hours and it names nobody."""
    owner = await way.furnish()
    await way.say(owner, "!close now")
    await way.down()
    (row,) = await way.nerves.store.fetch("SELECT id, body, signature FROM receipt WHERE body LIKE '%conversation%'")
    assert ROOM not in row["body"]
    assert owner not in row["body"]
    told = json.loads(row["body"])
    assert [len(told["began"]), len(told["done"])] == [14, 14]
    good = Receipt(id=row["id"], body=row["body"], signature=row["signature"])
    assert way.signer.holds(good)
    assert not way.signer.holds(Receipt(id="0" * 16, body=good.body, signature=good.signature))
    assert not way.signer.holds(
        Receipt(id=good.id, body=good.body.replace('"events":3', '"events":4'), signature=good.signature)
    )


async def _pass(way: WayDown, owner: str, seconds: float, key: str) -> None:
    """Let time pass, and that timer be due."""
    way.nerves.clock.at += seconds
    await way.nerves.store.commit(lambda conn: conn.execute("DELETE FROM timer WHERE owner = $1 AND key = $2", owner, key))
    await way.nerves.tell(owner, TimerDue(key=key))
    await way.nerves.at_rest()


async def test_an_order_does_not_wait_behind_what_is_over_by_itself(way: WayDown) -> None:
    """With ten rooms on their way down since earlier, what a supervisor closed now goes first."""
    owner = await way.furnish()
    query = """INSERT INTO erasure (id, kind, subject, thread, step, due, patience, began)
               VALUES ($1, 'room', $1, '', 'redact', $2, $3, 0)"""
    for number in range(10):
        values = (f"!old{number}", way.nerves.clock.at - 60, CLIENTS)
        await way.nerves.store.commit(lambda conn, values=values: conn.execute(query, *values))  # type: ignore[misc]
    await way.say(owner, "!close now")
    while await way.nerves.store.fetchval("SELECT step FROM erasure WHERE subject = $1", ROOM) != "empty":
        assert await way.nerves.store.fetchval("SELECT COUNT(*) FROM erasure WHERE id = subject AND tries = 0") == 10
        await way.erasure.once()


@pytest.mark.parametrize("step", STEPS)
async def test_a_text_during_any_step_is_not_lost(way: WayDown, step: str) -> None:
    """Whatever is being done with what is over: a text has a conversation of its own, and the old still goes."""
    owner = await way.furnish()
    ends = step in PERSON_STEPS
    if ends:
        await way.say(owner, "!close now")
    else:
        await way.say(owner, "!close")
        await _pass(way, owner, 600, "close")
    query = "SELECT step FROM erasure WHERE kind = $1"
    for _ in range(60):
        if await way.nerves.store.fetchval(query, "person" if ends else "room") == step:
            break
        await way.nerves.copies.once()
        way.nerves.clock.at += await way.erasure.once()
    else:
        raise AssertionError("it never came to this step")
    other = await way.nerves.arrive("do not lose me", message_id="late", sender="+12065550199")
    await way.nerves.at_rest()
    assert (other == owner) is not ends
    assert way.nerves.posts(other)[-1] == "do not lose me"
    assert (await way.nerves.thread(other)).life.state is State.WAITING
    way.nerves.clock.at += CLIENTS
    await way.down()
    assert not way.rooms.present
    assert way.nerves.posts(other)[-1] == "do not lose me"
    assert await way.nerves.vault.has(other)
